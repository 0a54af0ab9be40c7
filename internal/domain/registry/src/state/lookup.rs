use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Entry, Filter, State};
use crate::{Config, Definition, Level, Mode, Refusal, Scope, Stamp, Subject, Version, VersionRange};

impl State {
    /// Whether records with this stamp would count, as far as the log was read.
    pub fn holds(&self, stamp: Stamp) -> bool {
        self.arbiter.holds(stamp)
    }

    /// A token that nobody had yet; `position` is the offset of the log's next record.
    pub fn next_token(&self, position: u64) -> u64 {
        self.arbiter.next_token(position)
    }

    /// The subjects with a version that `filter` takes and a name that begins with `prefix`.
    ///
    /// A subject is deleted when all its versions are.
    pub fn subjects<'a>(&'a self, filter: Filter, prefix: &'a str) -> impl Iterator<Item = &'a Subject> {
        let taken = move |subject: &&Subject| {
            filter.takes(self.all_versions(subject).all(|(_, entry)| entry.is_deleted()))
        };
        self.subjects.keys().filter(move |subject| subject.as_str().starts_with(prefix)).filter(taken)
    }

    pub(crate) fn all_versions(
        &self,
        subject: &Subject,
    ) -> impl DoubleEndedIterator<Item = (Version, &Entry)> {
        self.subjects.get(subject).into_iter().flatten().map(|(version, entry)| (*version, entry))
    }

    pub(crate) fn live_versions(
        &self,
        subject: &Subject,
    ) -> impl DoubleEndedIterator<Item = (Version, &Entry)> {
        self.all_versions(subject).filter(|(_, entry)| !entry.is_deleted())
    }

    pub(crate) fn entry(&self, subject: &Subject, version: Version) -> Option<&Entry> {
        self.subjects.get(subject)?.get(&version)
    }

    pub(crate) fn has_subject(&self, subject: &Subject, filter: Filter) -> bool {
        self.all_versions(subject).any(|(_, entry)| filter.takes(entry.is_deleted()))
    }

    /// A subject's versions that `filter` takes.
    ///
    /// # Errors
    /// [`Refusal::SubjectNotFound`] when it has none, deleted ones counted where they are asked for.
    pub fn versions(&self, subject: &Subject, filter: Filter) -> Result<Vec<Version>, Refusal> {
        let known = if filter == Filter::Live { Filter::Live } else { Filter::WithDeleted };
        if !self.has_subject(subject, known) {
            return Err(Refusal::SubjectNotFound(subject.clone()));
        }
        let taken = self.all_versions(subject).filter(|(_, entry)| filter.takes(entry.is_deleted()));
        Ok(taken.map(|(version, _)| version).collect())
    }

    /// One version. The latest is the newest that is not deleted, whatever the filter.
    ///
    /// # Errors
    /// [`Refusal::SubjectNotFound`] or [`Refusal::VersionNotFound`].
    pub fn version(
        &self,
        subject: &Subject,
        range: VersionRange,
        filter: Filter,
    ) -> Result<(Version, &Entry), Refusal> {
        let found = match range {
            VersionRange::Latest => self.live_versions(subject).next_back(),
            VersionRange::Exactly(version) => self.entry(subject, version).map(|entry| (version, entry)),
        };
        found.filter(|(_, entry)| filter.takes(entry.is_deleted())).ok_or_else(|| match range {
            _ if !self.has_subject(subject, filter) => Refusal::SubjectNotFound(subject.clone()),
            VersionRange::Latest => Refusal::VersionNotFound(-1),
            VersionRange::Exactly(version) => Refusal::VersionNotFound(version.into()),
        })
    }

    /// The newest version whose schema is as `is_wanted` says.
    ///
    /// # Errors
    /// [`Refusal::SubjectNotFound`] or [`Refusal::SchemaNotFound`].
    pub fn newest(
        &self,
        subject: &Subject,
        filter: Filter,
        is_wanted: impl Fn(&Definition) -> bool,
    ) -> Result<(Version, &Entry), Refusal> {
        if !self.has_subject(subject, filter) {
            return Err(Refusal::SubjectNotFound(subject.clone()));
        }
        let taken = self.all_versions(subject).rev().filter(|(_, entry)| filter.takes(entry.is_deleted()));
        let mut wanted = taken.filter(|(_, entry)| is_wanted(entry.definition()));
        wanted.next().ok_or(Refusal::SchemaNotFound)
    }

    /// Every version of the subjects whose names begin with `prefix`, or the newest of each.
    pub fn list(
        &self,
        prefix: &str,
        filter: Filter,
        is_latest_only: bool,
    ) -> Vec<(&Subject, Version, &Entry)> {
        let mut all = Vec::new();
        for subject in self.subjects.keys().filter(|subject| subject.as_str().starts_with(prefix)) {
            let taken = self.all_versions(subject).filter(|(_, entry)| filter.takes(entry.is_deleted()));
            let taken: Vec<_> = taken.map(|(version, entry)| (subject, version, entry)).collect();
            let skipped = if is_latest_only { taken.len().saturating_sub(1) } else { 0 };
            all.extend(taken.into_iter().skip(skipped));
        }
        all
    }

    /// The schema of an id. It stays while any version with it does, be that deleted softly.
    ///
    /// # Errors
    /// [`Refusal::IdNotFound`].
    pub fn schema(&self, id: u32) -> Result<&Arc<Definition>, Refusal> {
        self.ids.get(&id).map(|known| &known.definition).ok_or(Refusal::IdNotFound(id))
    }

    /// The versions with this id.
    ///
    /// # Errors
    /// [`Refusal::IdNotFound`].
    pub fn uses(&self, id: u32, filter: Filter) -> Result<Vec<(&Subject, Version)>, Refusal> {
        let known = self.ids.get(&id).ok_or(Refusal::IdNotFound(id))?;
        let taken = |subject: &Subject, version: Version| {
            self.entry(subject, version).is_some_and(|entry| filter.takes(entry.is_deleted()))
        };
        let uses = known.uses.iter().map(|(subject, version)| (subject, *version));
        Ok(uses.filter(|(subject, version)| taken(subject, *version)).collect())
    }

    /// The greatest id that was ever given out. The records that take tokens tell it, so that no id is given out again
    /// when its schema was deleted for good and the log compacted.
    pub fn id_max(&self) -> u32 {
        self.id_max
    }

    pub(crate) fn id_of(&self, identity: &Definition) -> Option<u32> {
        self.identities.get(identity).copied()
    }

    pub(crate) fn identity_of(&self, id: u32) -> Option<&Definition> {
        self.ids.get(&id).map(|known| &*known.identity)
    }

    /// The ids of the schemas that take types from a version, in order.
    pub fn referrers(&self, subject: &Subject, version: Version) -> BTreeSet<u32> {
        let all =
            self.subjects.values().flatten().map(|(_, entry)| entry).filter(|entry| !entry.is_deleted());
        let refers = |entry: &&Entry| {
            let mut references = entry.definition().references.iter();
            references.any(|reference| reference.subject == *subject && reference.version == version)
        };
        all.filter(refers).map(Entry::id).collect()
    }

    /// The settings made for just this scope.
    pub fn config(&self, scope: &Scope) -> Option<Config> {
        self.configs.get(scope).copied()
    }

    /// The settings that hold: a subject's own, and where it has none, those for all.
    pub fn effective_config(&self, scope: &Scope) -> Config {
        let (own, all) = (self.config(scope).unwrap_or_default(), self.config(&None).unwrap_or_default());
        let level = own.level.or(all.level).unwrap_or_default();
        Config { level: Some(level), normalize: own.normalize.or(all.normalize) }
    }

    pub(crate) fn level(&self, subject: &Subject) -> Level {
        self.effective_config(&Some(subject.clone())).level.unwrap_or_default()
    }

    /// The mode made for just this scope; one for all that overrides is everyone's.
    pub fn mode(&self, scope: &Scope) -> Option<Mode> {
        let all = self.modes.get(&None).copied();
        all.filter(|mode| *mode == Mode::ReadOnlyOverride).or_else(|| self.modes.get(scope).copied())
    }

    /// Whether a mode was made for just this scope, overridden or not.
    pub(crate) fn has_own_mode(&self, scope: &Scope) -> bool {
        self.modes.contains_key(scope)
    }

    /// The mode that holds.
    pub fn effective_mode(&self, scope: &Scope) -> Mode {
        self.mode(scope).or_else(|| self.mode(&None)).unwrap_or_default()
    }

    pub(crate) fn deleted_within(&self, scope: &Scope) -> Vec<(Subject, Version)> {
        let within =
            self.subjects.iter().filter(|(subject, _)| scope.as_ref().is_none_or(|scope| scope == *subject));
        let versions = within.flat_map(|(subject, versions)| {
            versions.iter().map(move |(version, entry)| (subject, version, entry))
        });
        let deleted = versions.filter(|(_, _, entry)| entry.is_deleted());
        deleted.map(|(subject, version, _)| (subject.clone(), *version)).collect()
    }

    #[cfg(test)]
    pub(crate) fn configs(&self) -> &std::collections::BTreeMap<Scope, Config> {
        &self.configs
    }
}
