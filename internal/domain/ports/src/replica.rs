use std::collections::BTreeMap;
use std::sync::Arc;

use millstream_model::{Column, Offset, Partition, Value};

use crate::{CodecError, PortError};

/// One half of a record, read whole: every column of the schema it was written with, and their values.
///
/// **Invariant:** there are as many values as columns. Rows of one schema share their columns.
#[derive(Clone, Debug)]
pub struct WholeRow {
    /// The columns, of which those of type [`millstream_model::Type::Struct`] have columns of their own.
    pub columns: Arc<[Column]>,
    /// Their values.
    pub values: Vec<Value>,
}

/// Reads halves of records by the schemas they were written with, whatever those are.
///
/// An adapter MUST refuse bytes that are not of its format, and MUST NOT panic.
pub trait WholeRows: Send + Sync {
    /// Reads one half of a record.
    ///
    /// # Errors
    /// When the bytes are not of this format; [`CodecError::may_pass`] says whether they may be read later.
    fn read(&self, bytes: &[u8]) -> Result<WholeRow, CodecError>;
}

/// How far a partition goes with a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advance {
    /// The partition.
    pub partition: Partition,
    /// Where the replica is; `None` when it has nothing of the partition yet.
    pub from: Option<Offset>,
    /// Where it is afterwards.
    pub to: Offset,
}

/// What became of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Landed {
    /// All of it is in the replica.
    Yes,
    /// None of it: the replica is not where the commit was to begin. Somebody else moved it, or an earlier try did land.
    Elsewhere,
}

/// A table somewhere else that follows a topic: one row a key, and how far each partition got.
///
/// What is staged is in memory. A write goes on by itself while more is staged; there is one at a time. An adapter MUST write
/// rows and positions together or not at all, and MUST refuse a write that does not begin where the replica is.
pub trait Replica: Send {
    /// How far each partition got. Partitions that never got anywhere are not in it. No write may be under way.
    ///
    /// # Errors
    /// When the replica can't be reached, or can't be used.
    fn positions(&mut self) -> Result<BTreeMap<Partition, Offset>, PortError>;

    /// Takes in a record: the row of its key is as `value` says, or is no more. Later records of a key count.
    ///
    /// # Errors
    /// When the replica can't hold it. Nothing is staged then.
    fn stage(&mut self, key: &WholeRow, value: Option<&WholeRow>) -> Result<(), CodecError>;

    /// Begins to write what is staged, and how far each partition gets. Nothing is staged afterwards, and [`Replica::finish`]
    /// is to be called before the next write begins.
    fn begin(&mut self, advances: Vec<Advance>);

    /// Whether `finish` would wait.
    fn is_writing(&self) -> bool;

    /// Waits for the write that was begun, and says what became of it.
    ///
    /// # Errors
    /// [`crate::Action::Retry`] when it may work later; it is unknown then whether it landed. [`crate::Action::DeadLetter`]
    /// when a row can't be written, and [`crate::Action::Stop`] when nothing can, or when no write was begun.
    fn finish(&mut self) -> Result<Landed, PortError>;

    /// Forgets what is staged. A write that was begun goes on.
    fn clear(&mut self);
}
