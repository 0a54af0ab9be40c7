use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use millstream_model::{Timestamp, TopicName};
use millstream_ports::{
    Delivery, GroupMember, PortError, TableId, TableStore, TopicDescription, TopicSpec, Topics, World,
};

use crate::roster::Roster;
use crate::{KafkaGroup, KafkaLog, KafkaOutlet, KafkaTail, NoTables};

/// Opens a table's partition on local storage.
type OpenTable<S> = dyn Fn(&TableId) -> Result<S, PortError> + Send + Sync;

/// The world of production: Kafka as the log, and tables where `open` puts them.
pub struct KafkaWorld<S> {
    log: KafkaLog,
    open: Arc<OpenTable<S>>,
    begun: Instant,
    roster: Arc<Roster>,
}

impl<S> Clone for KafkaWorld<S> {
    fn clone(&self) -> Self {
        let (open, roster) = (self.open.clone(), self.roster.clone());
        Self { log: self.log.clone(), open, begun: self.begun, roster }
    }
}

impl<S: TableStore> KafkaWorld<S> {
    /// A world of `log` whose tables `open` opens.
    pub fn new(
        log: KafkaLog,
        open: impl Fn(&TableId) -> Result<S, PortError> + Send + Sync + 'static,
    ) -> Self {
        Self { log, open: Arc::new(open), begun: Instant::now(), roster: Arc::default() }
    }

    /// The Kafka half.
    pub fn log(&self) -> &KafkaLog {
        &self.log
    }
}

impl KafkaWorld<NoTables> {
    /// A world of `log` for programs that keep no tables; to ask for one is an error.
    pub fn without_tables(log: KafkaLog) -> Self {
        Self::new(log, |id| Err(PortError::stop(format!("there is no place for table '{}'", id.table))))
    }
}

impl<S: TableStore> Topics for KafkaWorld<S> {
    fn list_topics(&self) -> Result<Vec<TopicDescription>, PortError> {
        self.log.list_topics()
    }

    fn delete_topic(&self, name: &TopicName) -> Result<(), PortError> {
        self.log.delete_topic(name)
    }
}

impl<S: TableStore> World for KafkaWorld<S> {
    type Group = KafkaGroup;
    type Tail = KafkaTail;
    type Outlet = KafkaOutlet;
    type Store = S;

    fn join_group(
        &self,
        group: &str,
        instance: usize,
        inputs: &[TopicName],
        delivery: Delivery,
    ) -> Result<KafkaGroup, PortError> {
        KafkaGroup::join(&self.log, group, instance, inputs, delivery)
    }

    fn members(&self, group: &str) -> Result<Option<Vec<GroupMember>>, PortError> {
        self.roster.members(&self.log, group)
    }

    fn tail(&self, name: &str, topics: &[TopicName]) -> Result<KafkaTail, PortError> {
        Ok(KafkaTail::open(&self.log, name, topics))
    }

    fn outlet(&self, name: &str) -> Result<KafkaOutlet, PortError> {
        KafkaOutlet::open(&self.log, name)
    }

    fn open_table(&self, id: &TableId) -> Result<S, PortError> {
        (self.open)(id)
    }

    fn describe_topics(&self, names: &[TopicName]) -> Result<Vec<Option<TopicDescription>>, PortError> {
        self.log.describe_topics(names)
    }

    fn create_topic(&self, spec: &TopicSpec) -> Result<(), PortError> {
        self.log.create_topic(spec)
    }

    fn create_topics(&self, specs: &[TopicSpec]) -> Result<(), PortError> {
        self.log.create_topics(specs)
    }

    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }
}
