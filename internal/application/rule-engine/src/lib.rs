//! Deploys SQL rules: lowers plans to group graphs and runs them.
//!
//! An [`Engine`] plans rule files against the sources known so far, and deploys each rule as a processor of its own: the
//! rule's sources are inputs, what it repartitions goes over the group's loop, its state is the group table.
//!
//! A [`Trial`] runs rules in memory instead, on records that the caller gives.
//!
//! What it is not: the SQL itself, which is `millstream-sql`'s.

mod deploy;
mod figures;
mod formats;
mod from_end;
mod halves;
mod journal;
mod kept;
mod lower;
mod members;
mod outside;
mod server;
mod shared;
mod together;
mod trial;
mod watched;

pub use deploy::{DeployError, Engine, RunningRule, delivered};
pub use formats::Formats;
pub use kept::{KeptKey, kept_value};
pub use server::{
    Answer, Broken, Described, Fault, Flow, FunctionTold, ListedQuery, Outcome, Property, QueryEntry,
    QueryState, Row, Server, ServerSettings, Session, Statements, Told,
};
pub use trial::{Message, Trial, TrialError};
pub use watched::{RuleWatch, WatchedRule};
