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
        ("S + '?'", Value::text("Oak lamp?")),
        ("CASE WHEN A > 5 THEN 'big' ELSE 'small' END", Value::text("big")),
        ("CASE A WHEN 1 THEN 'one' END", Value::Null),
        ("CAST(A AS STRING)", Value::text("7")),
        ("CAST('12' AS BIGINT)", Value::Bigint(12)),
        ("CAST(D AS INT)", Value::Int(12)),
        ("CAST(A AS DECIMAL(5, 2))", Value::Decimal(Decimal::new(700, 2))),
        ("A IN (1, N)", Value::Null),
        ("A NOT IN (1, NULL)", Value::Null),
        ("A = NULL", Value::Null),
        ("2.5 * D", Value::Decimal(Decimal::new(31_250, 3))),
        ("D / 3", Value::Decimal("4.1666666666667".parse().unwrap())),
        ("D % 5", Value::Decimal(Decimal::new(250, 2))),
        ("D + 1.005", Value::Decimal(Decimal::new(13_505, 3))),
        ("1.5E0 * 2", Value::Double(3.0)),
        ("1.0E0 / 0 > 1", yes.clone()),
        ("S || '!'", Value::text("Oak lamp!")),
        ("S || NULL", Value::Null),
        ("CASE WHEN A > 99 THEN 1 ELSE 2.5 END", Value::Decimal(Decimal::new(25, 1))),
        ("CASE WHEN A < 99 THEN 1 ELSE 2.5 END", Value::Decimal(Decimal::new(10, 1))),
        ("ARRAY[1, 2.5][1]", Value::Decimal(Decimal::new(10, 1))),
        ("ARRAY[1, 2][-1]", Value::Int(2)),
        ("ARRAY[1, 2][0]", Value::Null),
        ("ARRAY[1, 2][3]", Value::Null),
        ("MAP('a' := A)['a']", Value::Int(7)),
        ("MAP('a' := A)['b']", Value::Null),
        ("CAST('x' AS INT)", Value::Null),
        ("CAST(3000000000 AS INT)", Value::Null),
        ("CAST('true' AS BOOLEAN)", yes.clone()),
        ("CAST(1000 AS DECIMAL(4, 2))", Value::Null),
        ("CAST(1.005 AS DECIMAL(4, 2))", Value::Decimal(Decimal::new(101, 2))),
        ("CAST(1.9E0 AS BIGINT)", Value::Bigint(1)),
        ("CAST(NULL AS ARRAY<INT>)", Value::Null),
        ("STRUCT(x := A, y := S)->y", Value::text("Oak lamp")),
        ("STRUCT(x := STRUCT(y := A))->x->y", Value::Int(7)),
    ] {
        assert_eq!(value(text), expected, "{text}");
    }
}

#[test]
fn functions_give_what_their_names_say() {
    let yes = Value::Boolean(true);
    for (text, expected) in [
        ("UCASE(S)", Value::text("OAK LAMP")),
        ("LEN(S)", Value::Int(8)),
        ("SUBSTRING(S, 5)", Value::text("lamp")),
        ("SUBSTRING(S, -4, 2)", Value::text("la")),
        ("CONCAT(S, '!')", Value::text("Oak lamp!")),
        ("COALESCE(N, A)", Value::Int(7)),
        ("CONCAT_WS('-', 'a', NULL, 'b')", Value::text("a-b")),
        ("REPLACE(S, 'lamp', 'desk')", Value::text("Oak desk")),
        ("INSTR(S, 'lamp')", Value::Int(5)),
        ("INSTR(S, 'desk')", Value::Int(0)),
        ("LPAD('7', 3, '0')", Value::text("007")),
        ("RPAD('abc', 2, 'x')", Value::text("ab")),
        ("SPLIT('a,b', ',')[2]", Value::text("b")),
        ("INITCAP('oAK lamp')", Value::text("Oak Lamp")),
        ("REVERSE('abc')", Value::text("cba")),
        ("STARTS_WITH(S, 'Oak')", yes.clone()),
        ("TRIM('  a ')", Value::text("a")),
        ("LCASE(S)", Value::text("oak lamp")),
        ("ABS(-A)", Value::Int(7)),
        ("CEIL(D)", Value::Decimal(Decimal::new(1300, 2))),
        ("FLOOR(-1.5E0)", Value::Double(-2.0)),
        ("ROUND(2.5E0)", Value::Bigint(3)),
        ("ROUND(D)", Value::Decimal(Decimal::new(1300, 2))),
        ("ROUND(1.26E0, 1)", Value::Double(1.3)),
        ("SIGN(-D)", Value::Int(-1)),
        ("SQRT(A + 2)", Value::Double(3.0)),
        ("LN(0)", Value::Null),
        ("NULLIF(A, 7)", Value::Null),
        ("GREATEST(A, 2.5, N)", Value::Decimal(Decimal::new(70, 1))),
        ("LEAST('b', 'a')", Value::text("a")),
        ("COALESCE(NULL, N, 1.5)", Value::Decimal(Decimal::new(15, 1))),
        ("ARRAY_LENGTH(ARRAY[A, N])", Value::Int(2)),
        ("ARRAY_CONTAINS(ARRAY[1, 7], A)", yes.clone()),
        ("MAP_KEYS(MAP('b' := 1, 'a' := 2))", Value::Array(vec![Value::text("a"), Value::text("b")])),
    ] {
        assert_eq!(value(text), expected, "{text}");
    }
}

#[test]
fn a_field_binds_closer_than_any_operator() {
    assert_eq!(value("STRUCT(x := A)->x + 1 = 8"), Value::Boolean(true));
}

proptest::proptest! {
    /// Whatever an expression's type says, its value is of it.
    #[test]
    fn arithmetic_gives_values_of_its_type(
        (a, s) in (0..999_999_999_i64, 0..9_u8),
        (b, t) in (0..999_999_999_i64, 0..9_u8),
        op in proptest::sample::select(vec!["+", "-", "*", "/", "%"]),
    ) {
        let text = format!("{} {op} {}", crate::ast::literal(&Value::Decimal(Decimal::new(a.into(), s))), crate::ast::literal(&Value::Decimal(Decimal::new(b.into(), t))));
        let (bound, ty) = bind_text(&Scope::default(), &text).unwrap();
        let value = bound.eval(&[]);
        proptest::prop_assert!(ty.holds(&value), "{} is no {}: {:?}", text, ty, value);
        if op != "/" && op != "%" || b != 0 {
            proptest::prop_assert!(!value.is_null(), "{} as {}", text, ty);
        }
    }
}
