use apache_avro::Schema;
use apache_avro::schema::{DecimalSchema, NamesRef, RecordSchema, ResolvedSchema, UnionSchema};
use millstream_model::{Column, Type, Value};
use millstream_ports::FoundColumns;
use serde_json::{Value as Json, json};

/// How Kafka Connect marks, or names, the record of a map's entry: Avro's own maps have keys of text only.
const ENTRY_MARK: &str = "connect.internal.type";
const ENTRY: &str = "MapEntry";

/// Most digits that a decimal column holds.
const DIGITS_MAX: u8 = 38;

/// The columns of a record's schema, names in capitals where that is asked for; of another schema, one column without a
/// name.
///
/// # Errors
/// A sentence that names the field whose type SQL does not have.
pub(crate) fn columns_of(schema: &str, in_capitals: bool) -> Result<FoundColumns, String> {
    let schema = Schema::parse_str(schema).map_err(|error| error.to_string())?;
    let resolved = ResolvedSchema::try_from(&schema).map_err(|error| error.to_string())?;
    let walk = Walk { names: resolved.get_names(), place: "the schema", outer: None, in_capitals };
    Ok(match walk.type_of(&schema)? {
        Type::Struct(columns) => FoundColumns { columns, is_bare: false },
        other => FoundColumns { columns: vec![Column::new("", other)], is_bare: true },
    })
}

/// The fields that a record's schema has besides these columns, each with its default; null where it has none.
///
/// # Errors
/// As [`columns_of`].
pub(crate) fn defaults(schema: &str, columns: &[Column]) -> Result<Vec<(Column, Value)>, String> {
    let found = columns_of(schema, false)?;
    let json: Json = serde_json::from_str(schema).map_err(|error| error.to_string())?;
    let default = |name: &str| {
        let fields = json.get("fields")?.as_array()?;
        fields.iter().find(|field| field.get("name").and_then(Json::as_str) == Some(name))?.get("default")
    };
    let is_more = |column: &Column| !found.is_bare && columns.iter().all(|known| known.name != column.name);
    let more = found.columns.iter().filter(|column| is_more(column));
    Ok(more.map(|column| (column.clone(), value_of(default(&column.name), &column.ty))).collect())
}

/// A default as a value of a type; only plain types have others than null.
fn value_of(default: Option<&Json>, ty: &Type) -> Value {
    let found = default.and_then(|default| match ty {
        Type::String => default.as_str().map(Value::text),
        Type::Boolean => default.as_bool().map(Value::Boolean),
        Type::Int => default.as_i64().and_then(|number| i32::try_from(number).ok()).map(Value::Int),
        Type::Bigint => default.as_i64().map(Value::Bigint),
        Type::Double => default.as_f64().map(Value::Double),
        _ => None,
    });
    found.unwrap_or(Value::Null)
}

/// Where in a schema it is read, and inside of what.
#[derive(Clone, Copy)]
struct Walk<'w> {
    names: &'w NamesRef<'w>,
    place: &'w str,
    outer: Option<(&'w RecordSchema, &'w Walk<'w>)>,
    in_capitals: bool,
}

impl Walk<'_> {
    fn type_of(&self, schema: &Schema) -> Result<Type, String> {
        Ok(match schema {
            Schema::Boolean => Type::Boolean,
            Schema::Int => Type::Int,
            Schema::Date => Type::Date,
            Schema::TimeMillis => Type::Time,
            // Only milliseconds are a TIMESTAMP; finer ones are the numbers they are.
            Schema::Long
            | Schema::TimeMicros
            | Schema::TimestampMicros
            | Schema::LocalTimestampMicros
            | Schema::LocalTimestampMillis => Type::Bigint,
            Schema::Float | Schema::Double => Type::Double,
            Schema::String | Schema::Enum(_) | Schema::Uuid(_) => Type::String,
            Schema::Bytes | Schema::Fixed(_) => Type::Bytes,
            Schema::TimestampMillis => Type::Timestamp,
            Schema::Decimal(decimal) => self.decimal(decimal)?,
            Schema::Array(array) => match self.entry(&array.items)? {
                Some((key, value)) => Type::Map(Box::new(key), Box::new(value)),
                None => Type::Array(Box::new(self.type_of(&array.items)?)),
            },
            Schema::Map(map) => Type::Map(Box::new(Type::String), Box::new(self.type_of(&map.types)?)),
            Schema::Record(record) => Type::Struct(self.fields(record)?),
            Schema::Union(union) => self.nullable(union)?,
            Schema::Ref { name } => match self.names.get(name) {
                Some(named) => self.type_of(named)?,
                None => return Err(self.none_for(schema)),
            },
            other => return Err(self.none_for(other)),
        })
    }

    /// The key's and the value's types, where an array's items are what Kafka Connect and ksqlDB write for the entries of a
    /// map.
    fn entry(&self, items: &Schema) -> Result<Option<(Type, Type)>, String> {
        let record = match items {
            Schema::Record(record) => record,
            Schema::Ref { name } => match self.names.get(name) {
                Some(Schema::Record(record)) => record,
                _ => return Ok(None),
            },
            _ => return Ok(None),
        };
        let is_marked = record.attributes.get(ENTRY_MARK).and_then(Json::as_str) == Some(ENTRY);
        let [key, value] = record.fields.as_slice() else { return Ok(None) };
        if !(is_marked || record.name.name() == ENTRY)
            || (key.name.as_str(), value.name.as_str()) != ("key", "value")
        {
            return Ok(None);
        }
        self.not_within(record)?;
        let walk = Walk { place: &value.name, outer: Some((record, self)), ..*self };
        Ok(Some((walk.type_of(&key.schema)?, walk.type_of(&value.schema)?)))
    }

    /// Refuses a record that stands inside of itself.
    fn not_within(&self, record: &RecordSchema) -> Result<(), String> {
        let is_this = |walk: &Walk<'_>| walk.outer.is_some_and(|(outer, _)| outer.name == record.name);
        let mut inside = Some(self);
        while let Some(walk) = inside {
            if is_this(walk) {
                return Err(format!(
                    "{}: record {} holds itself, which no type in SQL does",
                    self.place, record.name
                ));
            }
            inside = walk.outer.map(|(_, outer)| outer);
        }
        Ok(())
    }

    fn none_for(&self, schema: &Schema) -> String {
        format!("{}: SQL has no type for {schema:?}; declare the columns that are needed", self.place)
    }

    fn fields(&self, record: &RecordSchema) -> Result<Vec<Column>, String> {
        self.not_within(record)?;
        record
            .fields
            .iter()
            .map(|field| {
                let walk = Walk { place: &field.name, outer: Some((record, self)), ..*self };
                let name = if self.in_capitals { field.name.to_uppercase() } else { field.name.clone() };
                Ok(Column::new(name, walk.type_of(&field.schema)?))
            })
            .collect()
    }

    fn decimal(&self, decimal: &DecimalSchema) -> Result<Type, String> {
        match (u8::try_from(decimal.precision), u8::try_from(decimal.scale)) {
            (Ok(precision @ 1..=DIGITS_MAX), Ok(scale)) => Ok(Type::Decimal { precision, scale }),
            _ => Err(format!(
                "{}: a decimal of {} digits has more than {DIGITS_MAX}; declare the columns that are needed",
                self.place, decimal.precision
            )),
        }
    }

    /// Every column may be null, so a union with null is the other type.
    fn nullable(&self, union: &UnionSchema) -> Result<Type, String> {
        let known: Vec<_> = union.variants().iter().filter(|variant| **variant != Schema::Null).collect();
        match known.as_slice() {
            [only] => self.type_of(only),
            _ => Err(format!(
                "{}: a union of several types has no type in SQL; declare the columns that are needed",
                self.place
            )),
        }
    }
}

/// What the records of a schema are called, and whether its maps are lists of their entries.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    namespace: Option<String>,
    name: String,
    lists_entries: bool,
}

impl Form {
    /// That of a schema that is called after something, such as its topic.
    pub(crate) fn after(name: &str) -> Self {
        Self { namespace: Some("millstream.rules".to_owned()), name: legal(name), lists_entries: false }
    }

    /// That of a schema of this full name.
    pub(crate) fn named(full_name: &str) -> Self {
        let (namespace, name) = match full_name.rsplit_once('.') {
            Some((namespace, name)) => (Some(namespace.to_owned()), name),
            None => (None, full_name),
        };
        Self { namespace, name: legal(name), lists_entries: false }
    }

    /// That of a record's schema that somebody else has registered, as ksqlDB and Kafka Connect do.
    pub(crate) fn of(schema: &str) -> Option<Self> {
        let json: Json = serde_json::from_str(schema).ok()?;
        let text = |name: &str| json.get(name).and_then(Json::as_str);
        let name = text("name").filter(|_| text("type") == Some("record"))?;
        let full_name = text("namespace").filter(|_| !name.contains('.'));
        let full_name = full_name.map_or_else(|| name.to_owned(), |namespace| format!("{namespace}.{name}"));
        Some(Self { lists_entries: true, ..Self::named(&full_name) })
    }

    /// The same for what stands in a field.
    fn inside(&self, field: &str) -> Self {
        Self { name: legal(&format!("{}_{field}", self.name)), ..self.clone() }
    }
}

/// The schema that a row of these columns is written with: every field may be null and is null by default, so that columns
/// can be added. Nested records are named after their fields.
pub(crate) fn schema_of(form: &Form, columns: &[Column]) -> Json {
    let field = |column: &Column| {
        let inner = json_type(&column.ty, &form.inside(&column.name));
        json!({ "name": column.name, "type": ["null", inner], "default": null })
    };
    let fields: Vec<_> = columns.iter().map(field).collect();
    let mut schema = json!({ "type": "record", "name": form.name, "fields": fields });
    if let (Some(namespace), Some(schema)) = (&form.namespace, schema.as_object_mut()) {
        schema.insert("namespace".to_owned(), json!(namespace));
    }
    schema
}

fn json_type(ty: &Type, form: &Form) -> Json {
    match ty {
        Type::Boolean => json!("boolean"),
        Type::Int => json!("int"),
        Type::Bigint => json!("long"),
        Type::Double => json!("double"),
        Type::String => json!("string"),
        Type::Bytes => json!("bytes"),
        Type::Timestamp => json!({ "type": "long", "logicalType": "timestamp-millis" }),
        Type::Date => json!({ "type": "int", "logicalType": "date" }),
        Type::Time => json!({ "type": "int", "logicalType": "time-millis" }),
        Type::Decimal { precision, scale } => {
            json!({ "type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale })
        }
        Type::Array(item) => json!({ "type": "array", "items": ["null", json_type(item, form)] }),
        Type::Map(key, value) if **key == Type::String && !form.lists_entries => {
            json!({ "type": "map", "values": ["null", json_type(value, form)] })
        }
        Type::Map(key, value) => {
            let entry = [Column::new("key", (**key).clone()), Column::new("value", (**value).clone())];
            let mut entry = schema_of(form, &entry);
            if let Some(entry) = entry.as_object_mut() {
                entry.insert(ENTRY_MARK.to_owned(), json!(ENTRY));
            }
            json!({ "type": "array", "items": entry })
        }
        Type::Struct(fields) => schema_of(form, fields),
    }
}

/// Avro's names are letters, digits and underscores, with no digit at the beginning.
fn legal(name: &str) -> String {
    let first = if name.starts_with(|c: char| c.is_ascii_digit()) { "_" } else { "" };
    let rest = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' });
    first.chars().chain(rest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(fields: &str) -> Result<String, String> {
        let schema = format!(r#"{{"type": "record", "name": "R", "fields": [{fields}]}}"#);
        let columns = columns_of(&schema, true)?.columns;
        Ok(columns.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
    }

    #[test]
    fn fields_become_columns_of_the_type_that_sql_has_for_them() {
        for (ty, expected) in [
            (r#"["null", "string"]"#, "F STRING"),
            (r#"["long", "null"]"#, "F BIGINT"),
            (r#""float""#, "F DOUBLE"),
            (r#"{"type": "long", "logicalType": "timestamp-millis"}"#, "F TIMESTAMP"),
            (r#"{"type": "long", "logicalType": "timestamp-micros"}"#, "F BIGINT"),
            (r#"{"type": "int", "logicalType": "date"}"#, "F DATE"),
            (r#"{"type": "int", "logicalType": "time-millis"}"#, "F TIME"),
            (r#"{"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 3}"#, "F DECIMAL(9, 3)"),
            (r#"{"type": "enum", "name": "E", "symbols": ["A"]}"#, "F STRING"),
            (r#"{"type": "fixed", "name": "X", "size": 4}"#, "F BYTES"),
            (
                r#"{"type": "map", "values": {"type": "array", "items": ["null", "int"]}}"#,
                "F MAP<STRING, ARRAY<INT>>",
            ),
        ] {
            assert_eq!(found(&format!(r#"{{"name": "f", "type": {ty}}}"#)).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn a_type_that_is_named_again_is_the_one_written_before() {
        let price = r#"{"type": "record", "name": "Price", "fields": [{"name": "cents", "type": "int"}]}"#;
        let twice =
            format!(r#"{{"name": "now", "type": {price}}}, {{"name": "before", "type": ["null", "Price"]}}"#);
        assert_eq!(found(&twice).as_deref(), Ok("NOW STRUCT<CENTS INT>, BEFORE STRUCT<CENTS INT>"));
    }

    #[test]
    fn what_sql_has_no_type_for_is_refused_by_the_fields_name() {
        let tree = r#"{"type": "record", "name": "T", "fields": [{"name": "next", "type": ["null", "T"]}]}"#;
        let entries = r#"{"type": "array", "items": {"type": "record", "name": "MapEntry", "fields": [
            {"name": "key", "type": "string"}, {"name": "value", "type": {"type": "array", "items": "MapEntry"}}]}}"#;
        for (ty, why) in [
            (tree, "next: record T holds itself"),
            (entries, "value: record MapEntry holds itself"),
            (r#"["int", "string"]"#, "f: a union of several types"),
            (
                r#"{"type": "bytes", "logicalType": "decimal", "precision": 39, "scale": 2}"#,
                "f: a decimal of 39 digits",
            ),
            (r#""null""#, "f: SQL has no type for Null"),
        ] {
            let said = found(&format!(r#"{{"name": "f", "type": {ty}}}"#)).unwrap_err();
            assert!(said.starts_with(why), "{said}");
        }
    }

    #[test]
    fn a_bare_schema_is_one_column_without_a_name() {
        let found = columns_of(r#"["null", "string"]"#, true).unwrap();
        assert_eq!(found, FoundColumns { columns: vec![Column::new("", Type::String)], is_bare: true });
    }

    #[test]
    fn what_a_given_schema_has_besides_takes_its_defaults() {
        let schema = r#"{"type": "record", "name": "R", "fields": [{"name": "a", "type": "int"},
            {"name": "b", "type": "string", "default": "none"}, {"name": "c", "type": ["null", "long"]}]}"#;
        let more = defaults(schema, &[Column::new("a", Type::Int)]).unwrap();
        let expected = [
            (Column::new("b", Type::String), Value::text("none")),
            (Column::new("c", Type::Bigint), Value::Null),
        ];
        assert_eq!(more, expected);
    }

    #[test]
    fn records_are_named_as_avro_allows() {
        assert_eq!(schema_of(&Form::after("1.b-c_value"), &[])["name"], "_1_b_c_value");
    }

    #[test]
    fn full_names_are_a_namespace_and_a_name() {
        let column =
            [Column::new("lines", Type::Array(Box::new(Type::Struct(vec![Column::new("n", Type::Int)]))))];
        let schema = schema_of(&Form::named("shop.sales.Order"), &column);
        assert_eq!((&schema["namespace"], &schema["name"]), (&json!("shop.sales"), &json!("Order")));
        assert_eq!(schema.pointer("/fields/0/type/1/items/1/name"), Some(&json!("Order_lines")));
        assert_eq!(schema_of(&Form::named("Order"), &[]).get("namespace"), None);
    }
}
