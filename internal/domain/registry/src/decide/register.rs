use std::sync::Arc;

use super::Decision;
use crate::language::{self, Care, Understood};
use crate::{Definition, Filter, Mode, Record, Refusal, State, Stored, Subject, Version};

/// The greatest id; ids are Java's `int`.
const ID_MAX: u32 = i32::MAX.unsigned_abs();

/// A schema that is to be registered, or looked up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registration {
    /// The schema.
    pub definition: Definition,
    /// The id it is to have, in mode IMPORT.
    pub id: Option<u32>,
    /// The version it is to have: any in mode IMPORT, the next otherwise.
    pub version: Option<Version>,
    /// Whether spellings of one schema are made one before it is kept.
    pub normalize: bool,
}

impl Registration {
    /// A schema that asks for nothing special.
    pub fn of(definition: Definition) -> Self {
        Self { definition, ..Self::default() }
    }
}

/// A version that is registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// The schema's id.
    pub id: u32,
    /// Its version in the subject.
    pub version: Version,
    /// The schema as it is kept.
    pub definition: Arc<Definition>,
    /// Whether it is deleted softly; a lookup may ask for such.
    pub is_deleted: bool,
}

impl State {
    /// Registers a schema under a subject, or finds it there.
    ///
    /// # Errors
    /// [`Refusal::InvalidSchema`], [`Refusal::Incompatible`], or [`Refusal::NotPermitted`] by the subject's mode, or where
    /// compatibility can't be checked.
    pub fn register(
        &self,
        subject: &Subject,
        wanted: &Registration,
    ) -> Result<Decision<Registered>, Refusal> {
        // What was let in once, here or by another make of registry, is found whatever is asked of new schemas.
        let known = self.understood(subject, wanted, Care::Known)?;
        let identity = language::identity(&known.definition);
        if let Some(found) = self.registered_already(subject, wanted, &identity) {
            return Ok(Decision { records: Vec::new(), answer: found });
        }
        let mode = self.may_register(subject, wanted)?;
        let care = if mode == Mode::Import { Care::Known } else { Care::New };
        let schema = self.understood(subject, wanted, care)?;
        if mode != Mode::Import {
            self.go_with_earlier(subject, &schema)?;
        }
        let version = self.version_for(subject, wanted, mode)?;
        let id = self.id_for(wanted, &identity)?;
        Ok(self.kept(subject, version, id, schema.definition))
    }

    /// Finds a schema among a subject's versions, the newest first.
    ///
    /// # Errors
    /// [`Refusal::InvalidSchema`], [`Refusal::SubjectNotFound`] or [`Refusal::SchemaNotFound`].
    pub fn look_up(
        &self,
        subject: &Subject,
        wanted: &Registration,
        filter: Filter,
    ) -> Result<Registered, Refusal> {
        let schema = self.understood(subject, wanted, Care::Known)?;
        let identity = language::identity(&schema.definition);
        self.find(subject, &identity, filter).ok_or_else(|| {
            if self.has_subject(subject, filter) {
                Refusal::SchemaNotFound
            } else {
                Refusal::SubjectNotFound(subject.clone())
            }
        })
    }

    pub(super) fn understood(
        &self,
        subject: &Subject,
        wanted: &Registration,
        care: Care,
    ) -> Result<Understood, Refusal> {
        let by_default = self.effective_config(&Some(subject.clone())).normalize.unwrap_or_default();
        language::understand(self, &wanted.definition, care, wanted.normalize || by_default)
    }

    fn find(&self, subject: &Subject, identity: &Definition, filter: Filter) -> Option<Registered> {
        let versions = match filter {
            Filter::Live => self.live_versions(subject).collect::<Vec<_>>(),
            _ => self.all_versions(subject).collect(),
        };
        let (version, entry) = versions.into_iter().rev().find(|(_, entry)| entry.identity() == identity)?;
        let definition = entry.definition().clone();
        Some(Registered { id: entry.id(), version, definition, is_deleted: entry.is_deleted() })
    }

    fn registered_already(
        &self,
        subject: &Subject,
        wanted: &Registration,
        identity: &Definition,
    ) -> Option<Registered> {
        let found = self.find(subject, identity, Filter::Live)?;
        let is_wanted = wanted.version.is_none_or(|version| version == found.version)
            && wanted.id.is_none_or(|id| id == found.id);
        is_wanted.then_some(found)
    }

    fn may_register(&self, subject: &Subject, wanted: &Registration) -> Result<Mode, Refusal> {
        let scope = Some(subject.clone());
        self.writable(&scope)?;
        let not_in = |mode| Err(Refusal::NotPermitted(format!("Subject {subject} is not in {mode} mode")));
        match (self.effective_mode(&scope), wanted.id) {
            (mode @ Mode::Import, Some(_)) | (mode @ Mode::ReadWrite, None) => Ok(mode),
            (_, Some(_)) => not_in("import"),
            (_, None) => not_in("read-write"),
        }
    }

    fn version_for(&self, subject: &Subject, wanted: &Registration, mode: Mode) -> Result<Version, Refusal> {
        let newest = self.all_versions(subject).next_back().map_or(0, |(version, _)| version);
        let next = newest.saturating_add(1);
        match wanted.version {
            Some(version) if mode == Mode::Import => Ok(version),
            Some(version) if version != next => {
                Err(Refusal::InvalidSchema("Version is not one more than previous version".to_owned()))
            }
            _ => Ok(next),
        }
    }

    fn id_for(&self, wanted: &Registration, identity: &Definition) -> Result<u32, Refusal> {
        let Some(id) = wanted.id else {
            let next = self.id_max().checked_add(1).filter(|id| *id <= ID_MAX);
            let spent = || Refusal::NotPermitted("all ids are given out".to_owned());
            return self.id_of(identity).or(next).ok_or_else(spent);
        };
        if id > ID_MAX {
            return Err(Refusal::NotPermitted(format!("{id} is no id; they go to {ID_MAX}")));
        }
        if self.identity_of(id).is_some_and(|other| other != identity) {
            return Err(Refusal::NotPermitted(format!(
                "Overwrite new schema with id {id} is not permitted."
            )));
        }
        Ok(id)
    }

    /// An older version of the same schema that is deleted softly goes for good: the new one takes its place.
    fn kept(
        &self,
        subject: &Subject,
        version: Version,
        id: u32,
        definition: Definition,
    ) -> Decision<Registered> {
        // One id answers with one text, however it was spelled elsewhere.
        let definition = self.schema(id).cloned().unwrap_or_else(|_| Arc::new(definition));
        let stored = Stored { id, definition: definition.clone(), is_deleted: false };
        let replaced = self.all_versions(subject).filter(|(older, entry)| {
            let is_same = entry.is_deleted() && entry.id() == id && *older < version;
            is_same && self.referrers(subject, *older).is_empty()
        });
        let mut records = vec![Record::Schema(subject.clone(), version, Some(stored))];
        records.extend(replaced.map(|(older, _)| Record::Schema(subject.clone(), older, None)));
        Decision { records, answer: Registered { id, version, definition, is_deleted: false } }
    }
}
