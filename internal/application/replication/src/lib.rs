//! Keeps a table elsewhere equal to a topic: one row a key, its newest value, and none after a tombstone.
//!
//! A [`Replicator`] is a member of a consumer group, which only says which partitions are its own. Where they are read from
//! is the table's word: a replica keeps how far each partition got in the same transaction as the rows, so that each record
//! counts once, whatever dies when. Members that believe they own the same partition can't both move it: a commit says where
//! it begins, and lands only there.
//!
//! A record that no table can hold goes to a dead-letter topic; a replica that does not answer is waited for.

mod batch;
mod ends;
mod figures;
mod landing;
mod replicator;
mod set_aside;

#[cfg(test)]
mod tests;

pub use figures::Figures;
pub use replicator::{Plan, Replicator};
