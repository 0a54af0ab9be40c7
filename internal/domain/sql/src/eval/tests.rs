use super::*;
use crate::{Scope, bind_text};

fn value(text: &str) -> Value {
    let scope = Scope::of(&[
        ("A", Type::Int),
        ("S", Type::String),
        ("N", Type::Int),
        ("D", Type::Decimal { precision: 12, scale: 2 }),
    ]);
    let row = [Value::Int(7), Value::text("Oak lamp"), Value::Null, Value::Decimal(Decimal::new(1250, 2))];
    let (bound, _) = bind_text(&scope, text).unwrap_or_else(|mistake| panic!("{text}: {mistake:?}"));
    bound.eval(&row)
}

#[test]
fn expressions_give_what_sql_says() {
    let (yes, no) = (Value::Boolean(true), Value::Boolean(false));
    for (text, expected) in [
        ("A + 2 * 3", Value::Int(13)),
        ("A / 2", Value::Int(3)),
        ("A / 0", Value::Null),
        ("A % 4", Value::Int(3)),
        ("2147483647 + A", Value::Null),
        ("-A", Value::Int(-7)),
        ("A + 5000000000", Value::Bigint(5_000_000_007)),
        ("D * 2", Value::Decimal(Decimal::new(2500, 2))),
        ("D > 12", yes.clone()),
        ("D = 12.5", yes.clone()),
        ("N = 1", Value::Null),
        ("N = 1 AND 1 = 2", no.clone()),
        ("N = 1 OR 1 = 1", yes.clone()),
        ("NOT (N = 1)", Value::Null),
        ("N IS NULL", yes.clone()),
        ("A IS NOT NULL", yes.clone()),
        ("A BETWEEN 5 AND 7", yes.clone()),
        ("A NOT IN (1, 2)", yes.clone()),
        ("A IN (1, 7)", yes.clone()),
        ("S LIKE '%lamp'", yes.clone()),
        ("S LIKE 'O_k%'", yes.clone()),
        ("S LIKE 'lamp%'", no),
        ("UCASE(S)", Value::text("OAK LAMP")),
        ("LEN(S)", Value::Int(8)),
        ("SUBSTRING(S, 5)", Value::text("lamp")),
        ("SUBSTRING(S, -4, 2)", Value::text("la")),
        ("CONCAT(S, '!')", Value::text("Oak lamp!")),
        ("S + '?'", Value::text("Oak lamp?")),
        ("COALESCE(N, A)", Value::Int(7)),
        ("CASE WHEN A > 5 THEN 'big' ELSE 'small' END", Value::text("big")),
        ("CASE A WHEN 1 THEN 'one' END", Value::Null),
        ("CAST(A AS STRING)", Value::text("7")),
        ("CAST('12' AS BIGINT)", Value::Bigint(12)),
        ("CAST(D AS INT)", Value::Int(12)),
        ("CAST(A AS DECIMAL(5, 2))", Value::Decimal(Decimal::new(700, 2))),
        ("STRUCT(x := A, y := S)->y", Value::text("Oak lamp")),
        ("STRUCT(x := STRUCT(y := A))->x->y", Value::Int(7)),
    ] {
        assert_eq!(value(text), expected, "{text}");
    }
}

#[test]
fn a_field_binds_closer_than_any_operator() {
    assert_eq!(value("STRUCT(x := A)->x + 1 = 8"), Value::Boolean(true));
}
