//! Group graphs as data: their validation, partitioners, and the offset ledger.
//!
//! Decisions only. What a group needs of the brokers is computed here from what they say; the runtime asks and acts.
//!
//! ```
//! use millstream_topology::Partitioner;
//! // As every Java client computes it, so that tables and inputs written by either meet in one partition.
//! assert_eq!(Partitioner::Murmur2.partition(b"abc", 6), 479_470_107 % 6);
//! ```

mod group;
mod ledger;
mod partitioner;
mod standby;
mod survey;

pub use group::{GraphError, GroupSpec};
pub use ledger::OffsetLedger;
pub use partitioner::Partitioner;
pub use standby::standbys;
pub use survey::{Survey, TopicFault};
