use std::collections::BTreeMap;
use std::sync::Arc;

use millstream_model::{Offset, Partition};
use millstream_ports::PortError;
use millstream_runtime::{CallbackResult, Context};
use millstream_sql::{Entry, Intake, Screen};

use super::member::Member;
use crate::formats::Formats;
use crate::halves::Halves;

/// A rule that reads a topic.
#[derive(Clone)]
struct Reader {
    member: Arc<Member>,
    /// The number that the source has in it.
    side: usize,
    /// By partition, the first offset that is for it; where there is none, all are.
    begins: BTreeMap<Partition, Offset>,
}

impl Reader {
    fn begins_by(&self, partition: Partition, offset: Offset) -> bool {
        self.begins.is_empty() || self.begins.get(&partition).is_none_or(|first| *first <= offset)
    }
}

/// One way to read a topic, and the rules that do.
pub(super) struct Reading {
    halves: Halves,
    entry: Entry,
    members: Vec<Reader>,
    /// Which of them a record can be for.
    screen: Screen,
}

/// The ways to read one topic.
pub(super) struct Readings(Vec<Reading>);

impl Readings {
    pub(super) fn of<'m>(
        topic: &str,
        members: impl Iterator<Item = &'m Arc<Member>>,
        formats: &Formats,
    ) -> Result<Self, PortError> {
        let mut ways: Vec<(&Entry, Vec<Reader>)> = Vec::new();
        for member in members {
            let entries = member.rule.query.entries.iter().enumerate();
            for (side, entry) in entries.filter(|(_, entry)| entry.source.topic == topic) {
                let is_same = |(known, _): &&mut (&Entry, _)| {
                    (&known.source, &known.time) == (&entry.source, &entry.time)
                };
                let begins = member.begins.get(topic).cloned().unwrap_or_default();
                let reader = Reader { member: member.clone(), side, begins };
                match ways.iter_mut().find(is_same) {
                    Some((_, members)) => members.push(reader),
                    None => ways.push((entry, vec![reader])),
                }
            }
        }
        let each = ways.into_iter().map(|(entry, members)| Reading::of(entry.clone(), members, formats));
        each.collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn on_record(
        &self,
        context: &mut Context<'_>,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> CallbackResult {
        self.0.iter().try_for_each(|reading| reading.on_record(context, key, value))
    }
}

impl Reading {
    /// Reads what any of the rules looks at, and no more; and asks only those that a record can be for.
    fn of(entry: Entry, members: Vec<Reader>, formats: &Formats) -> Result<Self, PortError> {
        let each = members.iter().map(|reader| reader.member.rule.uses(reader.side));
        let either =
            |one: Vec<bool>, two: Vec<bool>| one.iter().zip(two).map(|(one, two)| *one || two).collect();
        let used = each.reduce(either).unwrap_or_default();
        let halves = Halves::reading_of(&entry.source, formats, &used)?;
        let screen = Screen::of(members.iter().map(|reader| (&reader.member.rule, reader.side)));
        Ok(Self { halves, entry, members, screen })
    }

    fn on_record(
        &self,
        context: &mut Context<'_>,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> CallbackResult {
        let (partition, offset) = (context.partition(), context.offset());
        let is_for = |reader: &&Reader| reader.begins_by(partition, offset);
        let read = match self.halves.read(key, value) {
            Ok(read) => read,
            Err(error) if error.may_pass() => return Err(error.into()),
            Err(error) => {
                let reason = error.to_string();
                let mut members = self.members.iter().filter(is_for);
                return members.try_for_each(|reader| reader.member.set_aside(context, "decode", &reason));
            }
        };
        let Some(intake) = Intake::of(&self.entry, read.at(context)) else { return Ok(()) };
        let candidates = self.screen.candidates(&intake);
        let members = candidates.iter().filter_map(|place| self.members.get(*place)).filter(is_for);
        let mut admitted = Vec::new();
        for Reader { member, side, .. } in members {
            match member.admits(*side, &intake) {
                Ok(None) => {}
                Ok(Some(admission)) => admitted.push((member, *side, admission)),
                Err(reason) => member.set_aside(context, "callback", &reason)?,
            }
        }
        let Some((last, side, admission)) = admitted.pop() else { return Ok(()) };
        for (member, side, admission) in admitted {
            member.on_intake(context, side, intake.clone(), admission)?;
        }
        last.on_intake(context, side, intake, admission)
    }
}
