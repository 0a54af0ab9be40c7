use super::{Avro, Name, Node, Primitive, Shape};
use crate::json::Json;

/// Holds every default of the schema's own fields against the field's type.
///
/// # Errors
/// When one does not fit, naming its field.
pub(super) fn check(schema: &Avro) -> Result<(), String> {
    for (name, named) in schema.types.iter().filter(|(_, named)| !named.is_foreign) {
        let Shape::Record { fields, .. } = &named.shape else { continue };
        for field in fields {
            if let Some(default) =
                field.default.as_ref().filter(|default| !fits(default, &field.node, schema))
            {
                return Err(format!("invalid default for field '{name}.{}': {default}", field.name));
            }
        }
    }
    Ok(())
}

/// A union's default fits when it fits any branch, as the specification has it since 1.12.
fn fits(value: &Json, node: &Node, schema: &Avro) -> bool {
    match (node, value) {
        (Node::Primitive(primitive, _), value) => fits_primitive(value, *primitive),
        (Node::Array(items, _), Json::List(values)) => values.iter().all(|value| fits(value, items, schema)),
        (Node::Map(values, _), Json::Object(members)) => {
            members.iter().all(|(_, value)| fits(value, values, schema))
        }
        (Node::Union(branches), value) => branches.iter().any(|branch| fits(value, branch, schema)),
        (Node::Named(name), value) => fits_named(value, name, schema),
        _ => false,
    }
}

fn fits_primitive(value: &Json, primitive: Primitive) -> bool {
    match (primitive, value) {
        (Primitive::Null, Json::Null)
        | (Primitive::Boolean, Json::Bool(_))
        | (Primitive::Float | Primitive::Double, Json::Number(_))
        | (Primitive::Bytes | Primitive::String, Json::Text(_)) => true,
        (Primitive::Int, Json::Number(number)) => number.as_i64().is_some_and(|n| i32::try_from(n).is_ok()),
        (Primitive::Long, Json::Number(number)) => number.as_i64().is_some(),
        _ => false,
    }
}

fn fits_named(value: &Json, name: &Name, schema: &Avro) -> bool {
    let Some(named) = schema.types.get(name) else { return false };
    match (&named.shape, value) {
        (Shape::Enum { symbols, .. }, Json::Text(symbol)) => symbols.contains(symbol),
        (Shape::Fixed { .. }, Json::Text(_)) => true,
        (Shape::Record { fields, .. }, Json::Object(_)) => fields.iter().all(|field| {
            let given = value.get(&field.name).or(field.default.as_ref());
            given.is_some_and(|given| fits(given, &field.node, schema))
        }),
        _ => false,
    }
}
