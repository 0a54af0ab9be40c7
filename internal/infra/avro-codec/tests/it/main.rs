//! The codecs against another Avro library, and the registry's client against a scripted and a real registry.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    reason = "tests"
)]

mod evolution;
mod fake;
mod oracle;
mod product;
mod real;
mod registry;
mod rows;
