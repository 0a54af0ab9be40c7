//! Group tables in sled.
//!
//! [`SledTables`] is a folder of databases, one a table's partition, so that partitions move between owners one by one. The
//! store is a cache of the changelog: batches are atomic, the last ones may be lost to a kill, and what is damaged is set
//! aside and built anew.
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

mod damage;
mod grants;
mod table;
mod tables;

pub use table::SledTable;
pub use tables::SledTables;
