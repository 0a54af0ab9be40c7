//! Group tables in fjall, a log-structured store.
//!
//! [`FjallTables`] is a folder of databases, one a table's partition, so that partitions move between owners one by one. The
//! store is a cache of the changelog: batches are atomic, the last ones may be lost to a kill, and what is damaged is set
//! aside and built anew.
//!
//! It takes new keys several times as fast as the one in sled, in a tenth of the memory, and reads a key that is not in
//! memory at a quarter of its speed: for tables much larger than memory, and for those that change more than they are read.
//!
//! ```no_run
//! use millstream_fjall_table::FjallTables;
//! use millstream_model::{Partition, TopicName};
//! use millstream_ports::{TableId, TableStore};
//!
//! let id = TableId { owner: "counter".into(), table: TopicName::new("counter-table")?, partition: Partition::new(0) };
//! let table = FjallTables::at("state").open(&id)?;
//! println!("{} keys", table.count()?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod damage;
mod grants;
mod table;
mod tables;

pub use table::FjallTable;
pub use tables::FjallTables;
