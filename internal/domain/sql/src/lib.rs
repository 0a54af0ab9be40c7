//! The SQL dialect: parsing, binding, planning and evaluation, with diagnostics that point at the text.
//!
//! [`plan`] turns a rule file into [`Rule`]s and a catalog of sources; a rule's steps ([`Rule::on_source`],
//! [`Rule::on_repartitioned`]) say what becomes of each record. All of it is pure: no topic is read here, and where columns
//! must be found in a registry, the caller's [`SchemaSource`] finds them.
//!
//! ```
//! use millstream_sql::{Catalog, RegisteredColumns, SchemaSource, plan, render};
//!
//! struct NoSchemas;
//! impl SchemaSource for NoSchemas {
//!     fn columns(&self, topic: &str, _: bool, _: &str, _: Option<u32>) -> Result<RegisteredColumns, String> {
//!         Err(format!("no schema is registered for '{topic}'"))
//!     }
//! }
//!
//! let text = "CREATE STREAM clicks (id STRING KEY, page STRING) WITH (KAFKA_TOPIC='clicks', VALUE_FORMAT='JSON');
//! CREATE TABLE pages AS SELECT page, COUNT(*) AS visits FROM clickz GROUP BY page;";
//! let (_, mistakes) = plan(text, &mut Catalog::new(), &NoSchemas);
//! assert!(render("pages.sql", text, &mistakes).contains("there is no stream or table CLICKZ"));
//! ```

mod aggregate;
mod ast;
mod bind;
mod catalog;
mod command;
mod diagnostic;
mod eval;
mod format;
mod functions;
mod json;
mod ops;
mod parse;
mod plan;
mod script;
mod tables;
mod time;

pub use aggregate::{Aggregate, AggregateCall, AggregateFunction, aggregate_functions};
pub use ast::{BinaryOp, JoinKind, SourceKind, WindowShape};
pub use bind::{Scope, expression};
pub use catalog::{
    Catalog, HeaderColumn, KeyWindow, OnError, RegisteredColumns, SchemaSource, Source, TimestampColumn,
};
pub use command::{Asserted, Command, Listed, Printed, Steering, command};
pub use diagnostic::{Diagnostic, Span, render};
pub use eval::{Bound, Comparison, Conversion, Failure, Kind, Operation, Order, Pattern, text_of};
pub use functions::{Called, Function, Functions, Outside, plain_signature};
pub use ops::{Admission, Bounds, Emission, Intake, Screen, SinkRow, SourceRecord, State, StepError};
pub use plan::{
    Act, Asking, Entry, Guarantee, Insertion, OnNull, Plan, QueryPlan, Rule, Shape, Sided, Step, Verdict,
    Windows, Wire, ask, explain, is_property, plan,
};
pub use script::{Piece, Script, pieces, substitute, with_variables};
pub use tables::{TableCall, TableFunction, table_function, table_functions};
pub use time::{TimePattern, date_text, moment_text, time_text};
