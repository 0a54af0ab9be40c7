use std::collections::BTreeMap;
use std::time::Duration;

use millstream_model::{Partition, Timestamp, TopicName};

use crate::{Delivery, GroupLog, Outlet, PortError, TableStore, Tail};

/// A topic as the brokers have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicDescription {
    /// Its name.
    pub name: TopicName,
    /// How many partitions it has.
    pub partitions: u32,
    /// How many copies of each partition there are.
    pub replicas: u32,
    /// The settings asked for, such as `cleanup.policy`, in Kafka's own words.
    pub settings: BTreeMap<String, String>,
}

/// A topic to be created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSpec {
    /// Its name.
    pub name: TopicName,
    /// How many partitions.
    pub partitions: u32,
    /// How many copies; `None` is the brokers' default.
    pub replication: Option<u16>,
    /// Settings in Kafka's own words.
    pub settings: BTreeMap<String, String>,
}

/// Looks after the topics of a world, for programs that let people do so.
///
/// An adapter MUST tell internal topics of the log itself neither in the list nor delete them.
pub trait Topics {
    /// All topics, by name, without their settings.
    ///
    /// # Errors
    /// When the brokers can't be reached.
    fn list_topics(&self) -> Result<Vec<TopicDescription>, PortError>;

    /// Deletes a topic with all its records. One that does not exist is no error.
    ///
    /// # Errors
    /// When the brokers refuse it or can't be reached.
    fn delete_topic(&self, name: &TopicName) -> Result<(), PortError>;
}

/// Which partition of which table a store holds; its place on disk follows from it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TableId {
    /// The group, view or program the store belongs to.
    pub owner: String,
    /// The table's topic.
    pub table: TopicName,
    /// The partition.
    pub partition: Partition,
}

/// A member of a consumer group, as its group sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMember {
    /// Which process it is of; members of one process come and go together.
    pub process: String,
    /// Whether that is this process.
    pub is_here: bool,
    /// The partitions it owns.
    pub partitions: Vec<Partition>,
}

/// Everything outside, as one type parameter: production is Kafka and a local store, tests are all in memory.
///
/// A world is a cheap handle; clones share what is behind it.
pub trait World: Clone + Send + Sync + 'static {
    /// A member of a consumer group.
    type Group: GroupLog;
    /// A reader by position.
    type Tail: Tail;
    /// A writer in no group.
    type Outlet: Outlet;
    /// A table's partition.
    type Store: TableStore;

    /// Joins consumer group `group` on `inputs`, as member `instance` of this process.
    ///
    /// # Errors
    /// When the client's settings are refused.
    fn join_group(
        &self,
        group: &str,
        instance: usize,
        inputs: &[TopicName],
        delivery: Delivery,
    ) -> Result<Self::Group, PortError>;

    /// The members of a group, in the order in which they are given partitions when they have equally many. All processes are
    /// told the same. `None` where the group does not tell.
    ///
    /// # Errors
    /// [`crate::Action::Retry`] while the group is dividing its partitions, or can't be reached.
    fn members(&self, group: &str) -> Result<Option<Vec<GroupMember>>, PortError> {
        let _ = group;
        Ok(None)
    }

    /// A reader of `topics`.
    ///
    /// # Errors
    /// When the client's settings are refused.
    fn tail(&self, name: &str, topics: &[TopicName]) -> Result<Self::Tail, PortError>;

    /// A writer.
    ///
    /// # Errors
    /// When the client's settings are refused.
    fn outlet(&self, name: &str) -> Result<Self::Outlet, PortError>;

    /// Opens a table's partition, new or as it was left. What is found damaged is set aside, and the table is new.
    ///
    /// # Errors
    /// [`crate::Action::Retry`] while another owner holds it, [`crate::Action::Stop`] when storage fails.
    fn open_table(&self, id: &TableId) -> Result<Self::Store, PortError>;

    /// Describes topics, in the order asked; `None` for one that does not exist.
    ///
    /// # Errors
    /// When the brokers can't be reached.
    fn describe_topics(&self, names: &[TopicName]) -> Result<Vec<Option<TopicDescription>>, PortError>;

    /// Creates a topic, and waits until it can be used. One that exists already is no error.
    ///
    /// # Errors
    /// When the brokers refuse it or can't be reached.
    fn create_topic(&self, spec: &TopicSpec) -> Result<(), PortError>;

    /// Creates topics as [`World::create_topic`] does. An adapter that can ask for all at once should.
    ///
    /// # Errors
    /// As [`World::create_topic`]; some of them may then exist.
    fn create_topics(&self, specs: &[TopicSpec]) -> Result<(), PortError> {
        specs.iter().try_for_each(|spec| self.create_topic(spec))
    }

    /// The time of day.
    fn now(&self) -> Timestamp;

    /// The time since some moment before now. It never goes back.
    fn elapsed(&self) -> Duration;
}
