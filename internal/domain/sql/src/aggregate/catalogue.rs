use std::sync::LazyLock;

use millstream_model::{Column, Type, Value};

use super::{Aggregate, AggregateCall, Does};
use crate::bind::{constant, given, taken};
use crate::eval::Bound;
use crate::functions::{Filled, Signature, choose, signature};

/// What a result's type is where the signature alone does not say it.
type Typing = fn(&[Type]) -> Option<Type>;

/// One way to call an aggregate: how many of the last parameters are the same for every row.
struct Entry {
    signature: &'static str,
    initial: usize,
    does: Does,
    typing: Option<Typing>,
}

/// An aggregate function, as SHOW FUNCTIONS and DESCRIBE FUNCTION tell of it.
pub struct AggregateFunction {
    name: &'static str,
    about: &'static str,
    entries: &'static [Entry],
}

const fn entry(signature: &'static str, does: Does) -> Entry {
    Entry { signature, initial: 0, does, typing: None }
}

const fn with(signature: &'static str, initial: usize, does: Does) -> Entry {
    Entry { signature, initial, does, typing: None }
}

const fn same(signature: &'static str, does: Does) -> Entry {
    Entry { signature, initial: 0, does, typing: Some(first_type) }
}

const fn ordered(does: Does) -> [Entry; 9] {
    [
        entry("value INT -> INT", does),
        entry("value BIGINT -> BIGINT", does),
        entry("value DOUBLE -> DOUBLE", does),
        same("value DECIMAL -> DECIMAL", does),
        entry("value STRING -> STRING", does),
        entry("value BYTES -> BYTES", does),
        entry("value DATE -> DATE", does),
        entry("value TIME -> TIME", does),
        entry("value TIMESTAMP -> TIMESTAMP", does),
    ]
}

const fn doubles(does: Does) -> [Entry; 3] {
    [
        entry("value INT -> DOUBLE", does),
        entry("value BIGINT -> DOUBLE", does),
        entry("value DOUBLE -> DOUBLE", does),
    ]
}

const fn by_offset(one: Does, many: Does) -> [Entry; 4] {
    [
        entry("value T -> T", one),
        with("value T, ignore_nulls BOOLEAN -> T", 1, one),
        with("value T, count INT -> ARRAY<T>", 1, many),
        with("value T, count INT, ignore_nulls BOOLEAN -> ARRAY<T>", 2, many),
    ]
}

static FUNCTIONS: &[AggregateFunction] = &[
    AggregateFunction {
        name: "ATTR",
        about: "The value that all rows have; null where they have several.",
        entries: &[entry("value T -> T", Does::Attr)],
    },
    AggregateFunction { name: "AVG", about: "The mean, nulls left out.", entries: &doubles(Does::Avg) },
    AggregateFunction {
        name: "COLLECT_LIST",
        about: "All values, in order.",
        entries: &[entry("value T -> ARRAY<T>", Does::CollectList)],
    },
    AggregateFunction {
        name: "COLLECT_SET",
        about: "All different values, in the order of their first coming.",
        entries: &[entry("value T -> ARRAY<T>", Does::CollectSet)],
    },
    AggregateFunction {
        name: "CORRELATION",
        about: "Pearson's correlation of two numbers, from -1 to 1.",
        entries: &[
            entry("x INT, y INT -> DOUBLE", Does::Correlation),
            entry("x BIGINT, y BIGINT -> DOUBLE", Does::Correlation),
            entry("x DOUBLE, y DOUBLE -> DOUBLE", Does::Correlation),
        ],
    },
    AggregateFunction {
        name: "COUNT",
        about: "How many rows, or how many values that are not null.",
        entries: &[entry(" -> BIGINT", Does::Count), entry("value T -> BIGINT", Does::Count)],
    },
    AggregateFunction {
        name: "COUNT_DISTINCT",
        about: "How many different values: exactly up to a thousand, and beyond within a few percent (HyperLogLog).",
        entries: &[entry("value T -> BIGINT", Does::CountDistinct)],
    },
    AggregateFunction {
        name: "EARLIEST_BY_OFFSET",
        about: "The first value, or the first of them; nulls are passed over unless it is said otherwise.",
        entries: &by_offset(Does::Earliest, Does::EarliestOf),
    },
    AggregateFunction {
        name: "HISTOGRAM",
        about: "How often each value comes, of the first thousand different ones.",
        entries: &[entry("value STRING -> MAP<STRING, BIGINT>", Does::Histogram)],
    },
    AggregateFunction {
        name: "LATEST_BY_OFFSET",
        about: "The last value, or the last of them; nulls are passed over unless it is said otherwise.",
        entries: &by_offset(Does::Latest, Does::LatestOf),
    },
    AggregateFunction { name: "MAX", about: "The greatest value.", entries: &ordered(Does::Max) },
    AggregateFunction { name: "MIN", about: "The least value.", entries: &ordered(Does::Min) },
    AggregateFunction {
        name: "STDDEV_SAMP",
        about: "The variance of a sample; kept for rules that know it under this name.",
        entries: &doubles(Does::Variance),
    },
    AggregateFunction {
        name: "STDDEV_SAMPLE",
        about: "The standard deviation of a sample.",
        entries: &doubles(Does::Deviation),
    },
    AggregateFunction {
        name: "SUM",
        about: "The sum; null once it does not fit its type.",
        entries: &[
            entry("value INT -> INT", Does::Sum),
            entry("value BIGINT -> BIGINT", Does::Sum),
            entry("value DOUBLE -> DOUBLE", Does::Sum),
            same("value DECIMAL -> DECIMAL", Does::Sum),
        ],
    },
    AggregateFunction {
        name: "SUM_LIST",
        about: "The sum of all elements of arrays.",
        entries: &[
            entry("values ARRAY<INT> -> INT", Does::SumList),
            entry("values ARRAY<BIGINT> -> BIGINT", Does::SumList),
            entry("values ARRAY<DOUBLE> -> DOUBLE", Does::SumList),
        ],
    },
    AggregateFunction {
        name: "TOPK",
        about: "The greatest values, or with further columns structs of them, from the greatest on.",
        entries: &[
            Entry {
                signature: "value INT, others ANY..., count INT -> ANY",
                initial: 1,
                does: Does::Top,
                typing: Some(top),
            },
            Entry {
                signature: "value BIGINT, others ANY..., count INT -> ANY",
                initial: 1,
                does: Does::Top,
                typing: Some(top),
            },
            Entry {
                signature: "value DOUBLE, others ANY..., count INT -> ANY",
                initial: 1,
                does: Does::Top,
                typing: Some(top),
            },
            Entry {
                signature: "value STRING, others ANY..., count INT -> ANY",
                initial: 1,
                does: Does::Top,
                typing: Some(top),
            },
            Entry {
                signature: "value DECIMAL, others ANY..., count INT -> ANY",
                initial: 1,
                does: Does::Top,
                typing: Some(top),
            },
            Entry {
                signature: "value DATE, others ANY..., count INT -> ANY",
                initial: 1,
                does: Does::Top,
                typing: Some(top),
            },
            Entry {
                signature: "value TIME, others ANY..., count INT -> ANY",
                initial: 1,
                does: Does::Top,
                typing: Some(top),
            },
            Entry {
                signature: "value TIMESTAMP, others ANY..., count INT -> ANY",
                initial: 1,
                does: Does::Top,
                typing: Some(top),
            },
            Entry {
                signature: "value BYTES, others ANY..., count INT -> ANY",
                initial: 1,
                does: Does::Top,
                typing: Some(top),
            },
        ],
    },
    AggregateFunction {
        name: "TOPKDISTINCT",
        about: "The greatest different values, from the greatest on.",
        entries: &[
            with("value INT, count INT -> ARRAY<INT>", 1, Does::TopDistinct),
            with("value BIGINT, count INT -> ARRAY<BIGINT>", 1, Does::TopDistinct),
            with("value DOUBLE, count INT -> ARRAY<DOUBLE>", 1, Does::TopDistinct),
            Entry {
                signature: "value DECIMAL, count INT -> ANY",
                initial: 1,
                does: Does::TopDistinct,
                typing: Some(top),
            },
            with("value STRING, count INT -> ARRAY<STRING>", 1, Does::TopDistinct),
            with("value BYTES, count INT -> ARRAY<BYTES>", 1, Does::TopDistinct),
            with("value DATE, count INT -> ARRAY<DATE>", 1, Does::TopDistinct),
            with("value TIME, count INT -> ARRAY<TIME>", 1, Does::TopDistinct),
            with("value TIMESTAMP, count INT -> ARRAY<TIMESTAMP>", 1, Does::TopDistinct),
        ],
    },
];

fn first_type(types: &[Type]) -> Option<Type> {
    types.first().cloned()
}

/// An array of the values, or of structs where there are further columns.
fn top(types: &[Type]) -> Option<Type> {
    let (value, others) = types.split_first()?;
    let others = others.split_last().map_or(&[][..], |(_count, others)| others);
    if others.is_empty() {
        return Some(Type::Array(Box::new(value.clone())));
    }
    let named = others.iter().enumerate().map(|(place, ty)| Column::new(format!("col{place}"), ty.clone()));
    let fields = std::iter::once(Column::new("sort_col", value.clone())).chain(named);
    Some(Type::Array(Box::new(Type::Struct(fields.collect()))))
}

/// Each function's signatures, read.
static SIGNATURES: LazyLock<Vec<Vec<Signature>>> = LazyLock::new(|| {
    let read = |function: &AggregateFunction| {
        function.entries.iter().filter_map(|entry| signature(entry.signature)).collect()
    };
    FUNCTIONS.iter().map(read).collect()
});

/// All aggregate functions, by name.
pub fn aggregate_functions() -> impl Iterator<Item = &'static AggregateFunction> {
    FUNCTIONS.iter()
}

impl AggregateFunction {
    /// Its name, in capitals.
    pub fn name(&self) -> &str {
        self.name
    }

    /// What it does, in a sentence.
    pub fn about(&self) -> &str {
        self.about
    }

    /// Each way to call it: its parameters and its result.
    pub fn signatures(&self) -> impl Iterator<Item = (String, String)> {
        self.entries.iter().filter_map(|entry| signature(entry.signature)).map(|signature| {
            let parameters: Vec<_> = signature.parameters.iter().map(ToString::to_string).collect();
            (parameters.join(", "), signature.returns.to_string())
        })
    }
}

/// Whether an aggregate has this name, in capitals.
pub(crate) fn is_aggregate(name: &str) -> bool {
    FUNCTIONS.iter().any(|function| function.name == name)
}

/// The call of an aggregate with bound arguments, over a row.
///
/// # Errors
/// A sentence, when it does not take them, or one that has to be a constant is none.
pub(crate) fn aggregate(name: &str, arguments: Vec<(Bound, Type)>) -> Result<AggregateCall, String> {
    let place = FUNCTIONS.iter().position(|function| function.name == name);
    let known = place.and_then(|place| Some((FUNCTIONS.get(place)?, SIGNATURES.get(place)?)));
    let (function, signatures) = known.ok_or_else(|| format!("there is no aggregate {name}"))?;
    let given: Vec<_> = arguments.iter().map(|(bound, ty)| given(bound, ty)).collect();
    let chosen = choose(name, &signatures.iter(), &given)?;
    let (entry, signature) =
        function.entries.get(chosen).zip(signatures.get(chosen)).ok_or("no such variant")?;
    let mut filled = Filled::new();
    let shapes = signature.spread(arguments.len()).unwrap_or_default();
    let taken = arguments
        .into_iter()
        .zip(shapes)
        .map(|((bound, ty), parameter)| taken(bound, ty, &parameter.shape, &mut filled));
    let (mut bounds, types): (Vec<_>, Vec<_>) = taken.unzip();
    let result = entry.typing.map_or_else(|| signature.returns.resolved(&filled), |typing| typing(&types));
    let result = result.ok_or_else(|| format!("the type of {name} can't be told from its arguments"))?;
    let initial = bounds.split_off(bounds.len().saturating_sub(entry.initial));
    let settings = settings(name, &initial)?;
    let aggregate = Aggregate {
        name: function.name,
        does: entry.does,
        types,
        result,
        count: settings.0,
        ignores_nulls: settings.1,
    };
    Ok(AggregateCall { aggregate, arguments: bounds })
}

/// How many values are kept, and whether nulls are passed over.
fn settings(name: &str, initial: &[Bound]) -> Result<(usize, bool), String> {
    let (mut count, mut ignores_nulls) = (usize::MAX, true);
    for bound in initial {
        match constant(bound) {
            Some(Value::Int(wanted)) => {
                count = usize::try_from(wanted)
                    .ok()
                    .filter(|wanted| *wanted > 0)
                    .ok_or_else(|| format!("{name} keeps 1 value or more, not {wanted}"))?;
            }
            Some(Value::Boolean(wanted)) => ignores_nulls = wanted,
            _ => {
                return Err(format!(
                    "the last arguments of {name} are the same for every row: write numbers and truths"
                ));
            }
        }
    }
    Ok((count, ignores_nulls))
}
