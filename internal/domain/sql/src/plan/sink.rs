use millstream_model::{Column, FormatOptions};

use super::Body;
use crate::ast::{At, ColumnDef, CreateAs, CreateSource, SourceKind};
use crate::catalog::{SchemaSource, Source};
use crate::diagnostic::Diagnostic;

const FORMATS: &[&str] = &["AVRO", "JSON", "JSON_SR", "DELIMITED", "KAFKA", "NONE"];
const PROPERTIES: &[&str] = &["KAFKA_TOPIC", "KEY_FORMAT", "VALUE_FORMAT", "FORMAT", "PARTITIONS"];

/// The properties of WITH, each known.
struct With<'a>(&'a [(At<String>, At<String>)]);

impl With<'_> {
    fn check(&self) -> Result<(), Diagnostic> {
        let is_second =
            |place: usize, name: &str| self.0.iter().take(place).any(|(other, _)| other.node == name);
        if let Some((_, (name, _))) =
            self.0.iter().enumerate().find(|(place, (name, _))| is_second(*place, &name.node))
        {
            return Err(Diagnostic::new(name.span, format!("the property {} is set twice", name.node)));
        }
        let unknown = self.0.iter().find(|(name, _)| !PROPERTIES.contains(&name.node.as_str()));
        unknown.map_or(Ok(()), |(name, _)| {
            let said = Diagnostic::new(name.span, format!("the property {} can't be used", name.node));
            Err(said.help(format!("there are {}", PROPERTIES.join(", "))))
        })
    }

    fn get(&self, name: &str) -> Option<&At<String>> {
        self.0.iter().find(|(known, _)| known.node == name).map(|(_, value)| value)
    }

    fn format(&self, name: &str) -> Result<Option<String>, Diagnostic> {
        let Some(value) = self.get(name).or_else(|| self.get("FORMAT")) else { return Ok(None) };
        let format = value.node.to_uppercase();
        if FORMATS.contains(&format.as_str()) {
            return Ok(Some(format));
        }
        Err(Diagnostic::new(value.span, format!("the format {format} can't be read or written"))
            .help(format!("there are {}", FORMATS.join(", "))))
    }

    fn partitions(&self) -> Result<Option<u32>, Diagnostic> {
        let Some(value) = self.get("PARTITIONS") else { return Ok(None) };
        match value.node.parse() {
            Ok(count @ 1..) => Ok(Some(count)),
            _ => Err(Diagnostic::new(value.span, "expected a number of partitions, at least 1")),
        }
    }
}

/// A source over a topic that somebody else writes.
pub(super) fn declared(create: &CreateSource, schemas: &dyn SchemaSource) -> Result<Source, Diagnostic> {
    let with = With(&create.with);
    with.check()?;
    distinct(&create.columns)?;
    let topic = with.get("KAFKA_TOPIC").ok_or_else(|| {
        Diagnostic::new(create.name.span, format!("{} has no topic", create.name.node))
            .help("name it in WITH (KAFKA_TOPIC='…')")
    })?;
    let value_format = with.format("VALUE_FORMAT")?.ok_or_else(|| {
        Diagnostic::new(create.name.span, format!("{} has no value format", create.name.node))
            .help("name it in WITH (VALUE_FORMAT='…')")
    })?;
    let column = |is_key: bool| create.columns.iter().filter(move |column| column.is_key == is_key);
    let columns = |is_key| {
        column(is_key)
            .map(|column| Column::new(column.name.node.as_str(), column.ty.clone()))
            .collect::<Vec<_>>()
    };
    let (key, mut value) = (columns(true), columns(false));
    if create.kind == SourceKind::Table && key.is_empty() {
        return Err(Diagnostic::new(create.name.span, format!("table {} has no key", create.name.node))
            .help("mark one column PRIMARY KEY"));
    }
    if value.is_empty() {
        value = inferred(create, topic, &value_format, schemas)?;
        // A column that stands in the key too is read from there.
        value.retain(|column| key.iter().all(|key| key.name != column.name));
    }
    let key_format = with.format("KEY_FORMAT")?.unwrap_or_else(|| "KAFKA".to_owned());
    one_column_in_kafka(&key_format, &key, create.name.span)?;
    let (name, kind, partitions) = (create.name.node.clone(), create.kind, with.partitions()?);
    let (key_options, value_options) = (FormatOptions::bare(), FormatOptions::default());
    let topic = topic.node.clone();
    Ok(Source {
        name,
        kind,
        topic,
        key_format,
        value_format,
        key_options,
        value_options,
        key,
        value,
        partitions,
    })
}

fn distinct(columns: &[ColumnDef]) -> Result<(), Diagnostic> {
    for (place, column) in columns.iter().enumerate() {
        let name = &column.name;
        if columns.iter().take(place).any(|before| before.name.node == name.node) {
            return Err(Diagnostic::new(name.span, format!("a second column is called {}", name.node)));
        }
    }
    Ok(())
}

fn inferred(
    create: &CreateSource,
    topic: &At<String>,
    format: &str,
    schemas: &dyn SchemaSource,
) -> Result<Vec<Column>, Diagnostic> {
    if format != "AVRO" {
        let said =
            Diagnostic::new(create.name.span, format!("{} has no columns in its value", create.name.node));
        return Err(said.help(format!(
            "declare them; only those of AVRO are found by themselves, not those of {format}"
        )));
    }
    schemas.value_columns(&topic.node).map_err(|reason| Diagnostic::new(topic.span, reason))
}

/// The source that a query fills.
pub(super) fn filled(create: &CreateAs, body: &Body) -> Result<Source, Diagnostic> {
    let with = With(&create.with);
    with.check()?;
    let name = create.name.node.clone();
    let key_format = with.format("KEY_FORMAT")?.unwrap_or_else(|| "KAFKA".to_owned());
    one_column_in_kafka(&key_format, &body.key, create.name.span)?;
    Ok(Source {
        kind: create.kind,
        topic: with.get("KAFKA_TOPIC").map_or_else(|| name.clone(), |topic| topic.node.clone()),
        key_format,
        value_format: with.format("VALUE_FORMAT")?.unwrap_or_else(|| body.format.clone()),
        key_options: FormatOptions::bare(),
        value_options: FormatOptions::default(),
        key: body.key.clone(),
        value: body.value.clone(),
        partitions: with.partitions()?,
        name,
    })
}

fn one_column_in_kafka(
    format: &str,
    key: &[Column],
    span: crate::diagnostic::Span,
) -> Result<(), Diagnostic> {
    if format != "KAFKA" || key.len() <= 1 {
        return Ok(());
    }
    let said = Diagnostic::new(span, format!("a key of {} columns can't be written as KAFKA", key.len()));
    Err(said.help("set KEY_FORMAT='AVRO' or KEY_FORMAT='JSON' in WITH"))
}
