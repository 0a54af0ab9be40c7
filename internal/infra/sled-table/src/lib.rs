//! Group tables in sled.
//!
//! [`SledTables`] is a folder of databases, one a table's partition, so that partitions move between owners one by one. The
//! store is a cache of the changelog: batches are atomic, the last ones may be lost to a kill, and what is damaged is set
//! aside and built anew.
//!
//! sled takes and finds each of its own entries at a cost of microseconds, most of it regardless of how long it is. So its
//! values are *blocks*: some twenty neighbours of a table packed together, which a batch in the order of keys touches once.
//!
//! ```no_run
//! use millstream_model::{Partition, TopicName};
//! use millstream_ports::{TableId, TableStore};
//! use millstream_sled_table::SledTables;
//!
//! let id = TableId { owner: "counter".into(), table: TopicName::new("counter-table")?, partition: Partition::new(0) };
//! let table = SledTables::at("state").open(&id)?;
//! println!("{} keys", table.count()?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod block;
mod blocks;
mod damage;
mod fault;
mod grants;
mod table;
mod tables;

pub use table::SledTable;
pub use tables::SledTables;
