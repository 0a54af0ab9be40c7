use std::sync::mpsc::{Receiver, TryRecvError};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, Producer};

use crate::client::locked;
use crate::group::clerk::Clerk;
use crate::group::taking::until_answered;
use crate::outlet::OutletContext;

/// How long one request about a transaction may take before it is made anew.
const ANSWER_WAIT: Duration = Duration::from_secs(5);

/// How long after its time a request may end, before it is taken to be stuck.
const OVERDUE: Duration = Duration::from_secs(5);

/// What was attempted, and what went wrong.
pub(crate) type Fault = (&'static str, KafkaError);

/// The end of a transaction, which its clerk brings about while others work.
pub(crate) struct Ending {
    answer: Receiver<Result<(), Fault>>,
    /// When the request at hand was made.
    asked: Arc<Mutex<Instant>>,
}

impl Ending {
    /// Begins to add positions to the transaction, and to commit it once all that was sent is acknowledged. Whoever began
    /// it has to take acknowledgements in meanwhile.
    pub(crate) fn begin(
        clerk: &Clerk,
        producer: Arc<BaseProducer<OutletContext>>,
        positions: TopicPartitionList,
        member: ConsumerGroupMetadata,
    ) -> Self {
        let asked = Arc::new(Mutex::new(Instant::now()));
        let noted = asked.clone();
        let note = move || *locked(&noted) = Instant::now();
        let answer = clerk.begin(move || {
            let add = || {
                note();
                producer.send_offsets_to_transaction(&positions, &member, ANSWER_WAIT)
            };
            until_answered(|| true, add).map_err(|error| ("add its positions to the transaction", error))?;
            let commit = || {
                note();
                producer.commit_transaction(ANSWER_WAIT)
            };
            until_answered(|| true, commit).map_err(|error| ("commit the transaction", error))
        });
        Self { answer, asked }
    }

    /// What came of it, once that is known.
    pub(crate) fn outcome(&self) -> Option<Result<(), Fault>> {
        match self.answer.try_recv() {
            Ok(outcome) => Some(outcome),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Err(("commit the transaction", KafkaError::Canceled))),
        }
    }

    /// Whether a request has not ended long after its time.
    pub(crate) fn is_stuck(&self) -> bool {
        locked(&self.asked).elapsed() > ANSWER_WAIT + OVERDUE
    }
}
