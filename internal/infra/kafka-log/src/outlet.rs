use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use millstream_model::{HeaderSource, Offset};
use millstream_ports::{Outlet, PortError, SendRecord, Tag, Tally};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{
    BaseProducer, BaseRecord, DeliveryResult, NoCustomPartitioner, Producer, ProducerContext,
};
use rdkafka::{ClientContext, Message};

use crate::KafkaLog;
use crate::client;
use crate::failure::port_error;

/// Sends between two looks at the acknowledgements.
const SENDS_PER_POLL: u32 = 500;

/// Waiting for room in the queue, and for acknowledgements.
const POLL_WAIT: Duration = Duration::from_millis(1);

/// Writes to Kafka with an idempotent producer.
pub struct KafkaOutlet {
    producer: BaseProducer<OutletContext>,
    unpolled: u32,
}

#[derive(Default)]
pub(crate) struct OutletContext {
    delivered: AtomicU64,
    failed: AtomicU64,
    /// By tag, the highest acknowledged offset plus one; 0 for none.
    acknowledged: Mutex<Vec<i64>>,
    failure: Mutex<Option<(String, KafkaError)>>,
}

impl ClientContext for OutletContext {
    fn log(&self, level: rdkafka::config::RDKafkaLogLevel, facility: &str, message: &str) {
        client::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, "{reason}");
    }

    fn stats_raw(&self, _statistics: &[u8]) {}
}

impl ProducerContext<NoCustomPartitioner> for OutletContext {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, tag: usize) {
        match result {
            Ok(message) => {
                self.delivered.fetch_add(1, Ordering::Relaxed);
                if Tag(tag) != Tag::NONE {
                    self.note(tag, message.offset());
                }
            }
            Err((error, message)) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
                let place =
                    format!("a record for {}/{} was not delivered", message.topic(), message.partition());
                let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
                failure.get_or_insert_with(|| (place, error.clone()));
            }
        }
    }
}

impl OutletContext {
    fn note(&self, tag: usize, offset: i64) {
        let mut all = self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() <= tag {
            all.resize(tag + 1, 0);
        }
        if let Some(next) = all.get_mut(tag) {
            *next = (*next).max(offset.saturating_add(1));
        }
    }
}

impl KafkaOutlet {
    pub(crate) fn open(log: &KafkaLog, name: &str) -> Result<Self, PortError> {
        let config = log.producer(name);
        let producer = config
            .create_with_context(OutletContext::default())
            .map_err(|error| port_error("could not create a producer", &error))?;
        Ok(Self { producer, unpolled: 0 })
    }

    fn context(&self) -> &OutletContext {
        self.producer.client().context()
    }

    /// Takes in acknowledgements, without waiting.
    pub(crate) fn tend(&mut self) {
        if self.producer.in_flight_count() > 0 {
            self.producer.poll(Duration::ZERO);
        }
    }

    fn check(&self) -> Result<(), PortError> {
        let failure = self.context().failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        failure.map_or(Ok(()), |(place, error)| Err(PortError::stop(port_error(place, &error).to_string())))
    }
}

impl Outlet for KafkaOutlet {
    fn send(&mut self, record: &SendRecord<'_>) -> Result<(), PortError> {
        self.unpolled += 1;
        if self.unpolled >= SENDS_PER_POLL {
            self.unpolled = 0;
            self.producer.poll(Duration::ZERO);
            self.check()?;
        }
        let mut next = base_record(record);
        while let Err((error, back)) = self.producer.send(next) {
            if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                return Err(port_error(format!("could not send to topic '{}'", record.topic), &error));
            }
            next = back;
            self.producer.poll(POLL_WAIT);
            self.check()?;
        }
        Ok(())
    }

    fn settle(&mut self) -> Result<(), PortError> {
        // `flush` of the library looks every 100 ms; this looks every millisecond.
        let mut rounds = 0_u32;
        while self.producer.in_flight_count() > 0 {
            if rounds == 0 {
                // With no time to wait it only ends the lingering of what is queued.
                let _ = self.producer.flush(Duration::ZERO);
            }
            self.producer.poll(POLL_WAIT);
            rounds = rounds.wrapping_add(1);
        }
        self.unpolled = 0;
        self.check()
    }

    fn tally(&self) -> Tally {
        let context = self.context();
        let (delivered, failed) =
            (context.delivered.load(Ordering::Relaxed), context.failed.load(Ordering::Relaxed));
        Tally { delivered, failed }
    }

    fn acknowledged(&self, tag: Tag) -> Option<Offset> {
        let all = self.context().acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(tag.0).filter(|next| **next > 0).map(|next| Offset(next - 1))
    }
}

fn base_record<'a>(record: &SendRecord<'a>) -> BaseRecord<'a, [u8], [u8], usize> {
    let mut base = BaseRecord::with_opaque_to(record.topic.as_str(), record.tag.0);
    base.key = record.key;
    base.payload = record.value;
    base.partition = record.partition.map(millstream_model::Partition::as_i32);
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
