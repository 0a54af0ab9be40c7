use millstream_model::{Column, FormatOptions, Type};

use super::query::Body;
use super::with::With;
use crate::ast::{At, ColumnDef, ColumnPlace, CreateAs, CreateSource, SourceKind};
use crate::bind::Scope;
use crate::catalog::{Catalog, HeaderColumn, RegisteredColumns, SchemaSource, Source, is_reserved};
use crate::diagnostic::{Diagnostic, Span};
use crate::eval::Bound;
use crate::format::{Format, has_map};

type Declared<T> = Result<T, Diagnostic>;

/// A source over a topic that somebody else writes.
pub(super) fn declared(
    create: &CreateSource,
    catalog: &Catalog,
    schemas: &dyn SchemaSource,
) -> Declared<Source> {
    let span = create.name.span;
    let with = With::new(&create.with, span)?;
    distinct(&create.columns)?;
    let topic = with.get("KAFKA_TOPIC").ok_or_else(|| {
        Diagnostic::new(span, format!("{} has no topic", create.name.node))
            .help("name it in WITH (KAFKA_TOPIC='…')")
    })?;
    let (key_format, mut key_options) = with.key_half(catalog, None)?;
    let (value_format, mut value_options) = with.value_half(catalog, None)?;
    let mut source = Source {
        name: create.name.node.clone(),
        kind: create.kind,
        topic: topic.node.clone(),
        key_format: key_format.name.to_owned(),
        value_format: value_format.name.to_owned(),
        key_options: key_options.clone(),
        value_options: FormatOptions::default(),
        key: in_place(&create.columns, &ColumnPlace::Key),
        value: in_place(&create.columns, &ColumnPlace::Value),
        headers: headers(&create.columns)?,
        window: with.window()?,
        timestamp: None,
        partitions: with.count("PARTITIONS")?,
        replicas: with.count("REPLICAS")?,
        on_error: with.on_error()?,
        is_read_only: create.is_read_only,
    };
    let find = Find { create, topic, schemas };
    source.key = find.columns(source.key, true, key_format, &mut key_options)?;
    source.value = find.columns(source.value, false, value_format, &mut value_options)?;
    source.key_options = key_options;
    for columns in [&source.key, &source.value] {
        if let Some(name) = twice(columns) {
            let said = format!("the schema has two columns that are called {name} in capitals");
            return Err(Diagnostic::new(span, said).help("declare the columns that are needed"));
        }
    }
    // A column that stands in the key too is read from there.
    let key = source.key.clone();
    source.value.retain(|column| key.iter().all(|key| key.name != column.name));
    if source.value.is_empty() && source.headers.is_empty() && source.key.is_empty() {
        let said = Diagnostic::new(span, format!("{} has no columns", source.name));
        return Err(said.help("declare them"));
    }
    if create.kind == SourceKind::Table && source.key.is_empty() {
        return Err(Diagnostic::new(span, format!("table {} has no key", source.name))
            .help("mark one column PRIMARY KEY"));
    }
    if let Some(window) = create.with.iter().find(|(name, _)| name.node == "WINDOW_TYPE")
        && source.key.is_empty()
    {
        return Err(Diagnostic::new(window.0.span, "windows are of keys, and there is no key column"));
    }
    value_options.is_bare = with.is_bare(catalog, value_format, &source.value)? || value_options.is_bare;
    source.value_options = value_options;
    held(&source, (key_format, value_format), span)?;
    with.kept(&source)?;
    source.timestamp = time_of(&with, &source)?.map(|(column, _)| column);
    Ok(source)
}

/// A name that two columns have.
fn twice(columns: &[Column]) -> Option<&str> {
    let mut names = columns.iter().enumerate().map(|(place, column)| (place, column.name.as_str()));
    let is_second =
        |(place, name): &(usize, &str)| columns.iter().take(*place).any(|column| column.name == *name);
    names.find(is_second).map(|(_, name)| name)
}

/// The column that tells a source's times, as its statement says it.
pub(super) fn time_of(
    with: &With<'_>,
    source: &Source,
) -> Declared<Option<(crate::catalog::TimestampColumn, Bound)>> {
    let mut scope = Scope::default();
    scope.add(source, "");
    with.timestamp(&scope)
}

/// Formats hold what they are to hold, and keys hold no maps.
fn held(source: &Source, (key, value): (Format, Format), span: Span) -> Declared<()> {
    if let Some(column) = source.key.iter().find(|column| has_map(&column.ty)) {
        let said = format!("{column} can't be a key: equal maps may have different bytes");
        return Err(Diagnostic::new(span, said));
    }
    if let Some(reason) = key.refuses(&source.key) {
        return Err(Diagnostic::new(span, format!("the key can't be written: {reason}"))
            .help("set another KEY_FORMAT in WITH"));
    }
    for (format, columns, is_bare) in
        [(key, &source.key, source.key.len() == 1), (value, &source.value, source.value_options.is_bare)]
    {
        if let Some(name) = format.refuses_name(columns, is_bare) {
            let said = format!("the format {} has no field called {name}", format.name);
            return Err(
                Diagnostic::new(span, said).help("name it with letters, digits and underscores alone")
            );
        }
    }
    if let Some(reason) = value.refuses(&source.value) {
        return Err(Diagnostic::new(span, format!("the value can't be written: {reason}"))
            .help("set another VALUE_FORMAT in WITH"));
    }
    Ok(())
}

fn distinct(columns: &[ColumnDef]) -> Declared<()> {
    for (place, column) in columns.iter().enumerate() {
        let name = &column.name;
        if columns.iter().take(place).any(|before| before.name.node == name.node) {
            return Err(Diagnostic::new(name.span, format!("a second column is called {}", name.node)));
        }
        if is_reserved(&name.node) {
            let said = format!("{} is what every row has, so no column can be called so", name.node);
            return Err(Diagnostic::new(name.span, said).help("give it another name"));
        }
    }
    Ok(())
}

fn in_place(columns: &[ColumnDef], place: &ColumnPlace) -> Vec<Column> {
    let there = columns.iter().filter(|column| column.place == *place);
    there.map(|column| Column::new(column.name.node.as_str(), column.ty.clone())).collect()
}

/// The columns in headers, each of the type that headers are of.
fn headers(columns: &[ColumnDef]) -> Declared<Vec<HeaderColumn>> {
    let mut all: Vec<HeaderColumn> = Vec::new();
    let mut place = 0;
    for column in columns {
        let pair = vec![Column::new("KEY", Type::String), Column::new("VALUE", Type::Bytes)];
        let (header, wanted) = match &column.place {
            ColumnPlace::Value => {
                place += 1;
                continue;
            }
            ColumnPlace::Key => continue,
            ColumnPlace::Header(name) => (Some(name.clone()), Type::Bytes),
            ColumnPlace::Headers => (None, Type::Array(Box::new(Type::Struct(pair)))),
        };
        if column.ty != wanted {
            let said = format!("{} is of headers, so it is {wanted}, not {}", column.name.node, column.ty);
            return Err(Diagnostic::new(column.name.span, said));
        }
        if header.is_none() && all.iter().any(|other| other.header.is_none()) {
            return Err(Diagnostic::new(column.name.span, "a second column is of all headers"));
        }
        if all.iter().any(|other| other.header == header || other.header.is_none())
            || (header.is_none() && !all.is_empty())
        {
            let said = "columns are of all headers or of single ones, each once";
            return Err(Diagnostic::new(column.name.span, said));
        }
        all.push(HeaderColumn { column: Column::new(column.name.node.as_str(), wanted), header, place });
    }
    Ok(all)
}

/// Finds the columns that a statement leaves out.
struct Find<'a> {
    create: &'a CreateSource,
    topic: &'a At<String>,
    schemas: &'a dyn SchemaSource,
}

impl Find<'_> {
    fn columns(
        &self,
        declared: Vec<Column>,
        is_key: bool,
        format: Format,
        options: &mut FormatOptions,
    ) -> Declared<Vec<Column>> {
        let place = if is_key { "KEY_SCHEMA_ID" } else { "VALUE_SCHEMA_ID" };
        if !declared.is_empty() {
            if options.schema_id.is_some() {
                let said = format!("{place} says what the columns are, so they can't be declared beside it");
                return Err(Diagnostic::new(self.create.name.span, said));
            }
            return Ok(declared);
        }
        if !format.has_schemas {
            return Ok(declared);
        }
        let found = self.schemas.columns(&self.topic.node, is_key, format.name, options.schema_id);
        let found = found.map_err(|reason| Diagnostic::new(self.topic.span, reason))?;
        if is_key {
            return Ok(as_key(found).columns);
        }
        let RegisteredColumns { mut columns, is_bare } = found;
        let said = self.create.with.iter().find(|(name, _)| name.node == "WRAP_SINGLE_VALUE");
        let is_unwrapped = said.is_some_and(|(_, value)| value.node.eq_ignore_ascii_case("false"));
        if is_bare && !is_unwrapped {
            let span = said.map_or(self.topic.span, |(_, value)| value.span);
            let said = "the schema is of one value without a name, and not of a record";
            return Err(Diagnostic::new(span, said).help("write WRAP_SINGLE_VALUE=false"));
        }
        if is_bare {
            for column in &mut columns {
                "ROWVAL".clone_into(&mut column.name);
            }
            options.is_bare = true;
        } else if is_unwrapped {
            columns = vec![Column::new("ROWVAL", Type::Struct(columns))];
            options.is_bare = true;
        }
        Ok(columns)
    }
}

/// The source that a query fills, and the time of its rows where a column tells it.
pub(super) fn filled(
    create: &CreateAs,
    body: &Body,
    catalog: &Catalog,
    schemas: &dyn SchemaSource,
) -> Declared<(Source, Option<Bound>)> {
    let span = create.name.span;
    let with = With::new(&create.with, span)?;
    for refused in ["WINDOW_TYPE", "WINDOW_SIZE"] {
        if let Some(value) = with.get(refused) {
            return Err(Diagnostic::new(value.span, "the windows are those of the query")
                .help(format!("leave {refused} out")));
        }
    }
    // A key where there was none before is not kept in a format for nothing.
    let inherited = Some(&body.key_half).filter(|half| half.format != "NONE" || body.key.is_empty());
    let (key_format, key_options) = with.key_half(catalog, inherited)?;
    let said = with.get("KEY_FORMAT").filter(|said| !said.node.eq_ignore_ascii_case("NONE"));
    if let Some(format) = said.filter(|_| body.key.is_empty()) {
        let said = Diagnostic::new(format.span, "the rows have no key, so it has no format");
        return Err(said.help("leave KEY_FORMAT out"));
    }
    let (value_format, mut value_options) = with.value_half(catalog, Some(&body.value_half))?;
    value_options.is_bare = with.is_bare(catalog, value_format, &body.value)?;
    let prefix = catalog.setting("ksql.output.topic.name.prefix").unwrap_or_default();
    let mut source = Source {
        name: create.name.node.clone(),
        kind: create.kind,
        topic: with.text("KAFKA_TOPIC").unwrap_or_else(|| format!("{prefix}{}", create.name.node)),
        key_format: key_format.name.to_owned(),
        value_format: value_format.name.to_owned(),
        key_options,
        value_options,
        key: body.key.clone(),
        value: body.value.clone(),
        headers: Vec::new(),
        window: body.window,
        timestamp: None,
        partitions: with.count("PARTITIONS")?,
        replicas: with.count("REPLICAS")?,
        on_error: with.on_error()?,
        is_read_only: false,
    };
    held(&source, (key_format, value_format), span)?;
    with.kept(&source)?;
    for (is_key, half, columns) in
        [(true, source.key_half(), &source.key), (false, source.value_half(), &source.value)]
    {
        if let Some(id) = half.options.schema_id {
            let found = schemas.columns(&source.topic, is_key, &half.format, Some(id));
            let found = found.map_err(|reason| Diagnostic::new(span, reason))?;
            let found = if is_key { as_key(found) } else { found };
            fits(columns, &found, id, span)?;
        }
    }
    // Over the sink's value alone: a row's key is not what it is told by.
    let mut scope = Scope::default();
    for column in &source.value {
        scope.push_shown("", &column.name, column.ty.clone());
    }
    for column in &source.key {
        scope.push_shown("", &column.name, column.ty.clone());
    }
    let time = with.timestamp(&scope)?;
    let (column, moment) = time.map_or((None, None), |(column, moment)| (Some(column), Some(moment)));
    source.timestamp = column;
    Ok((source, moment))
}

/// A single key stands by itself, whatever it is: also a record is one column.
fn as_key(found: RegisteredColumns) -> RegisteredColumns {
    let ty = match found.columns.as_slice() {
        [only] if found.is_bare => only.ty.clone(),
        _ => Type::Struct(found.columns),
    };
    RegisteredColumns { columns: vec![Column::new("ROWKEY", ty)], is_bare: true }
}

/// Whether rows of these columns can be written by a schema: it has them all, and in their order.
fn fits(columns: &[Column], found: &RegisteredColumns, id: u32, span: Span) -> Declared<()> {
    let is_alone = found.is_bare && columns.len() == 1;
    let mut rest = found.columns.iter();
    for column in columns {
        let is_same = |known: &Column| known.ty == column.ty && (is_alone || known.name == column.name);
        if !rest.next().is_some_and(is_same) {
            let list: Vec<_> = found.columns.iter().map(ToString::to_string).collect();
            let said =
                format!("{column} is not in its place in schema {id}, which has ({})", list.join(", "));
            return Err(
                Diagnostic::new(span, said).help("select columns of these names and types, in this order")
            );
        }
    }
    Ok(())
}
