use apache_avro::Schema;
use apache_avro::schema::{DecimalSchema, RecordSchema, UnionSchema};
use millstream_model::{Column, Type};
use serde_json::{Value as Json, json};

/// The columns of a record's schema, names in capitals as ksqlDB has them; of another schema, one column without a name.
///
/// # Errors
/// A sentence that names the field whose type SQL does not have.
pub(crate) fn columns_of(schema: &str) -> Result<Vec<Column>, String> {
    match Schema::parse_str(schema).map_err(|error| error.to_string())? {
        Schema::Record(record) => fields(&record),
        other => Ok(vec![Column::new("", type_of(&other, "the schema")?)]),
    }
}

fn fields(record: &RecordSchema) -> Result<Vec<Column>, String> {
    record
        .fields
        .iter()
        .map(|field| Ok(Column::new(field.name.to_uppercase(), type_of(&field.schema, &field.name)?)))
        .collect()
}

fn type_of(schema: &Schema, place: &str) -> Result<Type, String> {
    Ok(match schema {
        Schema::Boolean => Type::Boolean,
        Schema::Int => Type::Int,
        Schema::Long => Type::Bigint,
        Schema::Float | Schema::Double => Type::Double,
        Schema::String | Schema::Enum(_) | Schema::Uuid(_) => Type::String,
        Schema::Bytes | Schema::Fixed(_) => Type::Bytes,
        Schema::TimestampMillis => Type::Timestamp,
        Schema::Decimal(decimal) => decimal_type(decimal, place)?,
        Schema::Array(array) => Type::Array(Box::new(type_of(&array.items, place)?)),
        Schema::Map(map) => Type::Map(Box::new(type_of(&map.types, place)?)),
        Schema::Record(record) => Type::Struct(fields(record)?),
        Schema::Union(union) => nullable(union, place)?,
        other => return Err(format!("{place}: SQL has no type for {other:?}")),
    })
}

fn decimal_type(decimal: &DecimalSchema, place: &str) -> Result<Type, String> {
    match (u8::try_from(decimal.precision), u8::try_from(decimal.scale)) {
        (Ok(precision @ 1..=28), Ok(scale)) => Ok(Type::Decimal { precision, scale }),
        _ => Err(format!("{place}: a decimal of {} digits has more than 28", decimal.precision)),
    }
}

/// Every column may be null, so a union with null is the other type.
fn nullable(union: &UnionSchema, place: &str) -> Result<Type, String> {
    let known: Vec<_> = union.variants().iter().filter(|variant| **variant != Schema::Null).collect();
    match known.as_slice() {
        [only] => type_of(only, place),
        _ => Err(format!("{place}: a union of several types has no type in SQL")),
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
        Type::Decimal { precision, scale } => {
            json!({ "type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale })
        }
        Type::Array(item) => json!({ "type": "array", "items": ["null", json_type(item, name)] }),
        Type::Map(value) => json!({ "type": "map", "values": ["null", json_type(value, name)] }),
        Type::Struct(fields) => schema_of(name, fields),
    }
}

/// Avro's names are letters, digits and underscores.
fn legal(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}
