use std::time::{Duration, Instant};

use millstream_ports::{Action, PortError};
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{CommitMode, Consumer};

use super::{KafkaGroup, POSITION_WAIT};

/// Time until what could not be committed anew is tried again.
const TRY_AGAIN: Duration = Duration::from_mins(1);

/// Said beside a position that was committed anew.
const RENEWED: &str = "renewed";

/// When what a group has committed is committed anew.
///
/// Brokers forget in time what a group has committed for topics that it does not subscribe to, as the inputs after the first
/// are. Without it an input to which nothing came for a week would be read again from its beginning.
pub(super) struct Renewal {
    interval: Duration,
    due: Instant,
}

impl Renewal {
    pub(super) fn every(interval: Duration) -> Self {
        Self { interval, due: Instant::now() + interval }
    }
}

impl KafkaGroup {
    /// Commits anew where that is due. Between two commits nothing of this member's is in doubt, under exactly-once neither.
    pub(super) fn renew_committed(&mut self) -> Result<(), PortError> {
        let is_committing = self.committing.is_some() || self.sender.is_ending();
        if self.inputs.names().len() < 2
            || self.is_going
            || is_committing
            || Instant::now() < self.renewal.due
        {
            return Ok(());
        }
        self.renewal.due = Instant::now() + self.renewal.interval;
        match self.commit_anew() {
            Err(error) if error.action() == Action::Retry => {
                tracing::debug!(%error, "what is committed for quiet inputs is committed anew later");
                self.renewal.due = Instant::now() + TRY_AGAIN.min(self.renewal.interval);
                Ok(())
            }
            outcome => outcome,
        }
    }

    fn commit_anew(&self) -> Result<(), PortError> {
        let consumer = self.consumer()?;
        let found = consumer.committed_offsets(self.list(&self.reading), POSITION_WAIT);
        let mut known = TopicPartitionList::new();
        for place in found.map_err(self.refused("see what it has committed"))?.elements() {
            if let rdkafka::Offset::Offset(_) = place.offset() {
                let mut anew = known.add_partition(place.topic(), place.partition());
                anew.set_offset(place.offset()).map_err(self.refused("commit"))?;
                anew.set_metadata(RENEWED);
            }
        }
        if known.count() == 0 {
            return Ok(());
        }
        consumer.commit(&known, CommitMode::Sync).map_err(self.refused("commit"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::ops::ControlFlow;

    use millstream_broker::{Broker, BrokerSettings};
    use millstream_model::{NoHeaders, Offset, Partition, TopicName};
    use millstream_ports::{Delivery, GroupLog, Outlet, Polled, SendRecord, Tag, TopicSpec};

    use super::*;
    use crate::KafkaLog;

    const P0: Partition = Partition::new(0);

    fn topic(log: &KafkaLog, name: &str) -> TopicName {
        let name = TopicName::new(name).unwrap();
        let spec =
            TopicSpec { name: name.clone(), partitions: 1, replication: None, settings: BTreeMap::new() };
        log.create_topic(&spec).unwrap();
        name
    }

    fn turn(member: &mut KafkaGroup) -> Polled {
        let polled = member.poll(Duration::from_millis(20), 10, |_| ControlFlow::Continue(())).unwrap();
        if let Polled::Assigned(partitions) = &polled {
            member.accept(partitions).unwrap();
            partitions.iter().for_each(|partition| member.start(*partition).unwrap());
        }
        polled
    }

    /// What is said beside the position of an input.
    fn said(member: &KafkaGroup, input: usize) -> String {
        let mut list = TopicPartitionList::new();
        list.add_partition(member.inputs.get(input).unwrap().as_str(), 0);
        let found = member.consumer().unwrap().committed_offsets(list, Duration::from_secs(10)).unwrap();
        let place = found.elements();
        assert_eq!(place[0].offset(), rdkafka::Offset::Offset(1));
        place[0].metadata().to_owned()
    }

    #[test]
    fn the_position_of_a_quiet_input_is_committed_anew_though_nothing_else_is() {
        for delivery in [Delivery::AtLeastOnce, Delivery::ExactlyOnce] {
            let data = tempfile::TempDir::new().unwrap();
            let broker = Broker::start(BrokerSettings::new(data.path(), ([127, 0, 0, 1], 0).into())).unwrap();
            let mut log = KafkaLog::new(broker.address().to_string());
            log.renew_interval = Duration::from_millis(300);
            let inputs = ["busy", "quiet"].map(|name| topic(&log, name));
            let mut member = KafkaGroup::join(&log, "renews", 0, &inputs, delivery).unwrap();
            while member.started.is_empty() || !member.sender.has_taken(P0) {
                turn(&mut member);
            }
            for topic in &inputs {
                let record = SendRecord {
                    topic,
                    partition: Some(P0),
                    key: None,
                    value: Some(b"x"),
                    headers: &NoHeaders,
                    timestamp: None,
                    tag: Tag::NONE,
                };
                member.send(&record).unwrap();
            }
            member.settle().unwrap();
            member.commit(&[(0, P0, Offset(1)), (1, P0, Offset(1))]).unwrap();
            let begun = Instant::now();
            while said(&member, 1) != RENEWED {
                assert!(
                    begun.elapsed() < Duration::from_secs(30),
                    "{delivery:?}: it is never committed anew"
                );
                turn(&mut member);
            }
        }
    }
}
