use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use millstream_model::{HeaderSource, Offset, Partition, TopicName};
use millstream_ports::{Action, Outlet, PortError, Rejection, SendRecord, Tag, Tally};
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{
    BaseProducer, BaseRecord, DeliveryResult, NoCustomPartitioner, Producer, ProducerContext,
};
use rdkafka::{ClientConfig, ClientContext, Message, TopicPartitionList};

use crate::KafkaLog;
use crate::client::{self, Complaints, locked};
use crate::failure::{is_rejection, port_error};
use crate::group::{Clerk, Ending};

/// Sends between two looks at the acknowledgements.
const SENDS_PER_POLL: u32 = 500;

/// What [`Tag::NONE`] is in the mark of a record on its way, whose last bit is its side of the line.
const NO_TAG: usize = usize::MAX >> 1;

/// Time between two looks for acknowledgements, where nothing else can be done.
const LOOK_AGAIN: Duration = Duration::from_micros(200);

/// How long after its time a request may end, before it is taken to be stuck.
const OVERDUE: Duration = Duration::from_secs(5);

/// Writes to Kafka with an idempotent producer.
pub struct KafkaOutlet {
    producer: Arc<BaseProducer<OutletContext>>,
    unpolled: u32,
    /// The side of the line that what is sent now is on.
    side: usize,
    /// Who makes the requests about transactions, where it has them.
    clerk: Option<Clerk>,
    is_stuck: Cell<bool>,
}

#[derive(Default)]
pub(crate) struct OutletContext {
    /// Records on their way, by the side of the line that they are on. The sides change places when it is drawn.
    on_their_way: [AtomicU64; 2],
    delivered: AtomicU64,
    failed: AtomicU64,
    /// By tag, the highest acknowledged offset plus one; 0 for none.
    acknowledged: Mutex<Vec<i64>>,
    failure: Mutex<Option<Failure>>,
    /// By topic, the first record that was refused for what it is, since the last call of [`Outlet::rejections`].
    rejected: Mutex<Vec<Failure>>,
    /// The same since the last success or the end of the transaction.
    refused: Mutex<Option<Failure>>,
    complaints: Complaints,
}

/// A record that was not delivered.
#[derive(Clone)]
struct Failure {
    topic: String,
    partition: i32,
    error: KafkaError,
}

impl ClientContext for OutletContext {
    fn log(&self, level: rdkafka::config::RDKafkaLogLevel, facility: &str, message: &str) {
        client::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.complaints.hear(&error, reason);
    }

    fn stats_raw(&self, _statistics: &[u8]) {}
}

impl ProducerContext<NoCustomPartitioner> for OutletContext {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, mark: usize) {
        let (tag, side) = (mark >> 1, mark & 1);
        if let Some(left) = self.on_their_way.get(side) {
            left.fetch_sub(1, Ordering::Relaxed);
        }
        match result {
            Ok(message) => {
                self.delivered.fetch_add(1, Ordering::Relaxed);
                if tag != NO_TAG {
                    self.note(tag, message.offset());
                }
            }
            Err((error, message)) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
                let (topic, partition, error) =
                    (message.topic().to_owned(), message.partition(), error.clone());
                let failure = Failure { topic, partition, error };
                if is_rejection(&failure.error) {
                    self.reject(failure);
                } else if !is_purge(&failure.error) {
                    locked(&self.failure).get_or_insert(failure);
                }
            }
        }
    }
}

impl OutletContext {
    fn reject(&self, failure: Failure) {
        locked(&self.refused).get_or_insert_with(|| failure.clone());
        let mut rejected = locked(&self.rejected);
        if rejected.iter().all(|known| known.topic != failure.topic) {
            rejected.push(failure);
        }
    }

    fn note(&self, tag: usize, offset: i64) {
        let mut all = locked(&self.acknowledged);
        if all.len() <= tag {
            all.resize(tag + 1, 0);
        }
        if let Some(next) = all.get_mut(tag) {
            *next = (*next).max(offset.saturating_add(1));
        }
    }
}

/// Whether a record went with a transaction that was aborted. That may be told when the next one has begun, of which it is none.
fn is_purge(error: &KafkaError) -> bool {
    matches!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::PurgeQueue | RDKafkaErrorCode::PurgeInflight))
}

impl KafkaOutlet {
    pub(crate) fn open(log: &KafkaLog, name: &str) -> Result<Self, PortError> {
        Self::create(&log.producer(name), None)
    }

    /// One whose records belong to transactions.
    pub(crate) fn open_transactional(log: &KafkaLog, id: &str) -> Result<Self, PortError> {
        Self::create(&log.transactional_producer(id), Some(Clerk::start()?))
    }

    fn create(config: &ClientConfig, clerk: Option<Clerk>) -> Result<Self, PortError> {
        let producer = config
            .create_with_context(OutletContext::default())
            .map_err(|error| port_error("could not create a producer", &error))?;
        Ok(Self { producer: Arc::new(producer), unpolled: 0, side: 0, clerk, is_stuck: Cell::new(false) })
    }

    /// As [`Outlet::settle`], unless nobody waits for it any more.
    pub(crate) fn settle_unless(&mut self, is_called_off: &dyn Fn() -> bool) -> Result<(), PortError> {
        while !self.is_settled() {
            if is_called_off() {
                return Err(PortError::retry("the brokers do not acknowledge what was sent"));
            }
            self.take_in();
        }
        self.unpolled = 0;
        self.outcome()
    }

    fn context(&self) -> &OutletContext {
        self.producer.client().context()
    }

    /// Takes in the acknowledgements that are there.
    pub(crate) fn tend(&self) {
        let mut left = self.producer.in_flight_count();
        while left > 0 {
            self.producer.poll(Duration::ZERO);
            let before = std::mem::replace(&mut left, self.producer.in_flight_count());
            if left == before {
                break;
            }
        }
    }

    /// Takes in acknowledgements, and waits for a moment where there were none.
    ///
    /// To poll with a wait would not do: for its last millisecond the library asks again and again, which keeps a core from
    /// the brokers where they share one, and its `flush` looks every 100 ms only.
    fn take_in(&self) {
        let before = self.producer.in_flight_count();
        self.producer.poll(Duration::ZERO);
        if self.producer.in_flight_count() == before {
            thread::sleep(LOOK_AGAIN);
        }
    }

    /// Tells of a failure as soon as it is known; it stays until [`Outlet::settle`] has told it too. What is refused for what
    /// it is ends a transaction only: of single records the others are delivered.
    fn check(&self) -> Result<(), PortError> {
        let ends = |failure: &Failure| Err(self.not_delivered(failure));
        locked(&self.context().failure).as_ref().map_or(Ok(()), ends)?;
        let refused = locked(&self.context().refused);
        refused.as_ref().filter(|_| self.clerk.is_some()).map_or(Ok(()), ends)
    }

    /// Whether nothing is on its way that need be waited for.
    pub(crate) fn is_settled(&self) -> bool {
        self.producer.in_flight_count() == 0 || self.is_undone()
    }

    /// Whether what is on its way need not be waited for, since its transaction can't be committed any more.
    fn is_undone(&self) -> bool {
        self.clerk.is_some() && self.check().is_err()
    }

    /// What became of all that is not on its way any more.
    fn outcome(&self) -> Result<(), PortError> {
        let (failure, refused) =
            (locked(&self.context().failure).take(), locked(&self.context().refused).take());
        if let Some(failure) = failure {
            return Err(self.not_delivered(&failure));
        }
        self.context().complaints.settle();
        refused.map_or(Ok(()), |refused| {
            Err(PortError::new(Action::DeadLetter, self.not_delivered(&refused).to_string()))
        })
    }

    pub(crate) fn init_transactions(&self, wait: Duration) -> Result<(), KafkaError> {
        self.producer.init_transactions(wait)
    }

    pub(crate) fn begin_transaction(&self) -> Result<(), KafkaError> {
        self.producer.begin_transaction()
    }

    /// Begins to commit the transaction, and these positions with it.
    pub(crate) fn begin_commit(
        &self,
        positions: TopicPartitionList,
        member: ConsumerGroupMetadata,
    ) -> Option<Ending> {
        let clerk = self.clerk.as_ref().filter(|_| !self.is_stuck())?;
        Some(Ending::begin(clerk, self.producer.clone(), positions, member))
    }

    /// One attempt to end the transaction. It drops what is queued, and then needs its reports to be taken in.
    pub(crate) fn abort_transaction(&self, wait: Duration) -> Result<(), KafkaError> {
        self.producer.poll(Duration::ZERO);
        let aborted = self.request(wait, move |producer| producer.abort_transaction(wait));
        self.producer.poll(Duration::ZERO);
        aborted
    }

    /// Has the clerk make a request that is to end in time, and gives the producer up where it does not by far.
    fn request(
        &self,
        wait: Duration,
        request: impl FnOnce(&BaseProducer<OutletContext>) -> Result<(), KafkaError> + Send + 'static,
    ) -> Result<(), KafkaError> {
        let producer = self.producer.clone();
        let Some(clerk) = &self.clerk else { return request(&producer) };
        let answer =
            if self.is_stuck() { None } else { clerk.ask(wait + OVERDUE, move || request(&producer)) };
        answer.unwrap_or_else(|| {
            self.is_stuck.set(true);
            Err(KafkaError::Canceled)
        })
    }

    /// Gives the producer up.
    pub(crate) fn give_up(&self) {
        self.is_stuck.set(true);
    }

    /// Whether a request has not ended long after its time: nothing more can be done with this producer.
    pub(crate) fn is_stuck(&self) -> bool {
        self.is_stuck.get()
    }

    /// Forgets that records were not delivered: their transaction is over.
    pub(crate) fn forget_failure(&mut self) {
        self.unpolled = 0;
        locked(&self.context().failure).take();
        locked(&self.context().refused).take();
    }

    /// What ended this producer for good.
    pub(crate) fn fatal_error(&self) -> Option<RDKafkaErrorCode> {
        self.producer.client().fatal_error().map(|(code, _)| code)
    }

    fn not_delivered(&self, Failure { topic, partition, error }: &Failure) -> PortError {
        let context = self.context();
        let said = format!("a record for {topic}/{partition} was not delivered{}", context.complaints);
        // librdkafka has retried already, for as long as the time-out allows.
        PortError::stop(port_error(said, error).to_string())
    }

    fn not_queued(&self, topic: &TopicName, error: &KafkaError) -> PortError {
        let fatal =
            self.producer.client().fatal_error().map_or_else(String::new, |(_, said)| format!(" ({said})"));
        port_error(format!("could not send to topic '{topic}'{fatal}"), error)
    }
}

impl KafkaOutlet {
    /// Queues a record, once there is room, or not at all where that takes longer than it `may`.
    fn queue(&mut self, record: &SendRecord<'_>, may: Option<Duration>) -> Result<bool, PortError> {
        let mut full_since = None;
        self.unpolled += 1;
        if self.unpolled >= SENDS_PER_POLL {
            self.unpolled = 0;
            self.producer.poll(Duration::ZERO);
            self.check()?;
        }
        let mut next = base_record(record, self.side);
        while let Err((error, back)) = self.producer.send(next) {
            if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                return Err(self.not_queued(record.topic, &error));
            }
            let full_since = *full_since.get_or_insert_with(Instant::now);
            if may.is_some_and(|may| full_since.elapsed() >= may) {
                return Ok(false);
            }
            next = back;
            self.take_in();
            self.check()?;
        }
        if let Some(count) = self.context().on_their_way.get(self.side) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        Ok(true)
    }
}

impl Outlet for KafkaOutlet {
    fn send(&mut self, record: &SendRecord<'_>) -> Result<(), PortError> {
        self.queue(record, None).map(drop)
    }

    fn offer(&mut self, record: &SendRecord<'_>, patience: Duration) -> Result<bool, PortError> {
        self.queue(record, Some(patience))
    }

    fn settle(&mut self) -> Result<(), PortError> {
        self.settle_unless(&|| false)
    }

    fn draw_line(&mut self) {
        self.side ^= 1;
    }

    fn has_settled(&mut self) -> Result<bool, PortError> {
        self.tend();
        let above = self.context().on_their_way.get(self.side ^ 1);
        if above.is_some_and(|left| left.load(Ordering::Relaxed) > 0) {
            return self.check().map(|()| false);
        }
        self.outcome().map(|()| true)
    }

    fn rejections(&mut self) -> Vec<Rejection> {
        let all = std::mem::take(&mut *locked(&self.context().rejected));
        let told = |failure: &Failure| {
            let topic = TopicName::new(&*failure.topic).ok()?;
            Some(Rejection { topic, reason: self.not_delivered(failure).to_string() })
        };
        all.iter().filter_map(told).collect()
    }

    fn tally(&self) -> Tally {
        let context = self.context();
        let (delivered, failed) =
            (context.delivered.load(Ordering::Relaxed), context.failed.load(Ordering::Relaxed));
        Tally { delivered, failed }
    }

    fn acknowledged(&self, tag: Tag) -> Option<Offset> {
        let all = locked(&self.context().acknowledged);
        all.get(tag.0).filter(|next| **next > 0).map(|next| Offset(next - 1))
    }
}

fn base_record<'a>(record: &SendRecord<'a>, side: usize) -> BaseRecord<'a, [u8], [u8], usize> {
    let mut base = BaseRecord::with_opaque_to(record.topic.as_str(), (record.tag.0 << 1) | side);
    base.key = record.key;
    base.payload = record.value;
    base.partition = record.partition.map(Partition::as_i32);
    base.timestamp = record.timestamp.map(|time| time.0);
    base.headers = owned_headers(record.headers);
    base
}

fn owned_headers(source: &dyn HeaderSource) -> Option<OwnedHeaders> {
    let mut owned = None;
    source.each(&mut |key, value| {
        let headers = owned.take().unwrap_or_else(OwnedHeaders::new);
        owned = Some(headers.insert(Header { key, value }));
    });
    owned
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use millstream_model::{NoHeaders, TopicName};

    use super::*;

    /// With nobody there, the queue fills and stays full.
    #[test]
    fn an_offer_ends_where_there_is_no_room() {
        let few = BTreeMap::from([("queue.buffering.max.messages".to_owned(), "10".to_owned())]);
        let log = KafkaLog::new("127.0.0.1:1").with_properties(few).unwrap();
        let mut outlet = KafkaOutlet::open(&log, "offers").unwrap();
        let topic = TopicName::new("nowhere").unwrap();
        let record = SendRecord {
            topic: &topic,
            partition: None,
            key: None,
            value: Some(b"x"),
            headers: &NoHeaders,
            timestamp: None,
            tag: Tag::NONE,
        };
        let begun = Instant::now();
        let taken = (0..12).map(|_| outlet.offer(&record, Duration::from_millis(20)).unwrap());
        assert_eq!(taken.filter(|is_taken| *is_taken).count(), 10);
        assert!(begun.elapsed() >= Duration::from_millis(40), "each that found no room waited for it");
        assert_eq!(outlet.producer.in_flight_count(), 10, "what was not taken is not queued");
    }
}
