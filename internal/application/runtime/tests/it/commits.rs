//! Records are worked on while a commit is under way at least once, and a transaction is waited for.

use std::time::Duration;

use millstream_model::{Offset, Partition};
use millstream_ports::{DecimalText, Utf8};
use millstream_runtime::{Delivery, GroupGraph, Output, Processor, Settings, Stepped, Table};
use millstream_sim::{Faults, Sim};

/// Counts each key's records, and tells each count.
fn counting(sim: &Sim, delivery: Delivery, dirty_bytes_max: usize) -> Stepped<Sim> {
    let (table, out) = (Table::new(DecimalText), Output::new("out", Utf8, DecimalText));
    let (kept, emitted) = (table.clone(), out.clone());
    let graph = GroupGraph::define("counting")
        .input("in", Utf8, Utf8, move |context, key: &str, _: &str| {
            let count = context.get(&kept)?.unwrap_or(0) + 1;
            context.set(&kept, &count)?;
            Ok(context.emit(&emitted, &key, &count)?)
        })
        .persist(&table)
        .output(&out)
        .build()
        .unwrap();
    let settings = Settings { delivery, workers: 1, dirty_bytes_max, ..Settings::default() };
    Processor::new(sim.clone(), graph).settings(settings).stepped().unwrap()
}

/// A world in which commits stay under way, and a process that has taken its partition over.
fn begin(delivery: Delivery, dirty_bytes_max: usize) -> (Sim, Stepped<Sim>) {
    let sim = Sim::new();
    sim.create("in", 1);
    sim.create("out", 1);
    let mut running = counting(&sim.process(), delivery, dirty_bytes_max);
    step(&sim, &mut running, 5);
    sim.set_faults(Faults { slow_commits: 1_000, ..Faults::default() });
    (sim, running)
}

fn step(sim: &Sim, running: &mut Stepped<Sim>, times: usize) {
    for _ in 0..times {
        running.step().unwrap();
        sim.advance(Duration::from_millis(100));
    }
}

fn write(sim: &Sim, count: usize) {
    (0..count).for_each(|_| sim.write("in", b"k", Some(b"v")));
}

/// The counts that were told, and what the group has committed.
fn told(sim: &Sim) -> (Vec<String>, Option<Offset>) {
    let values = sim.read("out").into_iter().map(|record| String::from_utf8(record.value.unwrap()).unwrap());
    (values.collect(), sim.committed("counting", "in", Partition::new(0)))
}

fn counts(to: usize) -> Vec<String> {
    (1..=to).map(|count| count.to_string()).collect()
}

#[test]
fn at_least_once_outputs_go_out_while_a_commit_is_under_way() {
    let (sim, mut running) = begin(Delivery::AtLeastOnce, 1 << 20);
    for round in 1..4 {
        write(&sim, 1);
        step(&sim, &mut running, 10);
        assert_eq!(told(&sim), (counts(round), None), "round {round}");
    }
    assert!(!sim.read("counting-table").is_empty(), "entries follow acknowledged outputs");
    sim.set_faults(Faults::default());
    step(&sim, &mut running, 10);
    assert_eq!(told(&sim), (counts(3), Some(Offset(3))));
    let newest = sim.read("counting-table").pop().unwrap();
    assert_eq!(newest.value.as_deref(), Some(&b"3"[..]));
}

#[test]
fn exactly_once_a_transaction_is_over_before_more_is_done() {
    let (sim, mut running) = begin(Delivery::ExactlyOnce, 1 << 20);
    for round in 1..4_u8 {
        write(&sim, 1);
        step(&sim, &mut running, 10);
        assert_eq!(told(&sim), (counts(round.into()), Some(Offset(round.into()))), "round {round}");
    }
}

#[test]
fn what_waits_for_the_next_commit_is_bounded() {
    for delivery in [Delivery::AtLeastOnce, Delivery::ExactlyOnce] {
        let (sim, mut running) = begin(delivery, 300);
        for _ in 0..6 {
            write(&sim, 3);
            step(&sim, &mut running, 1);
        }
        let (_, committed) = told(&sim);
        assert!(
            committed.is_some_and(|next| next >= Offset(6)),
            "{delivery:?} waits for what is under way: {committed:?}"
        );
    }
}

#[test]
fn a_stop_waits_for_what_is_under_way_and_commits_the_rest() {
    for delivery in [Delivery::AtLeastOnce, Delivery::ExactlyOnce] {
        let (sim, mut running) = begin(delivery, 1 << 20);
        write(&sim, 1);
        step(&sim, &mut running, 10);
        write(&sim, 2);
        step(&sim, &mut running, 1);
        running.stop().unwrap();
        assert_eq!(told(&sim), (counts(3), Some(Offset(3))), "{delivery:?}");
    }
}

#[test]
fn after_a_kill_in_the_midst_of_a_commit_the_next_owner_goes_on() {
    for delivery in [Delivery::AtLeastOnce, Delivery::ExactlyOnce] {
        let sim = Sim::new();
        sim.create("in", 1);
        sim.create("out", 1);
        let process = sim.process();
        let mut running = counting(&process, delivery, 1 << 20);
        step(&sim, &mut running, 5);
        sim.set_faults(Faults { slow_commits: 1_000, ..Faults::default() });
        write(&sim, 2);
        step(&sim, &mut running, 10);
        process.crash();
        drop(running);
        sim.set_faults(Faults::default());
        sim.expire_member("counting", 0);
        let mut next = counting(&sim.process(), delivery, 1 << 20);
        step(&sim, &mut next, 20);
        let (values, committed) = told(&sim);
        assert_eq!(committed, Some(Offset(2)));
        match delivery {
            Delivery::ExactlyOnce => assert_eq!(values, counts(2)),
            Delivery::AtLeastOnce => {
                assert!(values.starts_with(&counts(2)) && values.len() == 4, "{values:?}");
            }
        }
    }
}
