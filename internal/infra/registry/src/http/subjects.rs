use millstream_registry_rules::{Definition, Filter};
use serde_json::Value;

use super::request::SchemaRequest;
use super::{Call, Journal, Problem, told};

pub(super) fn list(journal: &Journal, call: &Call) -> Result<Value, Problem> {
    // Confluent's word for all contexts, of which there is one.
    let prefix = call.text("subjectPrefix");
    let prefix = prefix.strip_prefix(":*:").unwrap_or(prefix);
    Ok(journal.read(|state| Ok(told::texts(call.page(state.subjects(call.filter(), prefix)))))?)
}

/// Finds a schema under a subject.
pub(super) fn look_up(journal: &Journal, call: &Call) -> Result<Value, Problem> {
    let (subject, request) = (call.subject()?, call.body::<SchemaRequest>()?);
    Ok(journal.read(|state| {
        let wanted = request.registration(state, call.is_set("normalize"))?;
        let found = state.look_up(&subject, &wanted, call.filter())?;
        Ok(told::version(
            &subject,
            found.version,
            found.id,
            call.takes_more && found.is_deleted,
            &found.definition,
        ))
    })?)
}

/// The newest version whose metadata has all of some properties.
pub(super) fn with_metadata(journal: &Journal, call: &Call) -> Result<Value, Problem> {
    let subject = call.subject()?;
    let has_all = |definition: &Definition| {
        let metadata =
            definition.metadata.as_deref().and_then(|json| serde_json::from_str::<Value>(json).ok());
        let Some(properties) = metadata.as_ref().and_then(|metadata| metadata.get("properties")) else {
            return false;
        };
        let mut wanted = call.all("key").zip(call.all("value"));
        wanted.all(|(key, value)| properties.get(key).and_then(Value::as_str) == Some(value))
    };
    Ok(journal.read(|state| {
        let filter = if call.is_set("deleted") { Filter::WithDeleted } else { Filter::Live };
        let (version, entry) = state.newest(&subject, filter, has_all)?;
        let is_deleted = call.takes_more && entry.is_deleted();
        Ok(told::version(&subject, version, entry.id(), is_deleted, entry.definition()))
    })?)
}

pub(super) fn erase(journal: &Journal, call: &Call) -> Result<Value, Problem> {
    let (subject, is_permanent) = (call.subject()?, call.is_set("permanent"));
    let versions = journal.write(|state| state.delete_subject(&subject, is_permanent))?;
    tracing::info!(%subject, is_permanent, "deleted a subject");
    Ok(versions.into())
}
