//! The rules of a schema registry, as Confluent's documents them: subjects, versions, ids, compatibility, deletion, modes.
//!
//! Pure: a [`State`] follows from the records of one log, [`State::apply`] takes in the next, and each request is a function
//! of the state that answers which records are to be appended ([`Decision`]) or why not ([`Refusal`], with Confluent's codes).
//! Who writes the records, in which bytes, and who asks over which protocol, is decided elsewhere.
//!
//! Several registries may share one log: each record carries a [`Stamp`], by which all readers agree on whose counts.
//!
//! Avro schemas are understood: checked, told in one way, and held against earlier versions. JSON Schema and Protobuf are
//! kept as they come, and their compatibility is refused rather than guessed.
//!
//! ```
//! use millstream_registry_rules::{Definition, Registration, State, Subject};
//!
//! let mut state = State::default();
//! let subject = Subject::new("products-value")?;
//! let wanted = Registration::of(Definition::avro(r#"{"type": "string"}"#));
//! let decision = state.register(&subject, &wanted)?;
//! assert_eq!(decision.answer.id, 1);
//! for record in &decision.records {
//!     state.apply(record, None);
//! }
//! assert!(state.register(&subject, &wanted)?.records.is_empty(), "it is known now");
//! # Ok::<(), millstream_registry_rules::Refusal>(())
//! ```

mod arbiter;
mod avro;
mod decide;
mod json;
mod language;
mod protobuf;
mod record;
mod refusal;
mod schema;
mod state;

pub use arbiter::{Stamp, Verdict};
pub use decide::{Decision, Registered, Registration};
pub use record::{Config, Key, Level, Mode, Record, Stored};
pub use refusal::Refusal;
pub use schema::{Definition, Language, Reference, Scope, Subject, Version, VersionRange};
pub use state::{Entry, Filter, State};
