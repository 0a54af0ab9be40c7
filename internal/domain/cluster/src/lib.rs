//! What the server of a log decides, as state machines that are handed facts and answer with decisions: who owns which
//! partition of a group, whether a producer's batch is its next, when a transaction ends and how.
//!
//! Nothing here reads a clock, a file or a socket. Times are milliseconds of the caller's clock, and who waits for an
//! answer is a [`Ticket`] of the caller's own.
//!
//! - [`Group`]: the classic group protocol with static members (KIP-345) and ids given before joining (KIP-394).
//! - [`Offsets`]: what a group has committed, and what transactions have yet to decide about.
//! - [`Producers`]: sequences and open transactions in one partition (KIP-98).
//! - [`Transactions`]: the coordinator of transactions (KIP-98, KIP-360).

mod fault;
mod group;
mod offsets;
mod producers;
mod transactions;

pub use fault::Fault;
pub use group::{
    Described, DescribedMember, Group, Identity, Join, Joined, JoinedMember, Phase, Reply, Settled,
    SettledMember, Sync, Synced,
};
pub use offsets::{Committed, Offsets, Place};
pub use producers::{Aborted, Appended, Producers, Remembered, Verdict};
pub use transactions::{Ending, Grant, Part, Transaction, Transactions, TxnPhase};

/// Somebody who waits for an answer; the caller gives each a number of its own.
pub type Ticket = u64;

/// Milliseconds of the caller's clock.
pub type Millis = u64;
