//! Which of many rules can pass a record at all, without asking each.

use std::collections::{BTreeMap, HashMap};

use millstream_model::Value;

use super::Intake;
use crate::ast::SourceKind;
use crate::eval::{Bound, Comparison, Order, double_of, long_of};
use crate::plan::{Act, Rule};

/// The rules that read one source, by what their conditions ask first: a column that equals a constant, is one of several, or
/// is above or below one. A thousand conditions on one column so cost a look-up, and not a thousand comparisons.
///
/// **Invariant:** a rule that admits a record is among the record's candidates, and so is one whose condition fails in it.
#[derive(Clone, Debug, Default)]
pub struct Screen {
    /// Rules whose condition asks for something else first, or that have none.
    always: Vec<usize>,
    columns: BTreeMap<usize, Tests>,
}

/// What is asked of one column, and by which rules.
#[derive(Clone, Debug, Default)]
struct Tests {
    longs: HashMap<i64, Vec<usize>>,
    texts: HashMap<String, Vec<usize>>,
    whole: Thresholds<i64>,
    doubles: Thresholds<f64>,
    /// All of them.
    rules: Vec<usize>,
}

/// What a condition asks first.
enum Test {
    Longs(Vec<i64>),
    Texts(Vec<String>),
    Whole(Comparison, i64),
    Double(Comparison, f64),
}

/// A bound, and whether it is itself within.
#[derive(Clone, Copy, Debug)]
struct Threshold<T> {
    bound: T,
    is_within: bool,
    rule: usize,
}

/// Lower bounds from the lowest on, and upper ones; of equal ones first those that more values meet, or fewer.
#[derive(Clone, Debug)]
struct Thresholds<T> {
    above: Vec<Threshold<T>>,
    below: Vec<Threshold<T>>,
}

impl<T> Default for Thresholds<T> {
    fn default() -> Self {
        Self { above: Vec::new(), below: Vec::new() }
    }
}

impl<T: PartialOrd + Copy> Thresholds<T> {
    fn add(&mut self, comparison: Comparison, bound: T, rule: usize) {
        let is_within = matches!(comparison, Comparison::LtEq | Comparison::GtEq);
        let is_above = matches!(comparison, Comparison::Gt | Comparison::GtEq);
        let all = if is_above { &mut self.above } else { &mut self.below };
        let comes_before = |other: &Threshold<T>| {
            other.bound < bound || (other.bound == bound && other.is_within == is_above)
        };
        let place = all.partition_point(comes_before);
        all.insert(place, Threshold { bound, is_within, rule });
    }

    fn met(&self, value: T, found: &mut Vec<usize>) {
        let is_met = |over: &Threshold<T>| over.bound < value || (over.is_within && over.bound == value);
        let is_missed =
            |under: &Threshold<T>| !(value < under.bound || (under.is_within && under.bound == value));
        let above = self.above.iter().take(self.above.partition_point(is_met));
        let below = self.below.iter().skip(self.below.partition_point(is_missed));
        found.extend(above.chain(below).map(|threshold| threshold.rule));
    }
}

impl Screen {
    /// A screen over rules, which are then known by their places here.
    pub fn of<'r>(rules: impl IntoIterator<Item = &'r Rule>) -> Self {
        let mut screen = Self::default();
        for (place, rule) in rules.into_iter().enumerate() {
            match first_condition(rule).and_then(test) {
                Some((column, test)) => screen.columns.entry(column).or_default().add(test, place),
                None => screen.always.push(place),
            }
        }
        screen
    }

    /// The places of the rules that may admit a record, in order.
    pub fn candidates(&self, intake: &Intake) -> Vec<usize> {
        let mut found = self.always.clone();
        for (column, tests) in &self.columns {
            // A condition of a stream is met by no tombstone.
            if let Some(value) = intake.row().and_then(|row| row.get(*column)) {
                tests.met(value, &mut found);
            }
        }
        found.sort_unstable();
        found
    }
}

impl Tests {
    fn add(&mut self, test: Test, rule: usize) {
        self.rules.push(rule);
        match test {
            Test::Longs(longs) => {
                for long in longs {
                    self.longs.entry(long).or_default().push(rule);
                }
            }
            Test::Texts(texts) => {
                for text in texts {
                    self.texts.entry(text).or_default().push(rule);
                }
            }
            Test::Whole(comparison, bound) => self.whole.add(comparison, bound, rule),
            Test::Double(comparison, bound) => self.doubles.add(comparison, bound, rule),
        }
    }

    /// A column has one type, so that values of another than the constants' make every rule a candidate.
    fn met(&self, value: &Value, found: &mut Vec<usize>) {
        let (whole, double) = (long_of(value), double_of(value));
        match (value, whole, double) {
            (Value::Null, ..) => {}
            (Value::String(text), ..) if self.is_of_texts() => {
                found.extend(self.texts.get(&**text).into_iter().flatten());
            }
            (_, Some(whole), Some(double)) if self.texts.is_empty() => {
                found.extend(self.longs.get(&whole).into_iter().flatten());
                self.whole.met(whole, found);
                self.doubles.met(double, found);
            }
            (_, None, Some(double)) if self.is_of_doubles() => self.doubles.met(double, found),
            _ => found.extend(&self.rules),
        }
    }

    fn is_of_texts(&self) -> bool {
        self.longs.is_empty() && self.whole.is_empty() && self.doubles.is_empty()
    }

    fn is_of_doubles(&self) -> bool {
        self.longs.is_empty() && self.whole.is_empty() && self.texts.is_empty()
    }
}

impl<T> Thresholds<T> {
    fn is_empty(&self) -> bool {
        self.above.is_empty() && self.below.is_empty()
    }
}

/// What a rule asks of a record before anything else.
fn first_condition(rule: &Rule) -> Option<&Bound> {
    let entry = rule.query.entries.first()?;
    let step = rule.query.steps.get(entry.wire.step)?;
    let Act::Filter { condition, kind: SourceKind::Stream } = &step.act else { return None };
    let mut first = condition;
    // Where the left side is false, the right one is not looked at: nothing that could fail is passed over.
    while let Bound::And(sides) = first {
        first = &sides.0;
    }
    (entry.source.kind == SourceKind::Stream).then_some(first)
}

/// The column that a condition asks for, and how.
fn test(condition: &Bound) -> Option<(usize, Test)> {
    match condition {
        Bound::In(of, list) => {
            let Bound::Column(column) = **of else { return None };
            let literal =
                |of: &Bound| if let Bound::Literal(value) = of { Some(value.clone()) } else { None };
            let values = list.iter().map(literal).collect::<Option<Vec<_>>>()?;
            Some((column, one_of(&values)?))
        }
        Bound::Compare(comparison, order, sides) => match (&sides.0, &sides.1) {
            (Bound::Column(column), Bound::Literal(value)) => {
                Some((*column, compared(*comparison, *order, value)?))
            }
            (Bound::Literal(value), Bound::Column(column)) => {
                Some((*column, compared(turned(*comparison), *order, value)?))
            }
            _ => None,
        },
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
