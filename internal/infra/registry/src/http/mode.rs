use millstream_registry_rules::{Mode, Refusal};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Call, Journal, Problem};

#[derive(Deserialize)]
struct ModeRequest {
    mode: String,
}

fn told(mode: Mode) -> Value {
    json!({ "mode": mode.name() })
}

pub(super) fn get(journal: &Journal, call: &Call) -> Result<Value, Problem> {
    let scope = call.scope()?;
    Ok(journal.read(|state| match &scope {
        Some(subject) if !call.is_set("defaultToGlobal") => {
            state.mode(&scope).map(told).ok_or_else(|| Refusal::NoMode(subject.clone()))
        }
        _ => Ok(told(state.effective_mode(&scope))),
    })?)
}

pub(super) fn set(journal: &Journal, call: &Call) -> Result<Value, Problem> {
    let (scope, is_forced) = (call.scope()?, call.is_set("force"));
    let mode = Mode::called(&call.body::<ModeRequest>()?.mode)?;
    Ok(told(journal.write(|state| state.set_mode(&scope, mode, is_forced))?))
}

pub(super) fn unset(journal: &Journal, call: &Call) -> Result<Value, Problem> {
    let scope = call.scope()?;
    Ok(told(journal.write(|state| state.delete_mode(&scope))?))
}
