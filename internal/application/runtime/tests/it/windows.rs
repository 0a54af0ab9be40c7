//! Windows, sessions and values that do not last, against what a person would write down.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;

use millstream_model::Timestamp;
use millstream_ports::{DecimalText, KeyRange, Utf8};
use millstream_runtime::{
    Context, GroupGraph, MemoryBudget, Output, SessionTable, Settings, Table, Window, WindowTable,
};
use millstream_sim::Tester;
use proptest::prelude::*;

const SIZE: i64 = 20;
const GAP: i64 = 8;
const RETENTION: i64 = 30;

fn ms(time: i64) -> Duration {
    Duration::from_millis(u64::try_from(time).unwrap())
}

fn texts(topic: &str) -> Output<Utf8, Utf8> {
    Output::new(topic, Utf8, Utf8)
}

/// What came: a key, time that passed before, how late it is, and what is done to the process before it.
type Record = (u8, i64, i64, u8);

fn records() -> impl Strategy<Value = Vec<Record>> {
    proptest::collection::vec(
        (0..3_u8, 0..15_i64, prop_oneof![3 => Just(0), 1 => 0..80_i64], 0..12_u8),
        1..60,
    )
}

/// Feeds records to a group of one partition, and compares what it tells of each with the model.
fn play(
    tester: Tester,
    records: &[Record],
    mut model: impl FnMut(u8, i64, i64) -> String,
) -> Result<(), TestCaseError> {
    let settings = Settings {
        memory: MemoryBudget::of_bytes(2_000),
        store_interval: ms(700),
        workers: 1,
        ..Settings::default()
    };
    let mut tester = tester.partitions(1).settings(settings);
    let (input, mut time, mut now) = (texts("in"), 0, i64::MIN);
    for (key, passed, late, chance) in records.iter().copied() {
        time += passed;
        let at = time - late;
        let restarted = match chance {
            0 => {
                tester.kill();
                true
            }
            1 => {
                tester.stop().unwrap();
                true
            }
            _ => false,
        };
        if restarted && now > i64::MIN {
            // The time of a partition is that of its records: a restart begins it anew.
            tester.send_at(&input, &"clock", &"", Timestamp(now)).unwrap();
        }
        now = now.max(at);
        tester.send_at(&input, &["a", "a\0", "b"][usize::from(key)], &"", Timestamp(at)).unwrap();
        tester.run().unwrap();
        let told = tester.take(&texts("out"), |_, told| told.to_owned()).unwrap();
        prop_assert_eq!(told, [model(key, at, now)], "at {} of {}", at, now);
    }
    Ok(())
}

fn tell(context: &mut Context<'_>, key: &str, told: &str) -> millstream_runtime::CallbackResult {
    Ok(context.emit(&texts("out"), &key, &told)?)
}

fn line(told: &mut String, window: Window, value: i64) -> ControlFlow<()> {
    told.extend([window.to_string(), format!(" {value}, ")]);
    ControlFlow::Continue(())
}

fn counting(windows: &WindowTable<DecimalText>) -> Tester {
    let kept = windows.clone();
    let graph = GroupGraph::define("windows")
        .input("in", Utf8, Utf8, move |context, key: &str, _: &str| {
            if key == "clock" {
                return Ok(());
            }
            for window in kept.windows_at(context.timestamp()) {
                let count = kept.get(context, key.as_bytes(), window)?.unwrap_or(0);
                kept.set(context, key.as_bytes(), window, &(count + 1))?;
            }
            let mut told = String::new();
            let all = (Timestamp(i64::MIN), Timestamp(i64::MAX));
            kept.range(context, key.as_bytes(), all, |window, count| line(&mut told, window, count))?;
            tell(context, key, &told)
        })
        .persist(windows.table())
        .output(&texts("out"))
        .build()
        .unwrap();
    Tester::new(graph)
}

fn sessions(table: &SessionTable<DecimalText>) -> Tester {
    let kept = table.clone();
    let graph = GroupGraph::define("sessions")
        .input("in", Utf8, Utf8, move |context, key: &str, _: &str| {
            if key == "clock" {
                return Ok(());
            }
            let at = context.timestamp();
            if let Some((session, count)) =
                kept.join(context, key.as_bytes(), at, 1, |sum, count| sum + count)?
            {
                kept.set(context, key.as_bytes(), session, &count)?;
            }
            let mut told = String::new();
            let all = (Timestamp(i64::MIN), Timestamp(i64::MAX));
            kept.range(context, key.as_bytes(), all, |session, count| line(&mut told, session, count))?;
            tell(context, key, &told)
        })
        .persist(table.table())
        .output(&texts("out"))
        .build()
        .unwrap();
    Tester::new(graph)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn windows_count_what_a_person_would(records in records(), advance in prop_oneof![Just(SIZE), Just(7)]) {
        let windows = WindowTable::hopping(DecimalText, ms(SIZE), ms(advance)).retention(ms(RETENTION));
        let mut counts = BTreeMap::<(u8, i64), i64>::new();
        play(counting(&windows), &records, |key, at, now| {
            let starts = (-300..2_000).filter(|start| start % advance == 0 && (*start..start + SIZE).contains(&at));
            for start in starts {
                if start + SIZE + RETENTION > now {
                    *counts.entry((key, start)).or_default() += 1;
                }
            }
            counts.retain(|(_, start), _| start + SIZE + RETENTION > now);
            let own = counts.iter().filter(|((other, _), _)| *other == key);
            own.map(|((_, start), count)| format!("{start}..{} {count}, ", start + SIZE)).collect::<Vec<_>>().concat()
        })?;
    }

    #[test]
    fn sessions_are_what_a_person_would_draw(records in records()) {
        let table = SessionTable::new(DecimalText, ms(GAP)).retention(ms(RETENTION));
        let mut all = Vec::<(u8, i64, i64, i64)>::new();
        play(sessions(&table), &records, |key, at, now| {
            all.retain(|(.., end, _)| end + GAP + RETENTION > now);
            let joins = |(other, start, end, _): &(u8, i64, i64, i64)| *other == key && start - GAP <= at && at <= end + GAP;
            let joined: Vec<_> = all.iter().copied().filter(joins).collect();
            let start = joined.iter().map(|session| session.1).fold(at, i64::min);
            let end = joined.iter().map(|session| session.2).fold(at, i64::max);
            if end + GAP + RETENTION > now {
                all.retain(|session| !joins(session));
                all.push((key, start, end, 1 + joined.iter().map(|session| session.3).sum::<i64>()));
            }
            all.sort_unstable();
            let own = all.iter().filter(|(other, ..)| *other == key);
            own.map(|(_, start, end, count)| format!("{start}..{end} {count}, ")).collect::<Vec<_>>().concat()
        })?;
    }
}

#[test]
fn values_go_after_their_time_and_their_deletion_comes_to_the_changelog() {
    let table = Table::new(Utf8).ttl(ms(100));
    let (kept, told) = (table.clone(), texts("out"));
    let graph = GroupGraph::define("short")
        .input("in", Utf8, Utf8, move |context, key: &str, value: &str| {
            context.set(&kept, &value)?;
            let mut keys = String::new();
            context.range(&kept, &KeyRange::prefix(b"k"), |key, _| {
                keys.push_str(std::str::from_utf8(key).unwrap());
                ControlFlow::Continue(())
            })?;
            Ok(context.emit(&told, &key, &keys.as_str())?)
        })
        .persist(&table)
        .output(&texts("out"))
        .build()
        .unwrap();
    let mut tester = Tester::new(graph).partitions(1);
    let tell = |tester: &mut Tester, key: &str, at: i64| {
        tester.send_at(&texts("in"), &key, &"v", Timestamp(at)).unwrap();
        tester.run().unwrap();
        tester.take(&texts("out"), |_, told| told.to_owned()).unwrap().join("|")
    };
    assert_eq!(tell(&mut tester, "k1", 1_000), "k1");
    assert_eq!(tell(&mut tester, "k2", 1_050), "k1k2");
    assert_eq!(tell(&mut tester, "k3", 1_099), "k1k2k3");
    tester.kill();
    assert_eq!(tell(&mut tester, "k4", 1_100), "k2k3k4", "k1 lasted 100 ms");
    tester.stop().unwrap();
    assert_eq!(tell(&mut tester, "k5", 1_160), "k3k4k5");
    assert_eq!(tester.bytes(b"k2").unwrap(), None);
    tester.stop().unwrap();
    // Rounds that look for what is over go along with records.
    for at in [5_000, 6_000, 7_000] {
        tell(&mut tester, "x", at);
    }
    let mut newest = BTreeMap::new();
    for record in tester.take_records("short-table") {
        newest.insert(record.key.unwrap(), record.value);
    }
    let left: Vec<_> = newest.into_iter().filter(|(_, value)| value.is_some()).map(|(key, _)| key).collect();
    assert_eq!(left, [b"x".to_vec()], "the changelog is rid of what is over");
}
