use millstream_registry_rules::{Config, Level, Refusal, Subject};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Call, Journal, Problem};

/// Settings as clients send them.
#[derive(Deserialize)]
struct ConfigRequest {
    #[serde(default)]
    compatibility: Option<String>,
    #[serde(default)]
    normalize: Option<bool>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

/// Settings of Confluent's that would be promises if they were kept silently.
const NOT_KEPT: &[&str] = &[
    "alias",
    "compatibilityGroup",
    "compatibilityPolicy",
    "defaultMetadata",
    "overrideMetadata",
    "defaultRuleSet",
    "overrideRuleSet",
    "validateFields",
];

impl ConfigRequest {
    fn change(&self) -> Result<Config, Refusal> {
        let asks = |name: &&&str| {
            self.others.get(**name).is_some_and(|value| !matches!(value, Value::Null | Value::Bool(false)))
        };
        if let Some(name) = NOT_KEPT.iter().find(asks) {
            return Err(Refusal::NotPermitted(format!("this registry does not have the setting '{name}'")));
        }
        let level = self.compatibility.as_deref().map(Level::called).transpose()?;
        Ok(Config { level, normalize: self.normalize })
    }
}

/// Settings are told by one name where they are asked for, and by another where they were just made.
fn told(config: Config, level: &str) -> Value {
    let mut told = Map::new();
    told.extend(config.level.map(|found| (level.to_owned(), found.name().into())));
    told.extend(config.normalize.map(|normalize| ("normalize".to_owned(), normalize.into())));
    told.into()
}

pub(super) fn get(journal: &Journal, call: &Call) -> Result<Value, Problem> {
    let scope = call.scope()?;
    Ok(journal.read(|state| {
        let found = match &scope {
            Some(subject) if !call.is_set("defaultToGlobal") => {
                state.config(&scope).ok_or_else(|| Refusal::NoConfig(Subject::clone(subject)))?
            }
            _ => state.effective_config(&scope),
        };
        Ok(told(found, "compatibilityLevel"))
    })?)
}

pub(super) fn set(journal: &Journal, call: &Call) -> Result<Value, Problem> {
    let scope = call.scope()?;
    let change = call.body::<ConfigRequest>()?.change()?;
    let config = journal.write(|state| state.set_config(&scope, change))?;
    Ok(told(config, "compatibility"))
}

pub(super) fn unset(journal: &Journal, call: &Call) -> Result<Value, Problem> {
    let scope = call.scope()?;
    let config = journal.write(|state| state.delete_config(&scope))?;
    Ok(told(config, "compatibilityLevel"))
}
