use super::Registration;
use crate::language::{self, Care, Understood};
use crate::state::Entry;
use crate::{Filter, Level, Refusal, State, Subject, Version, VersionRange};

impl State {
    /// Why a schema could not be registered under a subject as things are; nothing means that it could.
    ///
    /// # Errors
    /// [`Refusal::InvalidSchema`], or [`Refusal::NotPermitted`] where compatibility can't be checked.
    pub fn objections(&self, subject: &Subject, wanted: &Registration) -> Result<Vec<String>, Refusal> {
        let schema = self.understood(subject, wanted, Care::New)?;
        self.held_against(subject, &schema, &self.live_versions(subject).collect::<Vec<_>>())
    }

    /// Why a schema does not go with one version of a subject; a subject with none has no latest, and goes with all.
    ///
    /// # Errors
    /// As [`State::objections`], and [`Refusal::VersionNotFound`].
    pub fn objections_of(
        &self,
        subject: &Subject,
        range: VersionRange,
        wanted: &Registration,
    ) -> Result<Vec<String>, Refusal> {
        let found = self.version(subject, range, Filter::Live);
        let against = match (range, found) {
            (_, Ok(found)) => vec![found],
            (VersionRange::Latest, Err(_)) => Vec::new(),
            (VersionRange::Exactly(version), Err(_)) => return Err(Refusal::VersionNotFound(version.into())),
        };
        let schema = self.understood(subject, wanted, Care::New)?;
        self.held_against(subject, &schema, &against)
    }

    pub(super) fn go_with_earlier(&self, subject: &Subject, schema: &Understood) -> Result<(), Refusal> {
        let found = self.held_against(subject, schema, &self.live_versions(subject).collect::<Vec<_>>())?;
        if found.is_empty() { Ok(()) } else { Err(Refusal::Incompatible(subject.clone(), found.join(", "))) }
    }

    /// From the newest to the oldest that counts, up to the first that objects.
    fn held_against(
        &self,
        subject: &Subject,
        schema: &Understood,
        earlier: &[(Version, &Entry)],
    ) -> Result<Vec<String>, Refusal> {
        let level = self.level(subject);
        if level == Level::None {
            return Ok(Vec::new());
        }
        let count = if level.is_transitive() { earlier.len() } else { 1 };
        for (version, entry) in earlier.iter().rev().take(count) {
            let mut found = self.against(level, schema, entry)?;
            if !found.is_empty() {
                found.push(format!("{{oldSchemaVersion: {version}}}"));
                found.push(format!("{{oldSchema: '{}'}}", entry.definition().text));
                found.push(format!("{{compatibility: '{}'}}", level.name()));
                return Ok(found);
            }
        }
        Ok(Vec::new())
    }

    fn against(&self, level: Level, schema: &Understood, earlier: &Entry) -> Result<Vec<String>, Refusal> {
        match language::understand(self, earlier.definition(), Care::Known, false) {
            Ok(earlier) => language::objections(level, schema, &earlier),
            Err(refusal) => Ok(vec![format!("the earlier schema can't be read: {refusal}")]),
        }
    }
}
