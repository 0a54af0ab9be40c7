//! Records whose codec asks something that does not answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use millstream_model::Partition;
use millstream_ports::{Codec, CodecError, DecimalText, Delivery, Utf8};
use millstream_runtime::{Context, GroupBuilder, GroupGraph, Output, Settings, Table};
use millstream_sim::{Faults, Tester};

/// Numbers whose schema is in a registry that is up or down.
#[derive(Clone, Default)]
struct Asking {
    is_down: Arc<AtomicBool>,
    asked: Arc<AtomicU32>,
}

impl Codec for Asking {
    type Value<'a> = i64;

    fn decode(&self, bytes: &[u8]) -> Result<i64, CodecError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if self.is_down.load(Ordering::Relaxed) {
            return Err(CodecError::passing("the registry does not answer"));
        }
        DecimalText.decode(bytes)
    }

    fn encode(&self, value: &i64, out: &mut Vec<u8>) -> Result<(), CodecError> {
        DecimalText.encode(value, out)
    }
}

fn sums() -> Output<Utf8, DecimalText> {
    Output::new("sums", Utf8, DecimalText)
}

fn add(context: &mut Context<'_>, key: &str, number: i64) -> millstream_runtime::CallbackResult {
    let table = Table::new(DecimalText);
    let sum = context.get(&table)?.unwrap_or(0) + number;
    context.set(&table, &sum)?;
    Ok(context.emit(&sums(), &key, &sum)?)
}

fn finish(group: GroupBuilder, delivery: Delivery) -> Tester {
    let graph = group.persist(&Table::new(DecimalText)).output(&sums()).build().unwrap();
    let settings = Settings { delivery, workers: 1, ..Settings::default() };
    Tester::new(graph).partitions(2).settings(settings)
}

fn taken(tester: &mut Tester) -> Vec<i64> {
    tester.take(&sums(), |_, sum| sum).unwrap()
}

/// Runs through an outage that begins after the first record.
fn outlives_an_outage(mut tester: Tester, asking: &Asking) {
    tester.sim().create("numbers", 2);
    let write = |tester: &Tester, value: &str| tester.sim().write("numbers", b"k", Some(value.as_bytes()));
    write(&tester, "1");
    tester.run().unwrap();
    asking.is_down.store(true, Ordering::Relaxed);
    write(&tester, "2");
    write(&tester, "3");
    for _ in 0..600 {
        tester.advance(Duration::from_secs(1)).unwrap();
    }
    let status = tester.status().unwrap();
    assert_eq!(status.snapshot().dead_letters, 0, "it is a good record");
    let reason = status.ready().unwrap_err();
    assert!(reason.contains("the registry does not answer"), "{reason}");
    assert_eq!(taken(&mut tester), [1], "nothing overtakes it");
    let asked = asking.asked.load(Ordering::Relaxed);
    assert!((200..700).contains(&asked), "asked {asked} times in ten minutes");
    asking.is_down.store(false, Ordering::Relaxed);
    tester.advance(Duration::from_secs(5)).unwrap();
    assert_eq!(taken(&mut tester), [3, 6]);
    assert_eq!(tester.status().unwrap().ready(), Ok(()));
    let committed = |partition| tester.sim().committed("asking", "numbers", Partition::new(partition));
    let offsets: i64 = (0..2).filter_map(committed).map(|offset| offset.0).sum();
    assert_eq!(offsets, 3);
}

#[test]
fn a_record_that_can_not_be_decoded_now_waits_and_nothing_overtakes_it() {
    let asking = Asking::default();
    let group =
        || GroupGraph::define("asking").input("numbers", Utf8, asking.clone(), |c, k: &str, n| add(c, k, n));
    outlives_an_outage(finish(group(), Delivery::AtLeastOnce), &asking);
}

#[test]
fn what_a_callback_can_not_decode_now_waits_too() {
    let asking = Asking::default();
    let inside = asking.clone();
    let group =
        GroupGraph::define("asking").input("numbers", Utf8, Utf8, move |context, key: &str, text: &str| {
            // Whatever it did before is taken back.
            context.emit(&sums(), &key, &0)?;
            let number = inside.decode(text.as_bytes())?;
            add(context, key, number)
        });
    let mut tester = finish(group, Delivery::ExactlyOnce);
    tester.sim().create("numbers", 2);
    tester.sim().write("numbers", b"k", Some(b"7"));
    asking.is_down.store(true, Ordering::Relaxed);
    tester.advance(Duration::from_secs(30)).unwrap();
    assert_eq!(taken(&mut tester), [0_i64; 0]);
    asking.is_down.store(false, Ordering::Relaxed);
    tester.advance(Duration::from_secs(5)).unwrap();
    assert_eq!(taken(&mut tester), [0, 7]);
}

#[test]
fn a_restart_in_an_outage_loses_nothing() {
    let asking = Asking::default();
    let group =
        GroupGraph::define("asking").input("numbers", Utf8, asking.clone(), |c, k: &str, n| add(c, k, n));
    let mut tester = finish(group, Delivery::AtLeastOnce);
    tester.sim().create("numbers", 2);
    asking.is_down.store(true, Ordering::Relaxed);
    tester.sim().write("numbers", b"k", Some(b"7"));
    tester.advance(Duration::from_secs(3)).unwrap();
    tester.stop().unwrap();
    asking.is_down.store(false, Ordering::Relaxed);
    tester.run().unwrap();
    assert_eq!(taken(&mut tester), [7]);
}

#[test]
fn a_table_that_another_process_keeps_is_told_of() {
    let group = GroupGraph::define("kept").input("numbers", Utf8, DecimalText, |c, k: &str, n| add(c, k, n));
    let mut tester = finish(group, Delivery::AtLeastOnce);
    tester.sim().create("numbers", 2);
    tester.sim().set_faults(Faults { busy_stores: 1_000, ..Faults::default() });
    tester.sim().write("numbers", b"k", Some(b"7"));
    for _ in 0..15 {
        tester.advance(Duration::from_secs(1)).unwrap();
    }
    let reason = tester.status().unwrap().ready().unwrap_err();
    assert!(reason.contains("the table of partition 0 can't be read yet: "), "{reason}");
    tester.sim().set_faults(Faults::default());
    tester.advance(Duration::from_secs(1)).unwrap();
    assert_eq!((taken(&mut tester), tester.status().unwrap().ready()), (vec![7], Ok(())));
}
