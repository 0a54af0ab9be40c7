use millstream_registry_rules::{Filter, Refusal, State};
use serde_json::{Value, json};

use super::request::SchemaRequest;
use super::{Call, Journal, Problem, told};

pub(super) fn list(journal: &Journal, call: &Call) -> Result<Value, Problem> {
    let subject = call.subject()?;
    Ok(journal.read(|state| Ok(call.page(state.versions(&subject, call.filter())?).into()))?)
}

pub(super) fn register(journal: &Journal, call: &Call) -> Result<Value, Problem> {
    let (subject, request) = (call.subject()?, call.body::<SchemaRequest>()?);
    let normalize = call.is_set("normalize");
    let registered =
        journal.write(|state| state.register(&subject, &request.registration(state, normalize)?))?;
    tracing::debug!(%subject, id = registered.id, version = registered.version, "registered a schema");
    let (id, version) = (registered.id, registered.version);
    Ok(if call.takes_more { json!({ "id": id, "version": version }) } else { json!({ "id": id }) })
}

pub(super) fn one(journal: &Journal, call: &Call) -> Result<Value, Problem> {
    Ok(journal.read(|state| {
        let (subject, range) = (call.subject()?, call.version()?);
        let (version, entry) = state.version(&subject, range, with_deleted(call))?;
        Ok(told::version(
            &subject,
            version,
            entry.id(),
            call.takes_more && entry.is_deleted(),
            entry.definition(),
        ))
    })?)
}

pub(super) fn text(journal: &Journal, call: &Call) -> Result<Value, Problem> {
    Ok(journal.read(|state| {
        let (_, entry) = state.version(&call.subject()?, call.version()?, with_deleted(call))?;
        Ok(entry.definition().text.as_str().into())
    })?)
}

/// The ids of the schemas that take types from a version.
pub(super) fn referrers(journal: &Journal, call: &Call) -> Result<Value, Problem> {
    let found = |state: &State| -> Result<Value, Refusal> {
        let subject = call.subject()?;
        let (version, _) = state.version(&subject, call.version()?, Filter::WithDeleted)?;
        Ok(call.page(state.referrers(&subject, version)).into())
    };
    Ok(journal.read(found)?)
}

pub(super) fn erase(journal: &Journal, call: &Call) -> Result<Value, Problem> {
    let (subject, range, is_permanent) = (call.subject()?, call.version()?, call.is_set("permanent"));
    let version = journal.write(|state| state.delete_version(&subject, range, is_permanent))?;
    tracing::info!(%subject, version, is_permanent, "deleted a version");
    Ok(version.into())
}

fn with_deleted(call: &Call) -> Filter {
    if call.is_set("deleted") { Filter::WithDeleted } else { Filter::Live }
}
