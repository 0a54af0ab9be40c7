use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use millstream_avro_codec::AvroBorrowed;
use millstream_kafka_log::KafkaTail;
use millstream_model::{Partition, RecordView};
use millstream_ports::{Codec, PortError, Shape, Start, Tail, World};
use millstream_storefront::wire::{OfferWire, RecommendationWire};

use crate::settings::ClientSettings;

/// Recommendations that borrow their texts.
pub(crate) struct RecommendationShape;

impl Shape for RecommendationShape {
    type Of<'a> = RecommendationWire<'a>;
}

/// The session's prompts, and how many answers each has had.
pub(crate) type Expected = Arc<Mutex<BTreeMap<String, u64>>>;

/// Marks a prompt as asked in this session.
pub(crate) fn note(expected: &Expected, prompt: &str) {
    expected.lock().unwrap_or_else(PoisonError::into_inner).entry(prompt.to_owned()).or_default();
}

/// One offer of a recommendation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Offer {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) price: String,
    pub(crate) currency: String,
}

/// What came back for a prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) user: String,
    pub(crate) prompt: String,
    pub(crate) products: Vec<Offer>,
}

/// Follows the recommendations' topic for one user's prompts.
pub(crate) struct Answers {
    tail: KafkaTail,
    codec: AvroBorrowed<RecommendationShape>,
    user: String,
    expected: Expected,
}

impl Answers {
    pub(crate) fn open(settings: &ClientSettings) -> anyhow::Result<Self> {
        let (world, registry) = (settings.world()?, settings.registry()?);
        let topic = std::slice::from_ref(&settings.recommendations);
        let found = world.describe_topics(topic)?.into_iter().flatten().next();
        let found = found.ok_or_else(|| {
            anyhow::anyhow!(
                "topic '{}' does not exist; create it with 'make create-topics'",
                settings.recommendations
            )
        })?;
        let mut tail = world.tail("client", topic)?;
        for partition in 0..found.partitions {
            tail.add(0, Partition::new(partition), Start::Latest)?;
        }
        Ok(Self {
            tail,
            codec: AvroBorrowed::reader(&registry),
            user: settings.user.clone(),
            expected: Expected::default(),
        })
    }

    pub(crate) fn expected(&self) -> Expected {
        self.expected.clone()
    }

    pub(crate) fn expect(&self, prompt: &str) {
        note(&self.expected, prompt);
    }

    /// The answers that come within `wait`.
    pub(crate) fn poll(&mut self, wait: Duration) -> Result<Vec<Answer>, PortError> {
        let Self { tail, codec, user, expected } = self;
        let mut answers = Vec::new();
        tail.poll(wait, 500, |record| {
            answers.extend(
                read(codec, &record)
                    .filter(|answer| answer.user == *user && is_expected(expected, &answer.prompt)),
            );
            ControlFlow::Continue(())
        })?;
        Ok(answers)
    }

    /// Hands over every answer, and whether its prompt had one before; ends only by a failure.
    pub(crate) fn follow(mut self, mut each: impl FnMut(&Answer, bool)) -> Result<(), PortError> {
        loop {
            for answer in self.poll(Duration::from_millis(200))? {
                let mut expected = self.expected.lock().unwrap_or_else(PoisonError::into_inner);
                let count = expected.entry(answer.prompt.clone()).or_default();
                *count += 1;
                let again = *count > 1;
                drop(expected);
                each(&answer, again);
            }
        }
    }
}

fn is_expected(expected: &Expected, prompt: &str) -> bool {
    expected.lock().unwrap_or_else(PoisonError::into_inner).contains_key(prompt)
}

/// A tombstone withdraws a recommendation; there is nothing to show of it.
fn read(codec: &AvroBorrowed<RecommendationShape>, record: &RecordView<'_>) -> Option<Answer> {
    match codec.decode(record.value?) {
        Ok(wire) => {
            let offer = |offer: &OfferWire<'_>| Offer {
                id: offer.id.as_str().to_owned(),
                name: offer.name.as_str().to_owned(),
                price: offer.price.to_string(),
                currency: offer.currency.as_str().to_owned(),
            };
            let products = wire.products.iter().map(offer).collect();
            Some(Answer {
                user: wire.user.as_str().to_owned(),
                prompt: wire.prompt.as_str().to_owned(),
                products,
            })
        }
        Err(error) => {
            tracing::warn!(%error, offset = %record.offset, "a recommendation can't be read");
            None
        }
    }
}
