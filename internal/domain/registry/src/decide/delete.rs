use super::Decision;
use crate::state::Entry;
use crate::{Filter, Record, Refusal, State, Stored, Subject, Version, VersionRange};

impl State {
    /// Deletes a version: softly, so that it is still known by its id, or for good once that was done.
    ///
    /// # Errors
    /// [`Refusal`] when it is not there, is in the other state of deletion, has referrers, or may not be changed.
    pub fn delete_version(
        &self,
        subject: &Subject,
        range: VersionRange,
        is_permanent: bool,
    ) -> Result<Decision<Version>, Refusal> {
        let (version, entry) = self.version(subject, range, Filter::WithDeleted)?;
        if entry.is_deleted() && !is_permanent {
            return Err(Refusal::VersionSoftDeleted(subject.clone(), version));
        }
        self.writable(&Some(subject.clone()))?;
        self.unreferred(subject, version)?;
        if is_permanent && !entry.is_deleted() {
            return Err(Refusal::VersionNotSoftDeleted(subject.clone(), version));
        }
        let records = if is_permanent {
            Self::erasure(&[(subject.clone(), version)]).collect()
        } else {
            self.soft_deletion(subject, version, entry)
        };
        Ok(Decision { records, answer: version })
    }

    /// Deletes all versions of a subject; answers which.
    ///
    /// # Errors
    /// [`Refusal`] when it is not there, is in the other state of deletion, has referrers, or may not be changed.
    pub fn delete_subject(
        &self,
        subject: &Subject,
        is_permanent: bool,
    ) -> Result<Decision<Vec<Version>>, Refusal> {
        let filter = if is_permanent { Filter::WithDeleted } else { Filter::Live };
        if !self.has_subject(subject, Filter::WithDeleted) {
            return Err(Refusal::SubjectNotFound(subject.clone()));
        }
        if !self.has_subject(subject, filter) {
            return Err(Refusal::SubjectSoftDeleted(subject.clone()));
        }
        self.writable(&Some(subject.clone()))?;
        let versions = self.versions(subject, filter)?;
        versions.iter().try_for_each(|version| self.unreferred(subject, *version))?;
        if is_permanent && self.has_subject(subject, Filter::Live) {
            return Err(Refusal::SubjectNotSoftDeleted(subject.clone()));
        }
        let records = if is_permanent {
            versions.iter().map(|version| Record::Schema(subject.clone(), *version, None)).collect()
        } else {
            let up_to = versions.iter().copied().max().unwrap_or_default();
            std::iter::once(Record::DeleteSubject(subject.clone(), up_to))
                .chain(self.unset(subject))
                .collect()
        };
        Ok(Decision { records, answer: versions })
    }

    fn soft_deletion(&self, subject: &Subject, version: Version, entry: &Entry) -> Vec<Record> {
        let stored = Stored { is_deleted: true, ..entry.stored().clone() };
        let mut records = vec![Record::Schema(subject.clone(), version, Some(stored))];
        if self.live_versions(subject).all(|(live, _)| live == version) {
            records.extend(self.unset(subject));
        }
        records
    }

    /// The settings of a subject go with its last version.
    fn unset(&self, subject: &Subject) -> Vec<Record> {
        let scope = Some(subject.clone());
        let mode = self.has_own_mode(&scope).then(|| Record::Mode(scope.clone(), None));
        let config = self.config(&scope).map(|_| Record::Config(scope, None));
        mode.into_iter().chain(config).collect()
    }

    pub(super) fn unreferred(&self, subject: &Subject, version: Version) -> Result<(), Refusal> {
        if self.referrers(subject, version).is_empty() {
            return Ok(());
        }
        Err(Refusal::Referenced(subject.clone(), version))
    }

    pub(super) fn erasure(versions: &[(Subject, Version)]) -> impl Iterator<Item = Record> {
        versions.iter().map(|(subject, version)| Record::Schema(subject.clone(), *version, None))
    }
}
