use std::sync::Arc;

use crate::{Definition, Refusal, Scope, Subject, Version};

/// Which later schemas a subject takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Level {
    /// Any.
    None,
    /// Those that read what the latest wrote.
    #[default]
    Backward,
    /// Those that read what any earlier wrote.
    BackwardTransitive,
    /// Those that the latest reads.
    Forward,
    /// Those that any earlier reads.
    ForwardTransitive,
    /// Those that read the latest and are read by it.
    Full,
    /// Those that read every earlier and are read by it.
    FullTransitive,
}

impl Level {
    const NAMES: [(&'static str, Self); 7] = [
        ("NONE", Self::None),
        ("BACKWARD", Self::Backward),
        ("BACKWARD_TRANSITIVE", Self::BackwardTransitive),
        ("FORWARD", Self::Forward),
        ("FORWARD_TRANSITIVE", Self::ForwardTransitive),
        ("FULL", Self::Full),
        ("FULL_TRANSITIVE", Self::FullTransitive),
    ];

    /// The level of a name, in capitals or not.
    ///
    /// # Errors
    /// [`Refusal::InvalidLevel`] when none is called so.
    pub fn called(name: &str) -> Result<Self, Refusal> {
        let found = Self::NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, level)| *level).ok_or(Refusal::InvalidLevel)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, level)| *level == self).map_or("", |(name, _)| name)
    }

    pub(crate) fn is_transitive(self) -> bool {
        matches!(self, Self::BackwardTransitive | Self::ForwardTransitive | Self::FullTransitive)
    }

    pub(crate) fn reads_old(self) -> bool {
        matches!(self, Self::Backward | Self::BackwardTransitive | Self::Full | Self::FullTransitive)
    }

    pub(crate) fn is_read_by_old(self) -> bool {
        matches!(self, Self::Forward | Self::ForwardTransitive | Self::Full | Self::FullTransitive)
    }
}

/// What may be done with a subject.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Everything, and the registry gives the ids.
    #[default]
    ReadWrite,
    /// Nothing is changed.
    ReadOnly,
    /// Nothing is changed, whatever the subjects' own modes are.
    ReadOnlyOverride,
    /// Schemas come with their ids and versions, unchecked.
    Import,
}

impl Mode {
    const NAMES: [(&'static str, Self); 4] = [
        ("READWRITE", Self::ReadWrite),
        ("READONLY", Self::ReadOnly),
        ("READONLY_OVERRIDE", Self::ReadOnlyOverride),
        ("IMPORT", Self::Import),
    ];

    /// The mode of a name, in capitals or not.
    ///
    /// # Errors
    /// [`Refusal::InvalidMode`] when none is called so.
    pub fn called(name: &str) -> Result<Self, Refusal> {
        let found = Self::NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, mode)| *mode).ok_or(Refusal::InvalidMode)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, mode)| *mode == self).map_or("", |(name, _)| name)
    }

    pub(crate) fn is_read_only(self) -> bool {
        matches!(self, Self::ReadOnly | Self::ReadOnlyOverride)
    }
}

/// Settings of a subject, or of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Which later schemas are taken.
    pub level: Option<Level>,
    /// Whether schemas are normalised even where a request does not ask for it.
    pub normalize: Option<bool>,
}

/// A version as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The id, which stands for one schema in all subjects.
    pub id: u32,
    /// The schema.
    pub definition: Arc<Definition>,
    /// Whether it is deleted softly: not offered any more, and still known by its id.
    pub is_deleted: bool,
}

/// One record of the log: what it says about its key. `None` takes back what was said before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A version.
    Schema(Subject, Version, Option<Stored>),
    /// Settings.
    Config(Scope, Option<Config>),
    /// A mode.
    Mode(Scope, Option<Mode>),
    /// The versions up to this are deleted softly.
    DeleteSubject(Subject, Version),
    /// The softly deleted versions are forgotten.
    ClearSubject(Scope),
    /// Nothing, but that ids up to this were given out. With a stamp it takes the stamp's token.
    Noop(Option<u32>),
}

/// What a record is about; in a compacted log the newest of each key stays.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// A version.
    Schema(Subject, Version),
    /// Settings.
    Config(Scope),
    /// A mode.
    Mode(Scope),
    /// A subject's soft deletion.
    DeleteSubject(Subject),
    /// A subject's clearance, or that of all.
    ClearSubject(Scope),
    /// Nothing.
    Noop,
}

impl Record {
    /// What it is about.
    pub fn key(&self) -> Key {
        match self {
            Self::Schema(subject, version, _) => Key::Schema(subject.clone(), *version),
            Self::Config(scope, _) => Key::Config(scope.clone()),
            Self::Mode(scope, _) => Key::Mode(scope.clone()),
            Self::DeleteSubject(subject, _) => Key::DeleteSubject(subject.clone()),
            Self::ClearSubject(scope) => Key::ClearSubject(scope.clone()),
            Self::Noop(_) => Key::Noop,
        }
    }
}
