//! Rules without state over one topic, as one group: a record is read, decoded and given its row once for all of them.

use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use millstream_model::{Headers, Value};
use millstream_ports::{Bytes, CodecError, Nullable, PortError};
use millstream_runtime::{CallbackResult, Context, GroupGraph, Output, dead_letter_header};
use millstream_sql::{
    Admission, Emission, Entry, Intake, OnError, Rule, Screen, SinkRow, SourceRecord, State, StepError,
};

use crate::figures::RuleFigures;
use crate::formats::Formats;
use crate::halves::{Halves, RowEdge};
use crate::lower::{emit, group_of};
use crate::members::Group;

/// The rules of a group, by how they read its topic.
struct Shared {
    readings: Vec<Reading>,
}

/// One way to read the topic, and the rules that do.
struct Reading {
    halves: Halves,
    entry: Entry,
    members: Vec<Member>,
    /// Which of them a record can be for.
    screen: Screen,
}

/// A rule among others. What fails in it is its own: nothing of the record is written for it, and the others go on.
struct Member {
    rule: Rule,
    sink: Arc<Halves>,
    out: RowEdge,
    dead_letters: Option<LetterEdge>,
    figures: Arc<RuleFigures>,
}

type LetterEdge = Output<Nullable<Bytes>, Nullable<Bytes>>;

/// Whether a rule can share a group: it keeps nothing, reads one source once, and does not ask to be stopped.
pub(crate) fn can_share(rule: &Rule) -> bool {
    !rule.query.is_stateful() && rule.query.entries.len() == 1 && rule.sink.on_error != OnError::Fail
}

/// The topic of the dead letters of the rules that have none of their own.
pub(crate) fn dead_letters_of(group: &Group) -> String {
    format!("{}-dead-letters", group.id)
}

/// A group graph, and the figures of each of its rules.
type Shares = (GroupGraph, Vec<Arc<RuleFigures>>);

/// Turns rules that can share one into a group graph.
pub(crate) fn share(group: &Group, rules: Vec<Rule>, formats: &Formats) -> Result<Shares, PortError> {
    let mut graph = GroupGraph::define(&group.id);
    let mut shared = Shared { readings: Vec::new() };
    let mut outputs = std::collections::BTreeSet::new();
    let mut figures = Vec::new();
    for rule in rules {
        let member = Member::of(rule, group, formats)?;
        figures.push(member.figures.clone());
        if outputs.insert(member.out.topic().to_owned()) {
            graph = graph.output(&member.out);
        }
        if let Some(edge) = &member.dead_letters
            && outputs.insert(edge.topic().to_owned())
        {
            graph = graph.output(edge);
        }
        shared.add(member, formats)?;
    }
    shared.narrow(formats)?;
    let graph = graph.input(
        &group.topic,
        Nullable(Bytes),
        Nullable(Bytes),
        move |context, key: Option<&[u8]>, value: Option<&[u8]>| shared.on_record(context, key, value),
    );
    let graph = graph.build().map_err(|error| PortError::stop("the rules make no group").because(error))?;
    Ok((graph, figures))
}

impl Shared {
    fn add(&mut self, member: Member, formats: &Formats) -> Result<(), PortError> {
        let Some(entry) = member.rule.query.entries.first() else { return Ok(()) };
        let is_same =
            |reading: &&mut Reading| reading.entry.source == entry.source && reading.entry.time == entry.time;
        if let Some(reading) = self.readings.iter_mut().find(is_same) {
            reading.members.push(member);
            return Ok(());
        }
        let (halves, entry) = (Halves::reading(&entry.source, formats)?, entry.clone());
        self.readings.push(Reading { halves, entry, members: vec![member], screen: Screen::default() });
        Ok(())
    }

    /// Reads what any of the rules looks at, and no more; and asks only those that a record can be for.
    fn narrow(&mut self, formats: &Formats) -> Result<(), PortError> {
        for reading in &mut self.readings {
            let each = reading.members.iter().map(|member| member.rule.uses(0));
            let either =
                |one: Vec<bool>, two: Vec<bool>| one.iter().zip(two).map(|(one, two)| *one || two).collect();
            let used = each.reduce(either).unwrap_or_default();
            reading.halves = Halves::reading_of(&reading.entry.source, formats, &used)?;
            reading.screen = Screen::of(reading.members.iter().map(|member| &member.rule));
        }
        Ok(())
    }

    fn on_record(
        &self,
        context: &mut Context<'_>,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> CallbackResult {
        self.readings.iter().try_for_each(|reading| reading.on_record(context, key, value))
    }
}

impl Reading {
    fn on_record(
        &self,
        context: &mut Context<'_>,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> CallbackResult {
        let read = match self.halves.read(key, value) {
            Ok(read) => read,
            Err(error) if error.may_pass() => return Err(error.into()),
            Err(error) => {
                let reason = error.to_string();
                return self
                    .members
                    .iter()
                    .try_for_each(|member| member.set_aside(context, "decode", &reason));
            }
        };
        let record = SourceRecord {
            key: read.key,
            value: read.value,
            timestamp: context.timestamp().0,
            partition: context.partition().as_i32(),
            offset: context.offset().0,
            headers: Headers::copy_of(context.headers()),
            window: read.window,
        };
        let Some(intake) = Intake::of(&self.entry, record) else { return Ok(()) };
        let candidates = self.screen.candidates(&intake);
        let members = candidates.iter().filter_map(|place| self.members.get(*place));
        let mut admitted = Vec::new();
        for member in members {
            match member.admits(&intake) {
                Ok(None) => {}
                Ok(Some(admission)) => admitted.push((member, admission)),
                Err(reason) => member.set_aside(context, "callback", &reason)?,
            }
        }
        let Some((last, admission)) = admitted.pop() else { return Ok(()) };
        for (member, admission) in admitted {
            member.on_intake(context, intake.clone(), admission)?;
        }
        last.on_intake(context, intake, admission)
    }
}

impl Member {
    fn of(rule: Rule, group: &Group, formats: &Formats) -> Result<Self, PortError> {
        let edge = |topic: &str| LetterEdge::new(topic, Nullable(Bytes), Nullable(Bytes));
        let dead_letters = match rule.sink.on_error {
            OnError::DeadLetter => Some(dead_letters_of(group)),
            OnError::DeadLetterStream => Some(rule.dead_letters()),
            OnError::Skip | OnError::Fail => None,
        };
        let sink = Arc::new(Halves::writing(&rule.sink, formats)?);
        Ok(Self {
            out: sink.output(&rule.sink.topic),
            sink,
            dead_letters: dead_letters.as_deref().map(edge),
            figures: Arc::new(RuleFigures::of(&rule.name)),
            rule,
        })
    }

    /// Whether a record comes in, or what is wrong with it.
    fn admits(&self, intake: &Intake) -> Result<Option<Admission>, String> {
        let mut told = Vec::new();
        let step = || self.rule.admits(0, intake, &mut told);
        let admitted = catch_unwind(AssertUnwindSafe(step)).map_err(|_| "a condition panicked".to_owned())?;
        if admitted.is_none() {
            self.note(told);
        }
        Ok(admitted)
    }

    fn on_intake(&self, context: &mut Context<'_>, intake: Intake, admission: Admission) -> CallbackResult {
        match self.caught(|| self.write(context, &self.rows(intake, admission)?)) {
            Ok(()) => Ok(()),
            Err(Failed::Later(error)) => Err(error),
            Err(Failed::Record(reason)) => self.set_aside(context, "callback", &reason),
        }
    }

    /// A panic is this rule's failure, and not that of the others.
    fn caught<T>(&self, deed: impl FnOnce() -> Result<T, Failed>) -> Result<T, Failed> {
        let panicked = |_| Err(Failed::Record(format!("rule {} panicked", self.rule.name)));
        catch_unwind(AssertUnwindSafe(deed)).unwrap_or_else(panicked)
    }

    /// All rows that a record makes.
    fn rows(&self, intake: Intake, admission: Admission) -> Result<Vec<SinkRow>, Failed> {
        let emissions = self.rule.on_intake(0, intake, admission, &mut NoState);
        let emissions = emissions.map_err(|error| Failed::Record(error.to_string()))?;
        let mut rows = Vec::with_capacity(emissions.len());
        for emission in emissions {
            match emission {
                Emission::Sink(row) => rows.push(row),
                Emission::Failed(failure) => self.figures.note(&failure),
                Emission::Repartition { .. } => {
                    return Err(Failed::Record("a rule without state keeps nothing".to_owned()));
                }
            }
        }
        Ok(rows)
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
    fn set_aside(&self, context: &mut Context<'_>, stage: &str, reason: &str) -> CallbackResult {
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
    fn of(error: Box<dyn Error + Send + Sync>) -> Self {
        match error.downcast::<CodecError>() {
            Ok(error) if !error.may_pass() => Self::Record(error.to_string()),
            Ok(error) => Self::Later(error),
            Err(other) => Self::Later(other),
        }
    }
}

/// What a rule without state keeps.
struct NoState;

impl State for NoState {
    fn get(&mut self, _: &[u8]) -> Result<Option<Value>, StepError> {
        Err(StepError::Damaged("a state that the rule does not have"))
    }

    fn put(&mut self, _: &[u8], _: Option<&Value>) -> Result<(), StepError> {
        Err(StepError::Damaged("a state that the rule does not have"))
    }
}
