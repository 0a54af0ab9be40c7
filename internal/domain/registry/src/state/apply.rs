use std::sync::Arc;

use super::{Entry, Known, State};
use crate::{Definition, Key, Record, Scope, Stamp, Stored, Subject, Verdict, Version, language};

impl State {
    /// Takes in the log's next record; `None` is the stamp of a registry that has none.
    pub fn apply(&mut self, record: &Record, stamp: Option<Stamp>) -> Verdict {
        let key = record.key();
        // Other makes write these to find the log's end, and decide nothing by them.
        if key == Key::Noop && stamp.is_none() {
            self.change(record);
            return Verdict::Counts;
        }
        let verdict = self.arbiter.judge(stamp);
        if verdict == Verdict::Counts {
            self.hidden.remove(&key);
            self.change(record);
        } else if key != Key::Noop {
            self.hidden.insert(key);
        }
        verdict
    }

    fn change(&mut self, record: &Record) {
        match record {
            Record::Schema(subject, version, stored) => {
                self.detach(subject, *version);
                if let Some(stored) = stored {
                    self.attach(subject, *version, stored.clone());
                }
            }
            Record::Config(scope, config) => {
                self.configs.remove(scope);
                self.configs.extend(config.map(|config| (scope.clone(), config)));
            }
            Record::Mode(scope, mode) => {
                self.modes.remove(scope);
                self.modes.extend(mode.map(|mode| (scope.clone(), mode)));
            }
            Record::DeleteSubject(subject, up_to) => {
                let versions = self.subjects.get_mut(subject).into_iter().flatten();
                versions
                    .filter(|(version, _)| *version <= up_to)
                    .for_each(|(_, entry)| entry.stored.is_deleted = true);
            }
            Record::ClearSubject(scope) => self.clear(scope),
            Record::Noop(id_max) => self.id_max = self.id_max.max(id_max.unwrap_or_default()),
        }
    }

    fn attach(&mut self, subject: &Subject, version: Version, stored: Stored) {
        let id = stored.id;
        self.id_max = self.id_max.max(id);
        let identity = self.ids.get(&id).filter(|known| known.definition == stored.definition);
        let identity =
            identity.map_or_else(|| identity_of(&stored.definition), |known| known.identity.clone());
        self.identities.entry(identity.clone()).or_insert(id);
        let (definition, meaning) = (stored.definition.clone(), identity.clone());
        let known =
            self.ids.entry(id).or_insert_with(|| Known { definition, identity: meaning, uses: [].into() });
        known.uses.insert((subject.clone(), version));
        self.subjects.entry(subject.clone()).or_default().insert(version, Entry { stored, identity });
    }

    fn detach(&mut self, subject: &Subject, version: Version) {
        let Some(versions) = self.subjects.get_mut(subject) else { return };
        let Some(entry) = versions.remove(&version) else { return };
        if versions.is_empty() {
            self.subjects.remove(subject);
        }
        let Some(known) = self.ids.get_mut(&entry.stored.id) else { return };
        known.uses.remove(&(subject.clone(), version));
        if known.uses.is_empty() {
            self.forget(entry.stored.id);
        }
    }

    fn forget(&mut self, id: u32) {
        let Some(known) = self.ids.remove(&id) else { return };
        if self.identities.get(&known.identity) != Some(&id) {
            return;
        }
        self.identities.remove(&known.identity);
        // An import may have given one schema two ids.
        let other = self.ids.iter().find(|(_, other)| other.identity == known.identity).map(|(id, _)| *id);
        self.identities.extend(other.map(|other| (known.identity, other)));
    }

    fn clear(&mut self, scope: &Scope) {
        for (subject, version) in self.deleted_within(scope) {
            self.detach(&subject, version);
        }
    }
}

/// Most schemas are kept as they are told, and need no second copy.
fn identity_of(definition: &Arc<Definition>) -> Arc<Definition> {
    let identity = language::identity(definition);
    if identity == **definition { definition.clone() } else { Arc::new(identity) }
}
