//! What a condition asks, as far as it can be looked up.

use millstream_model::Value;

use crate::eval::{Bound, Comparison, Order, double_of, long_of};

/// What is asked of an expression.
pub(super) enum Test {
    Longs(Vec<i64>),
    Texts(Vec<String>),
    Whole(Comparison, i64),
    Double(Comparison, f64),
    /// This text stands in it.
    Part(String),
}

impl Test {
    /// How few values meet it, roughly: the fewest come first.
    fn rank(&self) -> u8 {
        match self {
            Self::Longs(_) | Self::Texts(_) => 0,
            Self::Part(_) => 1,
            Self::Whole(..) | Self::Double(..) => 2,
        }
    }
}

type Tests<'b> = Vec<(&'b Bound, Test)>;

/// Tests of which a record meets one or more if it meets the condition or fails in it; none where nothing can be looked up.
/// The condition is the same each time.
pub(super) fn asked(condition: &Bound) -> Option<Tests<'_>> {
    match condition {
        Bound::And(_) => {
            let mut sides = Vec::new();
            conjuncts(condition, &mut sides);
            // Where one side is false the later ones are not looked at, so what could fail must not be passed over.
            let safe = sides.iter().take_while(|side| !may_fail(side)).count();
            let tests = sides.into_iter().take(safe + 1).filter_map(asked);
            tests.min_by_key(|tests| tests.iter().map(|(_, test)| test.rank()).max())
        }
        Bound::Or(sides) => {
            let mut tests = asked(&sides.0)?;
            tests.extend(asked(&sides.1)?);
            Some(tests)
        }
        simple => test(simple).map(|test| vec![test]),
    }
}

fn conjuncts<'b>(condition: &'b Bound, all: &mut Vec<&'b Bound>) {
    match condition {
        Bound::And(sides) => {
            conjuncts(&sides.0, all);
            conjuncts(&sides.1, all);
        }
        other => all.push(other),
    }
}

/// Whether an expression could fail in some row: it can't where it but compares what stands there.
fn may_fail(of: &Bound) -> bool {
    match of {
        Bound::Column(_) | Bound::Literal(_) => false,
        Bound::Compare(..)
        | Bound::And(_)
        | Bound::Or(_)
        | Bound::Not(_)
        | Bound::IsNull(..)
        | Bound::In(..)
        | Bound::Field(..)
        | Bound::Like(..) => of.parts().into_iter().any(may_fail),
        _ => true,
    }
}

/// Whether an expression worked out twice may come to something else.
pub(super) fn is_volatile(of: &Bound) -> bool {
    matches!(of, Bound::Call(called, ..) if called.is_volatile()) || of.parts().into_iter().any(is_volatile)
}

/// The expression that a condition asks for, and how.
fn test(condition: &Bound) -> Option<(&Bound, Test)> {
    match condition {
        Bound::In(of, list) => {
            let literal =
                |of: &Bound| if let Bound::Literal(value) = of { Some(value.clone()) } else { None };
            let values = list.iter().map(literal).collect::<Option<Vec<_>>>()?;
            Some((of, one_of(&values)?))
        }
        Bound::Compare(comparison, order, sides) => match (&sides.0, &sides.1) {
            (of, Bound::Literal(value)) => Some((of, compared(*comparison, *order, value)?)),
            (Bound::Literal(value), of) => Some((of, compared(turned(*comparison), *order, value)?)),
            _ => None,
        },
        Bound::Like(of, pattern) => {
            Some(pattern.needs()).filter(|part| !part.is_empty()).map(|part| (&**of, Test::Part(part)))
        }
        _ => None,
    }
}

/// The comparison with its sides changed.
fn turned(comparison: Comparison) -> Comparison {
    match comparison {
        Comparison::Lt => Comparison::Gt,
        Comparison::LtEq => Comparison::GtEq,
        Comparison::Gt => Comparison::Lt,
        Comparison::GtEq => Comparison::LtEq,
        other => other,
    }
}

fn compared(comparison: Comparison, order: Order, value: &Value) -> Option<Test> {
    match (comparison, order) {
        (Comparison::Eq, Order::Long | Order::General) => one_of(std::slice::from_ref(value)),
        (Comparison::Lt | Comparison::LtEq | Comparison::Gt | Comparison::GtEq, Order::Long) => {
            Some(Test::Whole(comparison, long_of(value)?))
        }
        (Comparison::Lt | Comparison::LtEq | Comparison::Gt | Comparison::GtEq, Order::Double) => {
            let bound = double_of(value).filter(|bound| !bound.is_nan());
            Some(Test::Double(comparison, bound?))
        }
        _ => None,
    }
}

/// Constants of one type, each once.
fn one_of(values: &[Value]) -> Option<Test> {
    if let Some(mut longs) = values.iter().map(long_of).collect::<Option<Vec<_>>>() {
        longs.sort_unstable();
        longs.dedup();
        return Some(Test::Longs(longs));
    }
    let text = |value: &Value| if let Value::String(text) = value { Some(text.to_string()) } else { None };
    let mut texts = values.iter().map(text).collect::<Option<Vec<_>>>()?;
    texts.sort_unstable();
    texts.dedup();
    Some(Test::Texts(texts))
}
