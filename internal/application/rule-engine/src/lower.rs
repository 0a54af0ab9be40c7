use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use millstream_model::{Timestamp, Value, ValueError, ValueReader, decode_value};
use millstream_ports::{Bytes, Nullable, PortError};
use millstream_runtime::{
    CallbackResult, Context, ContextError, GroupGraph, Loop, Policies, Policy, Table, Timer, When,
};
use millstream_sql::{Emission, Entry, Intake, OnError, Rule, SinkRow, SourceKind, State, StepError};

use crate::figures::RuleFigures;
use crate::formats::Formats;
use crate::halves::{Halves, RowEdge};

/// A rule with everything that its steps need to read and write.
struct Lowered {
    rule: Rule,
    sources: Vec<Halves>,
    table: Table<Bytes>,
    again: Loop<Bytes, Bytes>,
    out: RowEdge,
    figures: Arc<RuleFigures>,
    /// By source.
    keeps_key: Vec<bool>,
    later: Option<Later>,
}

/// Calls back for a group whose row is told once for all that came together.
pub(crate) type Later = Timer<Bytes>;

/// A time that has passed: what is set to it is called as soon as what came together is done.
pub(crate) const AT_ONCE: When = When::WallClock(Timestamp(0));

pub(crate) fn later() -> Later {
    Timer::new("later", Bytes)
}

/// Turns a rule into a group graph: its sources are the inputs, its repartitioned records go over the loop, its state is
/// the group table, and its sink is the output.
pub(crate) fn lower(rule: Rule, formats: &Formats) -> Result<(GroupGraph, Arc<RuleFigures>), PortError> {
    let sources = rule
        .query
        .sources()
        .into_iter()
        .enumerate()
        .map(|(side, source)| Halves::reading_of(source, formats, &rule.uses(side)))
        .collect::<Result<Vec<_>, _>>()?;
    let out = Arc::new(Halves::writing(&rule.sink, formats)?).output(&rule.sink.topic);
    let topics: Vec<_> = rule.query.sources().iter().map(|source| source.topic.clone()).collect();
    // What fails in a rule's step is the record's own: bytes that do not decode, or a value that its sink can't hold.
    let policy = match rule.sink.on_error {
        OnError::DeadLetter | OnError::DeadLetterStream => Policy::DeadLetter,
        OnError::Skip => Policy::Skip,
        OnError::Fail => Policy::Fail,
    };
    let is_stateful = rule.query.is_stateful();
    let group = group_of(&rule.name);
    let dead_letters = Some(rule.dead_letters());
    let (table, again) = (Table::new(Bytes), Loop::new(Bytes, Bytes));
    let lowered = Arc::new(Lowered {
        figures: Arc::new(RuleFigures::of(&rule.name)),
        keeps_key: (0..topics.len()).map(|side| keeps_key(&rule, side)).collect(),
        later: rule.tells_later().then(later),
        rule,
        sources,
        table: table.clone(),
        again: again.clone(),
        out: out.clone(),
    });
    let figures = lowered.figures.clone();
    let policies = Policies { decode: policy, callback: policy, produce: policy, dead_letters };
    let mut graph = GroupGraph::define(group).output(&out).policies(policies);
    for (side, topic) in topics.iter().enumerate() {
        let lowered = lowered.clone();
        graph = graph.input(
            topic,
            Nullable(Bytes),
            Nullable(Bytes),
            move |context, key: Option<&[u8]>, value: Option<&[u8]>| {
                lowered.counted(lowered.on_source(side, context, key, value))
            },
        );
    }
    for topic in read_first(&lowered.rule) {
        graph = graph.read_first(topic);
    }
    if let Some(after) = lowered.rule.idle_ms.filter(|_| is_stateful) {
        let lowered = lowered.clone();
        graph = graph.idle(Duration::from_millis(after), move |context| lowered.on_idle(context, after));
    }
    if is_stateful {
        let lowered = lowered.clone();
        graph = graph.persist(&table).loopback(&again, move |context, key: &[u8], message: &[u8]| {
            lowered.counted(lowered.on_repartitioned(context, key, message))
        });
    }
    if let Some(later) = lowered.later.clone() {
        let lowered = lowered.clone();
        graph = graph
            .timer(&later, move |context, place: &[u8]| lowered.counted(lowered.on_later(context, place)));
    }
    let graph = graph.build().map_err(|error| PortError::stop("the rule makes no group").because(error))?;
    Ok((graph, figures))
}

/// The topics of tables beside streams: what an event is joined with is read before it, as far as it was there.
pub(crate) fn read_first(rule: &Rule) -> Vec<&str> {
    let of = |kind| {
        let sources = rule.query.sources().into_iter();
        sources.filter(move |source| source.kind == kind).map(|source| source.topic.as_str())
    };
    if of(SourceKind::Stream).next().is_none() {
        return Vec::new();
    }
    of(SourceKind::Table).collect()
}

/// Whether rows of a source are kept by the key that they come with, which whoever writes it writes in equal bytes.
pub(crate) fn keeps_key(rule: &Rule, side: usize) -> bool {
    let is_plain = |entry: &Entry| entry.source.key_format == "KAFKA";
    rule.query.entries.get(side).is_some_and(is_plain) && rule.keeps_key(side)
}

/// What chooses the partition of a state's key: a single value as Kafka's own serializers write it, so that a row whose
/// topic is keyed by that value is where its state is; anything else as it is.
fn route(key: &[u8]) -> Cow<'_, [u8]> {
    text_alone(key).map_or_else(|_| route_of_other(key), |text| Cow::Borrowed(text.as_bytes()))
}

/// The text of a key that is nothing else, where it lies: of all keys these are the most.
fn text_alone(key: &[u8]) -> Result<&str, ValueError> {
    let mut reader = ValueReader::new(key)?;
    if reader.fields()? != 1 {
        return Err(ValueError::Damaged("it has several parts"));
    }
    let text = reader.text()?;
    reader.end(text)
}

fn route_of_other(key: &[u8]) -> Cow<'_, [u8]> {
    let Ok(Value::Struct(values)) = decode_value(key) else { return Cow::Borrowed(key) };
    match values.as_slice() {
        [Value::Int(number)] => Cow::Owned(number.to_be_bytes().to_vec()),
        [Value::Bigint(number)] => Cow::Owned(number.to_be_bytes().to_vec()),
        [Value::Double(number)] => Cow::Owned(number.to_be_bytes().to_vec()),
        [Value::Bytes(bytes)] => Cow::Owned(bytes.to_vec()),
        _ => Cow::Borrowed(key),
    }
}

/// Sends a message under `key` to where the state of `of` is kept.
pub(crate) fn repartition(
    context: &mut Context<'_>,
    again: &Loop<Bytes, Bytes>,
    of: &[u8],
    (key, message): (&[u8], &Value),
) -> Result<(), ContextError> {
    let partition = context.home(&route(of)).unwrap_or(context.partition());
    context.loopback_to(again, partition, &key, &message.to_bytes().as_slice())
}

/// Whether a state's key is of the partition at hand. Where there is one partition everything is at home. Elsewhere rows that
/// did not come by their key are sent even where they are at home by chance, lest they run ahead of those that are not.
pub(crate) fn is_home(context: &Context<'_>, keeps_key: bool, key: &[u8]) -> bool {
    let home = || context.home(&route(key)) == Some(context.partition());
    context.loop_width() == Some(1) || (keeps_key && home())
}

/// The consumer group of a rule that runs by itself.
pub(crate) fn group_of(rule: &str) -> String {
    format!("rules-{}", rule.to_lowercase())
}

impl Lowered {
    /// What a record came to; one that fails is told by the framework, which knows its place.
    fn counted(&self, outcome: CallbackResult) -> CallbackResult {
        if outcome.is_err() {
            self.figures.failed();
        }
        outcome
    }

    fn on_source(
        &self,
        side: usize,
        context: &mut Context<'_>,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> CallbackResult {
        let Some(codecs) = self.sources.get(side) else { return Ok(()) };
        let record = codecs.read(key, value)?.at(context);
        let Some(intake) = self.rule.query.entries.get(side).and_then(|entry| Intake::of(entry, record))
        else {
            return Ok(());
        };
        let mut told = Vec::new();
        let emissions = match self.rule.admits(side, &intake, &mut told) {
            None => told,
            Some(admission) => {
                let keeps_key = self.keeps_key.get(side).copied().unwrap_or_default();
                let mut state = self.state(context, keeps_key);
                self.rule.on_intake(side, intake, admission, &mut state)?
            }
        };
        self.perform(context, emissions)
    }

    /// What has not come for so long may still be as old as that.
    fn on_idle(&self, context: &mut Context<'_>, after: u64) -> CallbackResult {
        let time = context.timestamp().0.saturating_sub_unsigned(after);
        let emissions = self.rule.on_idle(time, &mut self.state(context, false))?;
        self.perform(context, emissions)
    }

    fn on_repartitioned(&self, context: &mut Context<'_>, key: &[u8], message: &[u8]) -> CallbackResult {
        let message = decode_value(message)?;
        let emissions = self.rule.on_repartitioned(key, message, &mut self.state(context, false))?;
        self.perform(context, emissions)
    }

    fn on_later(&self, context: &mut Context<'_>, place: &[u8]) -> CallbackResult {
        let emissions = self.rule.on_later(place, &mut self.state(context, false))?;
        follow(context, &emissions);
        self.perform(context, emissions)
    }

    fn state<'t, 'c, 'r>(&'t self, context: &'c mut Context<'r>, keeps_key: bool) -> TableState<'t, 'c, 'r> {
        TableState { table: &self.table, later: self.later.as_ref(), context, keeps_key }
    }

    fn perform(&self, context: &mut Context<'_>, emissions: Vec<Emission>) -> CallbackResult {
        for emission in emissions {
            match emission {
                Emission::Repartition { key, message } => {
                    repartition(context, &self.again, &key, (&key, &message))?;
                }
                Emission::Sink(row) => emit(context, (&self.out, &self.figures), &row)?,
                Emission::Failed(failure) => self.figures.note(&failure),
            }
        }
        Ok(())
    }
}

/// Rows that were put off go on in the trace of the record that they are told with.
pub(crate) fn follow(context: &mut Context<'_>, emissions: &[Emission]) {
    for emission in emissions {
        if let Emission::Sink(row) = emission {
            context.follow(&row.headers);
        }
    }
}

/// Sends a row, and counts it. What it can't be written for is told as its codec says it.
pub(crate) fn emit(
    context: &mut Context<'_>,
    (out, figures): (&RowEdge, &RuleFigures),
    row: &SinkRow,
) -> CallbackResult {
    let at = (&row.headers, Timestamp(row.timestamp));
    match context.emit_at(out, &(row.key.as_slice(), row.window), &row.value.as_deref(), at) {
        Err(ContextError::Codec { source, .. }) => return Err(source.into()),
        done => done?,
    }
    figures.wrote();
    Ok(())
}

/// The group table's partition at hand, as a rule's state.
struct TableState<'t, 'c, 'r> {
    table: &'t Table<Bytes>,
    later: Option<&'t Later>,
    context: &'c mut Context<'r>,
    /// Rows of a key come from where the key belongs, all of them or none.
    keeps_key: bool,
}

impl State for TableState<'_, '_, '_> {
    fn get(&mut self, key: &[u8]) -> Result<Option<&[u8]>, StepError> {
        self.context.get_at(self.table, key).map_err(|error| StepError::State(error.into()))
    }

    fn put(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), StepError> {
        let put = match value {
            None => self.context.delete_at(self.table, key),
            Some(value) => self.context.set_at(self.table, key, &value),
        };
        put.map_err(|error| StepError::State(error.into()))
    }

    fn is_home(&self, key: &[u8]) -> bool {
        is_home(self.context, self.keeps_key, key)
    }

    fn tell_later(&mut self, place: &[u8]) -> Result<bool, StepError> {
        let Some(later) = self.later else { return Ok(false) };
        let noted = self.context.schedule_at(later, place, AT_ONCE);
        noted.map(|()| true).map_err(|error| StepError::State(error.into()))
    }
}

#[cfg(test)]
mod tests;
