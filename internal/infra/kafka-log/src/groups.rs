use std::collections::BTreeMap;
use std::time::Duration;

use millstream_model::{Offset, Partition, TopicName};
use millstream_ports::{Groups, PortError, TableStore};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::{ClientConfig, Offset as KafkaOffset, TopicPartitionList};

use crate::client::PlainContext;
use crate::failure::port_error;
use crate::{KafkaLog, KafkaWorld};

/// How long the brokers may take for one answer.
const ANSWER_WAIT: Duration = Duration::from_secs(30);

impl KafkaLog {
    fn stranger_config(&self, group: &str) -> ClientConfig {
        let mut config = self.admin();
        config.set("group.id", group).set("enable.auto.commit", "false");
        config
    }

    /// A consumer that bears a group's name and is no member of it.
    fn stranger(&self, group: &str) -> Result<BaseConsumer<PlainContext>, PortError> {
        self.stranger_config(group)
            .create_with_context(PlainContext::default())
            .map_err(|error| port_error("could not create a client", &error))
    }

    /// Sets where a group reads on, as somebody who is no member of it.
    fn set(
        &self,
        group: &str,
        topic: &TopicName,
        positions: &[(Partition, Offset)],
    ) -> Result<(), KafkaError> {
        let client: BaseConsumer<PlainContext> =
            self.stranger_config(group).create_with_context(PlainContext::default())?;
        let mut list = TopicPartitionList::new();
        for (partition, next) in positions {
            list.add_partition_offset(topic.as_str(), partition.as_i32(), KafkaOffset::Offset(next.0))?;
        }
        client.commit(&list, CommitMode::Sync)
    }
}

/// Whether the brokers take nothing for a group from outside since it has members.
fn is_of_members(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::UnknownMemberId
                | Code::IllegalGeneration
                | Code::RebalanceInProgress
                | Code::StaleMemberEpoch
        )
    )
}

fn failed(deed: &str, group: &str) -> impl FnOnce(KafkaError) -> PortError {
    move |error| port_error(format!("could not {deed} group '{group}'"), &error)
}

impl<S: TableStore> Groups for KafkaWorld<S> {
    fn groups(&self) -> Result<BTreeMap<String, usize>, PortError> {
        let client = self.log().stranger("millstream-groups")?;
        let list = client.fetch_group_list(None, ANSWER_WAIT).map_err(failed("list", "*"))?;
        Ok(list.groups().iter().map(|group| (group.name().to_owned(), group.members().len())).collect())
    }

    fn positions(&self, group: &str, topic: &TopicName) -> Result<Vec<(Partition, Offset)>, PortError> {
        let client = self.log().stranger(group)?;
        let metadata = client.fetch_metadata(Some(topic.as_str()), ANSWER_WAIT);
        let metadata = metadata.map_err(failed("find the topics of", group))?;
        let mut wanted = TopicPartitionList::new();
        for found in metadata.topics().iter().flat_map(rdkafka::metadata::MetadataTopic::partitions) {
            wanted.add_partition(topic.as_str(), found.id());
        }
        let committed = client.committed_offsets(wanted, ANSWER_WAIT).map_err(failed("ask", group))?;
        let known = committed.elements().into_iter().filter_map(|element| match element.offset() {
            KafkaOffset::Offset(next) => Some((Partition::try_from(element.partition()).ok()?, Offset(next))),
            _ => None,
        });
        Ok(known.collect())
    }

    fn place(
        &self,
        group: &str,
        topic: &TopicName,
        positions: &[(Partition, Offset)],
    ) -> Result<(), PortError> {
        if positions.is_empty() {
            return Ok(());
        }
        self.log().set(group, topic, positions).map_err(failed("place", group))
    }

    fn rests(&self, group: &str, topic: &TopicName) -> Result<bool, PortError> {
        match self.log().set(group, topic, &[(Partition::new(0), Offset(0))]) {
            Ok(()) => Ok(true),
            Err(error) if is_of_members(&error) => Ok(false),
            Err(error) => Err(failed("ask", group)(error)),
        }
    }

    fn forget(&self, group: &str) -> Result<(), PortError> {
        self.log().delete_group(group)
    }
}
