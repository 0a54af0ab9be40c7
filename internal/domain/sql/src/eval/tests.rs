use millstream_model::{Decimal, Type, Value};

use crate::{Bound, Scope, expression};

fn bound(text: &str) -> (Bound, Type) {
    let list = |of: Type| Type::Array(Box::new(of));
    let scope = Scope::of(&[
        ("A", Type::Int),
        ("S", Type::String),
        ("N", Type::Int),
        ("D", Type::Decimal { precision: 12, scale: 2 }),
        ("F", Type::Double),
        ("DAY", Type::Date),
        ("AT", Type::Timestamp),
        ("L", list(Type::Int)),
    ]);
    expression(&scope, text).unwrap_or_else(|mistake| panic!("{text}: {mistake:?}"))
}

/// The value of an expression in one row, and its type with it, which it must be of.
fn value(text: &str) -> Result<Value, String> {
    let row = [
        Value::Int(7),
        Value::text("Oak lamp"),
        Value::Null,
        Value::Decimal(Decimal::new(1250, 2)),
        Value::Double(2.5),
        Value::Date(18_000),
        Value::Timestamp(18_000 * 86_400_000 + 1),
        Value::Array(vec![Value::Int(3), Value::Null, Value::Int(1)]),
    ];
    let (bound, ty) = bound(text);
    let value = bound.try_eval(&row).map_err(|failure| failure.to_string());
    if let Ok(value) = &value {
        assert!(ty.holds(value), "{text} gives {value:?}, which is no {ty}");
    }
    value
}

fn decimal(text: &str) -> Value {
    Value::Decimal(text.parse().unwrap())
}

fn check(cases: &[(&str, Value)]) {
    for (text, expected) in cases {
        assert_eq!(value(text).as_ref(), Ok(expected), "{text}");
    }
}

#[test]
fn arithmetic_is_done_in_the_wider_type() {
    check(&[
        ("A + 2 * 3", Value::Int(13)),
        ("A / 2", Value::Int(3)),
        ("A % 4", Value::Int(3)),
        ("-A", Value::Int(-7)),
        ("A + 5000000000", Value::Bigint(5_000_000_007)),
        ("-9223372036854775808", Value::Bigint(i64::MIN)),
        ("A + N", Value::Null),
        ("A * F", Value::Double(17.5)),
        ("D * 2", decimal("25.00")),
        ("2.5 * D", decimal("31.250")),
        ("D / 3", decimal("4.1666666666667")),
        ("D % 5", decimal("2.50")),
        ("D + 1.005", decimal("13.505")),
        ("D - 20", decimal("-7.50")),
        ("1.5E0 * 2", Value::Double(3.0)),
        ("D * F", Value::Double(31.25)),
        ("S + '?'", Value::text("Oak lamp?")),
        ("S || '!'", Value::text("Oak lamp!")),
    ]);
}

#[test]
fn what_has_no_value_fails() {
    for text in
        ["A / 0", "A % 0", "2147483647 + A", "D / 0", "-9223372036854775808 - 1", "CAST('x' AS INT) + 1"]
    {
        assert!(value(text).is_err(), "{text}");
        assert_eq!(
            bound(text).0.eval(&[Value::Int(7), Value::Null, Value::Null, decimal("1.00")]),
            Value::Null
        );
    }
}

#[test]
fn nothing_compares_with_null() {
    let (yes, no) = (Value::Boolean(true), Value::Boolean(false));
    check(&[
        ("D > 12", yes.clone()),
        ("D = 12.5", yes.clone()),
        ("F < D", yes.clone()),
        ("N = 1", no.clone()),
        ("N <> 1", no.clone()),
        ("NOT (N = 1)", yes.clone()),
        ("N = 1 OR 1 = 1", yes.clone()),
        ("N IS DISTINCT FROM 1", yes.clone()),
        ("N IS DISTINCT FROM N", no.clone()),
        ("N IS NOT DISTINCT FROM N", yes.clone()),
        ("A IS NOT DISTINCT FROM 7", yes.clone()),
        ("N IS NULL", yes.clone()),
        ("A IS NOT NULL", yes.clone()),
        ("A BETWEEN 5 AND 7", yes.clone()),
        ("N BETWEEN 5 AND 7", no.clone()),
        ("A NOT BETWEEN 5 AND 7", no.clone()),
        ("A NOT IN (1, 2)", yes.clone()),
        ("A IN (1, 7)", yes.clone()),
        ("A IN ('1', '7')", yes.clone()),
        ("A IN (1, N)", no.clone()),
        ("A NOT IN (1, NULL)", yes.clone()),
        ("S IN ('x', 'Oak lamp')", yes.clone()),
        ("L IN (ARRAY[3, NULL, 1])", yes.clone()),
        ("L = ARRAY[3, NULL, 1]", yes.clone()),
        ("L <> ARRAY[3]", yes.clone()),
        ("STRUCT(x := A, y := S) = STRUCT(x := 7, y := 'Oak lamp')", yes.clone()),
        ("MAP('a' := A) = MAP('a' := 7)", yes.clone()),
        ("DAY = '2019-04-14'", yes.clone()),
        ("'2019-04' < DAY", yes.clone()),
        ("DAY < AT", yes.clone()),
        ("AT BETWEEN '2019-04-14' AND '2019-04-14T00:00:01'", yes.clone()),
        ("S LIKE '%lamp'", yes.clone()),
        ("S NOT LIKE 'O_k%'", no),
        ("'5%' LIKE '_!%' ESCAPE '!'", yes),
    ]);
}

#[test]
fn cases_arrays_maps_and_structs_are_of_one_type() {
    check(&[
        ("CASE WHEN A > 5 THEN 'big' ELSE 'small' END", Value::text("big")),
        ("CASE A WHEN 1 THEN 'one' END", Value::Null),
        ("CASE WHEN A > 99 THEN 1 ELSE 2.5 END", decimal("2.5")),
        ("CASE WHEN A < 99 THEN 1 ELSE 2.5 END", decimal("1.0")),
        ("ARRAY[1, 2.5][1]", decimal("1.0")),
        ("ARRAY[1, '2'][2]", Value::Int(2)),
        ("ARRAY[1, 2][-1]", Value::Int(2)),
        ("ARRAY[1, 2][0]", Value::Null),
        ("ARRAY[1, 2][3]", Value::Null),
        ("ARRAY[A / 0, 2][2]", Value::Int(2)),
        ("MAP('a' := A)['a']", Value::Int(7)),
        ("MAP('a' := A)['b']", Value::Null),
        ("MAP(1 := 'x', 2 := 'y')[2]", Value::text("y")),
        ("STRUCT(x := A, y := S)->y", Value::text("Oak lamp")),
        ("STRUCT(x := STRUCT(y := A))->x->y", Value::Int(7)),
        ("STRUCT(x := A)->x + 1 = 8", Value::Boolean(true)),
        ("ARRAY[STRUCT(x := 1), STRUCT(y := 'a')][2]->y", Value::text("a")),
    ]);
}

#[test]
fn casts_follow_what_the_types_can_hold() {
    let list = |values: &[i64]| Value::Array(values.iter().map(|value| Value::Bigint(*value)).collect());
    check(&[
        ("CAST(A AS STRING)", Value::text("7")),
        ("CAST(F * 4E6 AS STRING)", Value::text("1.0E7")),
        ("CAST(' 12 ' AS BIGINT)", Value::Bigint(12)),
        ("CAST(D AS INT)", Value::Int(12)),
        ("CAST(-D AS INT)", Value::Int(-12)),
        ("CAST(2147483648 AS INT)", Value::Int(i32::MIN)),
        ("CAST(1E300 AS INT)", Value::Int(i32::MAX)),
        ("CAST(A AS DECIMAL(5, 2))", decimal("7.00")),
        ("CAST('true' AS BOOLEAN)", Value::Boolean(true)),
        ("CAST('Y' AS BOOLEAN)", Value::Boolean(true)),
        ("CAST('nonsense' AS BOOLEAN)", Value::Boolean(false)),
        ("CAST(1.005 AS DECIMAL(4, 2))", decimal("1.01")),
        ("CAST(1.9E0 AS BIGINT)", Value::Bigint(1)),
        ("CAST(NULL AS ARRAY<INT>)", Value::Null),
        ("CAST(ARRAY[1, 2] AS ARRAY<BIGINT>)", list(&[1, 2])),
        ("CAST(L AS STRING)", Value::text("[3, null, 1]")),
        ("CAST(MAP('b' := 1, 'a' := 2) AS STRING)", Value::text("{a=2, b=1}")),
        ("CAST(STRUCT(x := 1, y := N) AS STRING)", Value::text("Struct{X=1}")),
        (
            "CAST(STRUCT(x := 1) AS STRUCT<Y INT, X BIGINT>)",
            Value::Struct(vec![Value::Null, Value::Bigint(1)]),
        ),
        ("CAST(AT AS STRING)", Value::text("2019-04-14T00:00:00.001")),
        ("CAST(AT AS DATE)", Value::Date(18_000)),
        ("CAST(AT AS TIME)", Value::Time(1)),
        ("CAST(DAY AS TIMESTAMP)", Value::Timestamp(18_000 * 86_400_000)),
        ("CAST('2019-04-14' AS DATE)", Value::Date(18_000)),
        ("CAST('12:30' AS TIME)", Value::Time(45_000_000)),
        ("CAST('YWI=' AS BYTES)", Value::Bytes([b'a', b'b'][..].into())),
        ("COALESCE(CAST('x' AS INT), 5)", Value::Int(5)),
    ]);
}

#[test]
fn lambdas_see_their_variables_and_the_row() {
    let ints = |values: &[i32]| Value::Array(values.iter().map(|value| Value::Int(*value)).collect());
    check(&[
        ("TRANSFORM(ARRAY[1, 2], x => x + A)", ints(&[8, 9])),
        ("FILTER(ARRAY[1, 2, 3], x => x > 1)", ints(&[2, 3])),
        ("REDUCE(ARRAY[1, 2, 3], 10, (t, x) => t + x)", Value::Int(16)),
        ("REDUCE(MAP('a' := 1, 'b' := 2), 0, (t, k, v) => t + v + LEN(k))", Value::Int(5)),
        ("FILTER(MAP('a' := 1, 'b' := 2), (k, v) => v > 1)['a']", Value::Null),
        ("TRANSFORM(MAP('a' := 1), (k, v) => UCASE(k), (k, v) => v + 1)['A']", Value::Int(2)),
        (
            "TRANSFORM(ARRAY[ARRAY[1], ARRAY[2, 3]], x => REDUCE(x, 0, (t, y) => t + y + ARRAY_LENGTH(x)))",
            ints(&[2, 9]),
        ),
    ]);
}

#[test]
fn what_is_the_same_in_every_row_is_computed_once() {
    assert_eq!(bound("UCASE('a') || LCASE('B')").0, Bound::Literal(Value::text("Ab")));
    assert!(matches!(bound("1 / 0").0, Bound::Arithmetic(..)));
    assert!(matches!(bound("LEN(CAST(NULL AS STRING))").0, Bound::Call(..)));
    assert!(matches!(bound("RANDOM()").0, Bound::Call(..)));
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
        let (bound, ty) = expression(&Scope::default(), &text).unwrap();
        let value = bound.try_eval(&[]);
        if op != "/" && op != "%" || b != 0 {
            let value = value.unwrap();
            proptest::prop_assert!(ty.holds(&value), "{} is no {}: {:?}", text, ty, value);
        } else {
            proptest::prop_assert!(value.is_err());
        }
    }

    /// Whole numbers give what Rust's checked arithmetic gives.
    #[test]
    fn whole_numbers_never_wrap(a in proptest::prelude::any::<i32>(), b in proptest::prelude::any::<i32>(), op in 0..5_usize) {
        let (symbol, expected) = [
            ("+", a.checked_add(b)), ("-", a.checked_sub(b)), ("*", a.checked_mul(b)), ("/", a.checked_div(b)), ("%", a.checked_rem(b)),
        ][op];
        let scope = Scope::of(&[("A", Type::Int), ("B", Type::Int)]);
        let (bound, _) = expression(&scope, &format!("A {symbol} B")).unwrap();
        proptest::prop_assert_eq!(bound.try_eval(&[Value::Int(a), Value::Int(b)]).ok(), expected.map(Value::Int));
    }

    /// What is written as text is read back as it was.
    #[test]
    fn casts_to_text_and_back_lead_home(days in -700_000..2_900_000_i32, millis in -62_135_596_800_000..253_402_300_799_999_i64, double in proptest::num::f64::NORMAL, long in proptest::prelude::any::<i64>(), (unscaled, scale) in (-10_i128.pow(20)..10_i128.pow(20), 0..18_u8)) {
        let decimal = Value::Decimal(Decimal::new(unscaled, scale));
        for (value, ty) in [
            (Value::Date(days), Type::Date),
            (Value::Timestamp(millis), Type::Timestamp),
            (Value::Double(double), Type::Double),
            (Value::Bigint(long), Type::Bigint),
            (decimal, Type::Decimal { precision: 38, scale }),
        ] {
            if days < -719_162 { continue; }
            let scope = Scope::of(&[("X", ty.clone())]);
            let (bound, _) = expression(&scope, &format!("CAST(CAST(X AS STRING) AS {ty})")).unwrap();
            proptest::prop_assert_eq!(bound.try_eval(std::slice::from_ref(&value)), Ok(value));
        }
    }
}
