use std::collections::{BTreeMap, BTreeSet};

use millstream_ports::{DelimitedRows, Delivery, KafkaRows, NoRows};
use millstream_runtime::Settings;
use millstream_sim::{Chance, Sim, Tester};
use millstream_sql::{Catalog, plan};

use super::*;

/// A sum of DOUBLE is counted anew for each change, and so told once for what comes together.
const WEIGHTS: &str = "CREATE TABLE things (id STRING PRIMARY KEY, name STRING, weight DOUBLE)
      WITH (KAFKA_TOPIC='things', VALUE_FORMAT='DELIMITED', PARTITIONS=2);
    CREATE TABLE weights AS SELECT name, SUM(weight) AS w FROM things GROUP BY name HAVING SUM(weight) > 1;";

fn weights() -> GroupGraph {
    let formats = Formats::default()
        .with("DELIMITED", Arc::new(DelimitedRows))
        .with("KAFKA", Arc::new(KafkaRows))
        .with("NONE", Arc::new(NoRows));
    let (mut plan, mistakes) = plan(WEIGHTS, &mut Catalog::new(), &formats);
    assert_eq!(mistakes, []);
    let rule = plan.rules.pop().unwrap();
    assert!(rule.tells_later());
    lower(rule, &formats).unwrap().0
}

/// What was told last of each name.
fn told(sim: &Sim) -> BTreeMap<String, f64> {
    let mut told = BTreeMap::new();
    for record in sim.read("WEIGHTS") {
        let name = String::from_utf8(record.key.unwrap()).unwrap();
        match record.value {
            Some(value) => told.insert(name, String::from_utf8(value).unwrap().parse().unwrap()),
            None => told.remove(&name),
        };
    }
    told
}

/// Things come and go in any order, and the processor is killed between any two steps.
fn run(seed: u64, delivery: Delivery) {
    let (mut chance, sim) = (Chance::new(seed), Sim::new());
    sim.create("things", 2);
    let settings = Settings {
        delivery,
        workers: 1,
        commit_interval: Some(Duration::from_millis(5)),
        ..Settings::default()
    };
    let mut tester = Tester::on(sim.clone(), weights()).partitions(2).settings(settings);
    let mut things: BTreeMap<usize, usize> = BTreeMap::new();
    for _ in 0..30 {
        for _ in 0..chance.below(8) {
            let (id, name) = (chance.below(8), chance.below(3));
            let is_gone = chance.below(4) == 0;
            let value = (!is_gone).then(|| format!("name {name},1.0"));
            sim.write("things", format!("k{id}").as_bytes(), value.as_deref().map(str::as_bytes));
            if is_gone {
                things.remove(&id)
            } else {
                things.insert(id, name)
            };
        }
        for _ in 0..chance.below(6) {
            tester.step().unwrap();
            sim.advance(Duration::from_millis(u64::try_from(chance.below(4)).unwrap()));
        }
        if chance.below(3) == 0 {
            tester.kill();
        }
    }
    tester.run().unwrap();
    let names: BTreeSet<usize> = things.values().copied().collect();
    let weight = |name: &usize| things.values().filter(|other| *other == name).map(|_| 1.0).sum::<f64>();
    let expected =
        names.iter().map(|name| (format!("name {name}"), weight(name))).filter(|(_, weight)| *weight > 1.0);
    assert_eq!(told(&sim), expected.collect(), "seed {seed}, {delivery:?}");
}

#[test]
fn what_is_put_off_is_told_whenever_its_processor_is_killed() {
    for delivery in [Delivery::AtLeastOnce, Delivery::ExactlyOnce] {
        (0..150).for_each(|seed| run(seed, delivery));
    }
}
