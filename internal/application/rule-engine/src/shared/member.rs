use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use millstream_model::{Headers, decode_value};
use millstream_ports::{Bytes, CodecError, Nullable, PortError};
use millstream_runtime::{CallbackResult, Context, Output, dead_letter_header};
use millstream_sql::{Admission, Emission, Intake, Rule, SinkRow, StepError};

use super::state::{Kept, MemberState};
use super::{Begins, Joining};
use crate::figures::RuleFigures;
use crate::formats::Formats;
use crate::halves::{Halves, RowEdge};
use crate::lower::{emit, follow, group_of, keeps_key};

/// A rule among others. What fails in it is its own: nothing of the record is written for it, and the others go on.
pub(super) struct Member {
    pub(super) rule: Rule,
    sink: Arc<Halves>,
    pub(super) out: RowEdge,
    pub(super) dead_letters: Option<LetterEdge>,
    pub(super) figures: Arc<RuleFigures>,
    kept: Option<Kept>,
    pub(super) begins: Begins,
    /// By source.
    keeps_key: Vec<bool>,
}

pub(super) type LetterEdge = Output<Nullable<Bytes>, Nullable<Bytes>>;

impl Member {
    pub(super) fn of(joining: Joining, kept: Option<Kept>, formats: &Formats) -> Result<Self, PortError> {
        let edge = |topic: &str| LetterEdge::new(topic, Nullable(Bytes), Nullable(Bytes));
        let Joining { rule, dead_letters, begins } = joining;
        let sink = Arc::new(Halves::writing(&rule.sink, formats)?);
        Ok(Self {
            out: sink.output(&rule.sink.topic),
            sink,
            dead_letters: dead_letters.as_deref().map(edge),
            figures: Arc::new(RuleFigures::of(&rule.name)),
            kept,
            begins,
            keeps_key: (0..rule.query.entries.len()).map(|side| keeps_key(&rule, side)).collect(),
            rule,
        })
    }

    /// Whether a record comes in, or what is wrong with it.
    pub(super) fn admits(&self, side: usize, intake: &Intake) -> Result<Option<Admission>, String> {
        let mut told = Vec::new();
        let step = || self.rule.admits(side, intake, &mut told);
        let admitted = catch_unwind(AssertUnwindSafe(step)).map_err(|_| "a condition panicked".to_owned())?;
        if admitted.is_none() {
            self.note(told);
        }
        Ok(admitted)
    }

    pub(super) fn on_intake(
        &self,
        context: &mut Context<'_>,
        side: usize,
        intake: Intake,
        admission: Admission,
    ) -> CallbackResult {
        let keeps_key = self.keeps_key.get(side).copied().unwrap_or_default();
        self.step(context, keeps_key, |rule, state| rule.on_intake(side, intake, admission, state))
    }

    pub(super) fn on_repartitioned(
        &self,
        context: &mut Context<'_>,
        key: &[u8],
        message: &[u8],
    ) -> CallbackResult {
        self.step(context, false, |rule, state| {
            let message = decode_value(message).map_err(|_| StepError::Damaged("a record of the loop"))?;
            rule.on_repartitioned(key, message, state)
        })
    }

    pub(super) fn on_later(&self, context: &mut Context<'_>, place: &[u8]) -> CallbackResult {
        self.step(context, false, |rule, state| {
            let emissions = rule.on_later(place, state)?;
            follow(state.context, &emissions);
            Ok(emissions)
        })
    }

    fn step(
        &self,
        context: &mut Context<'_>,
        keeps_key: bool,
        step: impl FnOnce(&Rule, &mut MemberState<'_, '_, '_>) -> Result<Vec<Emission>, StepError>,
    ) -> CallbackResult {
        let deed = || {
            let mut state = MemberState::new(self.kept.as_ref(), context, keeps_key);
            let emissions = step(&self.rule, &mut state).map_err(Failed::of_step)?;
            self.perform(state, emissions)
        };
        // A panic is this rule's failure, and not that of the others.
        let panicked = |_| Err(Failed::Record(format!("rule {} panicked", self.rule.name)));
        match catch_unwind(AssertUnwindSafe(deed)).unwrap_or_else(panicked) {
            Ok(()) => Ok(()),
            Err(Failed::Later(error)) => Err(error),
            Err(Failed::Record(reason)) => self.set_aside(context, "callback", &reason),
        }
    }

    /// Does what a record comes to, all of it or nothing: what the record itself can make impossible comes first.
    fn perform(&self, state: MemberState<'_, '_, '_>, emissions: Vec<Emission>) -> Result<(), Failed> {
        let (mut rows, mut again) = (Vec::with_capacity(emissions.len()), Vec::new());
        for emission in emissions {
            match emission {
                Emission::Sink(row) => rows.push(row),
                Emission::Failed(failure) => self.figures.note(&failure),
                Emission::Repartition { key, message } => again.push((key, message)),
            }
        }
        self.write(state.context, &rows)?;
        state.settle(&again).map_err(Failed::Later)
    }

    /// Sends rows, all of them or none: of several each is tried first.
    fn write(&self, context: &mut Context<'_>, rows: &[SinkRow]) -> Result<(), Failed> {
        if rows.len() > 1 {
            for row in rows {
                let written = self.sink.write(&row.key, row.value.as_deref(), row.window);
                written.map_err(|error| Failed::of(error.into()))?;
            }
        }
        let out = (&self.out, &*self.figures);
        rows.iter().try_for_each(|row| emit(context, out, row).map_err(Failed::of))
    }

    fn note(&self, told: Vec<Emission>) {
        for emission in told {
            if let Emission::Failed(failure) = emission {
                self.figures.note(&failure);
            }
        }
    }

    /// Sends the record to the rule's dead letters, with the headers that the framework gives its own.
    pub(super) fn set_aside(&self, context: &mut Context<'_>, stage: &str, reason: &str) -> CallbackResult {
        self.figures.set_aside(stage, reason);
        let Some(edge) = &self.dead_letters else { return Ok(()) };
        let mut headers = Headers::copy_of(context.headers());
        headers.push(dead_letter_header::TOPIC, context.topic().as_str());
        headers.push(dead_letter_header::PARTITION, context.partition().to_string());
        headers.push(dead_letter_header::OFFSET, context.offset().to_string());
        headers.push(dead_letter_header::GROUP, group_of(&self.rule.name));
        headers.push(dead_letter_header::STAGE, stage);
        headers.push(dead_letter_header::MESSAGE, reason);
        let key = context.key_bytes().map(<[u8]>::to_vec);
        let value = context.value_bytes().map(<[u8]>::to_vec);
        Ok(context.emit_with(edge, &key.as_deref(), &value.as_deref(), &headers)?)
    }
}

/// Why a record has no rows.
enum Failed {
    /// What its rows are written with does not answer now, or the group itself is wrong.
    Later(Box<dyn Error + Send + Sync>),
    /// The record is at fault.
    Record(String),
}

impl Failed {
    fn of_step(error: StepError) -> Self {
        match error {
            StepError::State(_) => Self::Later(error.into()),
            StepError::Damaged(_) | StepError::Value(_) => Self::Record(error.to_string()),
        }
    }

    fn of(error: Box<dyn Error + Send + Sync>) -> Self {
        match error.downcast::<CodecError>() {
            Ok(error) if !error.may_pass() => Self::Record(error.to_string()),
            Ok(error) => Self::Later(error),
            Err(other) => Self::Later(other),
        }
    }
}
