use millstream_registry_rules::{Key, Subject};
use serde::{Deserialize, Serialize};

/// A key as it is written. The order of the fields is Confluent's, since compaction compares bytes.
#[derive(Serialize)]
pub(super) struct Told<'a> {
    keytype: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u32>,
    magic: u8,
}

#[derive(Deserialize)]
struct Read {
    keytype: String,
    #[serde(default)]
    subject: Option<String>,
    #[serde(default)]
    version: Option<u32>,
}

pub(super) fn told(key: &Key) -> Told<'_> {
    let of = |keytype, subject| Told { keytype, subject, version: None, magic: 0 };
    match key {
        Key::Schema(subject, version) => {
            Told { version: Some(*version), magic: 1, ..of("SCHEMA", Some(subject.as_str())) }
        }
        Key::Config(scope) => of("CONFIG", scope.as_ref().map(Subject::as_str)),
        Key::Mode(scope) => of("MODE", scope.as_ref().map(Subject::as_str)),
        Key::DeleteSubject(subject) => of("DELETE_SUBJECT", Some(subject.as_str())),
        Key::ClearSubject(scope) => of("CLEAR_SUBJECT", scope.as_ref().map(Subject::as_str)),
        Key::Noop => of("NOOP", None),
    }
}

/// `None` where the key is about something that this registry does not have: other kinds, and subjects of other contexts.
pub(super) fn read(bytes: &[u8]) -> Result<Option<Key>, String> {
    let read: Read =
        serde_json::from_slice(bytes).map_err(|error| format!("its key is not a registry's: {error}"))?;
    let scope = match read.subject.filter(|subject| !subject.is_empty()).map(Subject::new) {
        Some(Ok(subject)) => Some(subject),
        Some(Err(_)) => return Ok(None),
        None => None,
    };
    let subject =
        || scope.clone().ok_or_else(|| format!("its key of kind {} names no subject", read.keytype));
    Ok(Some(match read.keytype.as_str() {
        "SCHEMA" => Key::Schema(subject()?, read.version.ok_or("its key names no version")?),
        "CONFIG" => Key::Config(scope),
        "MODE" => Key::Mode(scope),
        "DELETE_SUBJECT" => Key::DeleteSubject(subject()?),
        "CLEAR_SUBJECT" => Key::ClearSubject(scope),
        "NOOP" => Key::Noop,
        _ => return Ok(None),
    }))
}
