use std::collections::BTreeMap;
use std::time::Duration;

use millstream_model::{Offset, Partition, RecordView, TopicName};
use millstream_ports::{Action, Delivery, GroupLog, Outlet, Polled, PortError, SendRecord, Tag, World};

use super::letter::{DeadLetter, LetterFilter};
use super::marks::{Marks, read_all, width};

/// How long another replay of the same letters is waited for.
const TURN_WAIT: Duration = Duration::from_mins(1);

const POLL_WAIT: Duration = Duration::from_millis(100);

/// Letters replayed in one transaction.
const BATCH_LETTERS: u64 = 500;

/// A topic of dead letters: to look through, and to replay.
///
/// A replay sends the record to the partition it came from, with its own key, value, time and headers and one more that says
/// which letter it was. It is noted in the compacted topic `<letters>-replayed` in the same transaction, so that no letter is
/// replayed twice for readers of committed records, whatever crashes and however many replay at a time. A record that fails
/// again is a new letter.
pub struct DeadLetters<W: World> {
    world: W,
    topic: TopicName,
}

/// What became of a letter that a replay came across.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replayed {
    /// It was sent to where it came from; in a dry run, it would have been.
    Sent,
    /// It can't be, for this reason.
    Impossible(String),
}

/// What a replay did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replays {
    /// Letters that were sent to where they came from; in a dry run, that would have been.
    pub sent: u64,
    /// Letters that are meant, and can't be.
    pub impossible: u64,
}

impl<W: World> DeadLetters<W> {
    /// The letters in `topic`, such as `<group>-dead-letters`.
    pub fn new(world: W, topic: TopicName) -> Self {
        Self { world, topic }
    }

    /// The letters' topic.
    pub fn topic(&self) -> &TopicName {
        &self.topic
    }

    fn partitions(&self) -> Result<Vec<Partition>, PortError> {
        let width = width(&self.world, &self.topic)?;
        let width = width.ok_or_else(|| {
            PortError::stop(format!("there is no topic '{}', so no record was set aside", self.topic))
        })?;
        Ok((0..width).map(Partition::new).collect())
    }

    /// Calls `each` with the letters that `filter` means, in their order within a partition; answers how many they were.
    ///
    /// # Errors
    /// When there is no such topic, or the brokers refuse.
    pub fn list(&self, filter: &LetterFilter, mut each: impl FnMut(&DeadLetter)) -> Result<u64, PortError> {
        let partitions = self.partitions()?;
        let (marks, mut count) = (Marks::read(&self.world, &self.topic, false)?, 0);
        read_all(&self.world, &self.topic, &partitions, |record| {
            let letter = DeadLetter::of(record, marks.has(record));
            if filter.means(&letter) {
                count += 1;
                each(&letter);
            }
            Ok(())
        })?;
        Ok(count)
    }

    /// As [`DeadLetters::replay`], but nothing is sent.
    ///
    /// # Errors
    /// As [`DeadLetters::list`].
    pub fn dry_run(
        &self,
        filter: &LetterFilter,
        mut each: impl FnMut(&DeadLetter, &Replayed),
    ) -> Result<Replays, PortError> {
        let filter = LetterFilter { with_replayed: false, ..filter.clone() };
        let (mut widths, mut replays, mut failure) = (Widths::default(), Replays::default(), None);
        self.list(&filter, |letter| match self.origin(letter, &mut widths) {
            Ok(origin) => {
                let outcome = origin.map_or_else(Replayed::Impossible, |_| Replayed::Sent);
                replays.count(&outcome);
                each(letter, &outcome);
            }
            Err(error) => drop(failure.get_or_insert(error)),
        })?;
        failure.map_or(Ok(replays), Err)
    }

    /// Replays the letters that `filter` means and that were not replayed before. Calls `each` with every one of them.
    ///
    /// # Errors
    /// When there is no such topic, the brokers refuse, or another replay is at work for longer than a minute. What was
    /// replayed before the error is noted, and not replayed again.
    pub fn replay(
        &self,
        filter: &LetterFilter,
        each: impl FnMut(&DeadLetter, &Replayed),
    ) -> Result<Replays, PortError> {
        self.partitions()?;
        let group = format!("{}-replay", self.topic);
        let inputs = std::slice::from_ref(&self.topic);
        let mut log = self.world.join_group(&group, 0, inputs, Delivery::ExactlyOnce)?;
        let filter = LetterFilter { with_replayed: false, ..filter.clone() };
        let replayed = self.replay_with(&mut log, &filter, each);
        if replayed.is_err() {
            // Spares readers the wait for a transaction that nobody will end.
            let _ = log.abort();
        }
        log.leave();
        replayed
    }

    fn replay_with(
        &self,
        log: &mut W::Group,
        filter: &LetterFilter,
        mut each: impl FnMut(&DeadLetter, &Replayed),
    ) -> Result<Replays, PortError> {
        // Whoever has a partition alone replays its letters; its last owner's transactions are decided by then.
        let partitions = self.wait_turn(log)?;
        let marks = Marks::read(&self.world, &self.topic, true)?;
        let mut batch = Batch { marks, read_to: BTreeMap::new(), open: 0 };
        let (mut widths, mut replays) = (Widths::default(), Replays::default());
        read_all(&self.world, &self.topic, &partitions, |record| {
            let letter = DeadLetter::of(record, batch.marks.has(record));
            if !filter.means(&letter) {
                return Ok(());
            }
            let origin = self.origin(&letter, &mut widths)?;
            let outcome = match origin {
                Ok(origin) => self.send(log, &letter, &origin, &mut batch)?,
                Err(reason) => Replayed::Impossible(reason),
            };
            replays.count(&outcome);
            each(&letter, &outcome);
            batch.note(log, record)
        })?;
        batch.commit(log)?;
        Ok(replays)
    }

    fn wait_turn(&self, log: &mut W::Group) -> Result<Vec<Partition>, PortError> {
        let begun = self.world.elapsed();
        while self.world.elapsed().saturating_sub(begun) < TURN_WAIT {
            match log.poll(POLL_WAIT, 1, |_| std::ops::ControlFlow::Break(()))? {
                Polled::Assigned(partitions) => {
                    log.accept(&partitions)?;
                    if !partitions.is_empty() {
                        return Ok(partitions);
                    }
                }
                Polled::Revoked(partitions) | Polled::Lost(partitions) => log.release(&partitions)?,
                Polled::Records(_) => {}
            }
        }
        Err(PortError::retry(format!(
            "another replay of '{}' is at work; try again when it is over",
            self.topic
        )))
    }

    /// Where a letter goes, or why it can't.
    fn origin(&self, letter: &DeadLetter, widths: &mut Widths) -> Result<Result<Origin, String>, PortError> {
        if let Some(hindrance) = letter.hindrance() {
            return Ok(Err(hindrance));
        }
        let name = letter.topic().unwrap_or_default();
        let Ok(topic) = TopicName::new(&name) else {
            return Ok(Err(format!("'{name}' is not a topic's name")));
        };
        let width = match widths.get(&topic) {
            Some(width) => *width,
            None => *widths.entry(topic.clone()).or_insert(width(&self.world, &topic)?),
        };
        let partition = letter.origin_partition();
        Ok(match (width, partition) {
            (None, _) => Err(format!("there is no topic '{topic}' any more")),
            (Some(width), Some(partition)) if partition.index() >= width as usize => {
                Err(format!("topic '{topic}' has no partition {partition} any more"))
            }
            (Some(_), partition) => Ok(Origin { topic, partition }),
        })
    }

    fn send(
        &self,
        log: &mut W::Group,
        letter: &DeadLetter,
        origin: &Origin,
        batch: &mut Batch,
    ) -> Result<Replayed, PortError> {
        let sent = log.send(&SendRecord {
            topic: &origin.topic,
            partition: origin.partition,
            key: letter.key.as_deref(),
            value: letter.value.as_deref(),
            headers: &letter.replayed_headers(self.topic.as_str()),
            timestamp: Some(letter.timestamp),
            tag: Tag::NONE,
        });
        match sent {
            Err(error) if error.action() == Action::DeadLetter => {
                return Ok(Replayed::Impossible(error.to_string()));
            }
            sent => sent?,
        }
        batch.marks.mark(log, (letter.partition, letter.offset))?;
        batch.open += 1;
        Ok(Replayed::Sent)
    }
}

type Widths = BTreeMap<TopicName, Option<u32>>;

struct Origin {
    topic: TopicName,
    partition: Option<Partition>,
}

impl Replays {
    fn count(&mut self, outcome: &Replayed) {
        match outcome {
            Replayed::Sent => self.sent += 1,
            Replayed::Impossible(_) => self.impossible += 1,
        }
    }
}

/// Letters that were sent and not committed.
struct Batch {
    marks: Marks,
    read_to: BTreeMap<Partition, Offset>,
    open: u64,
}

impl Batch {
    fn note<L: GroupLog>(&mut self, log: &mut L, record: &RecordView<'_>) -> Result<(), PortError> {
        self.read_to.insert(record.partition, record.offset.next());
        if self.open < BATCH_LETTERS {
            return Ok(());
        }
        self.commit(log)?;
        match log.poll(Duration::ZERO, 1, |_| std::ops::ControlFlow::Break(()))? {
            Polled::Records(_) => Ok(()),
            _ => Err(PortError::retry(
                "another replay of these letters began; start this one again for the rest",
            )),
        }
    }

    /// The positions let the group refuse a member that it has given up.
    fn commit<L: GroupLog>(&mut self, log: &mut L) -> Result<(), PortError> {
        if self.open == 0 {
            return Ok(());
        }
        log.settle()?;
        let positions: Vec<_> = self.read_to.iter().map(|(partition, next)| (0, *partition, *next)).collect();
        log.commit(&positions)?;
        self.open = 0;
        Ok(())
    }
}
