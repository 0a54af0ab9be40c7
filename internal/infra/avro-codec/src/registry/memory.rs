use std::collections::BTreeMap;

use super::Registered;

/// A registry's content, kept by the process itself.
#[derive(Default)]
pub(super) struct Memory {
    schemas: BTreeMap<u32, String>,
    subjects: BTreeMap<String, Vec<u32>>,
}

impl Memory {
    pub(super) fn schema(&self, id: u32) -> Option<&String> {
        self.schemas.get(&id)
    }

    pub(super) fn latest(&self, subject: &str) -> Option<Registered> {
        let versions = self.subjects.get(subject)?;
        let id = *versions.last()?;
        let version = u32::try_from(versions.len()).unwrap_or(u32::MAX);
        Some(Registered { id, version, schema: self.schemas.get(&id)?.clone() })
    }

    /// Puts a schema under an id of its own, or that of the same text where it is known.
    pub(super) fn register(&mut self, subject: &str, schema: &str) -> u32 {
        let known = self.schemas.iter().find(|(_, text)| *text == schema).map(|(id, _)| *id);
        let next = self.schemas.keys().next_back().map_or(1, |last| last + 1);
        let id = known.unwrap_or(next);
        self.put(subject, id, schema);
        id
    }

    pub(super) fn forget(&mut self, subject: &str) {
        self.subjects.remove(subject);
    }

    pub(super) fn put(&mut self, subject: &str, id: u32, schema: &str) {
        self.schemas.insert(id, schema.to_owned());
        let versions = self.subjects.entry(subject.to_owned()).or_default();
        if versions.last() != Some(&id) {
            versions.push(id);
        }
    }
}
