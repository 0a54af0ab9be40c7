use std::collections::BTreeMap;

use millstream_model::Column;
use millstream_ports::TopicDescription;
use millstream_sql::{Asserted, Listed, Source};

use super::crew::QueryState;
use super::push::{Flow, Row};

/// What comes of a statement.
pub enum Answer {
    /// It is done, or begun.
    Done(Told),
    /// What is asserted is so, in a sentence.
    Asserted(Asserted, String),
    /// Rows that there were.
    Rows {
        /// Their columns.
        columns: Vec<Column>,
        /// The rows.
        rows: Vec<Row>,
    },
    /// Rows that come.
    Flow {
        /// Their columns.
        columns: Vec<Column>,
        /// The rows.
        flow: Box<dyn Flow>,
    },
    /// Records of a topic, each a row of one text.
    Printing(Box<dyn Flow>),
    /// Streams or tables.
    Sources(Listed, Vec<Described>),
    /// Topics.
    Topics(Vec<TopicDescription>),
    /// Queries.
    Queries(Vec<ListedQuery>),
    /// Settings.
    Properties(Vec<Property>),
    /// Types that statements have named, each with what it stands for.
    Types(Vec<(String, String)>),
    /// Functions by name, each with its kind.
    Functions(Vec<(String, &'static str)>),
    /// Variables.
    Variables(BTreeMap<String, String>),
    /// A source.
    Described(Box<Described>),
    /// A function.
    Function(FunctionTold),
    /// What a query does, step by step, and the query where it runs.
    Explained(String, Option<Box<ListedQuery>>),
    /// A file of statements that whoever asked should read out.
    Script(String),
}

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// In a sentence.
    pub message: String,
    /// Where the journal has the statement, where it has.
    pub place: Option<i64>,
    /// The query that was made.
    pub query: Option<String>,
    /// What the statement is about, such as `stream/X/create`.
    pub subject: Option<String>,
}

/// A source, and what goes on with it.
#[derive(Clone, Debug)]
pub struct Described {
    /// The source.
    pub source: Source,
    /// Its statements.
    pub statements: Vec<String>,
    /// The queries that read it.
    pub readers: Vec<ListedQuery>,
    /// The queries that write it.
    pub writers: Vec<ListedQuery>,
    /// Its topic, where it is there.
    pub topic: Option<TopicDescription>,
    /// Figures of the queries that write it, of this server.
    pub figures: Vec<(String, u64)>,
    /// Whether all of this was asked for.
    pub is_extended: bool,
}

/// A query that keeps a source filled.
#[derive(Clone, Debug)]
pub struct ListedQuery {
    /// Its id.
    pub id: String,
    /// Its statement.
    pub text: String,
    /// The source that it fills.
    pub sink: String,
    /// The topic of that.
    pub topic: String,
    /// The sources that it reads.
    pub reads: Vec<String>,
    /// What it is doing on this server.
    pub state: QueryState,
}

/// A setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Property {
    /// Its name.
    pub name: String,
    /// What it is set to.
    pub value: String,
    /// Whether it was set by whoever asks, and not for the server.
    pub is_own: bool,
}

/// A function, as DESCRIBE FUNCTION tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionTold {
    /// Its name.
    pub name: String,
    /// SCALAR, AGGREGATE or TABLE.
    pub kind: &'static str,
    /// What it does.
    pub about: String,
    /// Each way to call it: parameters and result.
    pub ways: Vec<(String, String)>,
}
