use millstream_model::Value;

use super::world::World;

fn text(text: &str) -> Value {
    Value::text(text)
}

#[test]
fn sources_are_joined_on_several_columns() {
    let mut world = World::new(
        "CREATE STREAM l (id STRING KEY, a STRING, b INT) WITH (KAFKA_TOPIC='l', FORMAT='JSON');
        CREATE TABLE r (x STRING PRIMARY KEY, y INT PRIMARY KEY, n STRING) WITH (KAFKA_TOPIC='r', FORMAT='JSON');
        CREATE STREAM j WITH (KAFKA_TOPIC='j') AS
          SELECT l.a, l.b, l.id, r.n FROM l JOIN r ON l.b = r.y AND r.x = l.a;",
    );
    let row = |id: &str, a: &str, b: i32| (vec![text(id)], Some(vec![text(a), Value::Int(b)]));
    world.put("r", vec![text("p"), Value::Int(1)], Some(vec![text("one")]));
    world.put("r", vec![text("p"), Value::Int(2)], Some(vec![text("two")]));
    for (key, value) in [row("e1", "p", 2), row("e2", "q", 1), row("e3", "p", 1)] {
        world.put_at("l", 7, key, value);
    }
    assert_eq!(world.told("j"), ["p,2: e1,two at 7", "p,1: e3,one at 7"]);
}

#[test]
fn streams_meet_on_several_columns() {
    let mut world = World::new(
        "CREATE STREAM l (id STRING KEY, a STRING, b INT) WITH (KAFKA_TOPIC='l', FORMAT='JSON');
        CREATE STREAM r (id STRING KEY, a STRING, b INT) WITH (KAFKA_TOPIC='r', FORMAT='JSON');
        CREATE STREAM j WITH (KAFKA_TOPIC='j') AS
          SELECT l.a, l.b, l.id AS one, r.id AS other FROM l JOIN r WITHIN 9 MILLISECONDS ON l.a = r.a AND l.b = r.b;",
    );
    let put = |world: &mut World, topic: &str, time, id: &str, a: &str, b| {
        world.put_at(topic, time, vec![text(id)], Some(vec![text(a), Value::Int(b)]));
    };
    put(&mut world, "l", 1, "l1", "x", 1);
    put(&mut world, "r", 2, "r1", "x", 2);
    put(&mut world, "r", 3, "r2", "x", 1);
    assert_eq!(world.told("j"), ["x,1: l1,r2 at 3"]);
}

const SALES: &str =
    "CREATE STREAM s (id STRING KEY, kind STRING, n INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON');";

fn sell(world: &mut World, time: i64, id: &str, kind: &str, n: i32) {
    world.put_at("s", time, vec![text(id)], Some(vec![text(kind), Value::Int(n)]));
}

#[test]
fn a_query_can_stand_in_the_place_of_a_source() {
    let mut world = World::new(&format!(
        "{SALES} CREATE TABLE t WITH (KAFKA_TOPIC='t') AS
          SELECT b.kind, SUM(b.twice) AS total FROM (SELECT id, kind, n * 2 AS twice FROM s WHERE n > 1) b
          WHERE b.twice < 100 AND b.ROWTIME < 50 GROUP BY b.kind;"
    ));
    sell(&mut world, 1, "a", "x", 1);
    sell(&mut world, 2, "b", "x", 2);
    sell(&mut world, 3, "c", "x", 60);
    sell(&mut world, 4, "d", "x", 3);
    sell(&mut world, 50, "e", "x", 3);
    assert_eq!(world.told("t"), ["x: 4 at 2", "x: 10 at 4"]);
}

#[test]
fn queries_are_named_before_the_one_that_reads_them() {
    let mut world = World::new(&format!(
        "{SALES} CREATE TABLE t WITH (KAFKA_TOPIC='t') AS
          WITH big AS (SELECT id, kind, n FROM s WHERE n > 1),
               counted AS (SELECT kind, COUNT(*) AS times FROM big GROUP BY kind)
          SELECT kind, times FROM counted WHERE times > 1;"
    ));
    sell(&mut world, 1, "a", "x", 1);
    sell(&mut world, 2, "b", "x", 2);
    sell(&mut world, 3, "c", "x", 2);
    sell(&mut world, 4, "d", "y", 2);
    assert_eq!(world.told("t"), ["x: 2 at 3"]);
}
