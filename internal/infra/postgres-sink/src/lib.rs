//! Tables in PostgreSQL that follow topics.
//!
//! [`PostgresTable`] is a [`millstream_ports::Replica`]: it upserts rows by key and deletes those whose key got a tombstone,
//! and keeps in table `millstream_positions` of the same schema how far each partition got, all in one transaction.
//!
//! The layout is that of the JDBC sink's tables, so that either can take over from the other: fields of records within
//! become columns `outer_inner`, arrays and maps become `jsonb`, moments become `timestamptz`, names are in small letters, and
//! all columns but the key's may be null. Columns that a newer schema brings are added; none is ever dropped.

mod connection;
mod failure;
mod iso;
mod json;
mod layout;
mod session;
mod staging;
mod statements;
mod table;
mod text;
mod write;

pub use connection::Database;
pub use table::{PostgresTable, Target};
