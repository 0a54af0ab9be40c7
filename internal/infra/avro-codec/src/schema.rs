use apache_avro::Schema;
use apache_avro::schema::{DecimalSchema, NamesRef, RecordSchema, ResolvedSchema, UnionSchema};
use millstream_model::{Column, Type, Value};
use millstream_ports::FoundColumns;
use serde_json::{Value as Json, json};

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
            Schema::Array(array) => Type::Array(Box::new(self.type_of(&array.items)?)),
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

    fn none_for(&self, schema: &Schema) -> String {
        format!("{}: SQL has no type for {schema:?}; declare the columns that are needed", self.place)
    }

    fn fields(&self, record: &RecordSchema) -> Result<Vec<Column>, String> {
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

/// The schema that a row of these columns is written with: every field may be null and is null by default, so that columns
/// can be added. `record` names the record, and nested ones are named after their fields.
pub(crate) fn schema_of(record: &str, columns: &[Column]) -> Json {
    let field = |column: &Column| {
        let inner = json_type(&column.ty, &format!("{record}_{}", column.name));
        json!({ "name": column.name, "type": ["null", inner], "default": null })
    };
    json!({ "type": "record", "name": legal(record), "namespace": "millstream.rules", "fields": columns.iter().map(field).collect::<Vec<_>>() })
}

fn json_type(ty: &Type, name: &str) -> Json {
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
        Type::Array(item) => json!({ "type": "array", "items": ["null", json_type(item, name)] }),
        Type::Map(_, value) => json!({ "type": "map", "values": ["null", json_type(value, name)] }),
        Type::Struct(fields) => schema_of(name, fields),
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
        for (ty, why) in [
            (tree, "next: record T holds itself"),
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
        assert_eq!(schema_of("1.b-c_value", &[])["name"], "_1_b_c_value");
    }
}
