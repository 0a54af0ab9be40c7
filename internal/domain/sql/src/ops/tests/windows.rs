use millstream_model::{Headers, Value};

use super::world::World;
use crate::ops::Run;
use crate::ops::event::{Before, Bounds, Event};
use crate::plan::Act;

fn counted(window: &str) -> World {
    World::new(&format!(
        "CREATE STREAM s (k STRING KEY, v INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON');
        CREATE TABLE t WITH (KAFKA_TOPIC='t') AS SELECT k, SUM(v) AS total FROM s WINDOW {window};"
    ))
}

fn put(world: &mut World, time: i64, key: &str, value: i32) {
    world.put_at("s", time, vec![Value::text(key)], Some(vec![Value::Int(value)]));
}

#[test]
fn an_event_counts_in_every_window_that_it_is_in() {
    let mut world =
        counted("HOPPING (SIZE 10 MILLISECONDS, ADVANCE BY 5 MILLISECONDS) GROUP BY k EMIT CHANGES");
    put(&mut world, 7, "a", 1);
    put(&mut world, 12, "a", 2);
    assert_eq!(
        world.told("t"),
        ["a: 1 at 7 in 0-10", "a: 1 at 7 in 5-15", "a: 3 at 12 in 5-15", "a: 2 at 12 in 10-20"]
    );
}

#[test]
fn what_comes_after_the_grace_counts_no_more() {
    let mut world =
        counted("TUMBLING (SIZE 10 MILLISECONDS, GRACE PERIOD 5 MILLISECONDS) GROUP BY k EMIT CHANGES");
    put(&mut world, 1, "a", 1);
    put(&mut world, 14, "b", 2);
    put(&mut world, 2, "a", 4);
    // Each key has a partition of its own here, and with it a time.
    assert_eq!(world.told("t").last().unwrap(), "a: 5 at 2 in 0-10");
    put(&mut world, 15, "a", 8);
    put(&mut world, 3, "a", 16);
    assert_eq!(world.told("t").last().unwrap(), "a: 8 at 15 in 10-20");
}

#[test]
fn a_closed_window_is_told_once() {
    let mut world =
        counted("TUMBLING (SIZE 10 MILLISECONDS, GRACE PERIOD 0 MILLISECONDS) GROUP BY k EMIT FINAL");
    put(&mut world, 1, "a", 1);
    put(&mut world, 9, "a", 2);
    assert_eq!(world.told("t"), Vec::<String>::new());
    put(&mut world, 25, "a", 4);
    assert_eq!(world.told("t"), ["a: 3 at 9 in 0-10"]);
    put(&mut world, 1000, "a", 8);
    assert_eq!(world.told("t"), ["a: 3 at 9 in 0-10", "a: 4 at 25 in 20-30"]);
}

#[test]
fn an_earlier_window_that_opens_later_is_told_at_its_own_end() {
    let mut world =
        counted("TUMBLING (SIZE 10 MILLISECONDS, GRACE PERIOD 10 MILLISECONDS) GROUP BY k EMIT FINAL");
    put(&mut world, 15, "a", 1);
    put(&mut world, 5, "a", 2);
    put(&mut world, 19, "a", 4);
    assert_eq!(world.told("t"), [""; 0]);
    put(&mut world, 20, "a", 8);
    assert_eq!(world.told("t"), ["a: 2 at 5 in 0-10"]);
    put(&mut world, 30, "a", 16);
    assert_eq!(world.told("t"), ["a: 2 at 5 in 0-10", "a: 5 at 19 in 10-20"]);
}

#[test]
fn windows_that_the_version_before_left_open_are_told_once() {
    let text = "CREATE STREAM s (k STRING KEY, v INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON');
        CREATE TABLE t WITH (KAFKA_TOPIC='t') AS SELECT k, SUM(v) AS total FROM s
          WINDOW TUMBLING (SIZE 10 MILLISECONDS, GRACE PERIOD 10 MILLISECONDS) GROUP BY k EMIT FINAL;";
    let mut world = World::of_one_partition(text);
    put(&mut world, 15, "a", 1);
    put(&mut world, 5, "a", 2);
    // It noted the later window alone, and kept both windows' rows apart.
    let (key, group) = (vec![Value::text("a")], Value::Struct(vec![Value::text("a")]).to_bytes());
    world.rewrite(0, |rule, state| {
        let mut run = Run { rule, state, out: Vec::new() };
        let windows_of = |wire| match run.act(wire) {
            Ok(Act::Aggregate { window: Some(windows), .. }) => Some((wire, windows)),
            _ => None,
        };
        let mut keepers = (0..9).filter_map(|number| rule.query.keeper(number, 0));
        let (wire, windows) = keepers.find_map(windows_of).unwrap();
        Run::open(wire, *windows).remove(run.state, 10, &Value::Bytes(group.as_slice().into())).unwrap();
        Run::open(wire, *windows)
            .add(run.state, 20, &Value::Bytes(group.as_slice().into()), Value::Null)
            .unwrap();
        for (start, time, total) in [(10, 15, 1), (0, 5, 2)] {
            let bounds = Bounds { start, end: start + 10 };
            let row =
                vec![Value::text("a"), Value::Bigint(start), Value::Bigint(start + 10), Value::Int(total)];
            let (key, row, window) = (key.clone(), Some(row), Some(bounds));
            let row = Event {
                key,
                row,
                before: Before::Unknown,
                time,
                window,
                headers: Headers::default(),
                origin: None,
                group: None,
            };
            run.tell_window(wire, *windows, row).unwrap();
        }
    });
    put(&mut world, 19, "a", 4);
    put(&mut world, 20, "a", 8);
    assert_eq!(world.told("t"), ["a: 2 at 5 in 0-10"]);
    world.rest(0, 40);
    world.rest(0, 99);
    assert_eq!(world.told("t"), ["a: 2 at 5 in 0-10", "a: 5 at 19 in 10-20", "a: 8 at 20 in 20-30"]);
}

#[test]
fn a_window_is_told_at_its_end_unless_it_is_given_more_time() {
    let mut world = counted("TUMBLING (SIZE 10 MILLISECONDS) GROUP BY k EMIT FINAL");
    put(&mut world, 1, "a", 1);
    put(&mut world, 9, "a", 2);
    assert_eq!(world.told("t"), Vec::<String>::new());
    put(&mut world, 10, "a", 4);
    assert_eq!(world.told("t"), ["a: 3 at 9 in 0-10"]);
    put(&mut world, 8, "a", 8);
    put(&mut world, 20, "a", 16);
    assert_eq!(world.told("t"), ["a: 3 at 9 in 0-10", "a: 4 at 10 in 10-20"]);
}

#[test]
fn sessions_grow_together() {
    let mut world = counted("SESSION (5 MILLISECONDS) GROUP BY k EMIT CHANGES");
    put(&mut world, 10, "a", 1);
    put(&mut world, 20, "a", 2);
    put(&mut world, 15, "a", 4);
    assert_eq!(
        world.told("t"),
        [
            "a: 1 at 10 in 10-10",
            "a: 2 at 20 in 20-20",
            "a: gone at 10 in 10-10",
            "a: gone at 20 in 20-20",
            "a: 7 at 20 in 10-20"
        ]
    );
}

#[test]
fn windows_of_idle_input_close_by_the_clock_and_are_told_once() {
    let mut world = World::of_one_partition(
        "CREATE STREAM s (k STRING KEY, a INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON');
        CREATE TABLE o WITH (KAFKA_TOPIC='o') AS SELECT k, COUNT(*) AS n FROM s
          WINDOW TUMBLING (SIZE 10 MILLISECONDS, GRACE PERIOD 5 MILLISECONDS) GROUP BY k EMIT FINAL;",
    );
    let put =
        |world: &mut World, time| world.put_at("s", time, vec![Value::text("x")], Some(vec![Value::Int(1)]));
    put(&mut world, 1);
    put(&mut world, 2);
    world.rest(0, 14);
    assert_eq!(world.told("o"), [""; 0]);
    world.rest(0, 15);
    world.rest(0, 99);
    assert_eq!(world.told("o"), ["x: 2 at 2 in 0-10"]);
    // What comes for it now is late.
    put(&mut world, 3);
    world.rest(0, 200);
    assert_eq!(world.told("o"), ["x: 2 at 2 in 0-10"]);
}

#[test]
fn events_of_idle_input_are_told_without_a_partner() {
    let mut world = World::of_one_partition(
        "CREATE STREAM l (k STRING KEY, a INT) WITH (KAFKA_TOPIC='l', VALUE_FORMAT='JSON');
        CREATE STREAM r (k STRING KEY, b INT) WITH (KAFKA_TOPIC='r', VALUE_FORMAT='JSON');
        CREATE STREAM j WITH (KAFKA_TOPIC='j') AS
          SELECT l.k, a, b FROM l LEFT JOIN r WITHIN 5 MILLISECONDS GRACE PERIOD 1 MILLISECOND ON l.k = r.k;",
    );
    world.put_at("l", 10, vec![Value::text("x")], Some(vec![Value::Int(1)]));
    world.rest(0, 16);
    assert_eq!(world.told("j"), [""; 0]);
    world.rest(0, 17);
    assert_eq!(world.told("j"), ["x: 1,- at 10"]);
}
