use std::collections::BTreeMap;

use millstream_model::Value;
use proptest::prelude::*;

use super::world::World;

const SOURCES: &str = "CREATE STREAM l (k STRING KEY, a INT) WITH (KAFKA_TOPIC='l', VALUE_FORMAT='JSON');
    CREATE STREAM r (k STRING KEY, b INT) WITH (KAFKA_TOPIC='r', VALUE_FORMAT='JSON');
    CREATE TABLE t (k STRING PRIMARY KEY, g STRING, n INT) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='JSON');";

fn world(rule: &str) -> World {
    World::of_one_partition(&format!("{SOURCES}{rule}"))
}

fn put(world: &mut World, topic: &str, time: i64, key: &str) {
    world.put_at(topic, time, vec![Value::text(key)], Some(vec![Value::Int(1)]));
}

/// How many entries a rule has after keys that come once each, far apart in time.
fn entries_after(rule: &str, keys: i64, topics: &[&str]) -> usize {
    let mut world = world(rule);
    for key in 0..keys {
        for topic in topics {
            put(&mut world, topic, key * 100, &format!("k{key}"));
        }
    }
    world.entries(0)
}

#[test]
fn what_is_too_old_goes_though_nothing_comes_for_its_key() {
    for (rule, topics) in [
        (
            "CREATE TABLE o AS SELECT k, COUNT(*) AS n FROM l WINDOW TUMBLING (SIZE 10 MILLISECONDS, GRACE PERIOD 0 MILLISECONDS) GROUP BY k;",
            &["l"][..],
        ),
        (
            "CREATE TABLE o AS SELECT k, COUNT(*) AS n FROM l WINDOW HOPPING (SIZE 20 MILLISECONDS, ADVANCE BY 10 MILLISECONDS, GRACE PERIOD 30 MILLISECONDS) GROUP BY k;",
            &["l"][..],
        ),
        (
            "CREATE TABLE o AS SELECT k, COUNT(*) AS n FROM l WINDOW SESSION (10 MILLISECONDS, GRACE PERIOD 0 MILLISECONDS) GROUP BY k;",
            &["l"][..],
        ),
        (
            "CREATE TABLE o AS SELECT k, COUNT(*) AS n FROM l WINDOW TUMBLING (SIZE 10 MILLISECONDS, GRACE PERIOD 0 MILLISECONDS) GROUP BY k EMIT FINAL;",
            &["l"][..],
        ),
        (
            "CREATE STREAM o AS SELECT l.k, a, b FROM l JOIN r WITHIN 10 MILLISECONDS GRACE PERIOD 5 MILLISECONDS ON l.k = r.k;",
            &["l", "r"][..],
        ),
        (
            "CREATE STREAM o AS SELECT l.k, a, b FROM l LEFT JOIN r WITHIN 10 MILLISECONDS GRACE PERIOD 5 MILLISECONDS ON l.k = r.k;",
            &["l"][..],
        ),
    ] {
        let (few, many) = (entries_after(rule, 20, topics), entries_after(rule, 200, topics));
        assert_eq!(few, many, "{rule}");
    }
}

#[derive(Clone, Debug)]
enum Deed {
    Put(u8, u8, i32),
    Gone(u8),
    Crash(usize),
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        6 => (0..5_u8, 0..3_u8, -9..9).prop_map(|(key, group, number)| Deed::Put(key, group, number)),
        2 => (0..5_u8).prop_map(Deed::Gone),
        1 => (0..6_usize).prop_map(Deed::Crash),
    ]
}

proptest! {
    /// Whatever rows come, change their group, go and are delivered again, each group's sums are those of its rows.
    #[test]
    fn sums_of_a_table_equal_a_look_at_its_rows(deeds in proptest::collection::vec(deed(), 0..60), is_one: bool) {
        let text = format!("{SOURCES}CREATE TABLE sums WITH (KAFKA_TOPIC='sums') AS SELECT g, COUNT(*) AS c, SUM(n) AS s, AVG(n) AS m FROM t GROUP BY g;");
        let mut world = if is_one { World::of_one_partition(&text) } else { World::new(&text) };
        let mut rows = BTreeMap::new();
        for deed in deeds {
            match deed {
                Deed::Put(key, group, number) => {
                    let value = vec![Value::text(format!("g{group}")), Value::Int(number)];
                    world.put("t", vec![Value::text(format!("k{key}"))], Some(value));
                    rows.insert(key, (group, number));
                }
                Deed::Gone(key) => {
                    world.put("t", vec![Value::text(format!("k{key}"))], None);
                    rows.remove(&key);
                }
                Deed::Crash(back) => world.crash(0, back),
            }
        }
        for (group, row) in world.table("sums") {
            let is_of = |(known, _): &&(u8, i32)| group == [Value::text(format!("g{known}"))];
            let numbers: Vec<_> = rows.values().filter(is_of).map(|(_, number)| *number).collect();
            let (count, sum) = (i32::try_from(numbers.len()).unwrap(), numbers.iter().sum::<i32>());
            let mean = if count == 0 { 0.0 } else { f64::from(sum) / f64::from(count) };
            prop_assert_eq!(row, vec![Value::Bigint(count.into()), Value::Int(sum), Value::Double(mean)]);
        }
    }
}
