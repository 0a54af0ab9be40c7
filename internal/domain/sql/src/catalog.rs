use std::collections::BTreeMap;

use millstream_model::{Column, FormatOptions, Type};

use crate::ast::SourceKind;

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
    /// How many partitions its topic shall have, where that was said.
    pub partitions: Option<u32>,
}

/// Columns behind a source's own: the record's time, partition and offset.
pub(crate) const PSEUDO: [(&str, Type); 3] =
    [("ROWTIME", Type::Bigint), ("ROWPARTITION", Type::Int), ("ROWOFFSET", Type::Bigint)];

impl Source {
    /// How many values a row of it has: key, value, and the three pseudo columns.
    pub fn width(&self) -> usize {
        self.key.len() + self.value.len() + PSEUDO.len()
    }
}

/// The sources known, by name.
pub type Catalog = BTreeMap<String, Source>;

/// Where columns come from that a statement leaves out.
pub trait SchemaSource {
    /// The columns of a topic's values, from where its schemas are registered, names in capitals.
    ///
    /// # Errors
    /// A sentence that says why they can't be had, and what to do.
    fn value_columns(&self, topic: &str) -> Result<Vec<Column>, String>;
}
