use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use millstream_ports::PortError;
use rdkafka::ClientConfig;

mod tokens;

/// Properties that the framework sets itself; weakening them would lose records.
const PROTECTED: &[(&str, &str)] = &[
    ("enable.auto.commit", "offsets are committed behind acknowledged effects"),
    ("enable.auto.offset.store", "offsets are committed behind acknowledged effects"),
    ("partition.assignment.strategy", "a rebalance that stops nothing needs the cooperative assignor"),
    ("group.id", "the group's name is the graph's"),
    ("delivery.report.only.error", "table writes are known to be safe by their reports"),
    ("bootstrap.servers", "the brokers are a setting of their own"),
    ("enable.partition.eof", "recovery relies on it"),
    ("transactional.id", "transactions are the framework's"),
];

/// Names that librdkafka takes for others.
const ALIASES: &[(&str, &str)] = &[
    ("request.required.acks", "acks"),
    ("queue.buffering.max.ms", "linger.ms"),
    ("delivery.timeout.ms", "message.timeout.ms"),
    ("auto.commit.enable", "enable.auto.commit"),
    ("metadata.broker.list", "bootstrap.servers"),
];

/// What the classic protocol's members say, and by KIP-848 the broker does.
const BROKERS_OWN: &[&str] = &["session.timeout.ms", "heartbeat.interval.ms", "group.protocol.type"];

/// What waits to be sent, in KiB.
const SEND_QUEUE: &str = "queue.buffering.max.kbytes";

/// How long the brokers may hold a fetch of a reader by position back when there is nothing new, in milliseconds.
const READER_WAIT_MS: &str = "100";

/// How often a member commits anew what its group has committed for inputs to which nothing comes.
const RENEW_INTERVAL: Duration = Duration::from_hours(1);

/// Time between two looks whether a client that had enough needs more, in milliseconds.
const FULL_WAIT_MS: &str = "5";

/// Apache Kafka, and how its clients are set up. A cheap handle: no connection is made before a client is asked for.
///
/// Properties are librdkafka's own, and go to every client; `consumer.` or `producer.` before a name sends it to that
/// kind alone. **Invariant:** what would lose records can't be set: see [`KafkaLog::with_properties`].
#[derive(Clone)]
pub struct KafkaLog {
    brokers: String,
    properties: BTreeMap<String, String>,
    protocol: GroupProtocol,
    instance_id: Option<String>,
    /// Tells this process's members from those of others, to people and to [`crate::KafkaWorld`].
    process: Arc<str>,
    /// Whether the brokers have KIP-848's groups, once they were asked.
    has_consumer_groups: Arc<OnceLock<bool>>,
    pub(crate) renew_interval: Duration,
}

/// How the members of a group come to their partitions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GroupProtocol {
    /// [`GroupProtocol::Consumer`] where the brokers have it, and [`GroupProtocol::Classic`] elsewhere. The latter too for
    /// members that are named, since by the newer protocol one that was killed can't come back before it is missed; and for
    /// those with a `session.timeout.ms`, which by the newer protocol is the broker's to say.
    #[default]
    Auto,
    /// The members divide the partitions, and keep what they have as far as that is fair (KIP-429).
    Classic,
    /// The broker divides the partitions (KIP-848).
    Consumer,
}

/// How a group learns that a member goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Farewell {
    /// By an unsubscription before the client is closed.
    Told,
    /// As the client thinks fit.
    LeftToTheClient,
}

impl KafkaLog {
    /// The cluster that `brokers`, a list of `host:port` with commas between, belong to.
    pub fn new(brokers: impl Into<String>) -> Self {
        Self {
            brokers: brokers.into(),
            properties: BTreeMap::new(),
            protocol: GroupProtocol::Auto,
            instance_id: None,
            process: process_name().into(),
            has_consumer_groups: Arc::default(),
            renew_interval: RENEW_INTERVAL,
        }
    }

    /// Names this instance, so that its group knows it again after a restart: within the session's time-out nothing is
    /// rebalanced (KIP-345). No two instances at work may have the same name; its members' names begin with it.
    #[must_use]
    pub fn with_instance_id(mut self, name: impl Into<String>) -> Self {
        let name = name.into();
        self.process = name.as_str().into();
        self.instance_id = Some(name);
        self
    }

    /// Chooses the groups' protocol.
    #[must_use]
    pub fn with_protocol(self, protocol: GroupProtocol) -> Self {
        Self { protocol, ..self }
    }

    /// Sets librdkafka properties, such as those of TLS and SASL.
    ///
    /// # Errors
    /// When a property is one that the framework sets, would weaken what it promises, or asks for tokens that this build
    /// can't have. The message names the property.
    pub fn with_properties(mut self, properties: BTreeMap<String, String>) -> Result<Self, PortError> {
        for (name, value) in &properties {
            check(split(name).1, value)?;
        }
        tokens::check(&properties)?;
        for (name, value) in properties {
            match split(&name).1 {
                "group.protocol" => self.protocol = protocol(&value)?,
                "group.instance.id" => self = self.with_instance_id(value),
                _ => drop(self.properties.insert(name, value)),
            }
        }
        Ok(self)
    }

    /// By which protocol a member joins its group.
    pub(crate) fn is_classic(&self) -> bool {
        let has = |name: &str| self.properties.keys().any(|key| split(key).1 == name);
        match self.protocol {
            GroupProtocol::Auto if self.instance_id.is_some() || has("session.timeout.ms") => true,
            GroupProtocol::Auto => !*self.has_consumer_groups.get().unwrap_or(&false),
            GroupProtocol::Classic => true,
            GroupProtocol::Consumer => false,
        }
    }

    /// What a member that is closed does: one with a static name may be back.
    pub(crate) fn farewell(&self) -> Farewell {
        if self.is_classic() && self.instance_id.is_none() {
            Farewell::Told
        } else {
            Farewell::LeftToTheClient
        }
    }

    /// Asks the brokers once what groups they have, if the answer matters.
    pub(crate) fn learn_protocol(&self) {
        if self.protocol == GroupProtocol::Auto
            && self.has_consumer_groups.get().is_none()
            && let Some(has) = self.find_consumer_groups()
        {
            let _ = self.has_consumer_groups.set(has);
        }
    }

    /// What a member is called, by the broker and in its log: a worker of one process.
    pub(crate) fn client_name(&self, group: &str, instance: usize) -> String {
        let wanted = self.properties.get("consumer.client.id").or_else(|| self.properties.get("client.id"));
        let base = wanted.map_or(group, String::as_str);
        format!("{base}-{}-{instance}", self.process)
    }

    pub(crate) fn brokers(&self) -> &str {
        &self.brokers
    }

    /// Member `instance` of this process in a group.
    pub(crate) fn member(&self, group: &str, instance: usize) -> ClientConfig {
        let name = self.client_name(group, instance);
        let mut config = self.consumer(group, &name);
        config.set("client.id", &name);
        if config.get("statistics.interval.ms").is_none() {
            // Lags come by it.
            config.set("statistics.interval.ms", "1000");
        }
        // A static name is one member's, and a process has several.
        if let Some(name) = &self.instance_id {
            config.set("group.instance.id", format!("{name}-{instance}"));
        }
        if self.is_classic() {
            config
                .set("group.protocol", "classic")
                .set("partition.assignment.strategy", "cooperative-sticky");
        } else {
            config.set("group.protocol", "consumer");
            // These are the broker's to say, and the client refuses them.
            for name in BROKERS_OWN {
                config.remove(name);
            }
        }
        config
    }

    /// A reader by position. It joins no group and commits nothing; librdkafka wants a group's name for its bookkeeping.
    pub(crate) fn reader(&self, name: &str) -> ClientConfig {
        let mut config = self.consumer(&format!("{name}-tail"), name);
        config.set("enable.partition.eof", "true").set("statistics.interval.ms", "0");
        // Where records were deleted under the reader, it must not jump over those that are left.
        config.set("auto.offset.reset", "earliest");
        if config.get("fetch.wait.max.ms").is_none() {
            // The end of a partition is told once a fetch came back empty, and whoever takes one over waits for that.
            config.set("fetch.wait.max.ms", READER_WAIT_MS);
        }
        config
    }

    /// Asks where partitions end, records in doubt included.
    pub(crate) fn surveyor(&self, name: &str) -> ClientConfig {
        let mut config = self.reader(name);
        config.set("isolation.level", "read_uncommitted");
        config
    }

    fn consumer(&self, group: &str, client: &str) -> ClientConfig {
        let mut config = self.client(client);
        config
            .set("group.id", group)
            .set("auto.offset.reset", "earliest")
            // Enough to keep a worker busy, and little enough to hold many workers in memory.
            .set("queued.max.messages.kbytes", "4096")
            // A client that has as much asks for no more, and by itself looks again only a second later: whoever takes
            // 100,000 records in a tenth of that waits for the rest.
            .set("fetch.queue.backoff.ms", FULL_WAIT_MS);
        self.apply(&mut config, "consumer");
        config
            .set("isolation.level", "read_committed")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false");
        config
    }

    pub(crate) fn producer(&self, client: &str) -> ClientConfig {
        self.producer_with(client, &[("message.timeout.ms", "120000")])
    }

    /// The producer of a transactional id. A transaction that nobody ends keeps its readers waiting for its time-out.
    pub(crate) fn transactional_producer(&self, id: &str) -> ClientConfig {
        let defaults = [("transaction.timeout.ms", "60000"), ("message.timeout.ms", "50000")];
        let mut config = self.producer_with(id, &defaults);
        config.set("transactional.id", id);
        config
    }

    fn producer_with(&self, client: &str, defaults: &[(&str, &str)]) -> ClientConfig {
        let mut config = self.client(client);
        for (name, value) in defaults {
            config.set(*name, *value);
        }
        config
            // What a worker sends comes in batches of its own; to wait longer costs latency and gains nothing measurable.
            .set("linger.ms", "1")
            .set("batch.num.messages", "10000")
            // As for consumers: what fits a core's cache is worked through faster, too.
            .set(SEND_QUEUE, "8192")
            .set("queue.buffering.max.messages", "50000")
            .set("partitioner", "murmur2_random");
        self.apply(&mut config, "producer");
        make_room(&mut config);
        config.set("acks", "all").set("enable.idempotence", "true");
        config
    }

    /// Administration: properties of no kind in particular.
    pub(crate) fn admin(&self) -> ClientConfig {
        let mut config = self.client("millstream-admin");
        self.apply(&mut config, "");
        config
    }

    fn client(&self, client: &str) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", client)
            // A broker that comes back is found soon.
            .set("reconnect.backoff.max.ms", "1000");
        config
    }

    /// Properties of one kind of client win over those of all.
    fn apply(&self, config: &mut ClientConfig, own: &str) {
        for wanted in ["", own] {
            for (name, value) in &self.properties {
                let (kind, name) = split(name);
                if kind == wanted {
                    config.set(name, value);
                }
            }
        }
    }
}

/// Has the queue take the largest records that may be sent: to one that is larger than all of it the client always answers that
/// there is no room yet.
fn make_room(config: &mut ClientConfig) {
    let number = |name| config.get(name).and_then(|text| text.parse::<u64>().ok());
    let wanted = number("message.max.bytes").unwrap_or(0).div_ceil(1024) * 2;
    if number(SEND_QUEUE).is_some_and(|kilobytes| kilobytes < wanted) {
        config.set(SEND_QUEUE, wanted.to_string());
    }
}

/// The kind of client a property is for, empty for all, and its one name.
fn split(name: &str) -> (&str, &str) {
    let (kind, name) = match name.split_once('.') {
        Some((kind @ ("consumer" | "producer"), name)) => (kind, name),
        _ => ("", name),
    };
    (kind, ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, name)| name))
}

fn check(name: &str, value: &str) -> Result<(), PortError> {
    let refuse = |why: &str| Err(PortError::stop(format!("kafka property '{name}' can't be set: {why}")));
    if let Some((_, why)) = PROTECTED.iter().find(|(protected, _)| *protected == name) {
        return refuse(why);
    }
    match (name, value) {
        ("acks", value) if !["all", "-1"].contains(&value) => {
            refuse("a record counts as written only when all in-sync replicas have it")
        }
        ("enable.idempotence", value) if value != "true" => refuse("retries would write records twice"),
        ("isolation.level", value) if value != "read_committed" => {
            refuse("records of transactions that fail would be processed")
        }
        _ => Ok(()),
    }
}

fn protocol(name: &str) -> Result<GroupProtocol, PortError> {
    match name {
        "auto" => Ok(GroupProtocol::Auto),
        "classic" => Ok(GroupProtocol::Classic),
        "consumer" => Ok(GroupProtocol::Consumer),
        _ => Err(PortError::stop(
            "kafka property 'group.protocol' has no such value; it is auto, classic or consumer",
        )),
    }
}

/// A name that no other process has.
fn process_name() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let hash = RandomState::new().hash_one((now, std::process::id()));
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(pairs: &[(&str, &str)]) -> Result<KafkaLog, PortError> {
        let properties =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        KafkaLog::new("localhost:9092").with_properties(properties)
    }

    #[test]
    fn a_property_goes_to_the_clients_it_is_for() {
        let log = set(&[
            ("security.protocol", "ssl"),
            ("consumer.fetch.min.bytes", "9"),
            ("producer.linger.ms", "1"),
        ])
        .unwrap();
        let (consumer, producer) = (log.member("g", 0), log.producer("c"));
        assert_eq!(consumer.get("security.protocol"), Some("ssl"));
        assert_eq!(consumer.get("fetch.min.bytes"), Some("9"));
        assert_eq!(producer.get("linger.ms"), Some("1"));
        assert_eq!((consumer.get("linger.ms"), producer.get("fetch.min.bytes")), (None, None));
        assert_eq!(log.admin().get("security.protocol"), Some("ssl"));
        assert_eq!((log.admin().get("linger.ms"), log.admin().get("fetch.min.bytes")), (None, None));
    }

    #[test]
    fn a_kinds_own_property_wins_over_that_of_all() {
        let log = set(&[("socket.timeout.ms", "9"), ("consumer.socket.timeout.ms", "10")]).unwrap();
        assert_eq!(log.member("g", 0).get("socket.timeout.ms"), Some("10"));
        assert_eq!(log.producer("c").get("socket.timeout.ms"), Some("9"));
    }

    #[test]
    fn a_property_by_another_name_replaces_the_default() {
        let log = set(&[("queue.buffering.max.ms", "50")]).unwrap();
        let producer = log.producer("c");
        assert_eq!((producer.get("linger.ms"), producer.get("queue.buffering.max.ms")), (Some("50"), None));
    }

    #[test]
    fn the_largest_record_finds_room_in_the_queue() {
        assert_eq!(set(&[]).unwrap().producer("c").get(SEND_QUEUE), Some("8192"));
        let large = set(&[("message.max.bytes", "20000000")]).unwrap();
        assert_eq!(large.producer("c").get(SEND_QUEUE), Some("39064"));
        let both = set(&[("message.max.bytes", "20000000"), (SEND_QUEUE, "65536")]).unwrap();
        assert_eq!(both.producer("c").get(SEND_QUEUE), Some("65536"));
    }

    #[test]
    fn members_of_one_process_have_static_names_of_their_own() {
        let log = set(&[("group.instance.id", "pod-3")]).unwrap();
        assert_eq!(log.member("g", 1).get("group.instance.id"), Some("pod-3-1"));
        assert_eq!(log.reader("c").get("group.instance.id"), None);
    }

    #[test]
    fn the_newer_protocol_is_used_where_the_brokers_have_it_and_nothing_speaks_against_it() {
        let on = |has: bool, pairs: &[(&str, &str)]| {
            let log = set(pairs).unwrap();
            let _ = log.has_consumer_groups.set(has);
            log.clone().member("g", 0).get("group.protocol").map(ToOwned::to_owned).unwrap()
        };
        assert_eq!(on(true, &[]), "consumer");
        assert_eq!(on(false, &[]), "classic");
        assert_eq!(on(true, &[("consumer.session.timeout.ms", "9000")]), "classic", "it is set");
        assert_eq!(on(true, &[("group.instance.id", "pod-3")]), "classic", "a killed one may come back");
        assert_eq!(on(true, &[("group.protocol", "classic")]), "classic");
        assert_eq!(on(false, &[("consumer.group.protocol", "consumer")]), "consumer", "it was asked for");
        assert!(
            set(&[("group.protocol", "eager")])
                .err()
                .unwrap()
                .to_string()
                .contains("auto, classic or consumer")
        );
        let forced = set(&[("group.protocol", "consumer"), ("session.timeout.ms", "9000")]).unwrap();
        assert_eq!(forced.member("g", 0).get("session.timeout.ms"), None, "it is the broker's to say");
    }

    #[test]
    fn a_member_is_named_after_its_process() {
        let log = set(&[("client.id", "orders")]).unwrap().with_instance_id("pod-3");
        assert_eq!(log.member("g", 1).get("client.id"), Some("orders-pod-3-1"));
        assert_eq!(KafkaLog::new("b").with_instance_id("pod-3").client_name("g", 0), "g-pod-3-0");
        assert_ne!(KafkaLog::new("b").client_name("g", 0), KafkaLog::new("b").client_name("g", 0));
    }

    #[test]
    fn a_reader_never_jumps_over_records() {
        let log = set(&[("auto.offset.reset", "latest")]).unwrap();
        assert_eq!(log.member("g", 0).get("auto.offset.reset"), Some("latest"));
        assert_eq!(log.reader("c").get("auto.offset.reset"), Some("earliest"));
    }

    #[test]
    fn what_would_lose_records_is_refused_by_name() {
        for (name, value) in [
            ("enable.auto.commit", "true"),
            ("consumer.enable.auto.offset.store", "true"),
            ("acks", "1"),
            ("producer.acks", "0"),
            ("enable.idempotence", "false"),
            ("group.id", "x"),
            ("isolation.level", "read_uncommitted"),
            ("delivery.report.only.error", "true"),
            ("bootstrap.servers", "elsewhere:9092"),
            ("metadata.broker.list", "elsewhere:9092"),
            ("request.required.acks", "1"),
            ("auto.commit.enable", "true"),
            ("partition.assignment.strategy", "roundrobin"),
        ] {
            let said = set(&[(name, value)]).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(said.contains(split(name).1), "{name}: {said}");
        }
        assert!(set(&[("acks", "all"), ("group.protocol", "classic"), ("compression.type", "zstd")]).is_ok());
    }
}
