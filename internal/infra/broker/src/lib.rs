//! A small broker that speaks Kafka's protocol, for trying out, developing and testing on one machine.
//!
//! One node hosts every partition, leads it, and coordinates every group and transaction. Clients see what they would see of
//! an Apache Kafka of one node: the same messages, the same errors, the same order of things. What it is not: replicated,
//! authenticated, or meant for production.
//!
//! - Batches are stored as the bytes they arrived in; only their offsets are written into them.
//! - An acknowledged record survives the death of the process; with [`BrokerSettings::flush`] also that of the machine.
//! - A connection is a thread, and an idle one waits in the kernel: consumers that have nothing to read cost nothing.
//!
//! ```no_run
//! use millstream_broker::{Broker, BrokerSettings};
//!
//! # fn main() -> Result<(), millstream_broker::BrokerError> {
//! let broker = Broker::start(BrokerSettings::new("data", "127.0.0.1:9092".parse().unwrap()))?;
//! println!("bootstrap.servers={}", broker.address());
//! broker.stop();
//! # Ok(())
//! # }
//! ```

mod alarm;
mod answer;
mod broker;
mod connection;
mod fetch_wait;
mod groups;
mod journal;
mod outgoing;
mod room;
mod settings;
mod state;
mod storage;
mod topic_settings;
mod topics;
mod transactions;
mod wire;

pub use broker::Broker;
pub use settings::{BrokerError, BrokerSettings};
pub use state::prove_idle;
