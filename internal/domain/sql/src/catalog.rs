use std::collections::BTreeMap;
use std::sync::Arc;

use millstream_model::{Column, FormatOptions, Type, Value};

use crate::ast::{SourceKind, WindowShape};
use crate::eval::Failure;
use crate::format::Half;
use crate::functions::Functions;
use crate::parse::Types;
use crate::plan::{CACHE_BYTES, Guarantee, IDLE_MS, RESET};

/// A stream or table: a topic, how its records are written, and what they hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// Its name.
    pub name: String,
    /// Stream or table.
    pub kind: SourceKind,
    /// Its topic.
    pub topic: String,
    /// The format of its keys, such as KAFKA or AVRO.
    pub key_format: String,
    /// The format of its values.
    pub value_format: String,
    /// How its keys are laid out.
    pub key_options: FormatOptions,
    /// How its values are laid out.
    pub value_options: FormatOptions,
    /// The columns in its key.
    pub key: Vec<Column>,
    /// The columns in its value.
    pub value: Vec<Column>,
    /// The columns in its headers.
    pub headers: Vec<HeaderColumn>,
    /// The windows that its keys belong to.
    pub window: Option<KeyWindow>,
    /// The column that tells a record's time, where it is not the record's own.
    pub timestamp: Option<TimestampColumn>,
    /// How many partitions its topic shall have, where that was said.
    pub partitions: Option<u32>,
    /// How many replicas its topic shall have, where that was said.
    pub replicas: Option<u32>,
    /// What becomes of a record that the query which fills it can't work on.
    pub on_error: OnError,
    /// Whether rules may only read it.
    pub is_read_only: bool,
}

/// What becomes of a record that a query can't work on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnError {
    /// It goes to the dead letters of the group that the rule runs in, with headers that say what was wrong.
    #[default]
    DeadLetter,
    /// It goes to dead letters that are the rule's own, and a stream that others can read.
    DeadLetterStream,
    /// It is passed over.
    Skip,
    /// The rule stops.
    Fail,
}

impl OnError {
    /// Whether such a record becomes a dead letter.
    pub fn has_dead_letters(self) -> bool {
        matches!(self, Self::DeadLetter | Self::DeadLetterStream)
    }
}

/// A column that stands in a record's headers.
#[derive(Clone, Debug, PartialEq)]
pub struct HeaderColumn {
    /// The column.
    pub column: Column,
    /// The header whose last value it is; all headers where none is named.
    pub header: Option<String>,
    /// Before how many of the value's columns it was declared.
    pub place: usize,
}

/// The windows that a source's keys belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyWindow {
    /// Their shape.
    pub shape: WindowShape,
}

impl KeyWindow {
    /// How long each window is, in milliseconds; sessions are as long as they are.
    pub fn size_ms(self) -> Option<i64> {
        match self.shape {
            WindowShape::Tumbling { size_ms } | WindowShape::Hopping { size_ms, .. } => Some(size_ms),
            WindowShape::Session { .. } => None,
        }
    }
}

/// A column that tells a record's time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimestampColumn {
    /// Its name.
    pub column: String,
    /// The pattern of its text, where it is one.
    pub pattern: Option<String>,
}

/// Columns behind a source's own: the record's time, partition and offset.
pub(crate) const PSEUDO: [(&str, Type); 3] =
    [("ROWTIME", Type::Bigint), ("ROWPARTITION", Type::Int), ("ROWOFFSET", Type::Bigint)];

/// Columns behind those, of a row that belongs to a window.
pub(crate) const BOUNDS: [(&str, Type); 2] = [("WINDOWSTART", Type::Bigint), ("WINDOWEND", Type::Bigint)];

/// Names that no column of a source may have.
pub(crate) fn is_reserved(name: &str) -> bool {
    PSEUDO.iter().chain(&BOUNDS).any(|(reserved, _)| *reserved == name)
}

impl Source {
    /// The value's and the headers' columns in the order in which they were declared, by their place in a row.
    pub(crate) fn declared(&self) -> Vec<usize> {
        let (first, behind) = (self.key.len(), self.key.len() + self.value.len());
        let mut all: Vec<_> = (0..self.value.len()).map(|place| (2 * place + 1, first + place)).collect();
        let headers = self.headers.iter().enumerate();
        all.extend(headers.map(|(place, header)| (2 * header.place, behind + place)));
        all.sort_by_key(|(order, _)| *order);
        (0..first).chain(all.into_iter().map(|(_, place)| place)).collect()
    }

    /// How its keys are kept.
    pub(crate) fn key_half(&self) -> Half {
        Half { format: self.key_format.clone(), options: self.key_options.clone() }
    }

    /// How its values are kept.
    pub(crate) fn value_half(&self) -> Half {
        Half { format: self.value_format.clone(), options: self.value_options.clone() }
    }
}

/// What statements have made known: sources, types and settings.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// Shared, since a server of statements copies its catalog for each.
    sources: BTreeMap<String, Arc<Source>>,
    pub(crate) types: Types,
    settings: BTreeMap<String, String>,
    functions: Functions,
}

impl Catalog {
    /// One that knows nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same, with other functions than the standard ones.
    #[must_use]
    pub fn using(self, functions: Functions) -> Self {
        Self { functions, ..self }
    }

    /// Adds a function to those that statements can call: see [`Functions::register`].
    ///
    /// # Errors
    /// When the signature can't be read.
    pub fn register(
        &mut self,
        name: &str,
        about: &str,
        signature: &str,
        call: impl Fn(&[Value]) -> Result<Value, Failure> + Send + Sync + 'static,
    ) -> Result<(), Failure> {
        self.functions.register(name, about, signature, call)
    }

    /// The functions that statements can call.
    pub fn functions(&self) -> &Functions {
        &self.functions
    }

    /// The source of a name in capitals.
    pub fn get(&self, name: &str) -> Option<&Source> {
        self.sources.get(name).map(|source| &**source)
    }

    /// All sources, by name.
    pub fn sources(&self) -> impl Iterator<Item = &Source> {
        self.sources.values().map(|source| &**source)
    }

    /// The types that statements have named, and what they stand for.
    pub fn types(&self) -> BTreeMap<String, Type> {
        self.types.clone()
    }

    pub(crate) fn insert(&mut self, source: Source) {
        self.sources.insert(source.name.clone(), Arc::new(source));
    }

    /// Knows a source no more, whatever reads it.
    pub fn forget(&mut self, name: &str) {
        self.remove(name);
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.sources.remove(name);
    }

    pub(crate) fn set(&mut self, setting: &str, value: Option<&str>) {
        match value {
            Some(value) => self.settings.insert(setting.to_owned(), value.to_owned()),
            None => self.settings.remove(setting),
        };
    }

    /// How often the records of the rules that follow take effect, where that was set.
    pub(crate) fn guarantee(&self) -> Option<Guarantee> {
        self.setting("processing.guarantee").and_then(Guarantee::named)
    }

    /// After how long without a record the windows of the rules that follow close, where that was set.
    pub(crate) fn idle_ms(&self) -> Option<u64> {
        self.setting(IDLE_MS).and_then(|time| time.parse().ok())
    }

    /// Whether the rules that follow begin where their streams end.
    pub(crate) fn is_from_end(&self) -> bool {
        self.setting(RESET) == Some("latest")
    }

    /// Whether each change of a group of the rules that follow is told, of those that came together too.
    pub(crate) fn tells_each_change(&self) -> bool {
        CACHE_BYTES.iter().any(|name| self.setting(name) == Some("0"))
    }

    /// What a setting was set to.
    pub(crate) fn setting(&self, setting: &str) -> Option<&str> {
        self.settings.get(setting).map(String::as_str)
    }
}

/// What a registry knows of one half of a topic's records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisteredColumns {
    /// The columns; one without a name where the schema is no record.
    pub columns: Vec<Column>,
    /// Whether the schema is no record.
    pub is_bare: bool,
}

/// Where columns come from that a statement leaves out.
pub trait SchemaSource {
    /// The columns of a topic's keys or values in a format, from where its schemas are registered: names in capitals, or, of
    /// the schema with this id, as they are.
    ///
    /// # Errors
    /// A sentence that says why they can't be had, and what to do.
    fn columns(
        &self,
        topic: &str,
        is_key: bool,
        format: &str,
        schema_id: Option<u32>,
    ) -> Result<RegisteredColumns, String>;
}
