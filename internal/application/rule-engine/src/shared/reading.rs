use std::sync::Arc;

use millstream_model::Headers;
use millstream_ports::PortError;
use millstream_runtime::{CallbackResult, Context};
use millstream_sql::{Entry, Intake, Screen, SourceRecord};

use super::member::Member;
use crate::formats::Formats;
use crate::halves::Halves;

/// One way to read a topic, and the rules that do.
pub(super) struct Reading {
    halves: Halves,
    entry: Entry,
    /// Each with the number that the source has in it.
    members: Vec<(Arc<Member>, usize)>,
    /// Which of them a record can be for.
    screen: Screen,
}

/// The ways to read one topic.
#[derive(Default)]
pub(super) struct Readings(Vec<Reading>);

impl Readings {
    pub(super) fn add(
        &mut self,
        member: &Arc<Member>,
        side: usize,
        formats: &Formats,
    ) -> Result<(), PortError> {
        let Some(entry) = member.rule.query.entries.get(side) else { return Ok(()) };
        let is_same =
            |reading: &&mut Reading| reading.entry.source == entry.source && reading.entry.time == entry.time;
        let member = (member.clone(), side);
        if let Some(reading) = self.0.iter_mut().find(is_same) {
            reading.members.push(member);
            return Ok(());
        }
        let (halves, entry) = (Halves::reading(&entry.source, formats)?, entry.clone());
        self.0.push(Reading { halves, entry, members: vec![member], screen: Screen::default() });
        Ok(())
    }

    /// Reads what any of the rules looks at, and no more; and asks only those that a record can be for.
    pub(super) fn narrow(&mut self, formats: &Formats) -> Result<(), PortError> {
        for reading in &mut self.0 {
            let each = reading.members.iter().map(|(member, side)| member.rule.uses(*side));
            let either =
                |one: Vec<bool>, two: Vec<bool>| one.iter().zip(two).map(|(one, two)| *one || two).collect();
            let used = each.reduce(either).unwrap_or_default();
            reading.halves = Halves::reading_of(&reading.entry.source, formats, &used)?;
            reading.screen = Screen::of(reading.members.iter().map(|(member, side)| (&member.rule, *side)));
        }
        Ok(())
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
                let mut members = self.members.iter();
                return members.try_for_each(|(member, _)| member.set_aside(context, "decode", &reason));
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
        for (member, side) in members {
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
