use super::State;
use crate::{Key, Record, Subject, Version};

impl State {
    /// Says anew what void records hide.
    ///
    /// A void record is the newest of its key, so compaction would keep it and drop the one that counts. Whoever writes next
    /// puts these records first. They change nothing in the state.
    pub fn repairs(&self) -> Vec<Record> {
        self.hidden.iter().flat_map(|key| self.repair(key)).collect()
    }

    fn repair(&self, key: &Key) -> Vec<Record> {
        match key {
            Key::Schema(subject, version) => vec![self.told(subject, *version)],
            Key::Config(scope) => vec![Record::Config(scope.clone(), self.configs.get(scope).copied())],
            Key::Mode(scope) => vec![Record::Mode(scope.clone(), self.modes.get(scope).copied())],
            Key::DeleteSubject(subject) => self.deletion(subject),
            Key::ClearSubject(scope) => {
                let deleted = self.deleted_within(scope);
                let again = deleted.iter().map(|(subject, version)| self.told(subject, *version));
                std::iter::once(Record::ClearSubject(scope.clone())).chain(again).collect()
            }
            Key::Noop => Vec::new(),
        }
    }

    fn told(&self, subject: &Subject, version: Version) -> Record {
        let stored = self.entry(subject, version).map(|entry| entry.stored().clone());
        Record::Schema(subject.clone(), version, stored)
    }

    /// Those deleted below the first that is not, and then every version as it is.
    fn deletion(&self, subject: &Subject) -> Vec<Record> {
        let below = self.all_versions(subject).take_while(|(_, entry)| entry.is_deleted()).last();
        let up_to = below.map_or(0, |(version, _)| version);
        let again = self.all_versions(subject).map(|(version, _)| self.told(subject, version));
        std::iter::once(Record::DeleteSubject(subject.clone(), up_to)).chain(again).collect()
    }
}
