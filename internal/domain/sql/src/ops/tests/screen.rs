use std::fmt::Write as _;

use millstream_model::Value;
use proptest::prelude::*;

use crate::{Catalog, Intake, RegisteredColumns, Rule, SchemaSource, Screen, SourceRecord, plan};

struct NoSchemas;

impl SchemaSource for NoSchemas {
    fn columns(&self, _: &str, _: bool, _: &str, _: Option<u32>) -> Result<RegisteredColumns, String> {
        Err("none".to_owned())
    }
}

fn rules(conditions: &[String]) -> Vec<Rule> {
    let mut text = "CREATE STREAM s (k STRING KEY, i INT, b BIGINT, d DOUBLE, m DECIMAL(6, 2), t STRING) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON');\n".to_owned();
    for (number, condition) in conditions.iter().enumerate() {
        writeln!(text, "CREATE STREAM o{number} AS SELECT * FROM s {condition};").unwrap();
    }
    let (plan, mistakes) = plan(&text, &mut Catalog::new(), &NoSchemas);
    assert_eq!(mistakes, []);
    plan.rules
}

fn condition() -> impl Strategy<Value = String> {
    let column = prop_oneof![Just("i"), Just("b"), Just("d"), Just("m")];
    let sign = prop_oneof![Just("="), Just("<>"), Just("<"), Just("<="), Just(">"), Just(">=")];
    let number = prop_oneof![
        (-3..4_i32).prop_map(|number| number.to_string()),
        Just("1.5".to_owned()),
        Just("-0.0".to_owned())
    ];
    let plain = (column.clone(), sign.clone(), number.clone())
        .prop_map(|(column, sign, number)| format!("{column} {sign} {number}"));
    let turned = (column.clone(), sign, number.clone())
        .prop_map(|(column, sign, number)| format!("{number} {sign} {column}"));
    let listed =
        (column, -3..4_i32, -3..4_i32).prop_map(|(column, one, two)| format!("{column} IN ({one}, {two})"));
    let text = prop_oneof![
        Just("t = 'a'"),
        Just("'b' = t"),
        Just("t IN ('a', 'c', 'a')"),
        Just("t LIKE 'a%'"),
        Just("t LIKE '%b%'"),
        Just("t LIKE '_' OR t LIKE '%a%c%'"),
        Just("UCASE(t) = 'A'"),
        Just("LEN(t) > 0"),
        Just("10 / i = 5"),
        Just("i * 2 > b"),
        Just("i * 2 > 3"),
        Just("RANDOM() < 2.0"),
        Just("i % b = 1"),
        Just("d * 2 - i >= b"),
        Just("d / i > 1.0"),
        Just("b - 5000000000 * i < d"),
        Just("i * 2147483647 > b"),
        Just("(t = 'a') = (i > 0)"),
        Just("CASE WHEN i > 0 THEN t ELSE 'b' END = 'a'"),
        Just("i IS DISTINCT FROM b"),
        Just("NOT (m < 1)"),
        Just("t IS NULL"),
        Just("k = 'x'")
    ];
    let simple = prop_oneof![plain, turned, listed, text.prop_map(str::to_owned)].boxed();
    let joined = simple.clone().prop_recursive(4, 8, 2, |part| {
        let word = prop_oneof![Just("AND"), Just("OR"), Just("AND NOT"), Just("OR NOT")];
        (part.clone(), word, part).prop_map(|(one, word, two)| format!("({one}) {word} ({two})"))
    });
    let failing = simple.clone().prop_map(|simple| format!("{simple} AND 10 / (i - i) > 1"));
    prop_oneof![
        5 => simple.prop_map(|simple| format!("WHERE {simple}")),
        3 => joined.prop_map(|joined| format!("WHERE {joined}")),
        1 => failing.prop_map(|failing| format!("WHERE {failing}")),
        1 => Just(String::new()),
    ]
}

fn row() -> impl Strategy<Value = Option<Vec<Value>>> {
    let or_null = |value: BoxedStrategy<Value>| prop_oneof![6 => value, 1 => Just(Value::Null)];
    let double =
        prop_oneof![Just(0.0), Just(-0.0), Just(1.5), Just(2.0), Just(f64::NAN), Just(f64::INFINITY)];
    let decimal = (-300..400_i64).prop_map(|cents| Value::Decimal(millstream_model::Decimal::from(cents)));
    let text = prop_oneof![Just("a"), Just("b"), Just("abc"), Just("c"), Just("")];
    let row = (
        or_null((-3..4).prop_map(Value::Int).boxed()),
        or_null((-3..4_i64).prop_map(Value::Bigint).boxed()),
        or_null(double.prop_map(Value::Double).boxed()),
        or_null(decimal.boxed()),
        or_null(text.prop_map(Value::from).boxed()),
    );
    let row = row.prop_map(|(i, b, d, m, t)| vec![i, b, d, m, t]);
    prop_oneof![9 => row.prop_map(Some), 1 => Just(None)]
}

proptest! {
    #[test]
    fn who_admits_a_record_or_fails_in_it_is_a_candidate_and_no_one_else(
        conditions in prop::collection::vec(condition(), 1..30),
        rows in prop::collection::vec(row(), 1..20),
    ) {
        let rules = rules(&conditions);
        let screen = Screen::of(rules.iter().map(|rule| (rule, 0)));
        for value in rows {
            let record = SourceRecord { key: vec![Value::from("x")], value, ..SourceRecord::default() };
            let Some(intake) = Intake::of(&rules[0].query.entries[0], record) else { continue };
            let candidates = screen.candidates(&intake);
            prop_assert!(candidates.is_sorted());
            for (place, rule) in rules.iter().enumerate() {
                let mut told = Vec::new();
                let is_admitted = rule.admits(0, &intake, &mut told).is_some();
                let is_one = candidates.contains(&place);
                let is_chance = conditions[place].contains("RANDOM");
                prop_assert!(is_one == (is_admitted || !told.is_empty()) || (is_one && is_chance), "{} in {intake:?}", conditions[place]);
            }
        }
    }
}

#[test]
fn of_a_thousand_conditions_on_an_expression_those_are_candidates_that_can_hold() {
    for (condition, expected) in [
        ("i * 2 = #", vec![14]),
        ("d > 0.5 AND ABS(b) + i = #", vec![12]),
        ("t LIKE '%-#-%'", vec![12, 345]),
        ("UCASE(t) = 'A-#'", Vec::new()),
        ("i * (# + 1) = 7 * (# + 1) AND b IS NULL", Vec::new()),
        ("i * (# + 1) = 7 * 18 AND b IS NOT NULL", vec![17]),
        ("CONCAT(t, '#') LIKE '%-#-%' AND i = 7", vec![12, 345]),
        ("i > # AND t LIKE 'b%'", Vec::new()),
        ("i = # OR t LIKE '%-#-%'", vec![7, 12, 345]),
        ("i IS NOT NULL AND t LIKE '%-#-%' AND b < 0", vec![12, 345]),
        ("i IS NOT NULL AND t LIKE '%-#-%' AND b > 0", Vec::new()),
        ("10 / i > 5 AND i = #", Vec::new()),
    ] {
        let conditions: Vec<_> = (0..1_000)
            .map(|number| format!("WHERE {}", condition.replace('#', &number.to_string())))
            .collect();
        let rules = rules(&conditions);
        let double = Value::Double(1.0);
        let value = vec![Value::Int(7), Value::Bigint(-5), double, Value::Null, Value::from("a-12-345-x")];
        let key = vec![Value::from("x")];
        let record = SourceRecord { key, value: Some(value), ..SourceRecord::default() };
        let intake = Intake::of(&rules[0].query.entries[0], record).unwrap();
        assert_eq!(
            Screen::of(rules.iter().map(|rule| (rule, 0))).candidates(&intake),
            expected,
            "{condition}"
        );
    }
}

#[test]
fn of_a_thousand_conditions_on_one_column_those_are_candidates_that_can_hold() {
    let of = |sign: &str| (0..1_000).map(|number| format!("WHERE i {sign} {number}")).collect::<Vec<_>>();
    for (sign, expected) in [
        ("=", vec![7]),
        ("<", (8..1_000).collect()),
        ("<=", (7..1_000).collect()),
        (">", (0..7).collect()),
        (">=", (0..8).collect()),
    ] {
        let rules = rules(&of(sign));
        let value = vec![Value::Int(7), Value::Null, Value::Null, Value::Null, Value::Null];
        let key = vec![Value::from("x")];
        let record = SourceRecord { key, value: Some(value), ..SourceRecord::default() };
        let intake = Intake::of(&rules[0].query.entries[0], record).unwrap();
        assert_eq!(Screen::of(rules.iter().map(|rule| (rule, 0))).candidates(&intake), expected, "{sign}");
    }
}
