//! Batches of records in files: append-only segments with sparse indexes, cut to size, compacted, and recovered.

pub(crate) mod batch;
pub(crate) mod compaction;
pub(crate) mod compression;
pub(crate) mod log;
pub(crate) mod records;
pub(crate) mod segment;
