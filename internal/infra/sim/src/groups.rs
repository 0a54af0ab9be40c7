use std::collections::BTreeMap;

use millstream_model::{Offset, Partition, TopicName};
use millstream_ports::{Groups, PortError};

use crate::Sim;

impl Groups for Sim {
    fn groups(&self) -> Result<BTreeMap<String, usize>, PortError> {
        self.with(|inside, process| {
            inside.check_alive(process)?;
            let known = inside.groups.iter().map(|(name, group)| (name.clone(), group.members().len()));
            Ok(known.collect())
        })
    }

    fn positions(&self, group: &str, topic: &TopicName) -> Result<Vec<(Partition, Offset)>, PortError> {
        self.with(|inside, process| {
            inside.check_alive(process)?;
            let committed = inside.groups.get(group).into_iter().flat_map(|group| &group.committed);
            let of_topic = committed.filter(|((known, _), _)| known == topic);
            Ok(of_topic.map(|((_, partition), next)| (*partition, *next)).collect())
        })
    }

    fn place(
        &self,
        group: &str,
        topic: &TopicName,
        positions: &[(Partition, Offset)],
    ) -> Result<(), PortError> {
        self.with(|inside, process| {
            inside.check_alive(process)?;
            let known = inside.groups.entry(group.to_owned()).or_default();
            if !known.members().is_empty() {
                return Err(PortError::stop(format!("group '{group}' has members")));
            }
            let placed = positions.iter().map(|(partition, next)| ((topic.clone(), *partition), *next));
            known.committed.extend(placed);
            Ok(())
        })
    }

    fn rests(&self, group: &str, _topic: &TopicName) -> Result<bool, PortError> {
        self.with(|inside, process| {
            inside.check_alive(process)?;
            Ok(inside.groups.get(group).is_none_or(|group| group.members().is_empty()))
        })
    }

    fn forget(&self, group: &str) -> Result<(), PortError> {
        self.with(|inside, process| {
            inside.check_alive(process)?;
            if inside.groups.get(group).is_some_and(|group| !group.members().is_empty()) {
                return Err(PortError::stop(format!("group '{group}' has members")));
            }
            inside.groups.remove(group);
            Ok(())
        })
    }
}
