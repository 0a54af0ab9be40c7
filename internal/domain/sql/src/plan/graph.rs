//! A query as a graph of steps that rows are pushed through.

use crate::aggregate::Aggregate;
use crate::ast::{JoinKind, SourceKind, WindowShape};
use crate::catalog::Source;
use crate::eval::Bound;
use crate::tables::TableCall;

/// Where a step's rows go: to which step, and to which side of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wire {
    /// The step, by its place in [`QueryPlan::steps`].
    pub step: usize,
    /// Its side; joins have two.
    pub side: usize,
    /// Its place among the steps that keep something, which is the same whatever stands between them. The state and the
    /// records between steps name a step by it.
    pub number: usize,
}

/// A source as a query reads it.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The source.
    pub source: Source,
    /// A row's time in milliseconds, over the source's row, where it is not the record's own.
    pub time: Option<Bound>,
    /// Where its rows go.
    pub wire: Wire,
}

/// How a sink is filled: each source's rows go from step to step, and the last one's into the sink.
#[derive(Clone, Debug, PartialEq)]
pub struct QueryPlan {
    /// The sources read.
    pub entries: Vec<Entry>,
    /// The steps, each before those that its rows go to.
    pub steps: Vec<Step>,
}

/// A step, and where its rows go.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// What is done.
    pub act: Act,
    /// Where its rows go; the last one's go nowhere.
    pub next: Option<Wire>,
}

/// What a step does with each row. A table's row may be gone, and is then known by its key alone.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// Lets rows pass; a table's row that does not is gone behind.
    Filter {
        /// Which.
        condition: Bound,
        /// Of what.
        kind: SourceKind,
    },
    /// Puts values behind the row.
    Extend {
        /// Which values.
        values: Vec<Bound>,
    },
    /// Makes the row anew: its key, these values, its time, and its window's bounds.
    Select {
        /// The values.
        values: Vec<Bound>,
    },
    /// Puts elements behind the row: as many rows as the longest list has elements.
    Explode {
        /// What makes the lists.
        lists: Vec<TableCall>,
    },
    /// Gives rows another key.
    Rekey {
        /// The key.
        key: Vec<Bound>,
    },
    /// Sends rows to where their key belongs. It stands before every step that keeps something by key.
    Exchange {
        /// The key, where it is another one than the row's.
        key: Option<Vec<Bound>>,
        /// What is done where the key is null.
        on_null: OnNull,
        /// Keys that belong to windows are the same only where these end together too, as sessions do.
        by_end: bool,
    },
    /// Puts an event's row beside a table's, which comes in on the right, and the key behind both.
    Lookup {
        /// Whether an event without a row is kept.
        is_outer: bool,
        /// How many values a row of the left has.
        left_width: usize,
        /// How many a row of the right has.
        right_width: usize,
    },
    /// Puts the rows of two tables with one key side by side, and the key behind both.
    Merge {
        /// What becomes of rows without a partner.
        kind: JoinKind,
        /// How many values a row of the left has.
        left_width: usize,
        /// How many a row of the right has.
        right_width: usize,
    },
    /// Puts events of two streams side by side that have one key and are near in time, and the key behind both.
    Meet {
        /// What becomes of events without a partner.
        kind: JoinKind,
        /// How much earlier the right one may be, in milliseconds.
        before_ms: i64,
        /// How much later the right one may be, in milliseconds.
        after_ms: i64,
        /// How late events may come, in milliseconds; where it was not said, events without a partner are told at once.
        grace_ms: Option<i64>,
        /// How many values a row of the left has.
        left_width: usize,
        /// How many a row of the right has.
        right_width: usize,
    },
    /// Where a foreign key belongs: keeps the right table's row and the left rows that refer to it. Left rows come keyed by
    /// the foreign key, their own key behind the row.
    Refer {
        /// Whether left rows without a right one are kept.
        is_outer: bool,
        /// The foreign key, over the left row.
        foreign: Vec<Bound>,
        /// How many values a row of the left has.
        left_width: usize,
        /// How many a row of the right has.
        right_width: usize,
    },
    /// Sends each left row to where its foreign key belongs, and takes it back from where it belonged before.
    Subscribe {
        /// The foreign key, over the left row.
        foreign: Vec<Bound>,
        /// Whether left rows without a foreign key are kept.
        is_outer: bool,
        /// How many values a row of the right has.
        right_width: usize,
    },
    /// Sends what is to be put together to where its group belongs.
    Group {
        /// Of what.
        kind: SourceKind,
        /// What makes a group.
        group: Vec<Bound>,
        /// The aggregates' arguments.
        arguments: Vec<Vec<Bound>>,
    },
    /// Puts rows together by group. Its row is the group's values, the aggregates' results, and, in windows, their bounds.
    Aggregate {
        /// Of what.
        kind: SourceKind,
        /// What is put together.
        calls: Vec<Aggregate>,
        /// In which windows.
        window: Option<Windows>,
    },
    /// Writes rows to the sink.
    Sink {
        /// The sink's value columns.
        value: Vec<Bound>,
        /// The time of a row in milliseconds, over the sink's value, where it is not the row's own.
        time: Option<Bound>,
        /// Stream or table.
        kind: SourceKind,
    },
}

impl Act {
    /// Whether it keeps something between records.
    pub(crate) fn keeps(&self) -> bool {
        !matches!(
            self,
            Self::Filter { .. }
                | Self::Extend { .. }
                | Self::Select { .. }
                | Self::Explode { .. }
                | Self::Rekey { .. }
                | Self::Exchange { .. }
                | Self::Sink { .. }
        )
    }
}

/// What becomes of a row whose key is null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnNull {
    /// It is left out.
    Drop,
    /// It goes with the others that have none.
    Keep,
}

/// Windows that rows are put together in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// Their shape.
    pub shape: WindowShape,
    /// How long after a window's end rows are still taken, in milliseconds.
    pub grace_ms: i64,
    /// Whether a window is told only once, when it is closed.
    pub is_final: bool,
}

impl QueryPlan {
    /// The sources read.
    pub fn sources(&self) -> Vec<&Source> {
        self.entries.iter().map(|entry| &entry.source).collect()
    }

    /// Both queries' steps, each with its own way into the sink.
    pub(crate) fn with(mut self, other: Self) -> Self {
        let behind = self.steps.len();
        let moved = |wire: Wire| Wire { step: wire.step + behind, ..wire };
        self.entries
            .extend(other.entries.into_iter().map(|entry| Entry { wire: moved(entry.wire), ..entry }));
        self.steps.extend(other.steps.into_iter().map(|step| Step { next: step.next.map(moved), ..step }));
        self
    }

    /// Whether anything is kept between records.
    pub fn is_stateful(&self) -> bool {
        self.steps.iter().any(|step| step.act.keeps() || matches!(step.act, Act::Exchange { .. }))
    }

    /// The same with the steps that keep something numbered.
    pub(crate) fn numbered(mut self) -> Self {
        let mut next = 0;
        let number = |step: &Step| {
            let number = next;
            next += usize::from(step.act.keeps());
            number
        };
        let numbers: Vec<_> = self.steps.iter().map(number).collect();
        let wires = self.entries.iter_mut().map(|entry| &mut entry.wire);
        for wire in wires.chain(self.steps.iter_mut().filter_map(|step| step.next.as_mut())) {
            wire.number = numbers.get(wire.step).copied().unwrap_or_default();
        }
        self
    }

    /// The way to a side of the step of this number that keeps something.
    pub(crate) fn keeper(&self, number: usize, side: usize) -> Option<Wire> {
        let mut keepers = self.steps.iter().enumerate().filter(|(_, step)| step.act.keeps());
        keepers.nth(number).map(|(step, _)| Wire { step, side, number })
    }
}

/// Builds a graph step by step.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    entries: Vec<Entry>,
    steps: Vec<Step>,
}

/// The open end of a graph that is being built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Entry(usize),
    Step(usize),
}

impl Builder {
    pub(crate) fn entry(&mut self, source: Source, time: Option<Bound>) -> End {
        self.entries.push(Entry { source, time, wire: Wire { step: 0, side: 0, number: 0 } });
        End::Entry(self.entries.len() - 1)
    }

    /// Adds a step behind an end.
    pub(crate) fn then(&mut self, end: End, act: Act) -> End {
        self.join(&[end], act)
    }

    /// Adds a step behind several ends, each on a side of its own.
    pub(crate) fn join(&mut self, ends: &[End], act: Act) -> End {
        let step = self.steps.len();
        for (side, end) in ends.iter().enumerate() {
            let wire = Wire { step, side, number: 0 };
            match end {
                End::Entry(entry) => {
                    if let Some(entry) = self.entries.get_mut(*entry) {
                        entry.wire = wire;
                    }
                }
                End::Step(before) => {
                    if let Some(before) = self.steps.get_mut(*before) {
                        before.next = Some(wire);
                    }
                }
            }
        }
        self.steps.push(Step { act, next: None });
        End::Step(step)
    }

    pub(crate) fn build(self) -> QueryPlan {
        QueryPlan { entries: self.entries, steps: self.steps }
    }
}
