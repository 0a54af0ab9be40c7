use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use millstream_model::{Partition, RecordView, TopicName};
use millstream_ports::{Codec, PortError, Shape, Start, Tail, Utf8, World};
use millstream_runtime::{EmitError, Emitter, Output, Traces};
use millstream_shop::{Prompt, PromptError, Recommendation};
use thiserror::Error;

use crate::wire::{PromptWire, RecommendationWire};

mod session;

use session::Session;
pub use session::{Answer, Change};

/// Recommendations taken in at a time.
const BATCH_RECORDS_MAX: usize = 500;

/// Why a prompt was not asked, or answers can't be had.
#[derive(Debug, Error)]
pub enum SearchError {
    /// The prompt is none.
    #[error(transparent)]
    Prompt(#[from] PromptError),
    /// It could not be sent.
    #[error(transparent)]
    Emit(#[from] EmitError),
    /// The brokers refuse, or a topic does not exist.
    #[error(transparent)]
    Port(#[from] PortError),
}

/// The shape of [`PromptWire`].
#[derive(Clone, Copy, Debug)]
pub struct PromptShape;

impl Shape for PromptShape {
    type Of<'a> = PromptWire<'a>;
}

/// The shape of [`RecommendationWire`].
#[derive(Clone, Copy, Debug)]
pub struct RecommendationShape;

impl Shape for RecommendationShape {
    type Of<'a> = RecommendationWire<'a>;
}

/// The two halves of a session.
type Halves<W, P, R> = (Search<W, P>, Answers<W, R>);

/// Begins a user's session of searches: one half asks, the other gives the answers, and each may go to its own thread.
///
/// **Invariant:** answers are read from where their topic ended before anything could be asked, so none is missed.
///
/// # Errors
/// When a topic does not exist, or the brokers can't be reached.
pub fn open_search<W: World, P, R>(
    world: &W,
    user: &str,
    prompts: Output<Utf8, P>,
    recommendations: &TopicName,
    codec: R,
) -> Result<Halves<W, P, R>, PortError>
where
    P: for<'a> Codec<Value<'a> = PromptWire<'a>>,
    R: for<'a> Codec<Value<'a> = RecommendationWire<'a>>,
{
    let tail = tail_from_end(world, recommendations)?;
    let session = Arc::new(Mutex::new(Session::of(user)));
    let emitter = Emitter::open(world, "client", prompts)?;
    let search = Search { world: world.clone(), emitter, user: user.to_owned(), session: session.clone() };
    Ok((search, Answers { tail, codec, session, has_warned: false }))
}

fn tail_from_end<W: World>(world: &W, topic: &TopicName) -> Result<W::Tail, PortError> {
    let topics = std::slice::from_ref(topic);
    let found = world.describe_topics(topics)?.into_iter().flatten().next();
    let missing = || PortError::stop(format!("topic '{topic}' does not exist; create it first"));
    let width = found.ok_or_else(missing)?.partitions;
    let mut tail = world.tail("client", topics)?;
    for index in 0..width {
        tail.add(0, Partition::new(index), Start::Latest)?;
    }
    Ok(tail)
}

/// The half that asks.
pub struct Search<W: World, P> {
    world: W,
    emitter: Emitter<W, Utf8, P>,
    user: String,
    session: Arc<Mutex<Session>>,
}

impl<W: World, P: for<'a> Codec<Value<'a> = PromptWire<'a>>> Search<W, P> {
    /// Tells the spans of prompts: each begins a trace.
    #[must_use]
    pub fn traced(self, traces: Traces) -> Self {
        Self { emitter: self.emitter.traced(traces), ..self }
    }

    /// Sends a prompt and waits until it is acknowledged. From now on its answers count, anew if it was asked before.
    ///
    /// # Errors
    /// When it is empty, or was not acknowledged.
    pub fn ask(&mut self, text: &str) -> Result<(), SearchError> {
        let prompt = Prompt::new(text, &self.user, self.world.now())?;
        locked(&self.session).expect(prompt.text());
        self.emitter.emit(&prompt.text(), &PromptWire::from(&prompt))?;
        Ok(self.emitter.flush()?)
    }
}

/// The half that answers: the recommendations for what this user asked in this session.
pub struct Answers<W: World, R> {
    tail: W::Tail,
    codec: R,
    session: Arc<Mutex<Session>>,
    has_warned: bool,
}

impl<W: World, R: for<'a> Codec<Value<'a> = RecommendationWire<'a>>> Answers<W, R> {
    /// Waits up to `wait` for answers. Recommendations that can't be read are passed over, and logged once.
    ///
    /// # Errors
    /// When the brokers refuse the reader for good.
    pub fn poll(&mut self, wait: Duration) -> Result<Vec<Answer>, PortError> {
        let Self { tail, codec, session, has_warned } = self;
        let mut answers = Vec::new();
        tail.poll(wait, BATCH_RECORDS_MAX, |record| {
            match read(codec, &record) {
                Ok(Some(recommendation)) => answers.extend(locked(session).take(recommendation)),
                Ok(None) => {}
                Err(reason) => warn_once(has_warned, &record, &reason),
            }
            ControlFlow::Continue(())
        })?;
        Ok(answers)
    }
}

/// A tombstone withdraws a recommendation; there is nothing to show of it.
fn read<R>(codec: &R, record: &RecordView<'_>) -> Result<Option<Recommendation>, String>
where
    R: for<'a> Codec<Value<'a> = RecommendationWire<'a>>,
{
    let Some(bytes) = record.value else { return Ok(None) };
    let wire = codec.decode(bytes).map_err(|error| error.to_string())?;
    wire.into_recommendation().map(Some).map_err(|error| error.to_string())
}

fn warn_once(has_warned: &mut bool, record: &RecordView<'_>, reason: &str) {
    let (partition, offset) = (record.partition, record.offset);
    if *has_warned {
        tracing::debug!(%partition, %offset, reason, "another recommendation can't be read");
    } else {
        *has_warned = true;
        tracing::warn!(%partition, %offset, reason, "a recommendation can't be read; more such are passed over");
    }
}

fn locked(session: &Mutex<Session>) -> MutexGuard<'_, Session> {
    session.lock().unwrap_or_else(PoisonError::into_inner)
}
