use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;

use millstream_model::{Offset, Partition, RecordView, TopicName};
use millstream_ports::{PortError, Start, Tail};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{ClientConfig, Message, TopicPartitionList};

use crate::KafkaLog;
use crate::client::PlainContext;
use crate::failure::{passes, port_error};
use crate::view::lend;

/// How long the brokers may take to say where a partition ends.
const ANSWER_WAIT: Duration = Duration::from_secs(30);

/// Reads partitions by position.
///
/// Each topic has a client of its own, made when first needed, because librdkafka tells the end of a partition by number
/// alone.
pub struct KafkaTail {
    log: KafkaLog,
    name: String,
    readers: Vec<Reader>,
    /// Ends that were told first while records before them were in doubt.
    awaited: BTreeMap<(usize, Partition), Offset>,
    /// Knows the ends of partitions, records in doubt included.
    surveyor: Option<BaseConsumer<PlainContext>>,
    /// Knows how far their records are decided. It reads nothing, so that its questions never wait behind a long poll.
    witness: Option<BaseConsumer<PlainContext>>,
    /// The topic that is polled first; they take turns, so that a busy one does not starve the others.
    first: usize,
}

struct Reader {
    topic: TopicName,
    consumer: Option<BaseConsumer<PlainContext>>,
    places: BTreeMap<Partition, Place>,
}

/// Where a partition is read.
#[derive(Clone, Copy)]
struct Place {
    next: Offset,
    /// The end when reading began: reached when the client says so, even where the last records are markers or compacted.
    end: Offset,
}

impl KafkaTail {
    pub(crate) fn open(log: &KafkaLog, name: &str, topics: &[TopicName]) -> Self {
        let reader =
            |topic: &TopicName| Reader { topic: topic.clone(), consumer: None, places: BTreeMap::new() };
        Self {
            log: log.clone(),
            name: name.to_owned(),
            readers: topics.iter().map(reader).collect(),
            awaited: BTreeMap::new(),
            surveyor: None,
            witness: None,
            first: 0,
        }
    }

    fn reader(&mut self, topic: usize) -> Result<&mut Reader, PortError> {
        let name = &self.name;
        self.readers
            .get_mut(topic)
            .ok_or_else(|| PortError::stop(format!("reader '{name}' has no topic number {topic}")))
    }
}

impl KafkaTail {
    /// Where a partition ends, records in doubt included. It is asked for once, and then waited for: while others write on,
    /// there would be no end to waiting.
    fn awaited_end(&mut self, topic: usize, partition: Partition) -> Result<Offset, PortError> {
        if let Some(end) = self.awaited.get(&(topic, partition)) {
            return Ok(*end);
        }
        let end = self.newest_end(topic, partition)?;
        self.awaited.insert((topic, partition), end);
        Ok(end)
    }

    fn newest_end(&mut self, topic: usize, partition: Partition) -> Result<Offset, PortError> {
        let name = self.reader(topic)?.topic.clone();
        let (log, client) = (&self.log, &self.name);
        let surveyor = made_once(&mut self.surveyor, || log.surveyor(client))?;
        Ok(bounds(surveyor, &name, partition)?.1)
    }

    /// Where a partition begins, and where its decided records end.
    fn decided(&mut self, name: &TopicName, partition: Partition) -> Result<(Offset, Offset), PortError> {
        let (log, client) = (&self.log, &self.name);
        bounds(made_once(&mut self.witness, || log.reader(client))?, name, partition)
    }
}

fn made_once(
    slot: &mut Option<BaseConsumer<PlainContext>>,
    config: impl FnOnce() -> ClientConfig,
) -> Result<&BaseConsumer<PlainContext>, PortError> {
    if slot.is_none() {
        let made = config().create_with_context(PlainContext::default());
        *slot = Some(made.map_err(|error| port_error("could not create a reader", &error))?);
    }
    slot.as_ref().ok_or_else(|| PortError::stop("a reader was lost"))
}

impl Reader {
    fn consumer(&mut self, log: &KafkaLog, name: &str) -> Result<&BaseConsumer<PlainContext>, PortError> {
        made_once(&mut self.consumer, || log.reader(name))
    }

    fn list(&self, partition: Partition, offset: Option<Offset>) -> Result<TopicPartitionList, PortError> {
        let mut list = TopicPartitionList::new();
        let offset = offset.map_or(rdkafka::Offset::Invalid, |offset| rdkafka::Offset::Offset(offset.0));
        list.add_partition_offset(self.topic.as_str(), partition.as_i32(), offset)
            .map_err(|error| port_error("not an offset", &error))?;
        Ok(list)
    }

    /// Hands over up to `max` records; answers how many came and whether `each` broke off.
    fn poll<F>(
        &mut self,
        topic: usize,
        wait: Duration,
        max: usize,
        each: &mut F,
    ) -> Result<(usize, bool), PortError>
    where
        F: FnMut(RecordView<'_>) -> ControlFlow<()>,
    {
        let (Some(consumer), false) = (&self.consumer, self.places.is_empty()) else { return Ok((0, false)) };
        let (mut count, mut patience, mut broke) = (0, wait, false);
        while count < max && !broke {
            match consumer.poll(patience) {
                None => break,
                Some(Ok(message)) => {
                    patience = Duration::ZERO;
                    let Some(place) = place(&mut self.places, message.partition()) else { continue };
                    place.next = Offset(message.offset()).next();
                    count += 1;
                    broke = lend(&message, topic, &mut *each).is_some_and(|flow| flow.is_break());
                }
                Some(Err(KafkaError::PartitionEOF(number))) => {
                    if let Some(place) = place(&mut self.places, number) {
                        place.next = place.next.max(place.end);
                    }
                }
                Some(Err(error)) if goes_on(&error) => break,
                Some(Err(error)) => {
                    let complaints = &consumer.context().complaints;
                    return Err(port_error(format!("can't read topic '{}'{complaints}", self.topic), &error));
                }
            }
        }
        if count > 0 {
            consumer.context().complaints.settle();
        }
        Ok((count, broke))
    }
}

/// The first offset and the end of a partition, as a client of its isolation sees them.
fn bounds(
    consumer: &BaseConsumer<PlainContext>,
    topic: &TopicName,
    partition: Partition,
) -> Result<(Offset, Offset), PortError> {
    let found = consumer.fetch_watermarks(topic.as_str(), partition.as_i32(), ANSWER_WAIT);
    let (first, end) = found.map_err(|error| {
        let complaints = &consumer.context().complaints;
        port_error(format!("could not find the ends of {topic}/{partition}{complaints}"), &error)
    })?;
    Ok((Offset(first), Offset(end)))
}

fn place(places: &mut BTreeMap<Partition, Place>, number: i32) -> Option<&mut Place> {
    places.get_mut(&Partition::try_from(number).ok()?)
}

/// A reader by position needs no group, whatever the brokers say about the one it names.
fn goes_on(error: &KafkaError) -> bool {
    passes(error) || error.rdkafka_error_code() == Some(RDKafkaErrorCode::GroupAuthorizationFailed)
}

impl Tail for KafkaTail {
    fn add(
        &mut self,
        topic: usize,
        partition: Partition,
        start: Start,
    ) -> Result<(Offset, Offset), PortError> {
        let (log, name) = (self.log.clone(), self.name.clone());
        let topic_name = self.reader(topic)?.topic.clone();
        let end = self.awaited_end(topic, partition)?;
        let (first, stable) = self.decided(&topic_name, partition)?;
        let reader = self.reader(topic)?;
        reader.consumer(&log, &name)?;
        let Some(consumer) = &reader.consumer else { return Err(PortError::stop("a reader was lost")) };
        if stable < end {
            return Err(PortError::retry(format!(
                "records of {topic_name}/{partition} are in doubt: {end} is its end, and {stable} is decided"
            )));
        }
        let next = match start {
            Start::Earliest => first,
            Start::Latest => end,
            Start::At(offset) => offset.max(first),
        };
        // An offset beyond the end would be reset to the first; the caller sees that it does not fit.
        let list = reader.list(partition, Some(next.min(end)))?;
        let attempt = format!("could not begin reading {}/{partition}", reader.topic);
        consumer.incremental_assign(&list).map_err(|error| port_error(attempt, &error))?;
        reader.places.insert(partition, Place { next: next.min(end), end });
        self.awaited.remove(&(topic, partition));
        Ok((next, end))
    }

    fn remove(&mut self, topic: usize, partition: Partition) -> Result<(), PortError> {
        self.awaited.remove(&(topic, partition));
        let reader = self.reader(topic)?;
        if reader.places.remove(&partition).is_none() {
            return Ok(());
        }
        let list = reader.list(partition, None)?;
        let attempt = format!("could not stop reading {}/{partition}", reader.topic);
        let unassigned =
            reader.consumer.as_ref().map_or(Ok(()), |consumer| consumer.incremental_unassign(&list));
        unassigned.map_err(|error| port_error(attempt, &error))
    }

    fn end(&mut self, topic: usize, partition: Partition) -> Result<Option<Offset>, PortError> {
        self.newest_end(topic, partition).map(Some)
    }

    fn poll<F>(&mut self, wait: Duration, max: usize, mut each: F) -> Result<usize, PortError>
    where
        F: FnMut(RecordView<'_>) -> ControlFlow<()>,
    {
        let busy = self.readers.iter().filter(|reader| !reader.places.is_empty()).count();
        if busy == 0 {
            std::thread::sleep(wait);
            return Ok(0);
        }
        let share = wait / u32::try_from(busy).unwrap_or(1);
        let topics = self.readers.len();
        self.first = (self.first + 1) % topics;
        let mut total = 0;
        for topic in (self.first..topics).chain(0..self.first) {
            let Some(reader) = self.readers.get_mut(topic) else { continue };
            let patience = if total == 0 { share } else { Duration::ZERO };
            let (count, broke) = reader.poll(topic, patience, max.saturating_sub(total), &mut each)?;
            total += count;
            if broke {
                break;
            }
        }
        Ok(total)
    }

    fn position(&self, topic: usize, partition: Partition) -> Result<Offset, PortError> {
        let place = self.readers.get(topic).and_then(|reader| reader.places.get(&partition));
        place
            .map(|place| place.next)
            .ok_or_else(|| PortError::stop(format!("partition {partition} is not being read")))
    }
}
