//! What a single statement asks for, before anything is planned.

use crate::ast::SourceKind;
use crate::catalog::Catalog;
use crate::diagnostic::Diagnostic;

/// A statement as whoever runs it must tell it from others. What creates and fills sources is planned by [`crate::plan`], and
/// a query by itself by [`crate::ask`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// `CREATE STREAM|TABLE`.
    Create {
        /// Its name.
        name: String,
        /// Stream or table.
        kind: SourceKind,
        /// Whether a query fills it.
        is_query: bool,
    },
    /// `INSERT INTO … SELECT`, by the source that is filled.
    InsertSelect(String),
    /// `INSERT INTO … VALUES`.
    InsertValues,
    /// `DROP STREAM|TABLE`.
    Drop {
        /// Which.
        name: String,
        /// Whether its topic goes too.
        deletes_topic: bool,
    },
    /// `ALTER STREAM|TABLE`.
    Alter(String),
    /// `CREATE TYPE`.
    CreateType(String),
    /// `DROP TYPE`.
    DropType(String),
    /// `SET`, or without a value `UNSET`.
    Set(String, Option<String>),
    /// `DEFINE`, or without a value `UNDEFINE`.
    Define(String, Option<String>),
    /// `SELECT …`, by itself.
    Select,
    /// `DELETE FROM table WHERE …`; the condition as it is written.
    Delete {
        /// Which table.
        table: String,
        /// Which rows; all of them without one.
        condition: Option<String>,
    },
    /// `SHOW` or `LIST`.
    Show {
        /// What.
        what: Listed,
        /// Whether `EXTENDED` stands behind.
        is_extended: bool,
    },
    /// `DESCRIBE` a source.
    Describe {
        /// Which.
        name: String,
        /// Whether `EXTENDED` stands behind.
        is_extended: bool,
    },
    /// `DESCRIBE FUNCTION`.
    DescribeFunction(String),
    /// `EXPLAIN`: a query's id, or a statement as it is written.
    Explain(String),
    /// `TERMINATE`, `PAUSE` or `RESUME`.
    Steer {
        /// Which of the three.
        how: Steering,
        /// Which query; all of them without one.
        query: Option<String>,
    },
    /// `PRINT`.
    Print(Printed),
    /// `RUN SCRIPT`, by the file's name.
    RunScript(String),
    /// `ASSERT`.
    Assert(Asserted),
}

/// What `SHOW` lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the word that stands behind SHOW")]
pub enum Listed {
    Streams,
    Tables,
    Topics,
    AllTopics,
    Queries,
    Properties,
    Types,
    Functions,
    Variables,
    Connectors,
}

/// What is done to queries that run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Steering {
    /// They end for good.
    Terminate,
    /// They stop until they are resumed.
    Pause,
    /// They go on.
    Resume,
}

/// `PRINT topic`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Printed {
    /// The topic, as it is written.
    pub topic: String,
    /// Whether all records are told, or only new ones.
    pub from_beginning: bool,
    /// Which records are told: the first of as many each.
    pub interval: u64,
    /// How many are told at the most.
    pub limit: Option<u64>,
}

/// What `ASSERT` holds to be so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asserted {
    /// That a topic is there, or with `exists` false is not.
    Topic {
        /// Which.
        topic: String,
        /// What must be so of it, such as its number of partitions; names in capitals.
        with: Vec<(String, String)>,
        /// Whether it must be there.
        exists: bool,
        /// How long it may take to be so, in milliseconds.
        timeout_ms: u64,
    },
    /// That a schema is registered, or with `exists` false is not.
    Schema {
        /// Under which subject.
        subject: Option<String>,
        /// By which id.
        id: Option<u32>,
        /// Whether it must be there.
        exists: bool,
        /// How long it may take to be so, in milliseconds.
        timeout_ms: u64,
    },
    /// That the next row of a source is this one: an INSERT of it.
    Values(String),
    /// That the next row of a table is the end of this key: an INSERT of it.
    NullValues(String),
    /// That a source is as this CREATE says.
    Source(String),
}

/// Reads what one statement asks for; types that it names are those of `catalog`.
///
/// # Errors
/// What can't be read of it.
pub fn command(text: &str, catalog: &Catalog) -> Result<Command, Diagnostic> {
    crate::parse::parse_command(text, &catalog.types)
}
