use super::Decision;
use crate::{Config, Filter, Mode, Record, Refusal, Scope, State, Subject};

impl State {
    /// Changes settings; what `change` does not say stays. Answers the settings as they are then.
    ///
    /// # Errors
    /// [`Refusal::NotPermitted`] where nothing may be changed.
    pub fn set_config(&self, scope: &Scope, change: Config) -> Result<Decision<Config>, Refusal> {
        self.writable(scope)?;
        let old = self.config(scope).unwrap_or_default();
        let new = Config { level: change.level.or(old.level), normalize: change.normalize.or(old.normalize) };
        Ok(Decision { records: vec![Record::Config(scope.clone(), Some(new))], answer: new })
    }

    /// Takes settings back; answers those that held.
    ///
    /// # Errors
    /// [`Refusal::SubjectNotFound`] when a subject has none of its own, [`Refusal::NotPermitted`].
    pub fn delete_config(&self, scope: &Scope) -> Result<Decision<Config>, Refusal> {
        let old = match (self.config(scope), scope) {
            (Some(old), _) => old,
            (None, Some(subject)) => return Err(Refusal::SubjectNotFound(subject.clone())),
            (None, None) => self.effective_config(&None),
        };
        self.writable(scope)?;
        Ok(Decision { records: vec![Record::Config(scope.clone(), None)], answer: old })
    }

    /// Sets a mode. IMPORT wants no schemas in its scope, unless it `is_forced`: ids that come with them could be taken.
    ///
    /// # Errors
    /// [`Refusal::NotPermitted`] when there are schemas, [`Refusal::Referenced`] when deleted ones are referred to.
    pub fn set_mode(&self, scope: &Scope, mode: Mode, is_forced: bool) -> Result<Decision<Mode>, Refusal> {
        let mut records = Vec::new();
        if mode == Mode::Import && self.effective_mode(scope) != Mode::Import && !is_forced {
            let is_within = |subject: &&Subject| scope.as_ref().is_none_or(|scope| scope == *subject);
            if self.subjects(Filter::Live, "").any(|subject| is_within(&subject)) {
                return Err(Refusal::NotPermitted("Cannot import since found existing subjects".to_owned()));
            }
            let deleted = self.deleted_within(scope);
            deleted.iter().try_for_each(|(subject, version)| self.unreferred(subject, *version))?;
            records.extend(Self::erasure(&deleted));
            records.push(Record::ClearSubject(scope.clone()));
        }
        records.push(Record::Mode(scope.clone(), Some(mode)));
        Ok(Decision { records, answer: mode })
    }

    /// Takes a mode back; answers the one that held.
    ///
    /// # Errors
    /// [`Refusal::SubjectNotFound`] when a subject has none of its own.
    pub fn delete_mode(&self, scope: &Scope) -> Result<Decision<Mode>, Refusal> {
        let is_own = self.has_own_mode(scope);
        match scope {
            Some(subject) if !is_own => Err(Refusal::SubjectNotFound(subject.clone())),
            _ => {
                let answer = self.effective_mode(scope);
                Ok(Decision { records: vec![Record::Mode(scope.clone(), None)], answer })
            }
        }
    }
}
