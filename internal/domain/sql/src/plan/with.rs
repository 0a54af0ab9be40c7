//! The properties of WITH, and what they mean for a source.

use millstream_model::{Column, FormatOptions, Type, Value};

use crate::ast::{At, Expr, SourceKind, WindowShape};
use crate::bind::{Scope, bind};
use crate::catalog::{Catalog, KeyWindow, OnError, Source, TimestampColumn};
use crate::diagnostic::{Diagnostic, Span};
use crate::eval::Bound;
use crate::format::{self, Format, Half};
use crate::time::TimePattern;

const PROPERTIES: &[&str] = &[
    "KAFKA_TOPIC",
    "KEY_FORMAT",
    "VALUE_FORMAT",
    "FORMAT",
    "PARTITIONS",
    "REPLICAS",
    "RETENTION_MS",
    "KEY_DELIMITER",
    "VALUE_DELIMITER",
    "WRAP_SINGLE_VALUE",
    "TIMESTAMP",
    "TIMESTAMP_FORMAT",
    "WINDOW_TYPE",
    "WINDOW_SIZE",
    "KEY_SCHEMA_ID",
    "VALUE_SCHEMA_ID",
    "KEY_SCHEMA_FULL_NAME",
    "VALUE_SCHEMA_FULL_NAME",
    "VALUE_AVRO_SCHEMA_FULL_NAME",
    "ON_ERROR",
];

type Read<T> = Result<T, Diagnostic>;

/// The properties of WITH, each known and set once.
pub(super) struct With<'a> {
    all: &'a [(At<String>, At<String>)],
    /// The statement's place, for what is missing.
    span: Span,
}

impl<'a> With<'a> {
    pub(super) fn new(all: &'a [(At<String>, At<String>)], span: Span) -> Read<Self> {
        for (place, (name, _)) in all.iter().enumerate() {
            if !PROPERTIES.contains(&name.node.as_str()) {
                let said = Diagnostic::new(name.span, format!("the property {} can't be used", name.node));
                return Err(said.help(format!("there are {}", PROPERTIES.join(", "))));
            }
            if all.iter().take(place).any(|(other, _)| other.node == name.node) {
                return Err(Diagnostic::new(name.span, format!("the property {} is set twice", name.node)));
            }
        }
        let with = Self { all, span };
        if let (Some(both), true) =
            (with.get("FORMAT"), with.get("KEY_FORMAT").is_some() || with.get("VALUE_FORMAT").is_some())
        {
            let said = "FORMAT is the format of key and value, so it can't be set beside one of theirs";
            return Err(Diagnostic::new(both.span, said).help("set KEY_FORMAT and VALUE_FORMAT instead"));
        }
        with.sensible()?;
        Ok(with)
    }

    /// What can be said to be wrong of single properties, whatever the statement.
    fn sensible(&self) -> Read<()> {
        let names = (self.get("VALUE_AVRO_SCHEMA_FULL_NAME"), self.get("VALUE_SCHEMA_FULL_NAME"));
        if let (Some(old), Some(_)) = names {
            let said = "VALUE_SCHEMA_FULL_NAME names the schema already";
            return Err(Diagnostic::new(old.span, said).help("leave VALUE_AVRO_SCHEMA_FULL_NAME out"));
        }
        if let Some(topic) = self.get("KAFKA_TOPIC").filter(|topic| topic.node.trim().is_empty()) {
            return Err(Diagnostic::new(topic.span, "a topic's name can't be empty"));
        }
        if let Some(time) = self.get("RETENTION_MS").filter(|time| time.node.parse::<i64>().is_err()) {
            return Err(Diagnostic::new(time.span, "expected a number of milliseconds"));
        }
        if let Some(form) = self.get("TIMESTAMP_FORMAT") {
            TimePattern::new(&form.node).map_err(|said| Diagnostic::new(form.span, said.to_string()))?;
        }
        Ok(())
    }

    pub(super) fn get(&self, name: &str) -> Option<&'a At<String>> {
        self.all.iter().find(|(known, _)| known.node == name).map(|(_, value)| value)
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.get(name).map(|value| value.node.clone())
    }

    fn format(&self, name: &str, otherwise: Option<&str>) -> Read<Option<Format>> {
        let given = self.get(name).or_else(|| self.get("FORMAT"));
        let Some(named) = given.map(|value| value.node.as_str()).or(otherwise) else { return Ok(None) };
        let span = given.map_or(self.span, |value| value.span);
        format::format(named).map(Some).ok_or_else(|| {
            Diagnostic::new(span, format!("the format {} can't be read or written", named.to_uppercase()))
                .help(format!("there are {}", format::names()))
        })
    }

    /// The format of the keys, with how they are laid out; `inherited` is the one of what is read.
    pub(super) fn key_half(
        &self,
        catalog: &Catalog,
        inherited: Option<&Half>,
    ) -> Read<(Format, FormatOptions)> {
        let set = catalog.setting("ksql.persistence.default.format.key").unwrap_or("KAFKA");
        let otherwise = inherited.map_or(set, |half| half.format.as_str());
        let format = self.format("KEY_FORMAT", Some(otherwise))?;
        let Some(format) = format else { return Err(self.missing("key format", "KEY_FORMAT='…'")) };
        let options = FormatOptions {
            is_bare: true,
            delimiter: self.delimiter("KEY_DELIMITER", format, inherited)?,
            schema_id: self.schema_id("KEY_SCHEMA_ID", format)?,
            schema_name: self.schema_name(&["KEY_SCHEMA_FULL_NAME"], format)?,
        };
        Ok((format, options))
    }

    /// The format of the values, with how they are laid out.
    pub(super) fn value_half(
        &self,
        catalog: &Catalog,
        inherited: Option<&Half>,
    ) -> Read<(Format, FormatOptions)> {
        let set = catalog.setting("ksql.persistence.default.format.value");
        let otherwise = inherited.map(|half| half.format.as_str()).or(set);
        let format = self.format("VALUE_FORMAT", otherwise)?;
        let Some(format) = format else { return Err(self.missing("value format", "VALUE_FORMAT='…'")) };
        let options = FormatOptions {
            is_bare: false,
            delimiter: self.delimiter("VALUE_DELIMITER", format, inherited)?,
            schema_id: self.schema_id("VALUE_SCHEMA_ID", format)?,
            schema_name: self
                .schema_name(&["VALUE_SCHEMA_FULL_NAME", "VALUE_AVRO_SCHEMA_FULL_NAME"], format)?,
        };
        Ok((format, options))
    }

    fn missing(&self, what: &str, write: &str) -> Diagnostic {
        Diagnostic::new(self.span, format!("there is no {what}")).help(format!("name it in WITH ({write})"))
    }

    fn delimiter(&self, name: &str, format: Format, inherited: Option<&Half>) -> Read<Option<char>> {
        let Some(value) = self.get(name) else {
            let same = inherited.filter(|half| half.format == format.name);
            return Ok(same.and_then(|half| half.options.delimiter));
        };
        if format.name != "DELIMITED" {
            let said = format!("the format {} has no delimiter", format.name);
            return Err(Diagnostic::new(value.span, said).help(format!("leave {name} out")));
        }
        if value.node.trim().is_empty() {
            let said = Diagnostic::new(value.span, "a delimiter that can't be seen is named");
            return Err(said.help("write TAB or SPACE"));
        }
        let mut chars = value.node.chars();
        match (value.node.to_uppercase().as_str(), chars.next(), chars.next()) {
            ("TAB", ..) => Ok(Some('\t')),
            ("SPACE", ..) => Ok(Some(' ')),
            (_, Some(one), None) => Ok(Some(one)),
            _ => Err(Diagnostic::new(value.span, "a delimiter is one character, or TAB or SPACE")),
        }
    }

    fn schema_id(&self, name: &str, format: Format) -> Read<Option<u32>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        if !format.has_schemas {
            let said = format!("the format {} has no registered schemas", format.name);
            return Err(Diagnostic::new(value.span, said).help(format!("leave {name} out")));
        }
        let id = value.node.parse().map_err(|_| Diagnostic::new(value.span, "expected a schema's id"))?;
        Ok(Some(id))
    }

    fn schema_name(&self, names: &[&str], format: Format) -> Read<Option<String>> {
        let Some(value) = names.iter().find_map(|name| self.get(name)) else { return Ok(None) };
        if !format.has_schemas {
            let said = format!("the format {} has no named schemas", format.name);
            return Err(Diagnostic::new(value.span, said).help("leave the schema's name out"));
        }
        if value.node.trim().is_empty() {
            return Err(Diagnostic::new(value.span, "a schema's name can't be empty"));
        }
        Ok(Some(value.node.clone()))
    }

    /// Whether a single value column stands by itself; what is said of several is refused.
    pub(super) fn is_bare(&self, catalog: &Catalog, format: Format, columns: &[Column]) -> Read<bool> {
        let set = catalog.setting("ksql.persistence.wrap.single.values");
        let Some(value) = self.get("WRAP_SINGLE_VALUE") else {
            let is_unwrapped = set.is_some_and(|set| set.eq_ignore_ascii_case("false"));
            return Ok(is_unwrapped && format.wraps && columns.len() == 1);
        };
        let wraps = match value.node.to_lowercase().as_str() {
            "true" => true,
            "false" => false,
            _ => return Err(Diagnostic::new(value.span, "expected true or false")),
        };
        if !format.wraps && wraps {
            let said = format!("the format {} never puts a record around a single value", format.name);
            return Err(Diagnostic::new(value.span, said).help("leave WRAP_SINGLE_VALUE out"));
        }
        if columns.len() > 1 {
            let said =
                format!("WRAP_SINGLE_VALUE is about one value column, and there are {}", columns.len());
            return Err(Diagnostic::new(value.span, said).help("leave it out"));
        }
        Ok(!wraps && format.wraps)
    }

    /// A number of at least one.
    pub(super) fn count(&self, name: &str) -> Read<Option<u32>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        match value.node.parse() {
            Ok(count @ 1..) => Ok(Some(count)),
            _ => Err(Diagnostic::new(value.span, "expected a number of partitions, at least 1")),
        }
    }

    /// Refuses an age beyond which the rows of a table are deleted: each is the last of its key. Those of windows do end.
    pub(super) fn kept(&self, source: &Source) -> Read<()> {
        match self.get("RETENTION_MS") {
            Some(time) if source.kind == SourceKind::Table && source.window.is_none() => {
                let said =
                    "a table's topic is cleaned by key, for its rows are no older than their last change";
                Err(Diagnostic::new(time.span, said).help("leave RETENTION_MS out"))
            }
            _ => Ok(()),
        }
    }

    /// What becomes of a record that a query can't work on.
    pub(super) fn on_error(&self) -> Read<OnError> {
        let Some(value) = self.get("ON_ERROR") else { return Ok(OnError::DeadLetter) };
        match value.node.to_lowercase().as_str() {
            "dlq" => Ok(OnError::DeadLetterStream),
            "skip" => Ok(OnError::Skip),
            "fail" => Ok(OnError::Fail),
            _ => Err(Diagnostic::new(value.span, "expected 'dlq', 'skip' or 'fail'")),
        }
    }

    /// The windows that a source's keys are said to belong to.
    pub(super) fn window(&self) -> Read<Option<KeyWindow>> {
        let (kind, size) = (self.get("WINDOW_TYPE"), self.get("WINDOW_SIZE"));
        let Some(kind) = kind else {
            return match size {
                Some(size) => {
                    Err(Diagnostic::new(size.span, "WINDOW_SIZE is of windows, and WINDOW_TYPE is not set"))
                }
                None => Ok(None),
            };
        };
        let size_ms = size.map(|size| {
            super::duration(&size.node)
                .ok_or_else(|| Diagnostic::new(size.span, "expected a time, such as '10 SECONDS'"))
        });
        let shape = match (kind.node.to_uppercase().as_str(), size_ms.transpose()?) {
            ("SESSION", None) => WindowShape::Session { gap_ms: 0 },
            ("SESSION", Some(_)) => {
                let said = Diagnostic::new(kind.span, "a session has no size of its own");
                return Err(said.help("leave WINDOW_SIZE out"));
            }
            ("TUMBLING", Some(size_ms)) => WindowShape::Tumbling { size_ms },
            ("HOPPING", Some(size_ms)) => WindowShape::Hopping { size_ms, advance_ms: size_ms },
            ("TUMBLING" | "HOPPING", None) => {
                return Err(Diagnostic::new(kind.span, format!("{} windows have a size", kind.node))
                    .help("set WINDOW_SIZE, such as '10 SECONDS'"));
            }
            _ => return Err(Diagnostic::new(kind.span, "expected TUMBLING, HOPPING or SESSION")),
        };
        Ok(Some(KeyWindow { shape }))
    }

    /// The column that tells a record's time, and its time in milliseconds over a row of `scope`.
    pub(super) fn timestamp(&self, scope: &Scope) -> Read<Option<(TimestampColumn, Bound)>> {
        let pattern = self.get("TIMESTAMP_FORMAT");
        let Some(value) = self.get("TIMESTAMP") else {
            return match pattern {
                Some(pattern) => Err(Diagnostic::new(
                    pattern.span,
                    "TIMESTAMP_FORMAT is a column's, and TIMESTAMP is not set",
                )),
                None => Ok(None),
            };
        };
        let column = TimestampColumn {
            column: super::property_name(&value.node),
            pattern: pattern.map(|pattern| pattern.node.clone()),
        };
        let moment = moment(scope, &column, value.span)?;
        Ok(Some((column, moment)))
    }
}

/// The time in milliseconds that a column tells, over a row of `scope`.
pub(super) fn moment(scope: &Scope, of: &TimestampColumn, span: Span) -> Read<Bound> {
    let name = &of.column;
    let at = At { node: Expr::Column(None, name.clone()), span };
    let (bound, ty) = scope.column(None, name, &at)?;
    match (ty, &of.pattern) {
        (Type::Bigint | Type::Timestamp, None) => Ok(bound),
        (Type::String, Some(pattern)) => {
            let pattern = At { node: Expr::Literal(Value::text(pattern)), span };
            let call = Expr::Call("STRINGTOTIMESTAMP".to_owned(), vec![at, pattern]);
            Ok(bind(scope, &At { node: call, span })?.0)
        }
        (Type::String, None) => {
            let said = Diagnostic::new(span, format!("{name} is text, which tells no time by itself"));
            Err(said.help("say how it is written with TIMESTAMP_FORMAT"))
        }
        (ty @ (Type::Bigint | Type::Timestamp), Some(_)) => {
            Err(Diagnostic::new(span, format!("{name} is {ty}, which needs no TIMESTAMP_FORMAT")))
        }
        (ty, _) => {
            let said = format!("{name} is {ty}, and a record's time is BIGINT, TIMESTAMP or text");
            Err(Diagnostic::new(span, said))
        }
    }
}
