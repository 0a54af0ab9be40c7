use std::collections::BTreeMap;

use millstream_ports::PortError;
use rdkafka::ClientConfig;

/// Properties that the framework sets itself; weakening them would lose records.
const PROTECTED: &[(&str, &str)] = &[
    ("enable.auto.commit", "offsets are committed behind acknowledged effects"),
    ("enable.auto.offset.store", "offsets are committed behind acknowledged effects"),
    ("partition.assignment.strategy", "co-partitioned inputs need the range assignor"),
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

/// Apache Kafka, and how its clients are set up. A cheap handle: no connection is made before a client is asked for.
///
/// Properties are librdkafka's own, and go to every client; `consumer.` or `producer.` before a name sends it to that
/// kind alone. **Invariant:** what would lose records can't be set: see [`KafkaLog::with_properties`].
#[derive(Clone)]
pub struct KafkaLog {
    brokers: String,
    properties: BTreeMap<String, String>,
}

impl KafkaLog {
    /// The cluster that `brokers`, a list of `host:port` with commas between, belong to.
    pub fn new(brokers: impl Into<String>) -> Self {
        Self { brokers: brokers.into(), properties: BTreeMap::new() }
    }

    /// Sets librdkafka properties, such as those of TLS and SASL.
    ///
    /// # Errors
    /// When a property is one that the framework sets, or would weaken what it promises. The message names the property.
    pub fn with_properties(mut self, properties: BTreeMap<String, String>) -> Result<Self, PortError> {
        for (name, value) in &properties {
            check(split(name).1, value)?;
        }
        self.properties.extend(properties);
        Ok(self)
    }

    pub(crate) fn brokers(&self) -> &str {
        &self.brokers
    }

    /// Member `instance` of this process in a group.
    pub(crate) fn member(&self, group: &str, client: &str, instance: usize) -> ClientConfig {
        let mut config = self.consumer(group, client);
        if config.get("statistics.interval.ms").is_none() {
            // Lags come by it.
            config.set("statistics.interval.ms", "1000");
        }
        // A static name is one member's, and a process has several.
        if let Some(name) = config.get("group.instance.id").map(ToOwned::to_owned) {
            config.set("group.instance.id", format!("{name}-{instance}"));
        }
        config
    }

    /// A reader by position. It joins no group and commits nothing; librdkafka wants a group's name for its bookkeeping.
    pub(crate) fn reader(&self, name: &str) -> ClientConfig {
        let mut config = self.consumer(&format!("{name}-tail"), name);
        config.set("enable.partition.eof", "true").set("statistics.interval.ms", "0");
        // Where records were deleted under the reader, it must not jump over those that are left.
        config.set("auto.offset.reset", "earliest");
        config.remove("group.instance.id");
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
            .set("queued.max.messages.kbytes", "16384");
        self.apply(&mut config, "consumer");
        config
            .set("isolation.level", "read_committed")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("partition.assignment.strategy", "range");
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
            .set("queue.buffering.max.kbytes", "32768")
            .set("queue.buffering.max.messages", "200000")
            .set("partitioner", "murmur2_random");
        self.apply(&mut config, "producer");
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
        config.set("bootstrap.servers", &self.brokers).set("client.id", client);
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
        ("group.protocol", value) if value != "classic" => {
            refuse("co-partitioned inputs need the range assignor, which is the classic protocol's")
        }
        _ => Ok(()),
    }
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
        let (consumer, producer) = (log.member("g", "c", 0), log.producer("c"));
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
        assert_eq!(log.member("g", "c", 0).get("socket.timeout.ms"), Some("10"));
        assert_eq!(log.producer("c").get("socket.timeout.ms"), Some("9"));
    }

    #[test]
    fn a_property_by_another_name_replaces_the_default() {
        let log = set(&[("queue.buffering.max.ms", "50")]).unwrap();
        let producer = log.producer("c");
        assert_eq!((producer.get("linger.ms"), producer.get("queue.buffering.max.ms")), (Some("50"), None));
    }

    #[test]
    fn members_of_one_process_have_static_names_of_their_own() {
        let log = set(&[("group.instance.id", "pod-3")]).unwrap();
        assert_eq!(log.member("g", "c", 1).get("group.instance.id"), Some("pod-3-1"));
        assert_eq!(log.reader("c").get("group.instance.id"), None);
    }

    #[test]
    fn a_reader_never_jumps_over_records() {
        let log = set(&[("auto.offset.reset", "latest")]).unwrap();
        assert_eq!(log.member("g", "c", 0).get("auto.offset.reset"), Some("latest"));
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
            ("consumer.group.protocol", "consumer"),
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
