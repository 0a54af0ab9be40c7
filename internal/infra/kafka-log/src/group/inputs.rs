use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use millstream_model::{Offset, Partition, TopicName};
use millstream_ports::PortError;
use rdkafka::consumer::Consumer;

use super::KafkaGroup;

/// How long the brokers may take to describe an input; records wait meanwhile.
const ANSWER_WAIT: Duration = Duration::from_secs(2);

/// Time between two looks at inputs that are in doubt.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How long an input has to be absent until it counts as deleted: a broker may not know yet of all that there is.
const ABSENT_MIN: Duration = Duration::from_secs(2);

/// What is known of the inputs beside their records.
#[derive(Default)]
pub(super) struct Watch {
    looked_at: Option<Instant>,
    absent_since: Option<Instant>,
    places: Places,
}

/// By input and partition the offset behind the last record that was handed over.
#[derive(Default)]
struct Places(Vec<Vec<i64>>);

impl Places {
    /// Notes a record; answers how far the partition was, if it comes before that.
    fn note(&mut self, topic: usize, partition: Partition, offset: i64) -> Option<i64> {
        if self.0.len() <= topic {
            self.0.resize_with(topic + 1, Vec::new);
        }
        let places = self.0.get_mut(topic)?;
        if places.len() <= partition.index() {
            places.resize(partition.index() + 1, 0);
        }
        let next = places.get_mut(partition.index())?;
        let before = (offset < *next).then_some(*next);
        *next = offset.saturating_add(1);
        before
    }

    fn forget(&mut self, partition: Partition) {
        for next in self.0.iter_mut().filter_map(|places| places.get_mut(partition.index())) {
            *next = 0;
        }
    }
}

impl Watch {
    /// These are read anew, from wherever that is.
    pub(super) fn forget(&mut self, partition: Partition) {
        self.places.forget(partition);
    }

    /// Notes a record that is about to be handed over.
    ///
    /// # Errors
    /// When it comes before others of its partition that were: the client reads on at the beginning where a topic was made anew,
    /// and to pass over what looks known would lose it. One that is not the first of all may have been handed over by the client
    /// twice, which it does (librdkafka 2.12) when its group is rebalanced while it asks where to read on; that can be done again.
    pub(super) fn note(
        &mut self,
        topic: (usize, &TopicName),
        partition: i32,
        offset: i64,
    ) -> Result<(), PortError> {
        let Ok(partition) = Partition::try_from(partition) else { return Ok(()) };
        let Some(next) = self.places.note(topic.0, partition, offset) else { return Ok(()) };
        let (name, next) = (topic.1, Offset(next));
        if offset > 0 {
            return Err(PortError::retry(format!(
                "{name}/{partition}: offset {offset} comes where {next} was next"
            )));
        }
        Err(PortError::stop(format!(
            "{name}/{partition} begins anew: offset {offset} comes where {next} was next; the topic was made anew, or its brokers \
             have lost records. Start again, and it is read from where the group has committed, or else from its beginning"
        )))
    }
}

impl KafkaGroup {
    /// Looks whether the inputs are as they have to be, where something speaks against it. What can't be seen now is looked for
    /// again.
    ///
    /// # Errors
    /// When they have different numbers of partitions, or one was deleted.
    pub(super) fn look_at_inputs(&mut self) -> Result<(), PortError> {
        let is_early = self.watch.looked_at.is_some_and(|at| at.elapsed() < LOOK_AGAIN);
        if is_early || !self.shared.doubts_inputs() {
            return Ok(());
        }
        self.watch.looked_at = Some(Instant::now());
        match self.widths() {
            Ok(found) => {
                self.even(&found)?;
                self.there(&found)
            }
            Err(error) => {
                tracing::debug!(%error, "the inputs are looked at again");
                self.shared.doubt_inputs();
                Ok(())
            }
        }
    }

    /// How many partitions each input has; 0 where it is not there.
    fn widths(&self) -> Result<Vec<usize>, PortError> {
        let consumer = self.consumer()?;
        let width = |name: &TopicName| {
            let metadata = consumer.fetch_metadata(Some(name.as_str()), ANSWER_WAIT);
            let metadata = metadata.map_err(self.refused("see its inputs"))?;
            Ok(metadata.topics().first().map_or(0, |topic| topic.partitions().len()))
        };
        self.inputs.names().iter().map(width).collect()
    }

    /// Inputs may look uneven for a moment, while one of them is new to a broker.
    fn even(&self, found: &[usize]) -> Result<(), PortError> {
        let widths: BTreeSet<_> = found.iter().filter(|width| **width > 0).collect();
        if widths.len() <= 1 {
            return Ok(());
        }
        let named = self.inputs.names().iter().zip(found);
        let said: Vec<_> = named.map(|(name, width)| format!("{name} {width}")).collect();
        Err(PortError::stop(format!(
            "the inputs of group '{}' no longer have the same number of partitions: {}; give them the same",
            self.name,
            said.join(", ")
        )))
    }

    fn there(&mut self, found: &[usize]) -> Result<(), PortError> {
        let absent = self.inputs.names().iter().zip(found).find(|(_, width)| **width == 0);
        let Some((name, _)) = absent else {
            self.watch.absent_since = None;
            return Ok(());
        };
        let since = *self.watch.absent_since.get_or_insert_with(Instant::now);
        if since.elapsed() < ABSENT_MIN {
            self.shared.doubt_inputs();
            return Ok(());
        }
        Err(PortError::stop(format!(
            "input '{name}' of group '{}' does not exist any more; create it and start again",
            self.name
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_that_begins_anew_is_known_unless_it_is_read_anew() {
        let (mut watch, name) = (Watch::default(), TopicName::new("facts").unwrap());
        let note = |watch: &mut Watch, topic, partition, offset| {
            watch.note((topic, &name), partition, offset).map_err(|error| error.to_string())
        };
        for (topic, partition, offset) in [(0, 0, 5), (0, 0, 6), (0, 0, 9), (1, 0, 2), (0, 3, 0), (0, 3, 1)] {
            assert_eq!(note(&mut watch, topic, partition, offset), Ok(()));
        }
        let said = note(&mut watch, 0, 0, 0).unwrap_err();
        assert!(said.starts_with("facts/0 begins anew: offset 0 comes where 10 was next"), "{said}");
        watch.forget(Partition::new(0));
        assert_eq!(note(&mut watch, 0, 0, 0), Ok(()));
        assert_eq!(note(&mut watch, 1, 0, 0), Ok(()));
        assert!(note(&mut watch, 0, 3, 1).is_err(), "the other partition is read on");
    }
}
