use std::collections::BTreeMap;
use std::sync::Mutex;

use proptest::prelude::*;

use super::*;
use crate::memory::MemoryBudget;

mod ages;
mod kills;
mod reads;

/// A store that is a map, to see through the layer.
#[derive(Default)]
pub(super) struct MapStore(Mutex<(Map, Option<Offset>)>);

pub(super) type Map = BTreeMap<Vec<u8>, Vec<u8>>;

impl TableStore for MapStore {
    fn get(&self, key: &[u8], out: &mut Vec<u8>) -> Result<bool, PortError> {
        let found = self.0.lock().unwrap().0.get(key).cloned();
        out.extend(found.iter().flatten());
        Ok(found.is_some())
    }

    fn apply<'a>(
        &self,
        entries: &mut dyn Iterator<Item = (&'a [u8], Option<&'a [u8]>)>,
        next: Offset,
    ) -> Result<(), PortError> {
        let mut state = self.0.lock().unwrap();
        for (key, value) in entries {
            match value {
                Some(value) => state.0.insert(key.to_vec(), value.to_vec()),
                None => state.0.remove(key),
            };
        }
        state.1 = Some(next);
        Ok(())
    }

    fn changelog_offset(&self) -> Result<Option<Offset>, PortError> {
        Ok(self.0.lock().unwrap().1)
    }

    fn range(&self, range: &KeyRange, each: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<(), PortError> {
        let within = self.0.lock().unwrap().0.clone();
        let within = within.iter().filter(|(key, _)| range.contains(key));
        let _ = within.take_while(|(key, value)| each(key, value)).count();
        Ok(())
    }

    fn count(&self) -> Result<u64, PortError> {
        Ok(self.0.lock().unwrap().0.len() as u64)
    }

    fn clear(&self) -> Result<(), PortError> {
        *self.0.lock().unwrap() = (Map::new(), None);
        Ok(())
    }

    fn flush(&self) -> Result<(), PortError> {
        Ok(())
    }
}

const AT: Timestamp = Timestamp(0);

fn layer_on(store: MapStore, budget: usize) -> TableLayer<MapStore> {
    TableLayer::new(store, MemoryBudget::of_bytes(budget).join(0), None)
}

pub(super) fn layer(budget: usize) -> TableLayer<MapStore> {
    layer_on(MapStore::default(), budget)
}

#[test]
fn a_failed_record_leaves_no_trace() {
    let mut layer = layer(1 << 20);
    layer.put(b"k", Some(b"1"));
    layer.accept_staged();
    layer.put(b"k", Some(b"2"));
    assert_eq!(layer.get(b"k").unwrap(), Some(&b"2"[..]), "a record reads its own writes");
    layer.reject_staged();
    assert_eq!(layer.get(b"k").unwrap(), Some(&b"1"[..]));
}

#[test]
fn the_store_sees_writes_only_at_the_commit_and_one_a_key() {
    let mut layer = layer(1 << 20);
    for value in [b"1", b"2", b"3"] {
        layer.put(b"k", Some(value));
        layer.accept_staged();
    }
    assert_eq!(layer.store().count().unwrap(), 0);
    layer.begin_leaving();
    assert_eq!(layer.leaving().collect::<Vec<_>>(), [(&b"k"[..], Some(&b"3"[..]), None)]);
    layer.logged(Offset(9), Duration::ZERO);
    assert_eq!(layer.store().count().unwrap(), 0, "what is logged waits for more");
    assert!(
        layer.is_store_due(Duration::ZERO, Duration::ZERO, usize::MAX)
            && layer.is_store_due(Duration::ZERO, Duration::MAX, 1)
    );
    layer.store_all(1).unwrap();
    assert_eq!(layer.store().changelog_offset().unwrap(), Some(Offset(9)));
    assert!(!layer.is_leaving());
    assert_eq!(layer.get(b"k").unwrap(), Some(&b"3"[..]));
}

#[test]
fn what_was_lost_in_a_rebalance_is_forgotten() {
    let mut layer = layer(1 << 20);
    layer.put(b"k", Some(b"1"));
    layer.accept_staged();
    layer.discard();
    assert_eq!(layer.get(b"k").unwrap(), None);
}

#[test]
fn a_store_that_is_brought_forward_in_batches_says_so_with_the_last() {
    let mut layer = layer(0);
    layer.replay(&[0, 0], Some(b"1"), AT);
    for number in 0..100_u8 {
        layer.replay(&[number], Some(&[number]), AT);
    }
    layer.replay(&[0, 0], None, AT);
    layer.replayed(Offset(102), Duration::ZERO, usize::MAX);
    let bytes = layer.waiting_bytes();
    layer.begin_writing().unwrap();
    layer.replay(&[7], Some(b"newer"), AT);
    layer.replayed(Offset(103), Duration::ZERO, usize::MAX);
    let mut batches = 0;
    while layer.store_some(bytes / 10).unwrap() {
        batches += 1;
        let (stored, offset) = (layer.store().count().unwrap(), layer.store().changelog_offset().unwrap());
        assert_eq!(offset, Some(Offset(if stored == 100 { 102 } else { 0 })), "after {stored} entries");
        assert_eq!(layer.get(&[99]).unwrap(), Some(&[99][..]));
        assert_eq!(layer.get(&[7]).unwrap(), Some(&b"newer"[..]));
        assert_eq!(layer.get(&[0, 0]).unwrap(), None);
    }
    assert!((10..=12).contains(&batches), "{batches} batches");
    layer.store_all(1).unwrap();
    assert_eq!(layer.store().changelog_offset().unwrap(), Some(Offset(103)));
    assert_eq!((layer.waiting_bytes(), layer.get(&[7]).unwrap()), (0, Some(&b"newer"[..])));
}
