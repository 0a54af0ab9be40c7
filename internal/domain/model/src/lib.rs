//! The nouns every crate shares: topics, partitions, offsets, records, and the values and types of SQL rows.
//!
//! Plain data with its invariants checked in the constructors. Nothing here reads a clock, does I/O or knows a technology.
//!
//! ```
//! use millstream_model::{Offset, TopicName};
//! let topic = TopicName::new("shop_products")?;
//! assert_eq!(topic.as_str(), "shop_products");
//! assert_eq!(Offset(4).until(Offset(10)), 6);
//! # Ok::<(), millstream_model::TopicNameError>(())
//! ```

mod format;
mod position;
mod record;
mod schema;
mod topic;
mod value;

pub use format::FormatOptions;
pub use position::{Offset, Partition, Timestamp};
pub use record::{HeaderSource, Headers, NoHeaders, RecordView};
pub use schema::{Column, Row, RowSchema, Type};
pub use topic::{TopicName, TopicNameError};
pub use value::{
    Decimal, DecimalError, Value, ValueError, ValueReader, ValueWriter, decode_row, decode_value, encode_row,
    encode_value, row_bytes,
};
