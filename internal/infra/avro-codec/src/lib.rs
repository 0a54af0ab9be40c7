//! Avro in the Confluent wire format, with schemas kept in a Schema Registry.
//!
//! [`Registry`] talks to the registry and remembers; [`Avro`] and [`AvroBorrowed`] are the codecs; [`Forwarding`] lets
//! records pass from topic to topic as they are. Subjects follow Confluent's topic name strategy: `<topic>-value` and
//! `<topic>-key`.
//!
//! Decoding goes from the bytes straight into a serde value, by a schema compiled once: no generic value is built between, and
//! texts are borrowed. `benches/decode.rs` compares it with `apache-avro` on a record of fourteen fields.
//!
//! ```
//! use millstream_avro_codec::Avro;
//! use millstream_ports::Codec;
//!
//! #[derive(serde::Serialize, serde::Deserialize, Debug, PartialEq)]
//! struct Prompt { prompt: String }
//!
//! let schema = r#"{"type": "record", "name": "Prompt", "fields": [{"name": "prompt", "type": "string"}]}"#;
//! let codec = Avro::<Prompt>::fixed(7, schema)?;
//! let mut bytes = Vec::new();
//! codec.encode(&Prompt { prompt: "lamp".to_owned() }, &mut bytes)?;
//! assert_eq!(bytes, b"\0\0\0\0\x07\x08lamp");
//! assert_eq!(codec.decode(&bytes)?, Prompt { prompt: "lamp".to_owned() });
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod codec;
mod datum;
mod forwarding;
pub mod frame;
mod learnt;
mod registry;
mod rows;
mod schema;
mod writer_schema;

pub use codec::{Avro, AvroBorrowed};
pub use forwarding::Forwarding;
pub use registry::{Registered, Registry};
pub use rows::AvroRows;
pub use writer_schema::WriterSchema;

/// The subject of a topic's values, by Confluent's topic name strategy.
pub fn value_subject(topic: &str) -> String {
    format!("{topic}-value")
}

/// The subject of a topic's keys, by Confluent's topic name strategy.
pub fn key_subject(topic: &str) -> String {
    format!("{topic}-key")
}
