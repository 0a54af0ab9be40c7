use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};

use crate::load::Model;
use crate::member::OUTPUT;
use crate::quiet::Quiet;

/// What readers of committed records have seen of the outputs.
#[derive(Default)]
pub(crate) struct Seen {
    /// How often each count of each key came, from the first count on.
    counts: HashMap<String, Vec<u8>>,
    pub(crate) outputs: u64,
    /// Outputs whose key or count is none that anybody could have written.
    strange: u64,
    lasts: BTreeMap<i32, Instant>,
    /// The longest time for which a partition was silent while records were written, when it ended, and which.
    pub(crate) gaps: Vec<Gap>,
}

/// A partition's silence.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gap {
    pub(crate) partition: i32,
    pub(crate) begun: Instant,
    pub(crate) length: Duration,
}

/// Silences shorter than this are the pace of commits.
const GAP_MIN: Duration = Duration::from_millis(500);

impl Seen {
    fn take(&mut self, partition: i32, key: Option<&[u8]>, value: Option<&[u8]>, now: Instant) {
        self.outputs += 1;
        if let Some(last) = self.lasts.insert(partition, now) {
            let length = now.saturating_duration_since(last);
            if length >= GAP_MIN {
                self.gaps.push(Gap { partition, begun: last, length });
            }
        }
        let text = |bytes: Option<&[u8]>| Some(std::str::from_utf8(bytes?).ok()?.to_owned());
        let count = text(value)
            .and_then(|text| text.parse::<usize>().ok())
            .filter(|count| (1..1 << 24).contains(count));
        let (Some(key), Some(count)) = (text(key), count) else {
            self.strange += 1;
            return;
        };
        let counts = self.counts.entry(key).or_default();
        if counts.len() < count {
            counts.resize(count, 0);
        }
        if let Some(times) = counts.get_mut(count - 1) {
            *times = times.saturating_add(1);
        }
    }

    /// How many outputs are missing, and how many came too often or should not be there.
    pub(crate) fn compare(&self, model: &Model) -> (u64, u64) {
        let (mut lost, mut duplicated) = (0, self.strange);
        for (key, expected) in model {
            let counts = self.counts.get(key).map_or(&[][..], Vec::as_slice);
            let there = counts.iter().take(usize::try_from(*expected).unwrap_or(usize::MAX));
            lost += expected - there.filter(|times| **times > 0).count() as u64;
        }
        for (key, counts) in &self.counts {
            let expected = usize::try_from(model.get(key).copied().unwrap_or(0)).unwrap_or(usize::MAX);
            for (place, times) in counts.iter().enumerate() {
                let wanted = u8::from(place < expected);
                duplicated += u64::from(times.saturating_sub(wanted));
            }
        }
        (lost, duplicated)
    }

    /// The longest silence.
    pub(crate) fn longest_gap(&self) -> Duration {
        self.gaps.iter().map(|gap| gap.length).max().unwrap_or_default()
    }
}

/// Reads the outputs as they come.
pub(crate) struct Audit {
    seen: Arc<Mutex<Seen>>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Audit {
    pub(crate) fn start(brokers: &str, partitions: u32) -> anyhow::Result<Self> {
        let consumer = reader(brokers, false)?;
        let mut list = TopicPartitionList::new();
        for partition in 0..i32::try_from(partitions)? {
            list.add_partition_offset(OUTPUT, partition, Offset::Beginning)?;
        }
        consumer.assign(&list)?;
        let (seen, stop) = (Arc::<Mutex<Seen>>::default(), Arc::new(AtomicBool::new(false)));
        let (noted, stopped) = (seen.clone(), stop.clone());
        let work = move || {
            while !stopped.load(Ordering::Relaxed) {
                if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
                    locked(&noted).take(
                        message.partition(),
                        message.key(),
                        message.payload(),
                        Instant::now(),
                    );
                }
            }
        };
        let thread = thread::Builder::new().name("audit".to_owned()).spawn(work)?;
        Ok(Self { seen, stop, thread })
    }

    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        locked(&self.seen)
    }

    pub(crate) fn finish(self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.join();
        std::mem::take(&mut locked(&self.seen))
    }
}

/// A reader of committed records, in no group; it may tell of the ends that it comes to.
pub(crate) fn reader(brokers: &str, knows_ends: bool) -> anyhow::Result<BaseConsumer<Quiet>> {
    Ok(ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "chaos-audit")
        .set("isolation.level", "read_committed")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", if knows_ends { "true" } else { "false" })
        .set("fetch.wait.max.ms", "50")
        .set("reconnect.backoff.max.ms", "500")
        .create_with_context(Quiet)?)
}

fn locked(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(outputs: &[(&str, &str)]) -> Seen {
        let mut seen = Seen::default();
        for (key, count) in outputs {
            seen.take(0, Some(key.as_bytes()), Some(count.as_bytes()), Instant::now());
        }
        seen
    }

    #[test]
    fn what_is_missing_and_what_is_too_much_is_counted() {
        let model: Model = [("a".to_owned(), 2), ("b".to_owned(), 1)].into();
        for (outputs, verdict) in [
            (&[("a", "1"), ("a", "2"), ("b", "1")][..], (0, 0)),
            (&[("a", "2"), ("b", "1")][..], (1, 0)),
            (&[("a", "1"), ("a", "2"), ("a", "2"), ("b", "1")][..], (0, 1)),
            (&[("a", "1"), ("a", "2"), ("a", "3"), ("b", "1")][..], (0, 1)),
            (&[("a", "1"), ("a", "1"), ("c", "1")][..], (2, 2)),
            (&[("a", "1"), ("a", "2"), ("b", "1"), ("b", "x")][..], (0, 1)),
            (&[][..], (3, 0)),
        ] {
            assert_eq!(of(outputs).compare(&model), verdict, "{outputs:?}");
        }
    }

    #[test]
    fn a_silence_is_measured_partition_by_partition() {
        let (mut seen, begun) = (Seen::default(), Instant::now());
        for (partition, millis) in [(0, 0), (1, 0), (1, 900), (1, 1_800), (0, 2_000)] {
            seen.take(partition, Some(b"k"), Some(b"1"), begun + Duration::from_millis(millis));
        }
        assert_eq!(seen.longest_gap(), Duration::from_secs(2));
        assert_eq!(seen.gaps.len(), 3);
    }
}
