//! A schema registry with Confluent's REST API, which keeps its schemas in a compacted topic of any Kafka.
//!
//! The rules are those of `millstream-registry-rules`; this crate gives them a journal, the topic `_schemas` in the record
//! format of Confluent's Schema Registry, and a face, HTTP as its clients speak it. A journal of Confluent's can be taken
//! over and given back, as long as only one make of registry writes at a time.
//!
//! A write is appended, read back and judged before it is answered. Several instances may serve one journal: each writes by
//! a token that it takes in the journal, and decides anew where another came in between (see
//! `millstream_registry_rules::Stamp`). Reads are answered from memory, in another instance some milliseconds after the
//! write. There is no leader, and nothing to configure for it.
//!
//! What it does not do: contexts, data contracts' rules (kept and given back, never run), authentication, and checks of
//! the compatibility of JSON Schema and Protobuf (refused, unless the subject's compatibility is NONE).
//!
//! ```no_run
//! use millstream_ports::World;
//! use millstream_registry::{Registry, RegistryError, Settings};
//!
//! fn serve(world: &impl World) -> Result<Registry, RegistryError> {
//!     let registry = Registry::start(world, &Settings::at("127.0.0.1:8081"))?;
//!     println!("schemas at http://{}", registry.address());
//!     Ok(registry)
//! }
//! ```

mod error;
mod http;
mod journal;
mod server;
mod settings;
mod wire;

pub use error::RegistryError;
pub use server::Registry;
pub use settings::Settings;
