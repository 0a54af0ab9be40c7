use millstream_registry_rules::{Definition, Language, Reference, Subject, Version};
use serde_json::{Map, Value, json};

/// A schema by itself, as it is told by its id.
pub(super) fn schema(definition: &Definition) -> Map<String, Value> {
    let mut told = Map::new();
    // Clients take a schema of no type for Avro, and old ones know no other.
    if definition.language != Language::Avro {
        told.insert("schemaType".to_owned(), definition.language.name().into());
    }
    if !definition.references.is_empty() {
        told.insert("references".to_owned(), definition.references.iter().map(reference).collect());
    }
    let kept = [("metadata", &definition.metadata), ("ruleSet", &definition.rule_set)];
    for (name, json) in kept {
        let json = json.as_deref().and_then(|json| serde_json::from_str(json).ok());
        told.extend(json.map(|json: Value| (name.to_owned(), json)));
    }
    told.insert("schema".to_owned(), definition.text.as_str().into());
    told
}

fn reference(reference: &Reference) -> Value {
    json!({ "name": reference.name, "subject": reference.subject.as_str(), "version": reference.version })
}

/// A schema as a version of a subject.
pub(super) fn version(
    subject: &Subject,
    version: Version,
    id: u32,
    is_deleted: bool,
    definition: &Definition,
) -> Value {
    let mut told = schema(definition);
    told.insert("subject".to_owned(), subject.as_str().into());
    told.insert("version".to_owned(), version.into());
    told.insert("id".to_owned(), id.into());
    if is_deleted {
        told.insert("deleted".to_owned(), true.into());
    }
    told.into()
}

pub(super) fn texts<'a>(all: impl IntoIterator<Item = &'a Subject>) -> Value {
    all.into_iter().map(|subject| Value::from(subject.as_str())).collect()
}
