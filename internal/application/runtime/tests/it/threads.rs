//! Views, emitters and processors on threads, in a world whose clock is the machine's.

use std::time::Duration;

use millstream_model::{Headers, Partition, Timestamp, TopicName};
use millstream_ports::{DecimalText, Nullable, Utf8};
use millstream_runtime::{Emitter, GroupGraph, Output, Processor, Running, Settings, Table, View};
use millstream_sim::Sim;
use millstream_topology::Partitioner;

const WAIT: Duration = Duration::from_mins(1);

fn view(sim: &Sim, owner: &str) -> View<Sim, Utf8, DecimalText> {
    let topic = TopicName::new("counts-table").unwrap();
    View::open(sim, owner, &topic, Utf8, DecimalText).unwrap()
}

fn write(sim: &Sim, key: &str, value: Option<i64>) {
    sim.write(
        "counts-table",
        key.as_bytes(),
        value.map(|value| value.to_string()).as_deref().map(str::as_bytes),
    );
}

#[test]
fn a_view_has_what_was_there_and_follows_what_comes() {
    let sim = Sim::live();
    sim.create("counts-table", 3);
    (0..50).for_each(|number| write(&sim, &format!("k{number}"), Some(number)));
    write(&sim, "k7", None);
    let view = view(&sim, "reader");
    view.wait_ready(WAIT).unwrap();
    assert_eq!(view.remaining(), 0);
    assert_eq!(view.get(&"k9", |value| value).unwrap(), Some(9));
    assert_eq!(
        (view.get(&"k7", |value| value).unwrap(), view.get(&"x", |value| value).unwrap()),
        (None, None)
    );
    write(&sim, "k9", Some(99));
    view.wait_until(WAIT, |view| Ok(view.get(&"k9", |value| value)? == Some(99))).unwrap();
    write(&sim, "k9", None);
    view.wait_until(WAIT, |view| Ok(view.get(&"k9", |value| value)?.is_none())).unwrap();
    sim.write("counts-table", b"odd", Some(b"no number"));
    view.wait_until(WAIT, |view| Ok(view.get(&"odd", |_| ()).is_err())).unwrap();
    let said = view.get(&"odd", |_| ()).unwrap_err().to_string();
    assert_eq!(said, "view of 'counts-table': 'no number' is not a 64-bit integer");
}

#[test]
fn views_of_one_program_or_of_several_stand_side_by_side() {
    let sim = Sim::live();
    sim.create("counts-table", 2);
    write(&sim, "k", Some(1));
    let views = [view(&sim, "reader"), view(&sim, "reader"), view(&sim.process(), "reader")];
    write(&sim, "k", Some(2));
    for view in &views {
        view.wait_until(WAIT, |view| Ok(view.get(&"k", |value| value)? == Some(2))).unwrap();
    }
    let absent = TopicName::new("absent").unwrap();
    let said = View::open(&sim, "reader", &absent, Utf8, Utf8).err().unwrap().to_string();
    assert!(said.contains("topic 'absent' does not exist"), "{said}");
}

#[test]
fn an_emitter_partitions_as_told_and_counts_what_arrives() {
    let sim = Sim::live();
    sim.create("out", 8);
    let output = || Output::new("out", Nullable(Utf8), Utf8);
    let mut plain = Emitter::open(&sim, "plain", output()).unwrap();
    let mut gokas = Emitter::open(&sim, "gokas", output()).unwrap().partitioned_by(Partitioner::Fnv1a);
    let mut headers = Headers::default();
    headers.push("h", "1");
    for number in 0..40 {
        let key = format!("k{number}");
        plain.emit(&Some(key.as_str()), &"plain").unwrap();
        gokas.emit_with(&Some(key.as_str()), &"gokas", &headers, Some(Timestamp(7))).unwrap();
    }
    plain.emit(&None, &"spread").unwrap();
    plain.flush().unwrap();
    gokas.flush().unwrap();
    assert_eq!((plain.tally().delivered, gokas.tally().delivered), (41, 40));
    let mut seen = 0;
    for (partition, _, record) in sim.read_with_places("out") {
        let Some(key) = record.key else { continue };
        let is_goka = record.value.as_deref() == Some(b"gokas");
        let partitioner = if is_goka { Partitioner::Fnv1a } else { Partitioner::Murmur2 };
        assert_eq!(partition, Partition::new(partitioner.partition(&key, 8)));
        assert_eq!(record.headers == headers, is_goka);
        assert_eq!(record.timestamp == Timestamp(7), is_goka);
        seen += 1;
    }
    assert_eq!(seen, 80);
    let missing = Emitter::open(&sim, "e", Output::new("absent", Utf8, Utf8)).err().unwrap().to_string();
    assert!(missing.contains("topic 'absent' does not exist"), "{missing}");
}

fn counter(sim: &Sim) -> Running {
    let (table, counts) = (Table::new(DecimalText), Output::new("counts", Utf8, DecimalText));
    let (kept, told) = (table.clone(), counts.clone());
    let graph = GroupGraph::define("counter")
        .input("words", Utf8, Utf8, move |context, word: &str, _: &str| {
            let count = context.get(&kept)?.unwrap_or(0) + 1;
            context.set(&kept, &count)?;
            Ok(context.emit(&told, &word, &count)?)
        })
        .persist(&table)
        .output(&counts)
        .build()
        .unwrap();
    let settings =
        Settings { workers: 2, commit_interval: Some(Duration::from_millis(5)), ..Settings::exactly_once() };
    Processor::new(sim.clone(), graph).settings(settings).start().unwrap()
}

#[test]
fn two_processes_on_threads_share_a_group_exactly_once() {
    let sim = Sim::live();
    sim.create("words", 6);
    sim.create("counts", 6);
    let write = |times: usize| {
        for number in 0..times * 20 {
            sim.write("words", format!("w{}", number % 20).as_bytes(), Some(b"x"));
        }
    };
    write(10);
    let first = counter(&sim.process());
    let second = counter(&sim.process());
    write(10);
    // A view of the table tells when all is counted; nothing has to sleep.
    let topic = TopicName::new("counter-table").unwrap();
    let view = View::open(&sim, "test", &topic, Utf8, DecimalText).unwrap();
    let all_at = |view: &View<Sim, Utf8, DecimalText>, count: i64| {
        (0..20)
            .map(|word| view.get(&format!("w{word}").as_str(), |value| value))
            .try_fold(true, |all, value| Ok::<_, millstream_runtime::ViewError>(all && value? == Some(count)))
    };
    view.wait_until(WAIT, |view| all_at(view, 20)).unwrap();
    assert_eq!(first.table().count().unwrap() + second.table().count().unwrap(), 20);
    first.stop().unwrap();
    write(5);
    view.wait_until(WAIT, |view| all_at(view, 25)).unwrap();
    second.stop().unwrap();
    let mut told = std::collections::BTreeMap::<_, Vec<_>>::new();
    for record in sim.read("counts") {
        let count: i64 = String::from_utf8(record.value.unwrap()).unwrap().parse().unwrap();
        told.entry(record.key).or_default().push(count);
    }
    assert!(told.len() == 20 && told.values().all(|counts| counts.iter().copied().eq(1..=25)), "{told:?}");
}
