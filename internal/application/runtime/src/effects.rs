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
