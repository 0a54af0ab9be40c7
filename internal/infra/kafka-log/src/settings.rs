use std::collections::BTreeMap;

use millstream_ports::PortError;
use rdkafka::ClientConfig;

/// Properties that the framework sets itself; weakening them would lose records.
const PROTECTED: &[(&str, &str)] = &[
    ("enable.auto.commit", "offsets are committed behind acknowledged effects"),
    ("enable.auto.offset.store", "offsets are committed behind acknowledged effects"),
    ("partition.assignment.strategy", "co-partitioned inputs need the range assignor"),
    ("group.id", "the group's name is the graph's"),
    ("enable.partition.eof", "recovery relies on it"),
    ("transactional.id", "transactions are the framework's"),
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
            check(bare(name), value)?;
        }
        self.properties.extend(properties);
        Ok(self)
    }

    pub(crate) fn brokers(&self) -> &str {
        &self.brokers
    }

    pub(crate) fn consumer(&self, group: &str, client: &str) -> ClientConfig {
        let mut config = self.client(client);
        config
            .set("group.id", group)
            .set("auto.offset.reset", "earliest")
            .set("isolation.level", "read_committed")
            // Enough to keep a worker busy, and little enough to hold many workers in memory.
            .set("queued.max.messages.kbytes", "16384")
            .set("fetch.message.max.bytes", "1048576")
            .set("statistics.interval.ms", "1000");
        self.apply(&mut config, "consumer.");
        config.set("enable.auto.commit", "false").set("enable.auto.offset.store", "false");
        config.set("partition.assignment.strategy", "range");
        config
    }

    pub(crate) fn producer(&self, client: &str) -> ClientConfig {
        let mut config = self.client(client);
        config
            .set("linger.ms", "5")
            .set("batch.num.messages", "10000")
            .set("queue.buffering.max.kbytes", "32768")
            .set("queue.buffering.max.messages", "200000")
            .set("message.timeout.ms", "120000")
            .set("partitioner", "murmur2_random");
        self.apply(&mut config, "producer.");
        config.set("acks", "all").set("enable.idempotence", "true");
        config
    }

    pub(crate) fn admin(&self) -> ClientConfig {
        let mut config = self.client("millstream-admin");
        self.apply(&mut config, "admin.");
        config
    }

    fn client(&self, client: &str) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers).set("client.id", client);
        config
    }

    fn apply(&self, config: &mut ClientConfig, kind: &str) {
        for (name, value) in &self.properties {
            let own = name.strip_prefix(kind);
            let is_other = own.is_none() && bare(name) != name;
            if !is_other {
                config.set(own.unwrap_or(name), value);
            }
        }
    }
}

/// The property's name without the kind of client it is for.
fn bare(name: &str) -> &str {
    name.strip_prefix("consumer.").or_else(|| name.strip_prefix("producer.")).unwrap_or(name)
}

fn check(name: &str, value: &str) -> Result<(), PortError> {
    let refuse = |why: &str| Err(PortError::stop(format!("kafka property '{name}' can't be set: {why}")));
    if let Some((_, why)) = PROTECTED.iter().find(|(protected, _)| *protected == name) {
        return refuse(why);
    }
    match (name, value) {
        ("acks" | "request.required.acks", value) if !["all", "-1"].contains(&value) => {
            refuse("a record counts as written only when all in-sync replicas have it")
        }
        ("enable.idempotence", value) if value != "true" => refuse("retries would write records twice"),
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
        let (consumer, producer) = (log.consumer("g", "c"), log.producer("c"));
        assert_eq!(consumer.get("security.protocol"), Some("ssl"));
        assert_eq!(consumer.get("fetch.min.bytes"), Some("9"));
        assert_eq!(producer.get("linger.ms"), Some("1"));
        assert_eq!((consumer.get("linger.ms"), producer.get("fetch.min.bytes")), (None, None));
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
            ("partition.assignment.strategy", "roundrobin"),
        ] {
            let said = set(&[(name, value)]).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(said.contains(bare(name)), "{name}: {said}");
        }
        assert!(set(&[("acks", "all"), ("compression.type", "zstd")]).is_ok());
    }
}
