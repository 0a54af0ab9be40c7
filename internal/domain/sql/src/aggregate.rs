//! Functions that put many rows together.
//!
//! An aggregate's state is a value, so that it can be kept in a table. Rows are added to it, those of tables are taken out
//! again where the function allows it, the states of sessions that grow together are merged, and the result is read off.

mod catalogue;
mod collect;
mod counts;
mod offsets;
mod sketch;
mod statistics;
mod sums;
mod top;

use std::cmp::Ordering;

use millstream_model::{Type, Value};

pub use catalogue::{AggregateFunction, aggregate_functions};
pub(crate) use catalogue::{aggregate, is_aggregate};

use crate::eval::{Bound, compare};

/// What an aggregate does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Does {
    Attr,
    Avg,
    CollectList,
    CollectSet,
    Correlation,
    Count,
    CountDistinct,
    Earliest,
    EarliestOf,
    Histogram,
    Latest,
    LatestOf,
    Max,
    Min,
    Sum,
    SumList,
    Top,
    TopDistinct,
    Variance,
    Deviation,
}

/// An aggregate function with what it is called with: its arguments' types, and what is the same for every row.
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregate {
    name: &'static str,
    does: Does,
    types: Vec<Type>,
    result: Type,
    /// How many values are kept, by those that keep some.
    count: usize,
    ignores_nulls: bool,
}

/// An aggregate, and what it is computed from for each row.
#[derive(Clone, Debug, PartialEq)]
pub struct AggregateCall {
    /// The function.
    pub aggregate: Aggregate,
    /// Its arguments, over a row; none for `COUNT(*)`.
    pub arguments: Vec<Bound>,
}

impl Aggregate {
    /// Its name.
    pub fn name(&self) -> &str {
        self.name
    }

    /// The type of its result.
    pub fn result_type(&self) -> &Type {
        &self.result
    }

    /// Whether rows can be taken out again, as those of tables are.
    pub fn has_undo(&self) -> bool {
        use Does::{
            Attr, Avg, CollectList, Correlation, Count, Deviation, Histogram, Sum, SumList, Variance,
        };
        matches!(
            self.does,
            Attr | Avg | CollectList | Correlation | Count | Deviation | Histogram | Sum | SumList | Variance
        )
    }

    /// Whether taking a row out leads back to just the state that there would be without it, in whatever order rows came.
    pub(crate) fn undoes_exactly(&self) -> bool {
        match self.does {
            Does::Count => true,
            Does::Sum | Does::SumList | Does::Avg => *self.summed() != Type::Double,
            _ => false,
        }
    }

    /// Bounds how many values `COLLECT_LIST` and `COLLECT_SET` keep; further ones are passed over.
    #[must_use]
    pub fn with_limit(self, limit: usize) -> Self {
        let collects = matches!(self.does, Does::CollectList | Does::CollectSet);
        Self { count: if collects { limit } else { self.count }, ..self }
    }

    /// The state before the first row.
    pub fn begin(&self) -> Value {
        match self.does {
            Does::Count => Value::Bigint(0),
            Does::Sum | Does::SumList => sums::begin(self.summed()),
            Does::Avg => Value::Struct(vec![sums::begin(self.summed()), Value::Bigint(0)]),
            Does::Min | Does::Max | Does::Earliest | Does::Latest => Value::Null,
            Does::Correlation => statistics::begin(6),
            Does::Variance | Does::Deviation => statistics::begin(3),
            Does::Histogram => Value::Map(std::collections::BTreeMap::new()),
            Does::Attr
            | Does::CollectList
            | Does::CollectSet
            | Does::CountDistinct
            | Does::EarliestOf
            | Does::LatestOf
            | Does::Top
            | Does::TopDistinct => Value::Array(Vec::new()),
        }
    }

    /// The state after one more row, whose arguments these are.
    pub fn add(&self, state: Value, arguments: &[Value]) -> Value {
        let first = arguments.first().unwrap_or(&Value::Null);
        match self.does {
            Does::Count => counts::count(state, arguments, 1),
            Does::Sum => sums::add(state, first, self.summed(), 1),
            Does::SumList => sums::add_all(state, first, self.summed(), 1),
            Does::Avg => sums::average(state, first, self.summed(), 1),
            Does::Min => extreme(state, first, Ordering::Less),
            Does::Max => extreme(state, first, Ordering::Greater),
            Does::Correlation => statistics::correlate(state, arguments, 1.0),
            Does::Variance | Does::Deviation => statistics::add(state, first),
            Does::Histogram => counts::histogram(state, first),
            Does::Attr => counts::attribute(state, first, 1),
            Does::CollectList => collect::list(state, first.clone(), self.count),
            Does::CollectSet => collect::set(state, first, self.count),
            Does::CountDistinct => sketch::add(state, first),
            Does::Earliest => offsets::earliest(state, first, self.ignores_nulls),
            Does::Latest => offsets::latest(state, first, self.ignores_nulls),
            Does::EarliestOf => offsets::earliest_of(state, first, self.ignores_nulls, self.count),
            Does::LatestOf => offsets::latest_of(state, first, self.ignores_nulls, self.count),
            Does::Top => top::add(state, arguments, self.count),
            Does::TopDistinct => top::add_distinct(state, first, self.count),
        }
    }

    /// As [`Aggregate::add`], of arguments that nobody wants any more.
    pub(crate) fn add_owned(&self, state: Value, arguments: Vec<Value>) -> Value {
        match self.does {
            Does::CollectList => {
                collect::list(state, arguments.into_iter().next().unwrap_or(Value::Null), self.count)
            }
            _ => self.add(state, &arguments),
        }
    }

    /// The state without a row that was added before; the same state where rows can't be taken out.
    pub fn undo(&self, state: Value, arguments: &[Value]) -> Value {
        let first = arguments.first().unwrap_or(&Value::Null);
        match self.does {
            Does::Count => counts::count(state, arguments, -1),
            Does::Sum => sums::add(state, first, self.summed(), -1),
            Does::SumList => sums::add_all(state, first, self.summed(), -1),
            Does::Avg => sums::average(state, first, self.summed(), -1),
            Does::Correlation => statistics::correlate(state, arguments, -1.0),
            Does::Variance | Does::Deviation => statistics::undo(state, first),
            Does::Histogram => counts::undo_histogram(state, first),
            Does::Attr => counts::attribute(state, first, -1),
            Does::CollectList => collect::undo(state, first),
            _ => state,
        }
    }

    /// One state of two, of which the second is the later.
    pub fn merge(&self, first: Value, second: Value) -> Value {
        match self.does {
            Does::Count => counts::sum(&first, &second),
            Does::Sum | Does::SumList => sums::add_state(first, &second, 1),
            Does::Avg => sums::merge_averages(first, &second),
            Does::Min => extreme(first, &second, Ordering::Less),
            Does::Max => extreme(first, &second, Ordering::Greater),
            Does::Correlation => statistics::merge_correlations(&first, &second),
            Does::Variance | Does::Deviation => statistics::merge(&first, &second),
            Does::Histogram => counts::merge_histograms(first, second),
            Does::Attr => counts::merge_attributes(first, second),
            Does::CollectList => collect::merge(first, second, self.count, |state, value, limit| {
                collect::list(state, value.clone(), limit)
            }),
            Does::CollectSet => collect::merge(first, second, self.count, collect::set),
            Does::CountDistinct => sketch::merge(first, second),
            Does::Earliest => offsets::keep(first, second),
            Does::Latest => offsets::keep(second, first),
            Does::EarliestOf => offsets::first_of(first, second, self.count),
            Does::LatestOf => offsets::last_of(first, second, self.count),
            Does::Top => top::merge(first, second, self.count),
            Does::TopDistinct => collect::merge(first, second, self.count, |state, value, count| {
                top::add_distinct(state, value, count)
            }),
        }
    }

    /// The type of what is kept between rows, as a format would have to hold it.
    pub(crate) fn state_type(&self) -> Type {
        match self.does {
            Does::Avg | Does::Correlation | Does::Variance | Does::Deviation => Type::Struct(Vec::new()),
            Does::Histogram | Does::Attr => Type::Map(Box::new(Type::String), Box::new(Type::Bigint)),
            Does::CollectList
            | Does::CollectSet
            | Does::CountDistinct
            | Does::EarliestOf
            | Does::LatestOf
            | Does::Top
            | Does::TopDistinct => Type::Array(Box::new(Type::String)),
            Does::Count
            | Does::Sum
            | Does::SumList
            | Does::Min
            | Does::Max
            | Does::Earliest
            | Does::Latest => Type::String,
        }
    }

    /// What the state says.
    pub fn result(&self, state: &Value) -> Value {
        match self.does {
            Does::Sum | Does::SumList => sums::result(state, &self.result),
            Does::Avg => sums::mean(state),
            Does::Correlation => statistics::correlation(state),
            Does::Variance => statistics::variance(state),
            Does::Deviation => statistics::deviation(state),
            Does::Attr => counts::only(state),
            Does::CountDistinct => sketch::count(state),
            Does::Earliest | Does::Latest => offsets::kept(state),
            _ => state.clone(),
        }
    }

    /// As [`Aggregate::result`], of a state that nobody wants any more.
    pub(crate) fn result_of(&self, state: Value) -> Value {
        match self.does {
            Does::CollectList | Does::CollectSet => state,
            _ => self.result(&state),
        }
    }

    /// The type of what is summed up.
    fn summed(&self) -> &Type {
        match self.types.first() {
            Some(Type::Array(element)) => element,
            Some(ty) => ty,
            None => &Type::Bigint,
        }
    }
}

fn extreme(state: Value, value: &Value, side: Ordering) -> Value {
    if value.is_null() {
        return state;
    }
    if state.is_null() || compare(value, &state) == Some(side) { value.clone() } else { state }
}

/// The parts of a state that is a struct; zeros where it is none.
fn parts<const N: usize>(state: Value) -> [Value; N] {
    let parts = match state {
        Value::Struct(parts) => parts,
        _ => Vec::new(),
    };
    <[Value; N]>::try_from(parts).unwrap_or_else(|_| std::array::from_fn(|_| Value::Null))
}

fn elements(state: Value) -> Vec<Value> {
    match state {
        Value::Array(elements) => elements,
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
