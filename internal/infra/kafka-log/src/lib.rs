//! Apache Kafka through librdkafka, as the log.
//!
//! [`KafkaLog`] holds how to reach a cluster; [`KafkaWorld`] adds a place for tables and is what processors run on. One
//! worker's member of a group is one consumer and one producer, used by that worker's thread alone; records are lent to it
//! from librdkafka's own buffers.
//!
//! Loss-proof by default: all in-sync replicas acknowledge, retries write nothing twice, only committed records are read,
//! and no offset is committed but by the framework. Properties that would weaken this are refused by name.
//!
//! ```
//! use millstream_kafka_log::KafkaLog;
//! let refused = KafkaLog::new("localhost:9092").with_properties([("acks".to_owned(), "1".to_owned())].into());
//! assert!(refused.err().is_some_and(|error| error.to_string().contains("acks")));
//! ```

mod client;
mod failure;
mod group;
mod groups;
mod no_tables;
mod outlet;
mod roster;
mod settings;
mod tail;
mod topics;
mod view;
mod world;

pub use group::KafkaGroup;
pub use no_tables::NoTables;
pub use outlet::KafkaOutlet;
pub use settings::{GroupProtocol, KafkaLog};
pub use tail::KafkaTail;
pub use world::KafkaWorld;
