//! Queries that begin where their streams end.

use millstream_model::{Partition, TopicName};
use millstream_ports::{Groups, PortError, Start, Tail, World};
use millstream_sql::{Rule, SourceKind};

use crate::deploy::{DeployError, Engine, topic};
use crate::lower::group_of;

impl<W: World + Groups> Engine<W> {
    /// Has a rule that never ran read its streams from where they end now; one that ran goes on where it was. Tables are
    /// read whole: what they hold is not of before or after, but what is so.
    ///
    /// # Errors
    /// When the topics can't be described or created, or the group's positions be asked or set.
    pub(crate) fn place_at_ends(&self, rule: &Rule) -> Result<(), DeployError> {
        self.prepare_topics(std::slice::from_ref(rule))?;
        let sources = rule.query.sources();
        let mut streams = sources.iter().filter(|source| source.kind == SourceKind::Stream);
        streams
            .try_for_each(|source| place(&self.world, &group_of(&rule.name), &topic(source)?))
            .map_err(|source| DeployError::Port { rule: rule.name.clone(), source })
    }
}

/// Sets a group's positions in a topic of which it has none.
fn place(world: &(impl World + Groups), group: &str, topic: &TopicName) -> Result<(), PortError> {
    let is_placed = || Ok(!world.positions(group, topic)?.is_empty());
    if is_placed()? {
        return Ok(());
    }
    let found = world.describe_topics(std::slice::from_ref(topic))?;
    let partitions = found.into_iter().flatten().map(|found| found.partitions).next().unwrap_or_default();
    let mut tail = world.tail("ends", std::slice::from_ref(topic))?;
    let end = |number| {
        let partition = Partition::new(number);
        let (_, end) = tail.add(0, partition, Start::Latest)?;
        Ok((partition, end))
    };
    let ends = (0..partitions).map(end).collect::<Result<Vec<_>, PortError>>()?;
    match world.place(group, topic, &ends) {
        // Another server was quicker, and its members are at work.
        Err(_) if is_placed()? => Ok(()),
        placed => placed,
    }
}
