use super::*;
use crate::{Catalog, RegisteredColumns, SchemaSource, plan, render};

struct NoSchemas;

impl SchemaSource for NoSchemas {
    fn columns(&self, topic: &str, _: bool, _: &str, _: Option<u32>) -> Result<RegisteredColumns, String> {
        Err(format!("no schema for '{topic}'"))
    }
}

/// The shape of the only rule of a text, its sources declared before it.
fn shape(rule: &str) -> Shape {
    let sources = "CREATE STREAM s (id STRING KEY, a INT, b INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON');
CREATE STREAM wide (id STRING KEY, a INT, b INT, c INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON');
CREATE STREAM u (id STRING KEY, x INT) WITH (KAFKA_TOPIC='u', VALUE_FORMAT='JSON');
CREATE TABLE t (id STRING PRIMARY KEY, y INT) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='JSON');\n";
    let text = format!("{sources}{rule}");
    let (plan, mistakes) = plan(&text, &mut Catalog::new(), &NoSchemas);
    assert_eq!(mistakes, [], "{}", render("test.sql", &text, &mistakes));
    Shape::of(plan.rules.first().unwrap())
}

/// `+` where the state is kept, and words that the verdict has.
const CASES: &[(&str, &str, &str, &str)] = &[
    ("+", "CREATE STREAM o AS SELECT id, a FROM s;", "CREATE STREAM o AS SELECT id, a FROM s;", "unchanged"),
    (
        "+",
        "CREATE STREAM o AS SELECT id, a FROM s;",
        "CREATE STREAM o AS SELECT id, a FROM s WHERE b > 1;",
        "keep",
    ),
    (
        "+",
        "CREATE STREAM o AS SELECT id, a FROM s;",
        "CREATE STREAM o AS SELECT id, a, b FROM s;",
        "also writes B INT",
    ),
    (
        "+",
        "CREATE STREAM o AS SELECT id, a + 1 AS n FROM s;",
        "CREATE STREAM o AS SELECT id, a + 2 AS n FROM s;",
        "value",
    ),
    (
        "-",
        "CREATE STREAM o AS SELECT id, a, b FROM s;",
        "CREATE STREAM o AS SELECT id, b FROM s;",
        "readers rely on",
    ),
    (
        "-",
        "CREATE STREAM o AS SELECT id, a FROM s;",
        "CREATE STREAM o WITH (VALUE_FORMAT='DELIMITED') AS SELECT id, a FROM s;",
        "DELIMITED",
    ),
    ("-", "CREATE STREAM o AS SELECT id, a FROM s;", "CREATE STREAM o AS SELECT id, x AS a FROM u;", "'u'"),
    (
        "-",
        "CREATE STREAM o AS SELECT id, a FROM s;",
        "CREATE TABLE o AS SELECT id, COUNT(*) AS a FROM s GROUP BY id;",
        "it kept nothing",
    ),
    // Aggregations: conditions may change, what is counted and how may not.
    (
        "+",
        "CREATE TABLE o AS SELECT id, COUNT(*) AS n FROM s GROUP BY id;",
        "CREATE TABLE o AS SELECT id, COUNT(*) AS n FROM s WHERE a > 1 GROUP BY id;",
        "keep",
    ),
    (
        "+",
        "CREATE TABLE o AS SELECT id, COUNT(*) AS n FROM s GROUP BY id;",
        "CREATE TABLE o AS SELECT id, COUNT(*) AS n FROM s GROUP BY id HAVING COUNT(*) > 1;",
        "keep",
    ),
    (
        "+",
        "CREATE TABLE o AS SELECT id, COUNT(*) AS n FROM s GROUP BY id;",
        "CREATE TABLE o AS SELECT id, COUNT(*) AS n, COUNT(*) * 2 AS m FROM s GROUP BY id;",
        "also writes M BIGINT",
    ),
    (
        "+",
        "CREATE TABLE o AS SELECT id, COUNT(*) AS n FROM s GROUP BY id;",
        "CREATE TABLE o AS SELECT id, COUNT(*) AS n FROM wide GROUP BY id;",
        "C INT",
    ),
    (
        "-",
        "CREATE TABLE o AS SELECT id, COUNT(*) AS n FROM s GROUP BY id;",
        "CREATE TABLE o AS SELECT id, COUNT(*) AS n, SUM(a) AS m FROM s GROUP BY id;",
        "SUM",
    ),
    (
        "-",
        "CREATE TABLE o AS SELECT id, SUM(a) AS n FROM s GROUP BY id;",
        "CREATE TABLE o AS SELECT id, SUM(b) AS n FROM s GROUP BY id;",
        "B",
    ),
    (
        "-",
        "CREATE TABLE o AS SELECT a, COUNT(*) AS n FROM s GROUP BY a;",
        "CREATE TABLE o AS SELECT b AS a, COUNT(*) AS n FROM s GROUP BY b;",
        "group by",
    ),
    (
        "-",
        "CREATE TABLE o AS SELECT id, COUNT(*) AS n FROM s GROUP BY id;",
        "CREATE TABLE o AS SELECT id, COUNT(*) AS n FROM s WINDOW TUMBLING (SIZE 1 MINUTE) GROUP BY id;",
        "Tumbling",
    ),
    (
        "-",
        "CREATE TABLE o AS SELECT id, COUNT(*) AS n FROM s WINDOW TUMBLING (SIZE 1 MINUTE) GROUP BY id;",
        "CREATE TABLE o AS SELECT id, COUNT(*) AS n FROM s WINDOW TUMBLING (SIZE 2 MINUTES) GROUP BY id;",
        "120000",
    ),
    (
        "+",
        "CREATE TABLE o AS SELECT id, COUNT(*) AS n FROM s WINDOW TUMBLING (SIZE 1 MINUTE, GRACE PERIOD 1 MINUTE) GROUP BY id;",
        "CREATE TABLE o AS SELECT id, COUNT(*) AS n FROM s WINDOW TUMBLING (SIZE 1 MINUTE, GRACE PERIOD 2 MINUTES) GROUP BY id;",
        "its state is kept",
    ),
    // Joins keep whole rows.
    (
        "+",
        "CREATE STREAM o AS SELECT s.id, a, x FROM s JOIN u WITHIN 1 MINUTE ON s.id = u.id;",
        "CREATE STREAM o AS SELECT s.id, a, x FROM s JOIN u WITHIN 1 MINUTE ON s.id = u.id WHERE a > x;",
        "keep",
    ),
    (
        "-",
        "CREATE STREAM o AS SELECT s.id, a, x FROM s JOIN u WITHIN 1 MINUTE ON s.id = u.id;",
        "CREATE STREAM o AS SELECT s.id, a, x FROM s JOIN u WITHIN 2 MINUTES ON s.id = u.id;",
        "120000",
    ),
    (
        "-",
        "CREATE STREAM o AS SELECT s.id, a, x FROM s JOIN u WITHIN 1 MINUTE ON s.id = u.id;",
        "CREATE STREAM o AS SELECT wide.id, a, x FROM wide JOIN u WITHIN 1 MINUTE ON wide.id = u.id;",
        "C",
    ),
    (
        "-",
        "CREATE STREAM o AS SELECT s.id, a, y FROM s JOIN t ON s.id = t.id;",
        "CREATE STREAM o AS SELECT s.id, a, y FROM s LEFT JOIN t ON s.id = t.id;",
        "LEFT",
    ),
];

#[test]
fn a_changed_rule_keeps_its_state_where_it_fits() {
    for (expected, old, new, words) in CASES {
        let verdict = shape(old).verdict(&shape(new));
        assert_eq!(verdict.keeps_state(), *expected == "+", "{old}\n{new}\n{verdict}");
        assert!(verdict.to_string().contains(words), "'{words}' is missing in: {verdict}");
    }
}

#[test]
fn steps_that_keep_something_are_numbered_among_themselves() {
    let numbers = |rule: &str| {
        let sources = "CREATE STREAM s (id STRING KEY, a INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON');";
        let (plan, _) = plan(&format!("{sources}{rule}"), &mut Catalog::new(), &NoSchemas);
        let steps = plan.rules.first().unwrap().query.steps.clone();
        steps.iter().filter_map(|step| step.next).map(|wire| (wire.step, wire.number)).collect::<Vec<_>>()
    };
    let plain = numbers("CREATE TABLE o AS SELECT id, COUNT(*) AS n FROM s GROUP BY id;");
    let filtered = numbers("CREATE TABLE o AS SELECT id, COUNT(*) AS n FROM s WHERE a > 1 GROUP BY id;");
    let aggregate = |all: &[(usize, usize)], at: usize| all[at].1;
    assert_eq!(aggregate(&plain, 0), aggregate(&filtered, 1), "{plain:?} {filtered:?}");
}
