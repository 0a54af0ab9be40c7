use std::collections::{BTreeMap, VecDeque};

use crate::{Fault, Millis};

/// Batches of each producer that are remembered, as clients have no more of them on their way.
const REMEMBERED_MAX: usize = 5;

/// A batch of a producer that was appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The producer's id.
    pub producer: i64,
    /// Its epoch.
    pub epoch: i16,
    /// The sequence of the batch's first record.
    pub first_sequence: i32,
    /// The sequence of the batch's last record.
    pub last_sequence: i32,
    /// The offset of the first record.
    pub base_offset: i64,
    /// The offset of the last record.
    pub last_offset: i64,
    /// Whether it is part of a transaction.
    pub transactional: bool,
    /// When it was appended.
    pub at: Millis,
}

/// What to do with a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is new: append it.
    Append,
    /// It is there already, at this offset: acknowledge it again.
    Duplicate {
        /// The offset of its first record.
        base_offset: i64,
    },
}

/// A transaction that was taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aborted {
    /// Its producer.
    pub producer: i64,
    /// Its first record.
    pub first_offset: i64,
    /// Its marker.
    pub last_offset: i64,
}

/// What is known of one producer, to be kept over a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// Its id.
    pub producer: i64,
    /// Its newest epoch.
    pub epoch: i16,
    /// Its last batches: first and last sequence, and the first offset.
    pub batches: Vec<(i32, i32, i64)>,
    /// The first offset of its open transaction.
    pub open: Option<i64>,
    /// When it last wrote.
    pub at: Millis,
}

#[derive(Clone, Debug, Default)]
struct Producer {
    epoch: i16,
    batches: VecDeque<(i32, i32, i64)>,
    open: Option<i64>,
    at: Millis,
}

/// The producers of one partition: where the sequence of each stands, and which transactions are open.
///
/// **Invariant:** of a producer's epoch each sequence is appended once, and without gaps.
#[derive(Clone, Debug, Default)]
pub struct Producers {
    producers: BTreeMap<i64, Producer>,
    aborted: Vec<Aborted>,
}

/// The sequence that comes `by` after another; sequences begin again at 0 after the greatest.
fn after(sequence: i32, by: i32) -> i32 {
    let sum = i64::from(sequence) + i64::from(by);
    let wrapped = if sum > i64::from(i32::MAX) { sum - i64::from(i32::MAX) - 1 } else { sum };
    i32::try_from(wrapped).unwrap_or(0)
}

impl Producers {
    /// The sequence of a batch's last record.
    pub fn last_sequence(first: i32, last_delta: i32) -> i32 {
        after(first, last_delta)
    }

    /// Says whether a batch is its producer's next.
    ///
    /// # Errors
    /// [`Fault::InvalidEpoch`] when the producer has been fenced, [`Fault::OutOfOrderSequence`] when batches are
    /// missing before it or it is older than what is remembered.
    pub fn check(&self, producer: i64, epoch: i16, first: i32, last: i32) -> Result<Verdict, Fault> {
        let Some(known) = self.producers.get(&producer) else { return Ok(Verdict::Append) };
        if epoch < known.epoch {
            return Err(Fault::InvalidEpoch);
        }
        let Some((_, newest, _)) = known.batches.back().filter(|_| epoch == known.epoch) else {
            // A new epoch begins at 0; of one that only wrote markers, or was forgotten, anything is taken.
            let fits = first == 0 || (epoch == known.epoch && known.batches.is_empty());
            return if fits { Ok(Verdict::Append) } else { Err(Fault::OutOfOrderSequence) };
        };
        if let Some((_, _, base_offset)) = known.batches.iter().find(|(f, l, _)| (*f, *l) == (first, last)) {
            return Ok(Verdict::Duplicate { base_offset: *base_offset });
        }
        if first == after(*newest, 1) { Ok(Verdict::Append) } else { Err(Fault::OutOfOrderSequence) }
    }

    /// Says whether a producer may write a marker of this epoch.
    ///
    /// # Errors
    /// [`Fault::InvalidEpoch`] when the partition has seen a newer one.
    pub fn check_marker(&self, producer: i64, epoch: i16) -> Result<(), Fault> {
        let newest = self.producers.get(&producer).map_or(epoch, |known| known.epoch);
        if epoch < newest { Err(Fault::InvalidEpoch) } else { Ok(()) }
    }

    /// Notes a batch that was appended.
    pub fn append(&mut self, batch: &Appended) {
        let known = self.producers.entry(batch.producer).or_default();
        if known.epoch != batch.epoch {
            known.epoch = batch.epoch;
            known.batches.clear();
        }
        if known.batches.len() == REMEMBERED_MAX {
            known.batches.pop_front();
        }
        known.batches.push_back((batch.first_sequence, batch.last_sequence, batch.base_offset));
        known.at = batch.at;
        if batch.transactional && known.open.is_none() {
            known.open = Some(batch.base_offset);
        }
    }

    /// Notes a marker that was appended: the producer's transaction is over.
    pub fn end(&mut self, producer: i64, epoch: i16, commit: bool, marker: i64, at: Millis) {
        let known = self.producers.entry(producer).or_default();
        if known.epoch != epoch {
            known.epoch = epoch;
            known.batches.clear();
        }
        known.at = at;
        if let Some(first_offset) = known.open.take().filter(|_| !commit) {
            self.aborted.push(Aborted { producer, first_offset, last_offset: marker });
        }
    }

    /// Where a producer's open transaction begins.
    pub fn open(&self, producer: i64) -> Option<i64> {
        self.producers.get(&producer).and_then(|known| known.open)
    }

    /// Where the oldest open transaction begins: readers of committed records stop there.
    pub fn first_open(&self) -> Option<i64> {
        self.producers.values().filter_map(|known| known.open).min()
    }

    /// Transactions taken back that have records or their marker in `from..to`.
    pub fn aborted_between(&self, from: i64, to: i64) -> Vec<Aborted> {
        let meets = |aborted: &&Aborted| aborted.last_offset >= from && aborted.first_offset < to;
        self.aborted.iter().filter(meets).copied().collect()
    }

    /// All transactions taken back that are known.
    pub fn aborted(&self) -> &[Aborted] {
        &self.aborted
    }

    /// Forgets transactions that were taken back and whose markers are gone.
    pub fn forget_aborted_before(&mut self, offset: i64) {
        self.aborted.retain(|aborted| aborted.last_offset >= offset);
    }

    /// Forgets producers that have written nothing since, unless a transaction of theirs is open.
    pub fn forget_idle_since(&mut self, at: Millis) {
        self.producers.retain(|_, known| known.open.is_some() || known.at >= at);
    }

    /// All that is known of producers.
    pub fn remember(&self) -> Vec<Remembered> {
        let remember = |(producer, known): (&i64, &Producer)| Remembered {
            producer: *producer,
            epoch: known.epoch,
            batches: known.batches.iter().copied().collect(),
            open: known.open,
            at: known.at,
        };
        self.producers.iter().map(remember).collect()
    }

    /// What was known before a restart.
    pub fn recall(remembered: Vec<Remembered>, aborted: Vec<Aborted>) -> Self {
        let recall = |each: Remembered| {
            let batches = each.batches.into();
            (each.producer, Producer { epoch: each.epoch, batches, open: each.open, at: each.at })
        };
        Self { producers: remembered.into_iter().map(recall).collect(), aborted }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn batch(producer: i64, epoch: i16, first: i32, count: i32, base_offset: i64) -> Appended {
        Appended {
            producer,
            epoch,
            first_sequence: first,
            last_sequence: Producers::last_sequence(first, count - 1),
            base_offset,
            last_offset: base_offset + i64::from(count) - 1,
            transactional: true,
            at: 0,
        }
    }

    #[test]
    fn batches_are_told_from_repeats_gaps_and_the_fenced() {
        let mut producers = Producers::default();
        for number in 0..7 {
            producers.append(&batch(1, 3, number * 10, 10, i64::from(number) * 10));
        }
        let cases = [
            (3, 70, 79, Ok(Verdict::Append)),
            (3, 60, 69, Ok(Verdict::Duplicate { base_offset: 60 })),
            (3, 20, 29, Ok(Verdict::Duplicate { base_offset: 20 })),
            (3, 10, 19, Err(Fault::OutOfOrderSequence)),
            (3, 60, 65, Err(Fault::OutOfOrderSequence)),
            (3, 80, 89, Err(Fault::OutOfOrderSequence)),
            (2, 70, 79, Err(Fault::InvalidEpoch)),
            (4, 0, 0, Ok(Verdict::Append)),
            (4, 70, 79, Err(Fault::OutOfOrderSequence)),
        ];
        for (epoch, first, last, expected) in cases {
            assert_eq!(producers.check(1, epoch, first, last), expected, "{epoch} {first}..={last}");
        }
        assert_eq!(
            producers.check(2, 0, 55, 60),
            Ok(Verdict::Append),
            "one that is not known may be anywhere"
        );
    }

    #[test]
    fn sequences_begin_again_after_the_greatest() {
        assert_eq!(Producers::last_sequence(i32::MAX - 1, 1), i32::MAX);
        assert_eq!(Producers::last_sequence(i32::MAX - 1, 2), 0);
        let mut producers = Producers::default();
        producers.append(&batch(1, 0, i32::MAX - 4, 10, 0));
        assert_eq!(producers.check(1, 0, 5, 9), Ok(Verdict::Append));
    }

    #[test]
    fn open_transactions_hold_readers_back_and_taken_back_ones_are_listed() {
        let mut producers = Producers::default();
        producers.append(&batch(1, 0, 0, 5, 10));
        producers.append(&batch(2, 0, 0, 5, 15));
        producers.append(&batch(1, 0, 5, 5, 20));
        assert_eq!((producers.first_open(), producers.open(2)), (Some(10), Some(15)));
        producers.end(1, 0, false, 25, 0);
        assert_eq!(producers.first_open(), Some(15));
        producers.end(2, 0, true, 26, 0);
        assert_eq!(producers.first_open(), None);
        let aborted = [Aborted { producer: 1, first_offset: 10, last_offset: 25 }];
        for (from, to, listed) in [(0, 10, false), (0, 11, true), (25, 26, true), (26, 30, false)] {
            assert_eq!(producers.aborted_between(from, to) == aborted, listed, "{from}..{to}");
        }
    }

    #[test]
    fn a_marker_of_a_newer_epoch_fences() {
        let mut producers = Producers::default();
        producers.append(&batch(1, 0, 0, 5, 10));
        producers.end(1, 1, false, 15, 0);
        assert_eq!(producers.check(1, 0, 5, 9), Err(Fault::InvalidEpoch));
        assert_eq!(producers.check_marker(1, 0), Err(Fault::InvalidEpoch));
        assert_eq!(producers.check(1, 1, 0, 4), Ok(Verdict::Append));
    }

    proptest! {
        /// Whatever is sent again and in which order, each sequence is appended once and in order.
        #[test]
        fn each_sequence_is_appended_once(sends in proptest::collection::vec((0..30_i32, any::<bool>()), 1..200)) {
            let mut producers = Producers::default();
            let mut log = Vec::new();
            for (number, restart) in sends {
                let sent = batch(1, 0, number * 3, 3, i64::try_from(log.len() * 3).unwrap());
                let verdict = producers.check(1, 0, sent.first_sequence, sent.last_sequence);
                if verdict == Ok(Verdict::Append) && (!log.is_empty() || number == 0) {
                    producers.append(&sent);
                    log.push(number);
                }
                if restart {
                    producers = Producers::recall(producers.remember(), producers.aborted().to_vec());
                }
            }
            let count = i32::try_from(log.len()).unwrap();
            prop_assert!(log.into_iter().eq(0..count));
        }
    }
}
