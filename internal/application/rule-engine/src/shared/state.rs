use std::collections::{BTreeMap, BTreeSet};

use millstream_model::Value;
use millstream_ports::Bytes;
use millstream_runtime::{CallbackResult, Context, Loop, Table};
use millstream_sql::{State, StepError};

use crate::lower::{AT_ONCE, Later, is_home, repartition};

/// Where a rule of a group keeps what it keeps: in the group's table, under keys that begin with the rule's number.
#[derive(Clone)]
pub(super) struct Kept {
    pub(super) number: u32,
    pub(super) table: Table<Bytes>,
    pub(super) again: Loop<Bytes, Bytes>,
    /// Where a group of the rule may be told later.
    pub(super) later: Option<Later>,
}

/// What stands before a rule's number. No key of a rule by itself begins so, nor one of the framework's own.
const MARK: u8 = b'#';

impl Kept {
    fn key(&self, key: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(key.len() + 5);
        bytes.push(MARK);
        bytes.extend_from_slice(&self.number.to_be_bytes());
        bytes.extend_from_slice(key);
        bytes
    }
}

/// A key of a group's table or loop: the rule's number, and its own key. None where no rule of a group wrote it.
pub(crate) fn numbered(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (number, key) = bytes.strip_prefix(&[MARK])?.split_first_chunk::<4>()?;
    Some((u32::from_be_bytes(*number), key))
}

/// The state of one rule for one step. What it puts is its own to see until [`MemberState::settle`], so that nothing is left of
/// a step that fails.
pub(super) struct MemberState<'m, 'c, 'r> {
    kept: Option<&'m Kept>,
    pub(super) context: &'c mut Context<'r>,
    /// Rows of a key come from where the key belongs, all of them or none.
    keeps_key: bool,
    puts: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    untold: BTreeSet<Vec<u8>>,
}

impl<'m, 'c, 'r> MemberState<'m, 'c, 'r> {
    pub(super) fn new(kept: Option<&'m Kept>, context: &'c mut Context<'r>, keeps_key: bool) -> Self {
        Self { kept, context, keeps_key, puts: BTreeMap::new(), untold: BTreeSet::new() }
    }

    /// Sends around what is to be worked on elsewhere, and writes what was put.
    pub(super) fn settle(self, again: &[(Vec<u8>, Value)]) -> CallbackResult {
        let Self { kept, context, puts, untold, .. } = self;
        let Some(kept) = kept else { return Ok(()) };
        for (key, message) in again {
            repartition(context, &kept.again, key, (&kept.key(key), message))?;
        }
        for (key, value) in &puts {
            match value {
                Some(value) => context.set_at(&kept.table, key, &value.as_slice())?,
                None => context.delete_at(&kept.table, key)?,
            }
        }
        for (later, place) in
            kept.later.iter().flat_map(|later| untold.iter().map(move |place| (later, place)))
        {
            context.schedule_at(later, place, AT_ONCE)?;
        }
        Ok(())
    }
}

const NO_STATE: StepError = StepError::Damaged("a state that the rule does not have");

impl State for MemberState<'_, '_, '_> {
    fn get(&mut self, key: &[u8]) -> Result<Option<&[u8]>, StepError> {
        let kept = self.kept.ok_or(NO_STATE)?;
        let key = kept.key(key);
        match self.puts.get(&key) {
            Some(put) => Ok(put.as_deref()),
            None => self.context.get_at(&kept.table, &key).map_err(|error| StepError::State(error.into())),
        }
    }

    fn put(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), StepError> {
        let kept = self.kept.ok_or(NO_STATE)?;
        self.puts.insert(kept.key(key), value.map(<[u8]>::to_vec));
        Ok(())
    }

    fn is_home(&self, key: &[u8]) -> bool {
        is_home(self.context, self.keeps_key, key)
    }

    fn tell_later(&mut self, place: &[u8]) -> Result<bool, StepError> {
        let Some(kept) = self.kept.filter(|kept| kept.later.is_some()) else { return Ok(false) };
        self.untold.insert(kept.key(place));
        Ok(true)
    }
}
