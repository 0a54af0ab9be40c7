//! The framework: processors, views and emitters over the ports, and the one commit.
//!
//! A [`GroupGraph`] says which topics a group reads and writes, which table it keeps, and what it does with each record.
//! A [`Processor`] runs it: each worker is a thread, a member of the Kafka consumer group, and the only owner of its
//! partitions' state. Callbacks see a [`Context`] and answer a `Result`; their effects are performed by the commit, and
//! nowhere else.
//!
//! What it is not: a client for Kafka (that is the world it runs on) or a scheduler.
//!
//! ```
//! use millstream_ports::{DecimalText, Utf8};
//! use millstream_runtime::{GroupGraph, Output, Table};
//!
//! let counts = Table::new(DecimalText);
//! let out = Output::new("counts", Utf8, DecimalText);
//! let (table, output) = (counts.clone(), out.clone());
//! let graph = GroupGraph::define("counter")
//!     .input("words", Utf8, Utf8, move |context, word: &str, _: &str| {
//!         let count = context.get(&table)?.unwrap_or(0) + 1;
//!         context.set(&table, &count)?;
//!         Ok(context.emit(&output, &word, &count)?)
//!     })
//!     .persist(&counts)
//!     .output(&out)
//!     .build()?;
//! assert_eq!(graph.spec().changelog.as_ref().map(ToString::to_string).as_deref(), Some("counter-table"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod commit;
mod context;
mod dead_letter;
mod deferral;
mod desk;
mod edges;
mod effects;
mod emitter;
mod graph;
mod held;
mod histogram;
mod layer;
mod measures;
mod memory;
mod metrics;
mod middleware;
mod owners;
mod partition;
mod policy;
mod processor;
mod query;
mod ranges;
mod rebalance;
mod recovery;
mod refused;
mod standby;
mod status;
mod stepped;
mod stop;
mod timers;
mod traced;
mod view;
mod visit;
mod windows;
mod worker;

pub use context::{Context, ContextError};
pub use dead_letter::{
    DeadLetter, DeadLetters, LetterFilter, Replayed, Replays, header as dead_letter_header,
};
pub use deferral::Completion;
pub use edges::{Join, Lookup, Loop, Output, Table};
pub use emitter::{EmitError, Emitter};
pub use graph::{CallbackResult, GroupBuilder, GroupGraph};
pub use histogram::Histogram;
pub use measures::{Measures, PartitionMeasures};
pub use memory::MemoryBudget;
pub use middleware::Next;
pub use millstream_ports::Delivery;
pub use owners::Owners;
pub use policy::{AfterRetries, EdgePolicies, Policies, Policy, Retry};
pub use processor::{Processor, ProcessorError, Running, Settings};
pub use query::{Answer, Freshness, Page, QueryError, Reached, TableClient, TableSnapshot};
pub use status::{PartitionStatus, Snapshot, StandbyStatus, Status};
pub use stepped::Stepped;
pub use stop::Stop;
pub use timers::{Timer, When};
pub use traced::Traces;
pub use view::{View, ViewClient, ViewError};
pub use visit::{Visiting, Visitor};
pub use windows::{SessionTable, Window, WindowTable};
