//! Standbys, and partitions that stay with their owner while others move.

use std::time::Duration;

use millstream_model::Partition;
use millstream_ports::{DecimalText, Utf8};
use millstream_runtime::{GroupGraph, Output, Processor, Settings, Stepped, Table};
use millstream_sim::Sim;

const PARTITIONS: u32 = 6;
const KEYS: usize = 60;

fn counter(process: &Sim, standbys: u32) -> Stepped<Sim> {
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
    let settings = Settings {
        workers: 1,
        standbys,
        commit_interval: Some(Duration::from_millis(5)),
        ..Settings::exactly_once()
    };
    Processor::new(process.clone(), graph).settings(settings).stepped().unwrap()
}

fn world() -> Sim {
    let sim = Sim::new();
    sim.create("words", PARTITIONS);
    sim.create("counts", PARTITIONS);
    sim
}

fn write(sim: &Sim, times: usize) {
    for number in 0..times * KEYS {
        sim.write("words", format!("w{}", number % KEYS).as_bytes(), Some(b"x"));
    }
}

fn work(sim: &Sim, processes: &mut [&mut Stepped<Sim>], steps: usize) {
    for _ in 0..steps {
        for process in &mut *processes {
            process.step().unwrap();
        }
        sim.advance(Duration::from_millis(10));
    }
}

fn owned(process: &Stepped<Sim>) -> Vec<Partition> {
    process.status().snapshot().partitions.iter().map(|one| one.partition).collect()
}

/// Two processes on machines of their own, of which the first is lost; how many records the other had to read.
fn replayed_after_a_loss(standbys: u32) -> u64 {
    let sim = world();
    let (one, other) = (sim.process_on(1), sim.process_on(2));
    let (mut first, mut second) = (counter(&one, standbys), counter(&other, standbys));
    write(&sim, 20);
    work(&sim, &mut [&mut first, &mut second], 600);
    assert_eq!(sim.read("counts").len(), 20 * KEYS);
    let (before, stood_by) = (owned(&second), second.status().snapshot().standbys);
    assert_eq!((owned(&first).len(), before.len()), (3, 3));
    let expected: Vec<_> = if standbys == 0 { Vec::new() } else { owned(&first) };
    assert_eq!(stood_by.iter().map(|one| one.partition).collect::<Vec<_>>(), expected);
    assert!(stood_by.iter().all(|one| one.is_following && one.lag == 0), "{stood_by:?}");

    one.crash();
    drop(first);
    write(&sim, 1);
    work(&sim, &mut [&mut second], 100);
    let now = second.status().snapshot();
    assert!(now.is_running() && now.partitions.len() == 6 && now.standbys.is_empty(), "{now:?}");
    assert_eq!(sim.read("counts").len(), 21 * KEYS);
    let newest = second.table(b"w7").unwrap();
    assert_eq!(newest.as_deref(), Some(&b"21"[..]));
    let taken = now.partitions.iter().filter(|one| !before.contains(&one.partition));
    let replayed = taken.map(|one| one.replayed).sum();
    second.stop().unwrap();
    replayed
}

#[test]
fn a_standby_takes_over_with_nothing_to_read() {
    assert!(replayed_after_a_loss(0) >= 30, "without one all of the changelog is read");
    assert_eq!(replayed_after_a_loss(1), 0);
}

#[test]
fn what_a_process_gives_up_it_stands_by_for() {
    let sim = world();
    let (one, other) = (sim.process_on(1), sim.process_on(2));
    let mut first = counter(&one, 1);
    write(&sim, 5);
    work(&sim, &mut [&mut first], 200);
    assert_eq!(owned(&first).len(), 6);
    let mut second = counter(&other, 1);
    work(&sim, &mut [&mut first, &mut second], 600);
    let (given_up, stood_by) = (owned(&second), first.status().snapshot().standbys);
    assert_eq!(given_up.len(), 3);
    assert_eq!(stood_by.iter().map(|one| one.partition).collect::<Vec<_>>(), given_up);
    second.stop().unwrap();
    work(&sim, &mut [&mut first], 100);
    assert_eq!(owned(&first).len(), 6, "they come back");
    write(&sim, 1);
    work(&sim, &mut [&mut first], 100);
    assert_eq!(sim.read("counts").len(), 6 * KEYS);
    first.stop().unwrap();
}

#[test]
fn partitions_that_stay_are_worked_on_while_others_move() {
    let sim = world();
    let mut first = counter(&sim.process(), 0);
    write(&sim, 1);
    work(&sim, &mut [&mut first], 100);
    let mut second = counter(&sim.process(), 0);
    // The first learns that some partitions go; the second does nothing at all, so that the group is not done dividing.
    work(&sim, &mut [&mut first], 20);
    let stays = owned(&first);
    assert_eq!(stays.len(), 3);
    let told = |sim: &Sim| {
        let all = sim.read_with_places("counts");
        all.iter().filter(|(partition, _, _)| stays.contains(partition)).count()
    };
    let before = told(&sim);
    write(&sim, 1);
    work(&sim, &mut [&mut first], 20);
    assert_eq!(told(&sim), before * 2, "each key of what stays is counted once more");
    assert!(sim.read("counts").len() < 2 * KEYS);
    work(&sim, &mut [&mut first, &mut second], 200);
    assert_eq!(sim.read("counts").len(), 2 * KEYS);
    first.stop().unwrap();
    second.stop().unwrap();
}
