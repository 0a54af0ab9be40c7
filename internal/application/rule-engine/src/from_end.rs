//! Queries that begin elsewhere than at the first record: where their streams end, or where they have been.

use millstream_model::{Offset, Partition, TopicName};
use millstream_ports::{Groups, PortError, Start, Tail, World};
use millstream_sql::{Rule, SourceKind};

use crate::deploy::{DeployError, Engine, named, topic};
use crate::lower::group_of;
use crate::shared::Begins;

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
            .try_for_each(|source| {
                let topic = topic(source)?;
                place(&self.world, &group_of(&rule.name), &topic, || ends(&self.world, &topic))
            })
            .map_err(|source| DeployError::Port { rule: rule.name.clone(), source })
    }

    /// Has a group that never ran begin at these positions.
    ///
    /// # Errors
    /// When its positions can't be asked or set.
    pub(crate) fn place_least(&self, group: &str, begins: &Begins) -> Result<(), DeployError> {
        let refused = |source| DeployError::Port { rule: group.to_owned(), source };
        begins.iter().filter(|(_, positions)| !positions.is_empty()).try_for_each(|(topic, positions)| {
            let topic = named(topic).map_err(refused)?;
            let positions = || Ok(positions.iter().map(|(partition, at)| (*partition, *at)).collect());
            place(&self.world, group, &topic, positions).map_err(refused)
        })
    }
}

/// Where a topic ends now.
fn ends(world: &impl World, topic: &TopicName) -> Result<Vec<(Partition, Offset)>, PortError> {
    let found = world.describe_topics(std::slice::from_ref(topic))?;
    let partitions = found.into_iter().flatten().map(|found| found.partitions).next().unwrap_or_default();
    let mut tail = world.tail("ends", std::slice::from_ref(topic))?;
    let end = |number| {
        let partition = Partition::new(number);
        let (_, end) = tail.add(0, partition, Start::Latest)?;
        Ok((partition, end))
    };
    (0..partitions).map(end).collect()
}

/// Sets a group's positions in a topic of which it has none.
fn place(
    world: &(impl World + Groups),
    group: &str,
    topic: &TopicName,
    positions: impl FnOnce() -> Result<Vec<(Partition, Offset)>, PortError>,
) -> Result<(), PortError> {
    let is_placed = || Ok(!world.positions(group, topic)?.is_empty());
    if is_placed()? {
        return Ok(());
    }
    match world.place(group, topic, &positions()?) {
        // Another server was quicker, and its members are at work.
        Err(_) if is_placed()? => Ok(()),
        placed => placed,
    }
}
