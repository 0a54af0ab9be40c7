use std::collections::BTreeSet;

use millstream_registry_rules::Language;
use serde_json::{Value, json};

use super::{Call, Journal, Problem, told};

pub(super) fn list(journal: &Journal, call: &Call) -> Result<Value, Problem> {
    Ok(journal.read(|state| {
        let prefix = call.text("subjectPrefix");
        let prefix = prefix.strip_prefix(":*:").unwrap_or(prefix);
        let all = call.page(state.list(prefix, call.filter(), call.is_set("latestOnly")));
        let told = all.into_iter().map(|(subject, version, entry)| {
            told::version(
                subject,
                version,
                entry.id(),
                call.takes_more && entry.is_deleted(),
                entry.definition(),
            )
        });
        Ok(told.collect())
    })?)
}

#[expect(clippy::unnecessary_wraps, reason = "it is one of the deeds")]
pub(super) fn languages(_: &Journal, _: &Call) -> Result<Value, Problem> {
    Ok(Language::ALL.iter().map(|language| Value::from(language.name())).collect())
}

pub(super) fn by_id(journal: &Journal, call: &Call) -> Result<Value, Problem> {
    let id = call.id()?;
    Ok(journal.read(|state| {
        let mut told = told::schema(state.schema(id)?);
        if call.is_set("fetchMaxId") {
            told.insert("maxId".to_owned(), state.id_max().into());
        }
        Ok(told.into())
    })?)
}

pub(super) fn text(journal: &Journal, call: &Call) -> Result<Value, Problem> {
    let id = call.id()?;
    Ok(journal.read(|state| Ok(state.schema(id)?.text.as_str().into()))?)
}

pub(super) fn subjects(journal: &Journal, call: &Call) -> Result<Value, Problem> {
    let id = call.id()?;
    Ok(journal.read(|state| {
        let subjects: BTreeSet<_> =
            state.uses(id, call.filter())?.into_iter().map(|(subject, _)| subject).collect();
        Ok(told::texts(call.page(subjects)))
    })?)
}

pub(super) fn versions(journal: &Journal, call: &Call) -> Result<Value, Problem> {
    let id = call.id()?;
    Ok(journal.read(|state| {
        let told = |(subject, version): (&millstream_registry_rules::Subject, u32)| {
            json!({ "subject": subject.as_str(), "version": version })
        };
        Ok(call.page(state.uses(id, call.filter())?).into_iter().map(told).collect())
    })?)
}
