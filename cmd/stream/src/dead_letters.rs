use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use millstream_http_api::{DeadLetter, DeadLetters};
use millstream_model::{Headers, Offset, Partition, RecordView, TopicName};
use millstream_ports::{PortError, Start, Tail, World};

/// How long the brokers may take to hand over what there is.
const READ_WAIT: Duration = Duration::from_secs(5);

/// Records read at a time.
const BATCH_RECORDS_MAX: usize = 1_000;

/// The dead letters of a group, read from their topic each time they are asked for.
pub(crate) struct LetterTopic<W> {
    pub(crate) world: W,
    pub(crate) topic: TopicName,
}

impl<W: World> LetterTopic<W> {
    fn newest(&self, limit: usize) -> Result<Vec<DeadLetter>, PortError> {
        let found =
            self.world.describe_topics(std::slice::from_ref(&self.topic))?.into_iter().flatten().next();
        let width = found.map_or(0, |topic| topic.partitions);
        let mut tail = self.world.tail("dead-letters", std::slice::from_ref(&self.topic))?;
        let mut letters = Vec::new();
        for partition in (0..width).map(Partition::new) {
            letters.extend(last_of(&mut tail, partition, limit)?);
        }
        letters.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        letters.truncate(limit);
        Ok(letters.into_iter().map(|(_, letter)| letter).collect())
    }
}

type Timed = (millstream_model::Timestamp, DeadLetter);

/// The last records of a partition, up to `limit`.
fn last_of<T: Tail>(tail: &mut T, partition: Partition, limit: usize) -> Result<VecDeque<Timed>, PortError> {
    let mut last = VecDeque::new();
    let (_, end) = tail.add(0, partition, Start::Latest)?;
    tail.remove(0, partition)?;
    let back = i64::try_from(limit).unwrap_or(i64::MAX);
    tail.add(0, partition, Start::At(Offset(end.0.saturating_sub(back).max(0))))?;
    let deadline = Instant::now() + READ_WAIT;
    while tail.position(0, partition)? < end && Instant::now() < deadline {
        tail.poll(Duration::from_millis(50), BATCH_RECORDS_MAX, |record| {
            last.push_back(letter(&record));
            ControlFlow::Continue(())
        })?;
    }
    tail.remove(0, partition)?;
    Ok(last)
}

fn letter(record: &RecordView<'_>) -> Timed {
    let letter = DeadLetter {
        partition: record.partition,
        offset: record.offset,
        key: record.key.map(<[u8]>::to_vec),
        value: record.value.map(<[u8]>::to_vec),
        headers: Headers::copy_of(record.headers),
    };
    (record.timestamp, letter)
}

impl<W: World> DeadLetters for LetterTopic<W> {
    fn list(&self, limit: usize) -> Result<Vec<DeadLetter>, String> {
        self.newest(limit).map_err(|error| error.to_string())
    }

    fn can_replay(&self) -> bool {
        false
    }

    fn replay(&self, _partition: Partition, _offset: Offset) -> Result<(), String> {
        Err("this program replays no dead letters".to_owned())
    }
}
