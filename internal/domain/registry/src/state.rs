mod apply;
mod lookup;
mod repair;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::arbiter::Arbiter;
use crate::{Config, Definition, Key, Mode, Scope, Stored, Subject, Version};

/// All that a log of records says, up to some place in it.
///
/// **Invariant:** it follows from the records and their origins alone, so that every reader of one log has the same state.
#[derive(Clone, Debug, Default)]
pub struct State {
    subjects: BTreeMap<Subject, BTreeMap<Version, Entry>>,
    ids: BTreeMap<u32, Known>,
    identities: HashMap<Arc<Definition>, u32>,
    configs: BTreeMap<Scope, Config>,
    modes: BTreeMap<Scope, Mode>,
    id_max: u32,
    arbiter: Arbiter,
    /// What void records were about.
    hidden: BTreeSet<Key>,
}

/// A version of a subject.
#[derive(Clone, Debug)]
pub struct Entry {
    stored: Stored,
    identity: Arc<Definition>,
}

impl Entry {
    /// The schema's id.
    pub fn id(&self) -> u32 {
        self.stored.id
    }

    /// The schema.
    pub fn definition(&self) -> &Arc<Definition> {
        &self.stored.definition
    }

    /// Whether it is deleted softly.
    pub fn is_deleted(&self) -> bool {
        self.stored.is_deleted
    }

    pub(crate) fn stored(&self) -> &Stored {
        &self.stored
    }

    pub(crate) fn identity(&self) -> &Definition {
        &self.identity
    }
}

/// What an id stands for, and where.
#[derive(Clone, Debug)]
struct Known {
    definition: Arc<Definition>,
    identity: Arc<Definition>,
    uses: BTreeSet<(Subject, Version)>,
}

/// Which versions are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Filter {
    /// Those that are not deleted.
    #[default]
    Live,
    /// All.
    WithDeleted,
    /// Those that are deleted softly.
    OnlyDeleted,
}

impl Filter {
    fn takes(self, is_deleted: bool) -> bool {
        match self {
            Self::Live => !is_deleted,
            Self::WithDeleted => true,
            Self::OnlyDeleted => is_deleted,
        }
    }
}
