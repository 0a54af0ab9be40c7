use serde_json::{Value, json};

use super::request::SchemaRequest;
use super::{Call, Journal, Problem};

/// Whether a schema could be registered as things are.
pub(super) fn with_all(journal: &Journal, call: &Call) -> Result<Value, Problem> {
    let (subject, request) = (call.subject()?, call.body::<SchemaRequest>()?);
    told(
        call,
        journal
            .read(|state| state.objections(&subject, &request.registration(state, call.is_set("normalize"))?))
            .map_err(Problem::from),
    )
}

/// Whether a schema goes with one version.
pub(super) fn with_one(journal: &Journal, call: &Call) -> Result<Value, Problem> {
    let (subject, version, request) = (call.subject()?, call.version()?, call.body::<SchemaRequest>()?);
    told(
        call,
        journal
            .read(|state| {
                state.objections_of(
                    &subject,
                    version,
                    &request.registration(state, call.is_set("normalize"))?,
                )
            })
            .map_err(Problem::from),
    )
}

/// Those who ask to be told why are told so of a schema that is none, too.
fn told(call: &Call, found: Result<Vec<String>, Problem>) -> Result<Value, Problem> {
    let is_verbose = call.is_set("verbose");
    let objections = match found {
        Err(problem) if is_verbose && problem.is_of_schema() => vec![problem.message()],
        found => found?,
    };
    let mut told = json!({ "is_compatible": objections.is_empty() });
    if let (true, Value::Object(members)) = (is_verbose, &mut told) {
        members.insert("messages".to_owned(), objections.into());
    }
    Ok(told)
}
