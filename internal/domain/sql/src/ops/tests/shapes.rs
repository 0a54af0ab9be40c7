use millstream_model::Value;

use super::world::World;

fn key(text: &str) -> Vec<Value> {
    vec![Value::text(text)]
}

#[test]
fn a_table_keeps_only_rows_that_pass_the_filter() {
    let mut world = World::new(
        "CREATE TABLE p (id STRING PRIMARY KEY, n INT) WITH (KAFKA_TOPIC='p', VALUE_FORMAT='JSON');
        CREATE TABLE big WITH (KAFKA_TOPIC='big') AS SELECT id, n * 2 AS twice FROM p WHERE n > 5;",
    );
    world.put("p", key("a"), Some(vec![Value::Int(7)]));
    assert_eq!(world.table("big")[&key("a")], [Value::Int(14)]);
    world.put("p", key("a"), Some(vec![Value::Int(3)]));
    assert!(world.table("big").is_empty());
}

#[test]
fn what_fails_is_null_and_told() {
    let mut world = World::new(
        "CREATE STREAM s (k STRING KEY, n INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON');
        CREATE STREAM t WITH (KAFKA_TOPIC='t') AS SELECT k, 6 / n AS part, n FROM s WHERE 12 / (n - 1) > 0;",
    );
    for n in [2, 1, 3] {
        world.put("s", key("a"), Some(vec![Value::Int(n)]));
    }
    assert_eq!(world.failures(0), ["division by zero"]);
    let rows: Vec<_> = world.written("t").iter().filter_map(|(_, value)| value.clone()).collect();
    assert_eq!(rows, [[Value::Int(3), Value::Int(2)], [Value::Int(2), Value::Int(3)]]);
    world.put("s", key("a"), Some(vec![Value::Int(0)]));
    assert_eq!(world.written("t").len(), 2, "a filter that fails lets nothing pass");
}

#[test]
fn groups_that_do_not_have_it_are_not_in_the_table() {
    let mut world = World::new(
        "CREATE STREAM s (k STRING KEY, n INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON');
        CREATE TABLE t WITH (KAFKA_TOPIC='t') AS
          SELECT k, SUM(n) AS total, COUNT(*) + 1 AS more FROM s GROUP BY k HAVING SUM(n) > 4;",
    );
    world.put("s", key("a"), Some(vec![Value::Int(3)]));
    assert_eq!(world.written("t"), [], "what was never there is not deleted");
    world.put("s", key("a"), Some(vec![Value::Int(4)]));
    assert_eq!(world.table("t")[&key("a")], [Value::Int(7), Value::Bigint(3)]);
    world.put("s", key("a"), None);
    assert_eq!(world.written("t").len(), 1);
}

const NAMED: &str =
    "CREATE STREAM clicks (id STRING KEY, who STRING) WITH (KAFKA_TOPIC='clicks', VALUE_FORMAT='JSON');
    CREATE TABLE users (id STRING PRIMARY KEY, name STRING) WITH (KAFKA_TOPIC='users', VALUE_FORMAT='JSON');
    CREATE STREAM named WITH (KAFKA_TOPIC='named') AS
      SELECT c.who, c.id, u.name FROM clicks c ";

#[test]
fn an_event_meets_the_row_that_is_there_when_it_comes() {
    let mut world = World::new(&format!("{NAMED} JOIN users u ON c.who = u.id;"));
    world.put("clicks", key("c1"), Some(key("ann")));
    world.put("users", key("ann"), Some(key("Ann")));
    world.put("clicks", key("c2"), Some(key("ann")));
    world.put("users", key("ann"), None);
    world.put("clicks", key("c3"), Some(key("ann")));
    world.put("clicks", key("c4"), Some(vec![Value::Null]));
    let row = vec![Value::text("c2"), Value::text("Ann")];
    assert_eq!(world.written("named"), [(key("ann"), Some(row))]);
}

#[test]
fn an_event_without_a_row_is_kept_by_a_left_join() {
    let mut world = World::new(&format!("{NAMED} LEFT JOIN users u ON u.id = c.who WHERE u.name IS NULL;"));
    world.put("clicks", key("c1"), Some(key("ann")));
    world.put("users", key("ann"), Some(key("Ann")));
    world.put("clicks", key("c2"), Some(key("ann")));
    let row = vec![Value::text("c1"), Value::Null];
    assert_eq!(world.written("named"), [(key("ann"), Some(row))]);
}

#[test]
fn events_can_be_keyed_by_something_else() {
    let mut world = World::new(
        "CREATE STREAM s (k STRING KEY, v STRING) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON');
        CREATE STREAM t WITH (KAFKA_TOPIC='t') AS
          SELECT UCASE(v) AS by_v, k, ROWTIME AS t, ROWPARTITION AS p, ROWOFFSET AS o FROM s PARTITION BY UCASE(v);",
    );
    world.put("s", key("a"), Some(key("x")));
    let place = [Value::Bigint(100), Value::Int(3), Value::Bigint(0)];
    assert_eq!(world.written("t"), [(key("X"), Some([key("a"), place.to_vec()].concat()))]);
}

#[test]
fn a_row_of_a_null_key_or_group_is_passed_over() {
    let mut world = World::new(
        "CREATE TABLE p (id STRING PRIMARY KEY, g STRING) WITH (KAFKA_TOPIC='p', VALUE_FORMAT='JSON');
        CREATE TABLE t WITH (KAFKA_TOPIC='t') AS SELECT g, COUNT(*) AS n FROM p GROUP BY g;",
    );
    world.put("p", vec![Value::Null], Some(key("x")));
    world.put("p", key("a"), Some(vec![Value::Null]));
    assert_eq!(world.written("t"), []);
    world.put("p", key("a"), Some(key("x")));
    assert_eq!(world.table("t")[&key("x")], [Value::Bigint(1)]);
    world.put("p", key("a"), Some(vec![Value::Null]));
    assert_eq!(world.table("t")[&key("x")], [Value::Bigint(0)], "a group that was there has no rows now");
}

#[test]
fn damaged_state_is_an_error_and_not_a_wrong_row() {
    let text = "CREATE STREAM s (k STRING KEY, n INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON');
        CREATE TABLE t WITH (KAFKA_TOPIC='t') AS SELECT k, SUM(n) AS total FROM s GROUP BY k;";
    let (plan, _) = crate::plan(text, &mut crate::Catalog::new(), &super::world::Schemas);
    let rule = &plan.rules[0];
    for (key, message) in [(&b"no row"[..], Value::Null), (&[1, 14, 1, 3, 2][..], Value::Int(1))] {
        let stepped = rule.on_repartitioned(key, message, &mut super::world::Memory::default());
        assert!(stepped.unwrap_err().to_string().contains("damaged"));
    }
}

#[test]
fn a_joined_row_goes_with_either_side_or_when_it_no_longer_passes() {
    let mut world = World::new(
        "CREATE TABLE p (id STRING PRIMARY KEY, n INT) WITH (KAFKA_TOPIC='p', VALUE_FORMAT='JSON');
        CREATE TABLE q (id STRING PRIMARY KEY, m INT) WITH (KAFKA_TOPIC='q', VALUE_FORMAT='JSON');
        CREATE TABLE t WITH (KAFKA_TOPIC='t') AS SELECT p.id, p.n + q.m AS sum FROM p JOIN q ON p.id = q.id WHERE p.n > 0;",
    );
    let number = |number: i32| Some(vec![Value::Int(number)]);
    world.put("p", key("a"), number(1));
    assert_eq!(world.written("t"), [], "never joined, so nothing to take back");
    world.put("q", key("a"), number(10));
    assert_eq!(world.table("t")[&key("a")], [Value::Int(11)]);
    world.put("p", key("a"), number(0));
    assert!(world.table("t").is_empty());
    world.put("p", key("a"), number(2));
    world.put("q", key("a"), None);
    assert!(world.table("t").is_empty());
    world.put("q", key("a"), number(20));
    assert_eq!(world.table("t")[&key("a")], [Value::Int(22)]);
    world.put("p", key("a"), None);
    assert!(world.table("t").is_empty());
    world.put("q", key("a"), None);
    assert_eq!(world.entries(0), 0);
}
