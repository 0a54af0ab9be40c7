//! What a layer answers: single values, ranges, and cuts of the whole.

use std::collections::BTreeMap;

use millstream_model::Timestamp;
use millstream_ports::{KeyRange, PortError, TableStore};

use crate::layer::cache::Cache;
use crate::layer::cut::Cut;
use crate::layer::merge::{Source, merge};
use crate::layer::overlay::Found;
use crate::layer::{TableAccess, TableLayer, Value};
use crate::timers::is_reserved;

impl<S: TableStore> TableLayer<S> {
    /// What is on its way to the store for a key; `None` for a key that is not.
    fn pending(&self, key: &[u8]) -> Option<Found<'_>> {
        let writing = || self.writing.as_ref().and_then(|writing| writing.get(key));
        self.uncommitted(key).or_else(|| self.waiting.get(key)).or_else(writing)
    }

    /// What no commit has brought to the changelog yet.
    fn uncommitted(&self, key: &[u8]) -> Option<Found<'_>> {
        let hash = self.dirty.hash(key);
        self.dirty.find(hash, key).or_else(|| self.leaving.find(hash, key))
    }

    /// What `key` has, as it is kept, the record at hand's own writes left out.
    fn current(&mut self, key: &[u8]) -> Result<Value, PortError> {
        if let Some(Found(value)) = self.pending(key) {
            return Ok(value.map(Into::into));
        }
        let bytes_max = self.share.cache_bytes();
        load(&self.store, &mut self.cache, &mut self.scratch, key, bytes_max)?;
        Ok(self.cache.get(key).map(Into::into))
    }

    fn put_in_order(&mut self) {
        self.dirty.put_in_order();
        self.leaving.put_in_order();
        self.waiting.put_in_order();
    }

    /// What is on top of the store, newest first.
    fn on_top<'a>(&'a self, range: &'a KeyRange) -> Vec<Source<'a>> {
        let mut sources = vec![Source::new(self.dirty.range(range)), Source::new(self.leaving.range(range))];
        sources.extend(self.committed_on_top(range));
        sources
    }

    /// As of the last commit.
    fn committed_on_top<'a>(&'a self, range: &'a KeyRange) -> Vec<Source<'a>> {
        let writing = self.writing.iter().map(|writing| Source::new(writing.range(range)));
        self.waiting.sources(range).chain(writing).collect()
    }

    /// What `key` has as of the last commit.
    pub(crate) fn committed(&self, key: &[u8]) -> Result<Option<Vec<u8>>, PortError> {
        let live = |kept: &[u8]| self.age.live(key, kept).map(<[u8]>::to_vec);
        let writing = || self.writing.as_ref().and_then(|writing| writing.get(key));
        if let Some(Found(value)) = self.waiting.get(key).or_else(writing) {
            return Ok(value.and_then(live));
        }
        let mut kept = Vec::new();
        Ok(if self.store.get(key, &mut kept)? { live(&kept) } else { None })
    }

    /// Calls `each` with the entries of a range in key order until it answers `false`; with `fresh` also with what waits for
    /// the commit.
    pub(super) fn walk(
        &mut self,
        range: &KeyRange,
        fresh: bool,
        each: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), PortError> {
        self.put_in_order();
        let sources = if fresh { self.on_top(range) } else { self.committed_on_top(range) };
        merge(&self.store, range, sources, &mut |key, kept| {
            self.age.live(key, kept).is_none_or(|value| is_hidden(range, key) || each(key, value))
        })
    }

    /// Begins a cut: the table as it is between two records. It can be read until its end, or until writes are taken back.
    pub(crate) fn begin_cut(&mut self) -> u64 {
        self.cuts_made += 1;
        self.cuts.push(Cut::new(self.cuts_made, self.age));
        self.cuts_made
    }

    /// Ends a cut, which costs memory while it lasts.
    pub(crate) fn end_cut(&mut self, number: u64) {
        self.cuts.retain(|cut| cut.number != number);
    }

    /// Reads a cut on, as [`TableAccess::range`] does a table; keys must be read in order, and each once.
    pub(crate) fn read_cut(
        &mut self,
        number: u64,
        range: &KeyRange,
        each: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), PortError> {
        self.put_in_order();
        let place = self.cuts.iter().position(|cut| cut.number == number);
        let Some(cut) = place.and_then(|place| self.cuts.get(place)) else {
            return Err(PortError::retry("what was read of the table has been taken back; begin again"));
        };
        let mut sources = vec![cut.source(range)];
        sources.extend(self.on_top(range));
        let (age, mut read_to) = (cut.age, Vec::new());
        merge(&self.store, range, sources, &mut |key, kept| {
            let goes_on = age.live(key, kept).is_none_or(|value| is_hidden(range, key) || each(key, value));
            if !goes_on {
                read_to = key.to_vec();
            }
            goes_on
        })?;
        if let Some(cut) = place.and_then(|place| self.cuts.get_mut(place)) {
            cut.advance(&read_to);
        }
        Ok(())
    }

    /// Lets the cuts keep what `key` has before it is overwritten.
    pub(super) fn keep_for_cuts(&mut self, key: &[u8]) {
        if !self.cuts.iter().any(|cut| cut.wants(key)) {
            return;
        }
        match self.current(key) {
            Ok(value) => {
                for cut in self.cuts.iter_mut().filter(|cut| cut.wants(key)) {
                    cut.keep(key, value.clone());
                }
            }
            // Whoever reads them begins again, and hears of the fault then.
            Err(_) => self.cuts.clear(),
        }
    }

    /// Deletes values whose time is over, looking at up to `keys_max` of the store's; a round begins after each eighth of the
    /// time that values last. What is not deleted yet is not seen any more either.
    pub(crate) fn expire_some(&mut self, keys_max: usize) -> Result<(), PortError> {
        let (cursor, begun) = &mut self.sweep;
        if cursor.is_none() && self.age.is_round_due(*begun) {
            (*cursor, *begun) = (Some(Vec::new()), self.age.now());
        }
        let Some(from) = cursor.take() else { return Ok(()) };
        let (mut over, mut seen, mut next) = (Vec::new(), 0, None);
        let age = self.age;
        self.store.range(&KeyRange::new(from, None), &mut |key, kept| {
            if seen == keys_max {
                next = Some(key.to_vec());
                return false;
            }
            seen += 1;
            if age.live(key, kept).is_none() {
                over.push(Box::<[u8]>::from(key));
            }
            true
        })?;
        self.sweep.0 = next;
        for key in over {
            // A newer value may be on its way to the store.
            if self
                .pending(&key)
                .is_none_or(|found| found.0.is_some_and(|kept| age.live(&key, kept).is_none()))
            {
                self.write(&key, None);
            }
        }
        Ok(())
    }
}

impl<S: TableStore> TableAccess for TableLayer<S> {
    fn get(&mut self, key: &[u8]) -> Result<Option<&[u8]>, PortError> {
        let age = self.age;
        if let Some(value) = self.staged.get(key) {
            return Ok(value.as_deref().and_then(|kept| age.live(key, kept)));
        }
        let hash = self.dirty.hash(key);
        let uncommitted = self.dirty.find(hash, key).or_else(|| self.leaving.find(hash, key));
        let writing = || self.writing.as_ref().and_then(|writing| writing.get(key));
        let pending = uncommitted.or_else(|| self.waiting.get(key)).or_else(writing);
        if let Some(Found(value)) = pending {
            return Ok(value.and_then(|kept| age.live(key, kept)));
        }
        let bytes_max = self.share.cache_bytes();
        load(&self.store, &mut self.cache, &mut self.scratch, key, bytes_max)?;
        Ok(self.cache.get(key).and_then(|kept| age.live(key, kept)))
    }

    fn put(&mut self, key: &[u8], value: Option<&[u8]>) {
        self.staged.put(key.into(), value.map(|value| self.age.stamped(value)));
    }

    fn put_as_of(&mut self, key: &[u8], value: &[u8], at: Timestamp) {
        let mut kept = Vec::new();
        self.age.stamp(at, value, &mut kept);
        self.staged.put(key.into(), Some(kept.into()));
    }

    fn range(
        &mut self,
        range: &KeyRange,
        each: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), PortError> {
        self.put_in_order();
        let staged: BTreeMap<&[u8], Option<&[u8]>> = self
            .staged
            .all()
            .iter()
            .filter(|(key, _)| range.contains(key))
            .map(|(key, value)| (&**key, value.as_deref()))
            .collect();
        let mut sources = vec![Source::new(staged.into_iter())];
        sources.extend(self.on_top(range));
        merge(&self.store, range, sources, &mut |key, kept| {
            self.age.live(key, kept).is_none_or(|value| is_hidden(range, key) || each(key, value))
        })
    }

    fn time(&self) -> Timestamp {
        self.age.now()
    }
}

/// Whether a key is the framework's own, in a range that does not ask for such.
fn is_hidden(range: &KeyRange, key: &[u8]) -> bool {
    is_reserved(key) && !is_reserved(range.from())
}

/// Makes sure that what the store has of a key is cached.
fn load<S: TableStore>(
    store: &S,
    cache: &mut Cache,
    scratch: &mut Vec<u8>,
    key: &[u8],
    bytes_max: usize,
) -> Result<(), PortError> {
    if !cache.touch(key) {
        scratch.clear();
        let found = store.get(key, scratch)?;
        cache.insert(key, found.then_some(scratch.as_slice()), bytes_max);
    }
    Ok(())
}
