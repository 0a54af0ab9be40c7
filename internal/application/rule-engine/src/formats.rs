use std::collections::BTreeMap;
use std::sync::Arc;

use millstream_ports::{PortError, RowFormat, Side};
use millstream_sql::{RegisteredColumns, SchemaSource, Source};

/// The formats that rules can use, by the name they have in `VALUE_FORMAT` and `KEY_FORMAT`.
#[derive(Clone, Default)]
pub struct Formats {
    by_name: BTreeMap<String, Arc<dyn RowFormat>>,
}

impl Formats {
    /// Adds a format under a name in capitals.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, format: Arc<dyn RowFormat>) -> Self {
        self.by_name.insert(name.into(), format);
        self
    }

    pub(crate) fn get(&self, name: &str) -> Result<&Arc<dyn RowFormat>, PortError> {
        self.by_name.get(name).ok_or_else(|| {
            let known: Vec<_> = self.by_name.keys().map(String::as_str).collect();
            PortError::stop(format!(
                "the format {name} can't be read or written here; there are {}",
                known.join(", ")
            ))
        })
    }

    /// Whether a source's records can be read and written here.
    ///
    /// # Errors
    /// When one of its formats is not there, or lacks something.
    pub(crate) fn admit(&self, source: &Source) -> Result<(), PortError> {
        let formats = [&source.key_format, &source.value_format];
        formats.into_iter().try_for_each(|name| self.get(name)?.is_at_hand())
    }
}

/// Columns that a statement leaves out are those of the topic's registered schema.
impl SchemaSource for Formats {
    fn columns(
        &self,
        topic: &str,
        is_key: bool,
        format: &str,
        schema_id: Option<u32>,
    ) -> Result<RegisteredColumns, String> {
        let side = if is_key { Side::Key } else { Side::Value };
        let found = self.get(format).and_then(|format| format.columns(topic, side, schema_id));
        let found = found.map_err(|error| error.to_string())?;
        Ok(RegisteredColumns { columns: found.columns, is_bare: found.is_bare })
    }
}
