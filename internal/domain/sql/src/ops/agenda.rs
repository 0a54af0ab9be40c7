use millstream_model::Value;

use super::chain::Chain;
use super::{Done, State, StepError, entry};

/// Entries that are each to be told at a time of their own, over a state that can only get and put.
///
/// They are kept in buckets of time, and the earliest time is noted, so that a change writes a few entries and a look costs
/// one, however many there are.
pub(super) struct Agenda {
    base: Vec<u8>,
    width: i64,
}

/// What kinds of keys there are: the buckets that hold something, the earliest time, and the buckets' entries.
const BUCKETS: u8 = b'b';
const EARLIEST: u8 = b'e';
const ENTRIES: u8 = b'q';

const DAMAGED: StepError = StepError::Damaged("an agenda of the state");

impl Agenda {
    /// The agenda of a place, in buckets of so much time.
    pub(super) fn new(base: Vec<u8>, width: i64) -> Self {
        Self { base, width: width.max(1) }
    }

    fn place(&self, kind: u8) -> Vec<u8> {
        [self.base.as_slice(), &[kind]].concat()
    }

    fn bucket_of(&self, due: i64) -> i64 {
        due.div_euclid(self.width)
    }

    fn owner(&self, bucket: i64) -> Vec<u8> {
        [self.base.as_slice(), &Value::Bigint(bucket).to_bytes()].concat()
    }

    /// Notes an entry, in place of the one with the same time and `order`.
    pub(super) fn add(&self, state: &mut dyn State, due: i64, order: &Value, content: Value) -> Done {
        let bucket = self.bucket_of(due);
        let mut buckets = self.buckets(state)?;
        if let Err(place) = buckets.binary_search(&bucket) {
            buckets.insert(place, bucket);
            self.put_buckets(state, &buckets)?;
        }
        if self.earliest(state)?.is_none_or(|earliest| due < earliest) {
            entry::put_number(state, &self.place(EARLIEST), due)?;
        }
        let owner = self.owner(bucket);
        let entry = Value::Struct(vec![Value::Bigint(due), order.clone(), content]);
        Chain::new(ENTRIES, &owner).push(state, &order.to_bytes(), entry).map(drop)
    }

    /// Takes an entry back.
    pub(super) fn remove(&self, state: &mut dyn State, due: i64, order: &Value) -> Done {
        let owner = self.owner(self.bucket_of(due));
        Chain::new(ENTRIES, &owner).remove(state, &order.to_bytes()).map(drop)
    }

    /// Takes out what is due, by its order.
    pub(super) fn take(
        &self,
        state: &mut dyn State,
        is_due: impl Fn(i64) -> bool,
    ) -> Result<Vec<(Value, Value)>, StepError> {
        if !self.earliest(state)?.is_some_and(&is_due) {
            return Ok(Vec::new());
        }
        let mut buckets = self.buckets(state)?;
        let (mut taken, mut earliest) = (Vec::new(), None);
        while let Some(bucket) = buckets.first().copied() {
            let owner = self.owner(bucket);
            let chain = Chain::new(ENTRIES, &owner);
            let entries = chain.contents(state)?.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
            let (now, later): (Vec<_>, Vec<_>) = entries.into_iter().partition(|(due, ..)| is_due(*due));
            if later.is_empty() {
                chain.clear(state, now.iter().map(|(_, order, _)| order.to_bytes()))?;
            } else {
                for (_, order, _) in &now {
                    chain.remove(state, &order.to_bytes())?;
                }
            }
            taken.extend(now.into_iter().map(|(_, order, content)| (order, content)));
            earliest = later.iter().map(|(due, ..)| *due).min();
            if earliest.is_some() {
                break;
            }
            buckets.remove(0);
        }
        self.put_buckets(state, &buckets)?;
        entry::put(state, &self.place(EARLIEST), earliest.map(Value::Bigint).as_ref())?;
        taken.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(taken)
    }

    fn earliest(&self, state: &mut dyn State) -> Result<Option<i64>, StepError> {
        entry::number(state, &self.place(EARLIEST))
    }

    fn buckets(&self, state: &mut dyn State) -> Result<Vec<i64>, StepError> {
        let number = |bucket: Value| match bucket {
            Value::Bigint(bucket) => Ok(bucket),
            _ => Err(DAMAGED),
        };
        match entry::get(state, &self.place(BUCKETS))? {
            None => Ok(Vec::new()),
            Some(Value::Array(buckets)) => buckets.into_iter().map(number).collect(),
            Some(_) => Err(DAMAGED),
        }
    }

    fn put_buckets(&self, state: &mut dyn State, buckets: &[i64]) -> Done {
        let list = (!buckets.is_empty()).then(|| buckets.iter().copied().map(Value::Bigint).collect());
        entry::put(state, &self.place(BUCKETS), list.map(Value::Array).as_ref())
    }
}

fn read(entry: Value) -> Result<(i64, Value, Value), StepError> {
    let Value::Struct(parts) = entry else { return Err(DAMAGED) };
    match <[Value; 3]>::try_from(parts).map_err(|_| DAMAGED)? {
        [Value::Bigint(due), order, content] => Ok((due, order, content)),
        _ => Err(DAMAGED),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ops::tests::Memory;

    proptest! {
        #[test]
        fn what_is_due_is_told_once_and_in_order(
            notes in proptest::collection::vec((0_i64..100, 0_i32..9, any::<bool>()), 0..40), width in 1_i64..30,
        ) {
            let (agenda, mut state) = (Agenda::new(b"x".to_vec(), width), Memory::default());
            let mut naive = std::collections::BTreeMap::new();
            for (due, order, is_added) in notes {
                let id = Value::Struct(vec![Value::Bigint(due), Value::Int(order)]);
                if is_added {
                    agenda.add(&mut state, due, &id, Value::Int(order)).unwrap();
                    naive.insert(id, due);
                } else {
                    agenda.remove(&mut state, due, &id).unwrap();
                    naive.remove(&id);
                }
            }
            for now in [20, 50, 200] {
                let taken = agenda.take(&mut state, |due| due < now).unwrap();
                let expected: Vec<_> = naive.iter().filter(|(_, due)| **due < now).map(|(id, _)| id.clone()).collect();
                prop_assert_eq!(taken.into_iter().map(|(id, _)| id).collect::<Vec<_>>(), expected);
                naive.retain(|_, due| *due >= now);
            }
            prop_assert!(state.is_empty(), "nothing is left behind");
        }
    }
}
