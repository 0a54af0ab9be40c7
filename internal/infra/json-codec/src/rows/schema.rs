//! JSON Schema (draft 7) for rows, with the hints `connect.type` and `connect.parameters` that Kafka Connect's converter
//! reads and writes.

use millstream_model::{Column, Type};
use millstream_ports::FoundColumns;

use crate::document::Document;

/// How Connect calls an exact number.
const DECIMAL: &str = "org.apache.kafka.connect.data.Decimal";
const TIMESTAMP: &str = "org.apache.kafka.connect.data.Timestamp";
const DATE: &str = "org.apache.kafka.connect.data.Date";
const TIME: &str = "org.apache.kafka.connect.data.Time";

/// The columns of a schema, names in capitals where that is asked for; of one that is no object, a column without a name.
pub(super) fn columns_of(text: &str, in_capitals: bool) -> Result<FoundColumns, String> {
    let schema = resolved(Document::parse(text.as_bytes())?)?;
    Ok(match type_of(&schema, in_capitals)? {
        Type::Struct(columns) => FoundColumns { columns, is_bare: false },
        other => FoundColumns { columns: vec![Column::new("", other)], is_bare: true },
    })
}

/// How often a schema may refer to its own parts: one that holds itself has no end.
const REFERENCES_MAX: usize = 200;

/// A schema with its own parts in the places where it refers to them, as `{"$ref": "#/definitions/price"}`.
fn resolved(schema: Document) -> Result<Document, String> {
    let mut left = REFERENCES_MAX;
    put_in(&schema, &schema, &mut left)
}

fn put_in(schema: &Document, root: &Document, left: &mut usize) -> Result<Document, String> {
    if let Some(path) = schema.get("$ref").and_then(Document::as_text) {
        *left =
            left.checked_sub(1).ok_or_else(|| format!("{path} holds itself, which no type in SQL does"))?;
        let mut steps =
            path.strip_prefix("#/").ok_or_else(|| format!("{path} is not in the schema"))?.split('/');
        let part = steps.try_fold(root, |part, step| part.get(step));
        return put_in(part.ok_or_else(|| format!("{path} is not in the schema"))?, root, left);
    }
    Ok(match schema {
        Document::Object(entries) => {
            let entry = |(name, of): &(String, Document)| -> Result<_, String> {
                // What is only referred to is looked at where it is.
                let is_kept = matches!(name.as_str(), "definitions" | "$defs");
                Ok((name.clone(), if is_kept { of.clone() } else { put_in(of, root, left)? }))
            };
            Document::Object(entries.iter().map(entry).collect::<Result<_, _>>()?)
        }
        Document::Array(items) => {
            Document::Array(items.iter().map(|item| put_in(item, root, left)).collect::<Result<_, _>>()?)
        }
        other => other.clone(),
    })
}

/// The name of a schema's type; of a list of names, the only one beside null.
fn name_of(schema: &Document) -> Option<&str> {
    match schema.get("type") {
        Some(Document::Array(names)) => {
            let mut names = names.iter().filter_map(Document::as_text).filter(|name| *name != "null");
            names.next().filter(|_| names.next().is_none())
        }
        Some(name) => name.as_text(),
        // A choice among texts says no more.
        None => schema.get("enum").map(|_| "string"),
    }
}

/// The key's and the value's types, where an array's items are a map's entries.
fn entry(items: &Document, in_capitals: bool) -> Result<Type, String> {
    let of = |name: &str| {
        let part = items.get("properties").and_then(|properties| properties.get(name));
        type_of(part.ok_or("a map's entries have a key and a value")?, in_capitals)
    };
    Ok(Type::Map(Box::new(of("key")?), Box::new(of("value")?)))
}

fn type_of(schema: &Document, in_capitals: bool) -> Result<Type, String> {
    if let Some(choices) = schema.get("oneOf").or_else(|| schema.get("anyOf")) {
        let is_null = |choice: &&Document| choice.get("type").and_then(Document::as_text) == Some("null");
        return match choices
            .elements()
            .iter()
            .filter(|choice| !is_null(choice))
            .collect::<Vec<_>>()
            .as_slice()
        {
            [only] => type_of(only, in_capitals),
            _ => Err("a choice of several types has no type in SQL; declare the columns".to_owned()),
        };
    }
    let hint = schema.get("connect.type").and_then(Document::as_text);
    let title = schema.get("title").and_then(Document::as_text);
    match (name_of(schema), hint) {
        (Some("boolean"), _) => Ok(Type::Boolean),
        (Some("integer"), _) if title == Some(TIMESTAMP) => Ok(Type::Timestamp),
        (Some("integer"), _) if title == Some(DATE) => Ok(Type::Date),
        (Some("integer"), _) if title == Some(TIME) => Ok(Type::Time),
        (Some("integer"), Some("int8" | "int16" | "int32")) => Ok(Type::Int),
        (Some("integer"), _) => Ok(Type::Bigint),
        (Some("number"), _) if title == Some(DECIMAL) => Ok(decimal(schema)),
        (Some("number"), _) => Ok(Type::Double),
        (Some("string"), Some("bytes")) => Ok(Type::Bytes),
        (Some("string"), _) => Ok(Type::String),
        (Some("array"), hint) => {
            let items = schema.get("items").ok_or("an array's items are of no type")?;
            if hint == Some("map") {
                return entry(items, in_capitals);
            }
            Ok(Type::Array(Box::new(type_of(items, in_capitals)?)))
        }
        (Some("object"), _) => object(schema, in_capitals),
        (other, _) => Err(format!("SQL has no type for {}; declare the columns", other.unwrap_or("this"))),
    }
}

fn object(schema: &Document, in_capitals: bool) -> Result<Type, String> {
    let Some(properties) = schema.get("properties") else {
        let values = schema.get("additionalProperties").filter(|values| values.get("type").is_some());
        let values = values.ok_or("an object without properties has no type in SQL; declare the columns")?;
        return Ok(Type::Map(Box::new(Type::String), Box::new(type_of(values, in_capitals)?)));
    };
    // Connect notes the order of the fields; without it, it is the schema's own.
    let place = |of: &Document| of.get("connect.index").and_then(Document::as_whole).unwrap_or(0);
    let mut fields: Vec<_> = properties.entries().iter().collect();
    fields.sort_by_key(|(_, of)| place(of));
    let column = |(name, of): &(String, Document)| {
        let ty = type_of(of, in_capitals).map_err(|reason| format!("{name}: {reason}"))?;
        Ok(Column::new(if in_capitals { name.to_uppercase() } else { name.clone() }, ty))
    };
    fields.into_iter().map(column).collect::<Result<_, String>>().map(Type::Struct)
}

fn decimal(schema: &Document) -> Type {
    let parameters = schema.get("connect.parameters");
    let number = |name: &str| {
        let text = parameters.and_then(|parameters| parameters.get(name)).and_then(Document::as_text)?;
        text.parse::<u8>().ok()
    };
    let scale = number("scale").unwrap_or(0);
    Type::Decimal { precision: number("connect.decimal.precision").unwrap_or(38), scale }
}

/// The schema that a row of these columns is written with; every field may be null.
pub(super) fn schema_of(columns: &[Column], is_bare: bool) -> Document {
    match columns {
        [only] if is_bare => json_type(&only.ty),
        columns => record(columns),
    }
}

fn text(text: &str) -> Document {
    Document::Text(text.to_owned())
}

fn of(entries: Vec<(&str, Document)>) -> Document {
    Document::Object(entries.into_iter().map(|(name, of)| (name.to_owned(), of)).collect())
}

fn nullable(schema: Document) -> Document {
    of(vec![("oneOf", Document::Array(vec![of(vec![("type", text("null"))]), schema]))])
}

fn record(columns: &[Column]) -> Document {
    let field = |(place, column): (usize, &Column)| {
        let place = ("connect.index".to_owned(), Document::Number(place.to_string()));
        let mut schema = nullable(json_type(&column.ty));
        if let Document::Object(entries) = &mut schema {
            entries.push(place);
        }
        (column.name.clone(), schema)
    };
    let properties = columns.iter().enumerate().map(field).collect();
    of(vec![("type", text("object")), ("properties", Document::Object(properties))])
}

fn json_type(ty: &Type) -> Document {
    let titled = |title: &str, hint: &str| {
        of(vec![("type", text("integer")), ("title", text(title)), ("connect.type", text(hint))])
    };
    let hinted = |name: &str, hint: &str| of(vec![("type", text(name)), ("connect.type", text(hint))]);
    match ty {
        Type::Boolean => of(vec![("type", text("boolean"))]),
        Type::Int => hinted("integer", "int32"),
        Type::Bigint => hinted("integer", "int64"),
        Type::Double => hinted("number", "float64"),
        Type::String => of(vec![("type", text("string"))]),
        Type::Bytes => hinted("string", "bytes"),
        Type::Timestamp => titled(TIMESTAMP, "int64"),
        Type::Date => titled(DATE, "int32"),
        Type::Time => titled(TIME, "int32"),
        Type::Decimal { precision, scale } => {
            let parameters = of(vec![
                ("scale", text(&scale.to_string())),
                ("connect.decimal.precision", text(&precision.to_string())),
            ]);
            of(vec![("type", text("number")), ("title", text(DECIMAL)), ("connect.parameters", parameters)])
        }
        Type::Array(item) => of(vec![("type", text("array")), ("items", nullable(json_type(item)))]),
        Type::Map(_, inner) => of(vec![("type", text("object")), ("additionalProperties", json_type(inner))]),
        Type::Struct(columns) => record(columns),
    }
}
