//! Which of many rules can pass a record at all, without asking each.

mod asked;
mod thresholds;

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use aho_corasick::AhoCorasick;
use millstream_model::Value;

use super::Intake;
use crate::ast::SourceKind;
use crate::eval::{Bound, Condition, double_of, long_of};
use crate::plan::{Act, Rule};
use asked::{Test, asked, is_volatile};
use thresholds::Thresholds;

/// The rules that read one source, by what their conditions ask: an expression that equals a constant, is one of several, is
/// above or below one, or is like a pattern. The expression is worked out once for all rules that ask the same of it, and a
/// thousand constants cost a look-up and not a thousand comparisons. Conditions that have nothing in common are asked one by
/// one, each written out in one piece.
///
/// **Invariant:** a rule that admits a record is among the record's candidates, and so is one whose condition fails in it.
#[derive(Clone, Debug, Default)]
pub struct Screen {
    /// Rules that have no condition, or one that may come to something else each time.
    always: Vec<usize>,
    /// Rules whose conditions have nothing in common with others.
    each: Vec<usize>,
    expressions: Vec<(Bound, Tests)>,
    /// By rule; none where it is not to be asked beforehand.
    conditions: Vec<Option<Condition>>,
}

/// What is asked of one expression, and by which rules.
#[derive(Clone, Debug, Default)]
struct Tests {
    longs: HashMap<i64, Vec<usize>>,
    texts: HashMap<String, Vec<usize>>,
    whole: Thresholds<i64>,
    doubles: Thresholds<f64>,
    /// What stands in a text that is like a pattern, by rule; all are looked for at once.
    parts: Vec<(String, usize)>,
    search: Option<AhoCorasick>,
    /// All of them.
    rules: Vec<usize>,
}

impl Screen {
    /// A screen over rules and the number of the source that each reads here; they are then known by their places here.
    pub fn of<'r>(rules: impl IntoIterator<Item = (&'r Rule, usize)>) -> Self {
        let conditions = rules.into_iter().map(|(rule, side)| first_condition(rule, side));
        let conditions: Vec<_> =
            conditions.map(|condition| condition.filter(|condition| !is_volatile(condition))).collect();
        let asked: Vec<_> = conditions.iter().map(|condition| asked((*condition)?)).collect();
        let mut askers: HashMap<String, usize> = HashMap::new();
        for (expression, _) in asked.iter().flatten().flatten() {
            *askers.entry(name_of(expression)).or_default() += 1;
        }
        let is_common = |expression: &Bound| {
            matches!(expression, Bound::Column(_)) || askers.get(&name_of(expression)) > Some(&1)
        };
        let (mut screen, mut places) = (Self::default(), HashMap::new());
        for (place, tests) in asked.into_iter().enumerate() {
            let condition = conditions.get(place).copied().flatten();
            screen.conditions.push(condition.map(Condition::of));
            match tests.filter(|tests| tests.iter().all(|(expression, _)| is_common(expression))) {
                Some(tests) => {
                    for (expression, test) in tests {
                        let known = *places.entry(name_of(expression)).or_insert(screen.expressions.len());
                        screen.add(known, expression, test, place);
                    }
                }
                None if condition.is_some() => screen.each.push(place),
                None => screen.always.push(place),
            }
        }
        screen.expressions.iter_mut().for_each(|(_, tests)| tests.end());
        screen
    }

    fn add(&mut self, known: usize, expression: &Bound, test: Test, rule: usize) {
        match self.expressions.get_mut(known) {
            Some((same, tests)) if same == expression => tests.add(test, rule),
            // What is printed the same and is not gets a place of its own.
            _ => {
                let mut tests = Tests::default();
                tests.add(test, rule);
                self.expressions.push((expression.clone(), tests));
            }
        }
    }

    /// The places of the rules that may admit a record, in order. Where a function panics, it may be any.
    pub fn candidates(&self, intake: &Intake) -> Vec<usize> {
        let found = || match intake.row() {
            Some(row) => self.met(row),
            // A condition of a stream is met by no tombstone.
            None => self.always.clone(),
        };
        catch_unwind(AssertUnwindSafe(found)).unwrap_or_else(|_| (0..self.conditions.len()).collect())
    }

    fn met(&self, row: &[Value]) -> Vec<usize> {
        let mut found = Vec::new();
        for (expression, tests) in &self.expressions {
            match expression {
                Bound::Column(column) => {
                    row.get(*column).into_iter().for_each(|value| tests.met(value, &mut found));
                }
                made => match made.try_eval(row) {
                    Ok(value) => tests.met(&value, &mut found),
                    Err(_) => found.extend(&tests.rules),
                },
            }
        }
        found.sort_unstable();
        found.dedup();
        found.retain(|rule| self.may_hold(*rule, row));
        found.extend(self.each.iter().filter(|rule| self.may_hold(**rule, row)));
        found.extend(&self.always);
        found.sort_unstable();
        found
    }

    fn may_hold(&self, rule: usize, row: &[Value]) -> bool {
        self.conditions.get(rule).and_then(Option::as_ref).is_none_or(|condition| condition.may_hold(row))
    }
}

/// Equal expressions have the same.
fn name_of(expression: &Bound) -> String {
    format!("{expression:?}")
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
            Test::Part(part) => self.parts.push((part, rule)),
        }
    }

    fn end(&mut self) {
        if !self.parts.is_empty() {
            self.search = AhoCorasick::new(self.parts.iter().map(|(part, _)| part)).ok();
        }
    }

    /// An expression has one type, so that values of another than the constants' make every rule a candidate.
    fn met(&self, value: &Value, found: &mut Vec<usize>) {
        let (whole, double) = (long_of(value), double_of(value));
        match (value, whole, double) {
            // What LIKE says of null is not known, and the condition goes on behind it.
            (Value::Null, ..) => found.extend(self.parts.iter().map(|(_, rule)| rule)),
            (Value::String(text), ..) if !self.is_of_whole() && !self.is_of_doubles() => {
                found.extend(self.texts.get(&**text).into_iter().flatten());
                self.hold(text, found);
            }
            (_, Some(whole), Some(double)) if !self.is_of_texts() => {
                found.extend(self.longs.get(&whole).into_iter().flatten());
                self.whole.met(whole, found);
                self.doubles.met(double, found);
            }
            (_, None, Some(double)) if !self.is_of_whole() && !self.is_of_texts() => {
                self.doubles.met(double, found);
            }
            _ => found.extend(&self.rules),
        }
    }

    /// Finds the rules of the parts that stand in a text.
    fn hold(&self, text: &str, found: &mut Vec<usize>) {
        let Some(search) = &self.search else {
            found.extend(self.parts.iter().map(|(_, rule)| rule));
            return;
        };
        let rule = |place: usize| self.parts.get(place).map(|(_, rule)| *rule);
        found.extend(search.find_overlapping_iter(text).filter_map(|part| rule(part.pattern().as_usize())));
    }

    fn is_of_texts(&self) -> bool {
        !self.texts.is_empty() || !self.parts.is_empty()
    }

    fn is_of_whole(&self) -> bool {
        !self.longs.is_empty() || !self.whole.is_empty()
    }

    fn is_of_doubles(&self) -> bool {
        !self.doubles.is_empty()
    }
}

/// What a rule asks of a record before anything else.
fn first_condition(rule: &Rule, side: usize) -> Option<&Bound> {
    let entry = rule.query.entries.get(side)?;
    let step = rule.query.steps.get(entry.wire.step)?;
    let Act::Filter { condition, kind: SourceKind::Stream } = &step.act else { return None };
    (entry.source.kind == SourceKind::Stream).then_some(condition)
}
