//! The whole outside world in memory: for tests of group graphs, and for simulations with seeded faults.
//!
//! A [`Sim`] has topics with several partitions, consumer groups that divide them by the eager protocol, transactions, and
//! tables, behind the same ports as Kafka and the stores on disk. It passes the same contract suites. Its clock stands
//! still until [`Sim::advance`] moves it, so that nothing depends on the machine's speed; [`Sim::live`] makes one whose
//! clock is the machine's, for code that runs on threads.
//!
//! [`Faults`] make it misbehave as brokers, networks, disks and power supplies do, by a seed: the same seed and the same
//! steps give the same run.
//!
//! [`Tester`] runs a group on it, step by step: the way to test one's own.
//!
//! What it is not: a broker. Nothing is kept when it is dropped, and no topic is ever compacted.
//!
//! ```
//! use millstream_sim::Sim;
//!
//! let sim = Sim::new();
//! sim.create("words", 4);
//! sim.write("words", b"lamp", Some(b"1"));
//! assert_eq!(sim.read("words").len(), 1);
//! ```

mod chance;
mod faults;
mod group;
mod groups;
mod inside;
mod member;
mod outlet;
mod store;
mod tail;
mod tester;
mod topic;
mod transaction;
mod world;

pub use chance::Chance;
pub use faults::Faults;
pub use member::SimGroup;
pub use outlet::SimOutlet;
pub use store::SimStore;
pub use tail::SimTail;
pub use tester::{TestError, Tester};
pub use topic::SimRecord;
pub use world::Sim;
