use std::ops::Range;

use millstream_model::{Headers, Partition, Timestamp};

/// What callbacks want written, in order, held in one buffer until the batch is done.
///
/// A record's effects are undone as one by [`Effects::rollback`] when its callback fails.
#[derive(Default)]
pub(crate) struct Effects {
    bytes: Vec<u8>,
    sends: Vec<Effect>,
}

/// One record to be sent.
pub(crate) struct Effect {
    /// Index into the graph's destinations.
    pub(crate) destination: usize,
    /// A fixed partition; otherwise the key chooses.
    pub(crate) partition: Option<Partition>,
    key: Option<Range<usize>>,
    value: Option<Range<usize>>,
    pub(crate) headers: Option<Box<Headers>>,
    pub(crate) timestamp: Option<Timestamp>,
}

/// How far the effects went before a record was processed.
#[derive(Clone, Copy)]
pub(crate) struct Mark {
    bytes: usize,
    sends: usize,
}

/// A record being written into the effects.
pub(crate) struct Draft<'a> {
    pub(crate) destination: usize,
    pub(crate) partition: Option<Partition>,
    pub(crate) headers: Option<&'a Headers>,
    pub(crate) timestamp: Option<Timestamp>,
}

impl Effects {
    pub(crate) fn mark(&self) -> Mark {
        Mark { bytes: self.bytes.len(), sends: self.sends.len() }
    }

    pub(crate) fn rollback(&mut self, mark: Mark) {
        self.bytes.truncate(mark.bytes);
        self.sends.truncate(mark.sends);
    }

    /// Takes out what came since the mark.
    pub(crate) fn split_off(&mut self, mark: Mark) -> Self {
        let bytes = self.bytes.split_off(mark.bytes.min(self.bytes.len()));
        let mut sends = self.sends.split_off(mark.sends.min(self.sends.len()));
        let back = |range: &Range<usize>| range.start - mark.bytes..range.end - mark.bytes;
        for effect in &mut sends {
            effect.key = effect.key.as_ref().map(back);
            effect.value = effect.value.as_ref().map(back);
        }
        Self { bytes, sends }
    }

    /// Puts what was taken out behind all there is.
    pub(crate) fn append(&mut self, mut other: Self) {
        let by = self.bytes.len();
        let on = |range: &Range<usize>| range.start + by..range.end + by;
        for effect in &mut other.sends {
            effect.key = effect.key.as_ref().map(on);
            effect.value = effect.value.as_ref().map(on);
        }
        self.bytes.append(&mut other.bytes);
        self.sends.append(&mut other.sends);
    }

    /// Adds a record whose key and value `key` and `value` append to the buffer, answering whether there is one.
    pub(crate) fn add<E>(
        &mut self,
        draft: &Draft<'_>,
        key: impl FnOnce(&mut Vec<u8>) -> Result<bool, E>,
        value: impl FnOnce(&mut Vec<u8>) -> Result<bool, E>,
    ) -> Result<(), E> {
        let key = self.write(key)?;
        let value = self.write(value)?;
        self.sends.push(Effect {
            destination: draft.destination,
            partition: draft.partition,
            key,
            value,
            headers: draft.headers.filter(|headers| !headers.is_empty()).cloned().map(Box::new),
            timestamp: draft.timestamp,
        });
        Ok(())
    }

    fn write<E>(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>) -> Result<bool, E>,
    ) -> Result<Option<Range<usize>>, E> {
        let from = self.bytes.len();
        match write(&mut self.bytes) {
            Ok(present) => Ok(present.then_some(from..self.bytes.len())),
            Err(error) => {
                self.bytes.truncate(from);
                Err(error)
            }
        }
    }

    /// Every effect with its key and value.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Effect, Option<&[u8]>, Option<&[u8]>)> {
        let bytes = |range: &Option<Range<usize>>| range.clone().and_then(|range| self.bytes.get(range));
        self.sends.iter().map(move |effect| (effect, bytes(&effect.key), bytes(&effect.value)))
    }

    /// Forgets the first `count` effects.
    pub(crate) fn drop_first(&mut self, count: usize) {
        self.sends.drain(..count.min(self.sends.len()));
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.sends.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(effects: &mut Effects, key: &[u8], value: Option<&[u8]>) {
        let draft = Draft { destination: 0, partition: None, headers: None, timestamp: None };
        let write = |out: &mut Vec<u8>, bytes: Option<&[u8]>| {
            out.extend_from_slice(bytes.unwrap_or_default());
            Ok::<_, ()>(bytes.is_some())
        };
        effects.add(&draft, |out| write(out, Some(key)), |out| write(out, value)).unwrap();
    }

    type Pair = (Option<Vec<u8>>, Option<Vec<u8>>);

    fn all(effects: &Effects) -> Vec<Pair> {
        effects.iter().map(|(_, key, value)| (key.map(<[u8]>::to_vec), value.map(<[u8]>::to_vec))).collect()
    }

    #[test]
    fn a_failed_record_takes_its_effects_back_and_no_others() {
        let mut effects = Effects::default();
        add(&mut effects, b"a", Some(b"1"));
        let mark = effects.mark();
        add(&mut effects, b"b", None);
        add(&mut effects, b"c", Some(b""));
        assert_eq!(all(&effects)[1..], [(Some(b"b".to_vec()), None), (Some(b"c".to_vec()), Some(vec![]))]);
        effects.rollback(mark);
        assert_eq!(all(&effects), [(Some(b"a".to_vec()), Some(b"1".to_vec()))]);
    }

    #[test]
    fn effects_that_were_taken_out_come_back_as_they_were() {
        let mut effects = Effects::default();
        add(&mut effects, b"a", Some(b"1"));
        let mark = effects.mark();
        add(&mut effects, b"b", None);
        add(&mut effects, b"c", Some(b"33"));
        let out = effects.split_off(mark);
        assert_eq!((all(&effects).len(), all(&out).len()), (1, 2));
        add(&mut effects, b"dd", Some(b"4"));
        effects.append(out);
        let keys: Vec<_> = all(&effects).into_iter().map(|(key, _)| key.unwrap()).collect();
        assert_eq!(keys, [&b"a"[..], b"dd", b"b", b"c"]);
        assert_eq!(all(&effects)[3].1, Some(b"33".to_vec()));
    }

    #[test]
    fn a_value_that_can_not_be_encoded_leaves_no_bytes() {
        let mut effects = Effects::default();
        let draft = Draft { destination: 0, partition: None, headers: None, timestamp: None };
        let fails = effects.add(
            &draft,
            |_| Ok(false),
            |out| {
                out.push(1);
                Err("no")
            },
        );
        assert_eq!(fails, Err("no"));
        add(&mut effects, b"k", Some(b"v"));
        assert_eq!(all(&effects), [(Some(b"k".to_vec()), Some(b"v".to_vec()))]);
    }
}
