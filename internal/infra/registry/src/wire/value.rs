use std::sync::Arc;

use millstream_registry_rules::{
    Config, Definition, Key, Language, Level, Mode, Record, Reference, Stored, Subject, Version,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SchemaValue {
    subject: String,
    version: u32,
    id: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    schema_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    references: Option<Vec<ReferenceValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    metadata: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rule_set: Option<Value>,
    schema: String,
    #[serde(default)]
    deleted: bool,
}

#[derive(Serialize, Deserialize)]
struct ReferenceValue {
    name: String,
    subject: String,
    version: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ConfigValue {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    normalize: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    compatibility_level: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct ModeValue {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    mode: String,
}

#[derive(Serialize, Deserialize)]
struct SubjectValue {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<u32>,
}

/// Confluent's registry writes none, and takes no notice of it.
#[derive(Serialize, Deserialize)]
struct NoopValue {
    #[serde(rename = "idMax")]
    id_max: u32,
}

pub(super) fn told(record: &Record) -> Result<Option<Vec<u8>>, String> {
    let name = |scope: &Option<Subject>| scope.as_ref().map(ToString::to_string);
    let value = match record {
        Record::Schema(_, _, None) | Record::Config(_, None) | Record::Mode(_, None) | Record::Noop(None) => {
            return Ok(None);
        }
        Record::Schema(subject, version, Some(stored)) => {
            serde_json::to_vec(&schema_value(subject, *version, stored)?)
        }
        Record::Config(scope, Some(config)) => serde_json::to_vec(&ConfigValue {
            subject: name(scope),
            normalize: config.normalize,
            compatibility_level: config.level.map(|level| level.name().to_owned()),
        }),
        Record::Mode(scope, Some(mode)) => {
            serde_json::to_vec(&ModeValue { subject: name(scope), mode: mode.name().to_owned() })
        }
        Record::DeleteSubject(subject, version) => {
            serde_json::to_vec(&SubjectValue { subject: Some(subject.to_string()), version: Some(*version) })
        }
        Record::ClearSubject(scope) => {
            serde_json::to_vec(&SubjectValue { subject: name(scope), version: None })
        }
        Record::Noop(Some(id_max)) => serde_json::to_vec(&NoopValue { id_max: *id_max }),
    };
    value.map(Some).map_err(|error| error.to_string())
}

fn schema_value(subject: &Subject, version: Version, stored: &Stored) -> Result<SchemaValue, String> {
    let definition = &stored.definition;
    let told = |reference: &Reference| ReferenceValue {
        name: reference.name.clone(),
        subject: reference.subject.to_string(),
        version: reference.version,
    };
    let references: Vec<_> = definition.references.iter().map(told).collect();
    Ok(SchemaValue {
        subject: subject.to_string(),
        version,
        id: stored.id,
        schema_type: Some(definition.language.name().to_owned()),
        references: Some(references).filter(|references| !references.is_empty()),
        metadata: json(definition.metadata.as_deref())?,
        rule_set: json(definition.rule_set.as_deref())?,
        schema: definition.text.clone(),
        deleted: stored.is_deleted,
    })
}

fn json(text: Option<&str>) -> Result<Option<Value>, String> {
    text.map(serde_json::from_str).transpose().map_err(|error| error.to_string())
}

pub(super) fn read(key: Key, value: Option<&[u8]>) -> Result<Option<Record>, String> {
    fn from<'a, T: Deserialize<'a>>(value: &'a [u8]) -> Result<T, String> {
        serde_json::from_slice(value).map_err(|error| format!("its value is not a registry's: {error}"))
    }
    let wrong = |refusal: millstream_registry_rules::Refusal| refusal.to_string();
    Ok(Some(match (key, value) {
        (Key::Schema(subject, version), value) => {
            let stored = value.map(|value| stored(from(value)?)).transpose()?;
            Record::Schema(subject, version, stored)
        }
        (Key::Config(scope), None) => Record::Config(scope, None),
        (Key::Config(scope), Some(value)) => {
            let value: ConfigValue = from(value)?;
            let level = value.compatibility_level.as_deref().map(Level::called).transpose().map_err(wrong)?;
            Record::Config(scope, Some(Config { level, normalize: value.normalize }))
        }
        (Key::Mode(scope), None) => Record::Mode(scope, None),
        (Key::Mode(scope), Some(value)) => {
            Record::Mode(scope, Some(Mode::called(&from::<ModeValue>(value)?.mode).map_err(wrong)?))
        }
        (Key::DeleteSubject(subject), Some(value)) => {
            let value: SubjectValue = from(value)?;
            Record::DeleteSubject(subject, value.version.ok_or("its value names no version")?)
        }
        (Key::ClearSubject(scope), Some(_)) => Record::ClearSubject(scope),
        (Key::DeleteSubject(_) | Key::ClearSubject(_), None) => return Ok(None),
        // What others may write into it is theirs.
        (Key::Noop, value) => {
            Record::Noop(value.and_then(|value| from::<NoopValue>(value).ok()).map(|noop| noop.id_max))
        }
    }))
}

fn stored(value: SchemaValue) -> Result<Stored, String> {
    let wrong = |refusal: millstream_registry_rules::Refusal| refusal.to_string();
    let language = value.schema_type.as_deref().map(Language::called).transpose().map_err(wrong)?;
    let reference = |told: ReferenceValue| {
        Ok(Reference { name: told.name, subject: Subject::new(told.subject)?, version: told.version })
    };
    let references =
        value.references.unwrap_or_default().into_iter().map(reference).collect::<Result<_, _>>();
    let definition = Definition {
        language: language.unwrap_or_default(),
        text: value.schema,
        references: references.map_err(wrong)?,
        metadata: value.metadata.map(|json| json.to_string()),
        rule_set: value.rule_set.map(|json| json.to_string()),
    };
    Ok(Stored { id: value.id, definition: Arc::new(definition), is_deleted: value.deleted })
}
