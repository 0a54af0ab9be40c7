//! Visits of all keys while the group works.

use std::time::Duration;

use millstream_ports::{DecimalText, Delivery, Utf8};
use millstream_runtime::{GroupGraph, Output, Policies, Policy, Processor, Settings, Table, Visitor};
use millstream_sim::{Faults, Sim, Tester};

fn table() -> Table<DecimalText> {
    Table::new(DecimalText)
}

fn input() -> Output<Utf8, DecimalText> {
    Output::new("in", Utf8, DecimalText)
}

fn out() -> Output<Utf8, DecimalText> {
    Output::new("out", Utf8, DecimalText)
}

fn raise() -> Visitor<Utf8, i64> {
    Visitor::new("raise", Utf8)
}

/// Sums by key; a visit raises all sums, takes those out that are zero, and fails at those that are negative.
fn summing(policy: Policy) -> GroupGraph {
    GroupGraph::define("g")
        .input("in", Utf8, DecimalText, |context, _: &str, number: i64| {
            let sum = context.get(&table())?.unwrap_or(0) + number;
            Ok(context.set(&table(), &sum)?)
        })
        .visitor(&raise(), |context, key: &str, by: &i64| {
            let sum = context.get(&table())?.unwrap_or(0);
            if sum == 0 {
                return Ok(context.delete(&table())?);
            }
            context.set(&table(), &(sum + by))?;
            context.emit(&out(), &key, &(sum + by))?;
            if sum < 0 { Err("overdrawn".into()) } else { Ok(()) }
        })
        .persist(&table())
        .output(&out())
        .policies(Policies { callback: policy, ..Policies::default() })
        .build()
        .unwrap()
}

fn values(tester: &mut Tester, keys: usize) -> Vec<Option<i64>> {
    (0..keys).map(|key| tester.value(&table(), format!("k{key}").as_bytes(), |sum| sum).unwrap()).collect()
}

#[test]
fn a_visit_sees_every_key_once_and_its_effects_are_committed() {
    // With one partition its keys come in several pages.
    for (delivery, partitions) in [
        (Delivery::AtLeastOnce, 4),
        (Delivery::ExactlyOnce, 4),
        (Delivery::AtLeastOnce, 1),
        (Delivery::ExactlyOnce, 1),
    ] {
        let settings = Settings { delivery, workers: 2, ..Settings::default() };
        let mut tester = Tester::new(summing(Policy::Fail)).settings(settings).partitions(partitions);
        for key in 0..1_300 {
            tester.send(&input(), &format!("k{key}").as_str(), &i64::from(key % 2 * 10)).unwrap();
        }
        tester.run().unwrap();
        assert_eq!(tester.visit(&raise(), 5).unwrap(), 1_300);
        assert_eq!(tester.take(&out(), |_, sum| sum).unwrap(), vec![15; 650]);
        tester.kill();
        tester.run().unwrap();
        let expected: Vec<_> = (0..1_300).map(|key| (key % 2 == 1).then_some(15)).collect();
        assert_eq!(values(&mut tester, 1_300), expected, "{delivery:?}");
        assert_eq!(tester.visit(&raise(), 1).unwrap(), 650, "those that are gone are not visited");
    }
}

#[test]
fn a_key_that_fails_goes_by_the_groups_policy() {
    let mut tester = Tester::new(summing(Policy::Skip));
    for (key, sum) in [("k0", 10), ("k1", -10), ("k2", 10)] {
        tester.send(&input(), &key, &sum).unwrap();
    }
    tester.run().unwrap();
    assert_eq!(tester.visit(&raise(), 1).unwrap(), 3);
    assert_eq!(values(&mut tester, 3), [Some(11), Some(-10), Some(11)]);
    let mut stops = Tester::new(summing(Policy::Fail));
    stops.send(&input(), &"k", &-1).unwrap();
    stops.run().unwrap();
    let said = stops.visit(&raise(), 1).unwrap_err().to_string();
    assert!(said.contains("visitor failed: overdrawn"), "{said}");
}

#[test]
fn what_is_taken_back_is_visited_again() {
    let settings = Settings { workers: 1, ..Settings::exactly_once() };
    let mut tester = Tester::new(summing(Policy::Fail)).settings(settings);
    for key in 0..50 {
        tester.send(&input(), &format!("k{key}").as_str(), &10).unwrap();
    }
    tester.run().unwrap();
    tester.sim().set_faults(Faults {
        seed: 3,
        refused_commits: 700,
        failing_sends: 300,
        ..Faults::default()
    });
    assert_eq!(tester.visit(&raise(), 1).unwrap(), 50);
    tester.sim().set_faults(Faults::default());
    tester.advance(Duration::from_secs(1)).unwrap();
    assert_eq!(tester.take(&out(), |_, sum| sum).unwrap(), [11; 50]);
}

#[test]
fn an_unknown_visitor_is_refused_and_a_running_group_is_visited() {
    let sim = Sim::live();
    for topic in ["in", "out"] {
        sim.create(topic, 3);
    }
    for key in 0..30 {
        sim.write("in", format!("k{key}").as_bytes(), Some(b"7"));
    }
    let running = Processor::new(sim.clone(), summing(Policy::Fail)).start().unwrap();
    let stranger = Visitor::<Utf8, i64>::new("stranger", Utf8);
    assert!(running.visit(&stranger, 1).err().unwrap().to_string().contains("no visitor 'stranger'"));
    while running.table().count().unwrap() < 30 {
        std::thread::yield_now();
    }
    let visited = running.visit(&raise(), 1).unwrap().wait(Duration::from_mins(1)).unwrap();
    assert_eq!(visited, Some(30));
    assert_eq!(sim.read("out").len(), 30, "its effects are committed");
    running.stop().unwrap();
}
