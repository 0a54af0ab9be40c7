//! What the framework asks of the outside world: the log, the table store, the codec and the clock.
//!
//! Traits only, and the errors they answer with. The runtime is written against them; `kafka-log` and `sled-table` keep
//! them in production, `sim` in tests. Every adapter passes the suites of the `contract` feature.
//!
//! Calls block: a worker is a thread that owns its partitions, so that a record crosses neither a thread nor an executor
//! on its way from the log's buffer to the callback.
//!
//! ```
//! use millstream_ports::{Codec, Utf8};
//! assert_eq!(Utf8.decode(b"lamp")?, "lamp");
//! # Ok::<(), millstream_ports::CodecError>(())
//! ```

mod codec;
#[cfg(feature = "contract")]
pub mod contract;
mod error;
mod groups;
mod key_range;
mod log;
mod meter;
mod replica;
mod rows;
mod table;
mod trace;
mod world;

pub use codec::{Bytes, Codec, CodecError, DecimalText, Int64, Nullable, Owned, Shape, Utf8};
pub use error::{Action, PortError};
pub use groups::Groups;
pub use key_range::KeyRange;
pub use log::{
    CalledOff, Delivery, GroupLog, Outlet, Polled, Rejection, SendRecord, Start, Tag, Tail, Tally,
};
pub use meter::{Buckets, Meter, Sample, SampleKind};
pub use replica::{Advance, Landed, Replica, WholeRow, WholeRows};
pub use rows::{
    DelimitedRows, FoundColumns, KafkaRows, NoRows, RowCodec, RowFormat, RowSpec, SchemaBook, Side,
    base64_bytes, base64_text, double_text,
};
pub use table::TableStore;
pub use trace::{Span, SpanWork, TRACE_HEADER, TraceParent, Tracer};
pub use world::{GroupMember, TableId, TopicDescription, TopicSpec, Topics, World};
