use millstream_model::Offset;

use crate::{KeyRange, PortError};

/// One partition of a table on local storage.
///
/// The store is a cache of its changelog: it holds the entries up to [`TableStore::changelog_offset`], or an older such
/// state, or nothing. Who brings it forward by several batches repeats the offset until the last of them; between two it may
/// hold some later entries too, which reading the changelog from its offset on makes whole. An adapter MUST apply a batch and
/// its offset together or not at all, also when the process is killed; MUST survive losing its last batches; and MUST
/// refuse, rather than repair by guessing, what it finds damaged. A store that was found damaged while open says so with
/// [`crate::Action::DeadLetter`], and is set aside when it is opened again.
pub trait TableStore: Send + Sync + 'static {
    /// Appends the value of `key` to `out`; answers whether there is one.
    ///
    /// # Errors
    /// When the storage fails or is damaged.
    fn get(&self, key: &[u8], out: &mut Vec<u8>) -> Result<bool, PortError>;

    /// Writes entries (`None` deletes) together with the changelog offset up to which they bring the table.
    ///
    /// # Errors
    /// When the storage fails, such as a full disk; the table is then as before.
    fn apply<'a>(
        &self,
        entries: &mut dyn Iterator<Item = (&'a [u8], Option<&'a [u8]>)>,
        next: Offset,
    ) -> Result<(), PortError>;

    /// The changelog offset of the first record not yet applied; `None` for a new store.
    ///
    /// # Errors
    /// When the storage fails or is damaged.
    fn changelog_offset(&self) -> Result<Option<Offset>, PortError>;

    /// Calls `each` with every entry of a range, in key order, until it answers `false`.
    ///
    /// # Errors
    /// When the storage fails or is damaged.
    fn range(&self, range: &KeyRange, each: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<(), PortError>;

    /// As [`TableStore::range`], of the keys that begin with `prefix`.
    ///
    /// # Errors
    /// When the storage fails or is damaged.
    fn scan(&self, prefix: &[u8], each: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<(), PortError> {
        self.range(&KeyRange::prefix(prefix), each)
    }

    /// Whether what was there was found damaged when it was opened, so that it began anew.
    fn was_damaged(&self) -> bool {
        false
    }

    /// Memory that it may keep for itself while it is open, in bytes.
    fn memory_bytes(&self) -> usize {
        0
    }

    /// How many entries there are; may walk the table.
    ///
    /// # Errors
    /// When the storage fails or is damaged.
    fn count(&self) -> Result<u64, PortError>;

    /// Removes every entry and the offset.
    ///
    /// # Errors
    /// When the storage fails.
    fn clear(&self) -> Result<(), PortError>;

    /// Makes all that was applied survive a loss of power.
    ///
    /// # Errors
    /// When the storage fails.
    fn flush(&self) -> Result<(), PortError>;
}
