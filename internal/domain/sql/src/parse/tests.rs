use millstream_model::Decimal;
use millstream_model::{Type, Value};
use proptest::prelude::*;

use super::{Types, parse, parse_expression, parse_query};
use crate::ast::{At, BinaryOp, Expr, SelectItem, Statement};
use crate::diagnostic::Span;

/// The expression alone, its places forgotten.
fn read(text: &str) -> Expr {
    let (statements, mistakes) =
        parse(&format!("CREATE STREAM a AS SELECT {text} FROM b"), &mut Types::new());
    assert_eq!(mistakes, [], "{text}");
    let Statement::CreateAs(create) = &statements[0].node else { panic!("not a query: {text}") };
    let [SelectItem::Expr(expr, None)] = create.query.items.as_slice() else {
        panic!("not one item: {text}")
    };
    placeless(expr).node
}

fn placeless(at: &At<Expr>) -> At<Expr> {
    let one = |of: &At<Expr>| Box::new(placeless(of));
    let all = |of: &[At<Expr>]| of.iter().map(placeless).collect::<Vec<_>>();
    let node = match &at.node {
        node @ (Expr::Column(..) | Expr::Literal(_)) => node.clone(),
        Expr::Field(of, field) => Expr::Field(one(of), field.clone()),
        Expr::Binary(left, op, right) => Expr::Binary(one(left), *op, one(right)),
        Expr::Like(of, pattern, escape) => Expr::Like(one(of), one(pattern), *escape),
        Expr::Lambda(names, body) => Expr::Lambda(names.clone(), one(body)),
        Expr::Not(of) => Expr::Not(one(of)),
        Expr::Negate(of) => Expr::Negate(one(of)),
        Expr::IsNull(of, negated) => Expr::IsNull(one(of), *negated),
        Expr::In(of, list) => Expr::In(one(of), all(list)),
        Expr::Case(cases, otherwise) => Expr::Case(
            cases.iter().map(|(when, then)| (placeless(when), placeless(then))).collect(),
            otherwise.as_deref().map(one),
        ),
        Expr::Cast(of, ty) => Expr::Cast(one(of), ty.clone()),
        Expr::Call(name, arguments) => Expr::Call(name.clone(), all(arguments)),
        Expr::Struct(fields) => {
            Expr::Struct(fields.iter().map(|(name, of)| (name.clone(), placeless(of))).collect())
        }
        Expr::Array(elements) => Expr::Array(all(elements)),
        Expr::Map(entries) => {
            Expr::Map(entries.iter().map(|(key, of)| (placeless(key), placeless(of))).collect())
        }
        Expr::Index(of, index) => Expr::Index(one(of), one(index)),
    };
    nowhere(node)
}

fn nowhere(node: Expr) -> At<Expr> {
    At { node, span: Span::default() }
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[A-Z][A-Z0-9]{0,3}_[A-Z]",
        "[a-z]{1,3}",
        "[a-z `\"'.-]{1,4}",
        Just("SELECT".to_owned()),
        Just("KEY".to_owned())
    ]
}

fn leaf() -> impl Strategy<Value = Expr> {
    let literal = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Boolean),
        any::<i32>().prop_map(Value::Int),
        (i64::from(i32::MAX) + 1..=i64::MAX).prop_map(Value::Bigint),
        (0.0..1e300_f64).prop_map(Value::Double),
        (0..i64::MAX, 0..19_u8)
            .prop_map(|(digits, scale)| Value::Decimal(Decimal::new(digits.into(), scale))),
        "[a-zA-Z '\";\\\\-]{0,6}".prop_map(Value::text),
    ];
    prop_oneof![
        literal.prop_map(Expr::Literal),
        (proptest::option::of(name()), name()).prop_map(|(source, column)| Expr::Column(source, column)),
    ]
}

fn operator() -> impl Strategy<Value = BinaryOp> {
    prop::sample::select(vec![
        BinaryOp::And,
        BinaryOp::Or,
        BinaryOp::Eq,
        BinaryOp::NotEq,
        BinaryOp::Lt,
        BinaryOp::LtEq,
        BinaryOp::Gt,
        BinaryOp::GtEq,
        BinaryOp::Add,
        BinaryOp::Subtract,
        BinaryOp::Multiply,
        BinaryOp::Divide,
        BinaryOp::Modulo,
        BinaryOp::Distinct,
        BinaryOp::NotDistinct,
        BinaryOp::Concat,
    ])
}

fn ty() -> impl Strategy<Value = Type> {
    prop_oneof![
        Just(Type::Bigint),
        Just(Type::Timestamp),
        Just(Type::Decimal { precision: 9, scale: 3 }),
        Just(Type::Map(Box::new(Type::String), Box::new(Type::Array(Box::new(Type::Double))))),
    ]
}

fn expression() -> impl Strategy<Value = Expr> {
    leaf()
        .prop_map(nowhere)
        .prop_recursive(4, 24, 3, |inner| {
            let one = || inner.clone().prop_map(Box::new);
            let some = || proptest::collection::vec(inner.clone(), 1..3);
            prop_oneof![
                (one(), operator(), one()).prop_map(|(left, op, right)| Expr::Binary(left, op, right)),
                (one(), name()).prop_map(|(of, field)| Expr::Field(of, field)),
                (one(), one()).prop_map(|(of, index)| Expr::Index(of, index)),
                one().prop_map(Expr::Not),
                (one(), one(), proptest::option::of(prop::sample::select(vec!['!', '\''])))
                    .prop_map(|(of, pattern, escape)| Expr::Like(of, pattern, escape)),
                (proptest::collection::vec(name(), 1..3), one()).prop_map(|(names, body)| {
                    Expr::Call("FILTER".to_owned(), vec![nowhere(Expr::Lambda(names, body))])
                }),
                one().prop_map(Expr::Negate),
                (one(), any::<bool>()).prop_map(|(of, negated)| Expr::IsNull(of, negated)),
                (one(), some()).prop_map(|(of, list)| Expr::In(of, list)),
                (one(), ty()).prop_map(|(of, ty)| Expr::Cast(of, ty)),
                some().prop_map(|arguments| Expr::Call("COALESCE".to_owned(), arguments)),
                some().prop_map(Expr::Array),
                proptest::collection::vec((name(), inner.clone()), 1..3).prop_map(Expr::Struct),
                proptest::collection::vec((inner.clone(), inner.clone()), 1..3).prop_map(Expr::Map),
                (
                    proptest::collection::vec((inner.clone(), inner.clone()), 1..3),
                    proptest::option::of(one())
                )
                    .prop_map(|(cases, otherwise)| Expr::Case(cases, otherwise)),
            ]
            .prop_map(nowhere)
        })
        .prop_map(|at| at.node)
}

proptest! {
    #[test]
    fn an_expression_written_down_reads_the_same(expr in expression()) {
        let text = expr.to_string();
        prop_assert_eq!(read(&text), expr, "{}", text);
    }

    #[test]
    fn no_text_makes_it_panic(text in "[A-Za-z0-9 ,;()'\"`.*<>=:\\[\\]\n-]{0,80}") {
        parse(&text, &mut Types::new());
        parse(&format!("CREATE STREAM a AS SELECT {text} FROM b"), &mut Types::new());
    }
}

#[test]
fn operators_bind_as_in_sql() {
    for (text, written) in [
        ("1 + 2 * 3", "(1 + (2 * 3))"),
        ("a.b->c->d", "((`A`.`B`)->`C`)->`D`"),
        ("a->b[1] + 2", "(((`A`)->`B`)[1] + 2)"),
        ("a[1]->b", "((`A`)[1])->`B`"),
        ("-a->b", "(-((`A`)->`B`))"),
        ("NOT a = 1 OR b", "((NOT (`A` = 1)) OR `B`)"),
        ("a || b = c", "((`A` || `B`) = `C`)"),
        ("a NOT IN (1)", "(NOT (`A` IN (1)))"),
        ("a BETWEEN 1 AND 2 AND b", "(((`A` >= 1) AND (`A` <= 2)) AND `B`)"),
        ("CASE a WHEN 1 THEN b END", "CASE WHEN (`A` = 1) THEN `B` END"),
        ("`a``b`", "`a``b`"),
        ("user", "`USER`"),
        ("date", "`DATE`"),
    ] {
        assert_eq!(read(text).to_string(), written, "{text}");
    }
}

#[test]
fn too_long_or_too_deep_is_refused_and_not_a_crash() {
    let long = format!("CREATE STREAM a AS SELECT {} FROM b", vec!["1"; 5000].join(" + "));
    assert!(parse(&long, &mut Types::new()).1[0].message.contains("at most 250 operators"));
    let edge = format!("CREATE STREAM a AS SELECT {} FROM b", vec!["1"; 251].join(" + "));
    assert_eq!(parse(&edge, &mut Types::new()).1, []);
    let deep = format!("CREATE STREAM a AS SELECT {}1{} FROM b", "(".repeat(5000), ")".repeat(5000));
    assert!(parse(&deep, &mut Types::new()).1[0].message.contains("nested too deeply"));
}

#[test]
fn a_value_becomes_one_of_a_type_that_was_given_a_name() {
    let text = "CREATE TYPE place AS STRUCT<city STRING, `post code` INT>;
CREATE STREAM a AS SELECT CAST(NULL AS place), CAST(CAST(x AS ARRAY<place>) AS STRING), \
        CAST(y AS STRUCT<place place, n INT>), place AS place FROM b";
    let (statements, mistakes) = parse(text, &mut Types::new());
    assert_eq!(mistakes, []);
    let Statement::CreateAs(create) = &statements[1].node else { panic!("not a query") };
    let cast = |item: &SelectItem| match item {
        SelectItem::Expr(At { node: Expr::Cast(_, ty), .. }, _) => ty.to_string(),
        SelectItem::Expr(At { node: Expr::Column(_, name), .. }, _) => name.clone(),
        other => panic!("{other:?}"),
    };
    let items: Vec<_> = create.query.items.iter().map(cast).collect();
    let place = "STRUCT<CITY STRING, post code INT>";
    assert_eq!(items, [place, "STRING", &format!("STRUCT<PLACE {place}, N INT>"), "PLACE"]);
}

#[test]
fn words_that_statements_are_built_of_name_nothing_without_quotes() {
    for word in ["select", "From", "TABLE", "end"] {
        let (_, mistakes) = parse(&format!("DROP STREAM {word};"), &mut Types::new());
        assert_eq!(mistakes.len(), 1, "{word}");
        let (_, mistakes) = parse(&format!("DROP STREAM `{word}`;"), &mut Types::new());
        assert_eq!(mistakes, [], "{word}");
    }
}

#[test]
fn what_can_not_be_read_is_told_without_the_readers_own_words() {
    for text in ["a operator b", "a = 1 operator 2"] {
        let mistake = parse_expression(text).unwrap_err();
        assert!(!mistake.message.contains("Word"), "{}", mistake.message);
    }
    let mistake = parse_query("SELECT a FROM s WHERE a operator 3").unwrap_err();
    assert!(
        mistake.message.contains("expected") && !mistake.message.contains("token"),
        "{}",
        mistake.message
    );
}
