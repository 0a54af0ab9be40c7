//! Functions over JSON documents in texts.

use millstream_model::{Column, Type, Value};

use super::arguments::{at, count, text, texts};
use super::{Body, Definition, Entry};
use crate::eval::{Failure, Outcome};
use crate::json::{Json, JsonPath};

const CATEGORY: &str = "JSON";

pub(super) const FUNCTIONS: &[Definition] = &[
    Definition {
        name: "EXTRACTJSONFIELD",
        category: CATEGORY,
        about: "What a path such as '$.a.b[0]' leads to in a document: a text as it is, anything else as JSON.",
        entries: &[Entry::new("json STRING, path STRING -> STRING", Body::Two(extract))],
    },
    Definition {
        name: "TO_JSON_STRING",
        category: CATEGORY,
        about: "Any value as a JSON document.",
        entries: &[Entry::new(
            "value ANY -> STRING",
            Body::Typed(|a, types| {
                let ty = types.first().unwrap_or(&Type::String);
                Ok(Value::text(to_json(at(a, 0), ty).to_string()))
            }),
        )],
    },
    Definition {
        name: "IS_JSON_STRING",
        category: CATEGORY,
        about: "Whether a text is a JSON document.",
        entries: &[Entry::new(
            "text STRING -> BOOLEAN",
            Body::Lenient(|a| {
                Ok(Value::Boolean(at(a, 0).as_text().is_some_and(|text| Json::read(text).is_some())))
            }),
        )],
    },
    Definition {
        name: "JSON_ARRAY_CONTAINS",
        category: CATEGORY,
        about: "Whether a value is an element of a JSON array.",
        entries: &[Entry::new("json STRING, value T -> BOOLEAN", Body::Lenient(|a| Ok(contains(a))))],
    },
    Definition {
        name: "JSON_ARRAY_LENGTH",
        category: CATEGORY,
        about: "How many elements a JSON array has; null where the document is none.",
        entries: &[Entry::new(
            "json STRING -> INT",
            Body::One(|a| match document(a)? {
                Json::Array(elements) => count(elements.len()),
                _ => Ok(Value::Null),
            }),
        )],
    },
    Definition {
        name: "JSON_CONCAT",
        category: CATEGORY,
        about: "One object of all objects' members, or one array of all documents and their elements.",
        entries: &[Entry::new("documents STRING... -> STRING", Body::Strict(concat))],
    },
    Definition {
        name: "JSON_ITEMS",
        category: CATEGORY,
        about: "The elements of a JSON array, as JSON.",
        entries: &[Entry::new(
            "json STRING -> ARRAY<STRING>",
            Body::One(|a| match document(a)? {
                Json::Array(elements) => Ok(texts(elements.iter().map(ToString::to_string))),
                _ => Err(Failure::new("the document is no array")),
            }),
        )],
    },
    Definition {
        name: "JSON_KEYS",
        category: CATEGORY,
        about: "The names of a JSON object's members; null where the document is none.",
        entries: &[Entry::new(
            "json STRING -> ARRAY<STRING>",
            Body::One(|a| match document(a)? {
                Json::Object(members) => Ok(texts(members.iter().map(|(name, _)| name))),
                _ => Ok(Value::Null),
            }),
        )],
    },
    Definition {
        name: "JSON_RECORDS",
        category: CATEGORY,
        about: "The members of a JSON object: texts as they are, anything else as JSON; null where the document is none.",
        entries: &[Entry::new(
            "json STRING -> MAP<STRING, STRING>",
            Body::One(|a| match document(a)? {
                Json::Object(members) => {
                    let members = members
                        .into_iter()
                        .map(|(name, value)| (Value::String(name), Value::text(value.into_text())));
                    Ok(Value::Map(members.collect()))
                }
                _ => Ok(Value::Null),
            }),
        )],
    },
];

fn document(value: &Value) -> Result<Json, Failure> {
    Json::read(text(value)?).ok_or_else(|| Failure::new("the text is no JSON"))
}

fn extract(json: &Value, path: &Value) -> Outcome {
    let refused = || Failure::new(format!("{path:?} is no path into a document"));
    let path = JsonPath::read(text(path)?).ok_or_else(refused)?;
    let found = path.find(&document(json)?).cloned();
    Ok(found.map_or(Value::Null, |found| Value::text(found.into_text())))
}

/// What is no JSON array has no elements.
fn contains(values: &[&Value]) -> Value {
    let (Value::String(json), wanted) = (at(values, 0), at(values, 1)) else { return Value::Null };
    let Some(Json::Array(elements)) = Json::read(json) else { return Value::Boolean(false) };
    Value::Boolean(elements.iter().any(|element| is_same(element, wanted)))
}

fn is_same(element: &Json, wanted: &Value) -> bool {
    match (element, wanted) {
        (Json::Null, Value::Null) => true,
        (Json::Boolean(element), Value::Boolean(wanted)) => element == wanted,
        (Json::Text(element), Value::String(wanted)) => element == wanted,
        (Json::Number(digits), Value::Int(wanted)) => element.is_whole() && digits.parse() == Ok(*wanted),
        (Json::Number(digits), Value::Bigint(wanted)) => element.is_whole() && digits.parse() == Ok(*wanted),
        (Json::Number(digits), wanted @ Value::Double(_)) => {
            !element.is_whole() && digits.parse().map(Value::Double).as_ref() == Ok(wanted)
        }
        _ => false,
    }
}

fn concat(values: &[&Value]) -> Outcome {
    let documents = values.iter().map(|value| document(value)).collect::<Result<Vec<_>, _>>()?;
    let joined = if documents.iter().all(|document| matches!(document, Json::Object(_))) {
        let mut all = Vec::new();
        for document in documents {
            let Json::Object(members) = document else { continue };
            for (name, value) in members {
                Json::set(&mut all, name, value);
            }
        }
        Json::Object(all)
    } else {
        let elements = documents.into_iter().flat_map(|document| match document {
            Json::Array(elements) => elements,
            other => vec![other],
        });
        Json::Array(elements.collect())
    };
    Ok(Value::text(joined.to_string()))
}

/// A value as JSON. The members of structs and maps come in the order of their names.
fn to_json(value: &Value, ty: &Type) -> Json {
    let written = || Json::Text(crate::eval::text_of(value, ty).into());
    match (value, ty) {
        (Value::Null, _) => Json::Null,
        (Value::Boolean(value), _) => Json::Boolean(*value),
        (Value::Double(number), _) if !number.is_finite() => written(),
        (Value::Int(_) | Value::Bigint(_) | Value::Double(_) | Value::Decimal(_), _) => {
            Json::Number(crate::eval::text_of(value, ty).into())
        }
        (Value::Array(values), Type::Array(element)) => {
            Json::Array(values.iter().map(|value| to_json(value, element)).collect())
        }
        (Value::Map(map), Type::Map(key, of)) => {
            let member = |(name, value): (&Value, &Value)| {
                (crate::eval::text_of(name, key).into(), to_json(value, of))
            };
            Json::Object(map.iter().map(member).collect())
        }
        (Value::Struct(values), Type::Struct(fields)) => {
            let member = |(field, value): (&Column, &Value)| {
                let name: Box<str> = field.name.as_str().into();
                (name, to_json(value, &field.ty))
            };
            let mut members: Vec<_> = fields.iter().zip(values).map(member).collect();
            members.sort_by(|(left, _), (right, _)| left.cmp(right));
            Json::Object(members)
        }
        _ => written(),
    }
}
