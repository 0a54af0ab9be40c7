use std::collections::BTreeMap;

use millstream_ports::KeyRange;

use crate::layer::Value;
use crate::layer::age::Age;
use crate::layer::merge::Source;
use crate::layer::overlay::bounds;

/// A table as it was at one moment, while it changes: what was overwritten since, of the keys that are still to be read.
///
/// **Invariant:** what a key had when the cut was made is here, or is what the table has now.
pub(super) struct Cut {
    pub(super) number: u64,
    /// What time it was.
    pub(super) age: Age,
    before: BTreeMap<Box<[u8]>, Value>,
    /// Everything before it has been read.
    read_to: Vec<u8>,
}

impl Cut {
    pub(super) fn new(number: u64, age: Age) -> Self {
        Self { number, age, before: BTreeMap::new(), read_to: Vec::new() }
    }

    /// Whether a first write to `key` must be preceded by [`Cut::keep`].
    pub(super) fn wants(&self, key: &[u8]) -> bool {
        key >= self.read_to.as_slice() && !self.before.contains_key(key)
    }

    /// Notes what `key` had.
    pub(super) fn keep(&mut self, key: &[u8], value: Value) {
        self.before.insert(key.into(), value);
    }

    /// Everything before `key` has been read, and is needed no more.
    pub(super) fn advance(&mut self, key: &[u8]) {
        if key > self.read_to.as_slice() {
            self.read_to = key.to_vec();
            self.before = self.before.split_off(key);
        }
    }

    pub(super) fn source<'a>(&'a self, range: &KeyRange) -> Source<'a> {
        let entries = (!range.is_empty()).then(|| self.before.range::<[u8], _>(bounds(range)));
        Source::new(entries.into_iter().flatten().map(|(key, value)| (&**key, value.as_deref())))
    }
}
