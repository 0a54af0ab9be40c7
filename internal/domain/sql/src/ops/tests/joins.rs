use millstream_model::Value;

use super::world::World;

fn streams(join: &str) -> World {
    World::new(&format!(
        "CREATE STREAM l (k STRING KEY, a INT) WITH (KAFKA_TOPIC='l', VALUE_FORMAT='JSON');
        CREATE STREAM r (k STRING KEY, b INT) WITH (KAFKA_TOPIC='r', VALUE_FORMAT='JSON');
        CREATE STREAM j WITH (KAFKA_TOPIC='j') AS SELECT {join};"
    ))
}

fn put(world: &mut World, topic: &str, time: i64, key: &str, value: i32) {
    world.put_at(topic, time, vec![Value::text(key)], Some(vec![Value::Int(value)]));
}

#[test]
fn events_meet_within_the_time_on_either_side() {
    let mut world = streams("l.k, a, b FROM l JOIN r WITHIN (5 MILLISECONDS, 2 MILLISECONDS) ON l.k = r.k");
    put(&mut world, "l", 10, "x", 1);
    put(&mut world, "r", 5, "x", 2);
    put(&mut world, "r", 4, "x", 3);
    put(&mut world, "r", 12, "x", 4);
    put(&mut world, "r", 13, "x", 5);
    put(&mut world, "r", 10, "y", 6);
    assert_eq!(world.told("j"), ["x: 1,2 at 10", "x: 1,4 at 12"]);
}

#[test]
fn without_grace_an_event_alone_is_told_at_once() {
    let mut world = streams("l.k, a, b FROM l LEFT JOIN r WITHIN 5 MILLISECONDS ON l.k = r.k");
    put(&mut world, "l", 10, "x", 1);
    put(&mut world, "r", 11, "x", 2);
    assert_eq!(world.told("j"), ["x: 1,- at 10", "x: 1,2 at 11"]);
}

#[test]
fn with_grace_it_is_told_when_nothing_can_come_any_more() {
    let mut world =
        streams("l.k, a, b FROM l LEFT JOIN r WITHIN 5 MILLISECONDS GRACE PERIOD 1 MILLISECOND ON l.k = r.k");
    put(&mut world, "l", 10, "x", 1);
    put(&mut world, "l", 11, "x", 2);
    put(&mut world, "r", 16, "x", 3);
    assert_eq!(world.told("j"), ["x: 2,3 at 16"]);
    put(&mut world, "l", 17, "x", 4);
    // 15 was the last moment that could join, and 16 the last at which that could still come.
    assert_eq!(world.told("j"), ["x: 2,3 at 16", "x: 1,- at 10", "x: 4,3 at 17"]);
}

#[test]
fn a_full_join_of_tables_keeps_each_side() {
    let mut world = World::new(
        "CREATE TABLE l (k STRING PRIMARY KEY, a INT) WITH (KAFKA_TOPIC='l', VALUE_FORMAT='JSON');
        CREATE TABLE r (k STRING PRIMARY KEY, b INT) WITH (KAFKA_TOPIC='r', VALUE_FORMAT='JSON');
        CREATE TABLE j WITH (KAFKA_TOPIC='j') AS SELECT ROWKEY AS k, a, b FROM l FULL JOIN r ON l.k = r.k;",
    );
    put(&mut world, "l", 10, "x", 1);
    put(&mut world, "r", 5, "x", 2);
    world.put_at("l", 12, vec![Value::text("x")], None);
    world.put_at("r", 13, vec![Value::text("x")], None);
    assert_eq!(world.told("j"), ["x: 1,- at 10", "x: 1,2 at 10", "x: -,2 at 12", "x: gone at 13"]);
}

#[test]
fn a_foreign_key_that_changes_moves_the_row() {
    let mut world = World::new(
        "CREATE TABLE o (id STRING PRIMARY KEY, c STRING) WITH (KAFKA_TOPIC='o', VALUE_FORMAT='JSON');
        CREATE TABLE c (id STRING PRIMARY KEY, n STRING) WITH (KAFKA_TOPIC='c', VALUE_FORMAT='JSON');
        CREATE TABLE j WITH (KAFKA_TOPIC='j') AS SELECT o.id, c.n FROM o JOIN c ON o.c = c.id;",
    );
    let text = |text: &str| vec![Value::text(text)];
    world.put("c", text("c1"), Some(text("Ann")));
    world.put("o", text("o1"), Some(text("c1")));
    world.put("o", text("o2"), Some(text("c1")));
    world.put("c", text("c2"), Some(text("Bob")));
    world.put("o", text("o1"), Some(text("c2")));
    world.put("c", text("c1"), Some(text("Anna")));
    world.put("o", text("o1"), Some(text("c3")));
    world.put("o", text("o2"), None);
    let told: Vec<_> =
        world.told("j").iter().map(|told| told.split(" at ").next().unwrap().to_owned()).collect();
    assert_eq!(told, ["o1: Ann", "o2: Ann", "o1: Bob", "o2: Anna", "o1: gone", "o2: gone"]);
}

#[test]
fn several_queries_fill_one_stream_by_union_all() {
    let mut world = World::new(
        "CREATE STREAM l (k STRING KEY, a INT) WITH (KAFKA_TOPIC='l', VALUE_FORMAT='JSON');
        CREATE STREAM r (k STRING KEY, b INT) WITH (KAFKA_TOPIC='r', VALUE_FORMAT='JSON');
        CREATE STREAM j WITH (KAFKA_TOPIC='j') AS
          SELECT k, a AS n FROM l WHERE a > 1 UNION ALL SELECT k, b * 10 AS n FROM r EMIT CHANGES;",
    );
    put(&mut world, "l", 1, "x", 1);
    put(&mut world, "r", 2, "y", 2);
    put(&mut world, "l", 3, "z", 3);
    assert_eq!(world.told("j"), ["y: 20 at 2", "z: 3 at 3"]);
}

#[test]
fn lists_become_rows() {
    let mut world = World::new(
        "CREATE STREAM s (k STRING KEY, a ARRAY<INT>, b ARRAY<INT>) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON');
        CREATE STREAM t WITH (KAFKA_TOPIC='t') AS SELECT k, EXPLODE(a) AS x, EXPLODE(b) + 1 AS y FROM s;",
    );
    let list = |numbers: &[i32]| Value::Array(numbers.iter().copied().map(Value::Int).collect());
    world.put_at("s", 5, vec![Value::text("k")], Some(vec![list(&[1, 2]), list(&[7])]));
    world.put_at("s", 6, vec![Value::text("k")], Some(vec![list(&[]), Value::Null]));
    assert_eq!(world.told("t"), ["k: 1,8 at 5", "k: 2,- at 5"]);
}

#[test]
fn an_event_that_is_delivered_again_is_kept_once() {
    let mut world = streams("l.k, a, b FROM l JOIN r WITHIN 50 MILLISECONDS ON l.k = r.k");
    put(&mut world, "l", 10, "x", 1);
    put(&mut world, "l", 10, "x", 1);
    world.crash(0, 2);
    put(&mut world, "r", 11, "x", 2);
    assert_eq!(world.told("j"), ["x: 1,2 at 11", "x: 1,2 at 11"], "two records, however often they came");
}

#[test]
fn old_events_are_let_go() {
    let mut world =
        streams("l.k, a, b FROM l JOIN r WITHIN 5 MILLISECONDS GRACE PERIOD 0 MILLISECONDS ON l.k = r.k");
    for time in 0..200 {
        put(&mut world, "l", time, "x", 1);
    }
    assert!(world.entries(0) < 12, "{}", world.entries(0));
    put(&mut world, "r", 199, "x", 2);
    assert_eq!(world.told("j").len(), 6);
}
