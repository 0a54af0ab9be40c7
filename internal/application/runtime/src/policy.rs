use std::time::Duration;

/// What becomes of a record that can't be processed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// The processor stops, before the record is committed.
    Fail,
    /// The record is passed over, and counted.
    Skip,
    /// The record goes to the dead-letter topic, with headers that say where it came from and what was wrong.
    DeadLetter,
    /// The record is tried again. Its partition waits for it meanwhile, and nothing overtakes it; other partitions go on,
    /// and the member stays in the group.
    Retry(Retry),
}

/// How often a record is tried again, and when.
///
/// ```
/// use std::time::Duration;
/// use millstream_runtime::{AfterRetries, Policy, Retry};
/// let retry = Retry { limit: Some(5), then: AfterRetries::DeadLetter, ..Retry::default() };
/// assert_eq!([0, 1, 2, 30].map(|tried| retry.wait(tried).as_millis()), [100, 200, 400, 30_000]);
/// assert_eq!(Policy::Retry(retry), Policy::Retry(retry));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// How many times after the first; `None` tries for ever.
    pub limit: Option<u32>,
    /// Time before the first of them; it doubles from one to the next.
    pub first_wait: Duration,
    /// The longest time between two of them.
    pub wait_max: Duration,
    /// What becomes of the record when all of them were in vain.
    pub then: AfterRetries,
}

/// What becomes of a record that was retried in vain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterRetries {
    /// As [`Policy::Fail`].
    Fail,
    /// As [`Policy::Skip`].
    Skip,
    /// As [`Policy::DeadLetter`].
    DeadLetter,
}

impl AfterRetries {
    /// Its name in figures.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Skip => "skip",
            Self::DeadLetter => "dead_letter",
        }
    }
}

impl Default for Retry {
    /// Ten times, after 100 ms and then twice as long each time up to 30 s; then the processor stops.
    fn default() -> Self {
        Self {
            limit: Some(10),
            first_wait: Duration::from_millis(100),
            wait_max: Duration::from_secs(30),
            then: AfterRetries::Fail,
        }
    }
}

impl Retry {
    /// For a good record that can't be read now, since what its codec asks does not answer.
    pub(crate) const WHILE_IT_LASTS: Self = Self {
        limit: None,
        first_wait: Duration::from_millis(100),
        wait_max: Duration::from_secs(2),
        then: AfterRetries::Fail,
    };

    /// The wait after `tried` retries.
    pub fn wait(&self, tried: u32) -> Duration {
        let factor = 1_u32.checked_shl(tried.min(31)).unwrap_or(u32::MAX);
        self.first_wait.saturating_mul(factor).min(self.wait_max)
    }

    /// Whether there is another one after `tried` of them.
    pub(crate) fn goes_on(&self, tried: u32) -> bool {
        self.limit.is_none_or(|limit| tried < limit)
    }
}

impl Policy {
    /// What to do with a record that was retried `tried` times: another wait, or its end.
    pub(crate) fn after(self, tried: u32) -> Verdict {
        match self {
            Self::Retry(retry) if retry.goes_on(tried) => Verdict::Again(retry.wait(tried)),
            Self::Fail => Verdict::End(AfterRetries::Fail),
            Self::Skip => Verdict::End(AfterRetries::Skip),
            Self::DeadLetter => Verdict::End(AfterRetries::DeadLetter),
            Self::Retry(retry) => Verdict::End(retry.then),
        }
    }

    fn wants_dead_letters(self) -> bool {
        match self {
            Self::DeadLetter => true,
            Self::Retry(retry) => retry.then == AfterRetries::DeadLetter,
            Self::Fail | Self::Skip => false,
        }
    }
}

/// What a policy says of one failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Again(Duration),
    End(AfterRetries),
}

/// A group's policies. By default undecodable records are dead letters, and a failing callback or an emitted record that is
/// refused stops the processor.
#[derive(Clone, Debug)]
pub struct Policies {
    /// For records whose key or value can't be decoded.
    pub decode: Policy,
    /// For callbacks that answer an error or panic.
    pub callback: Policy,
    /// For records that were emitted and that the client or the brokers do not take for what they are: too large for their
    /// topic, of a time that it does not take, without the key that it wants. The record that caused them counts as
    /// processed. A retry sends it again, and its worker waits meanwhile.
    ///
    /// Brokers refuse whole batches. Unless this is to fail, what was done since the last commit is then done again with
    /// the records for that topic sent one by one, to find those at fault: at least once that repeats outputs, exactly once
    /// the transaction is aborted. An entry that a table's changelog refuses stops the processor whatever is set here.
    ///
    /// What the brokers do not answer for as long as the client tries has no such record. At least once it stops the
    /// processor, before anything of it is committed. Exactly once all since the last commit is taken back and done again,
    /// for ever unless this is a `Retry` of the group with a limit.
    pub produce: Policy,
    /// The dead-letter topic; `None` is `<group>-dead-letters`.
    pub dead_letters: Option<String>,
}

impl Default for Policies {
    fn default() -> Self {
        let (decode, callback, produce) = (Policy::DeadLetter, Policy::Fail, Policy::Fail);
        Self { decode, callback, produce, dead_letters: None }
    }
}

/// Policies of one edge, where they differ from the group's.
///
/// Of an input and the loop, `decode` and `callback` count. Of a joined or looked-up table `decode` does: by default its
/// callback is told, and may answer that error; `Skip` and `DeadLetter` show the callback no value instead, and `Retry` tries
/// the callback's record again. Of an output `produce` counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EdgePolicies {
    /// For keys and values that can't be decoded.
    pub decode: Option<Policy>,
    /// For callbacks that answer an error or panic.
    pub callback: Option<Policy>,
    /// For emitted records that are refused, as [`Policies::produce`].
    pub produce: Option<Policy>,
}

impl EdgePolicies {
    fn want_dead_letters(&self) -> bool {
        [self.decode, self.callback, self.produce].into_iter().flatten().any(Policy::wants_dead_letters)
    }
}

impl Policies {
    pub(crate) fn want_dead_letters(&self) -> bool {
        [self.decode, self.callback, self.produce].into_iter().any(Policy::wants_dead_letters)
    }
}

/// The policies of every edge, by its index: what the group's definition comes to.
#[derive(Debug, Default)]
pub(crate) struct Rulebook {
    /// Of the inputs: for decoding, and for the callback.
    inputs: Vec<(Policy, Policy)>,
    joins: Vec<Option<Policy>>,
    lookups: Vec<Option<Policy>>,
    /// Of the destinations.
    produce: Vec<Policy>,
    callback: Option<Policy>,
    produce_of_group: Option<Policy>,
}

impl Rulebook {
    pub(crate) fn new(
        group: &Policies,
        of: impl Fn(&str) -> EdgePolicies,
        spec: &millstream_topology::GroupSpec,
        destinations: &[millstream_model::TopicName],
    ) -> Self {
        let of = |topic: &millstream_model::TopicName| of(topic.as_str());
        let input = |topic| {
            let edge = of(topic);
            (edge.decode.unwrap_or(group.decode), edge.callback.unwrap_or(group.callback))
        };
        Self {
            inputs: spec.inputs.iter().map(input).collect(),
            joins: spec.joins.iter().map(|topic| of(topic).decode).collect(),
            lookups: spec.lookups.iter().map(|topic| of(topic).decode).collect(),
            produce: destinations.iter().map(|topic| of(topic).produce.unwrap_or(group.produce)).collect(),
            callback: Some(group.callback),
            produce_of_group: Some(group.produce),
        }
    }

    pub(crate) fn decode(&self, input: usize) -> Policy {
        self.inputs.get(input).map_or(Policy::Fail, |(decode, _)| *decode)
    }

    /// Of an input's callback; timers and visitors, which are no input, go by the group's.
    pub(crate) fn callback(&self, input: usize) -> Policy {
        let group = self.callback.unwrap_or(Policy::Fail);
        self.inputs.get(input).map_or(group, |(_, callback)| *callback)
    }

    pub(crate) fn produce(&self, destination: usize) -> Policy {
        self.produce.get(destination).copied().unwrap_or(Policy::Fail)
    }

    pub(crate) fn produce_of_group(&self) -> Policy {
        self.produce_of_group.unwrap_or(Policy::Fail)
    }

    /// Of a joined table, where one was set.
    pub(crate) fn join(&self, join: usize) -> Option<Policy> {
        self.joins.get(join).copied().flatten()
    }

    pub(crate) fn lookup(&self, lookup: usize) -> Option<Policy> {
        self.lookups.get(lookup).copied().flatten()
    }
}

/// Whether any of these sends records to the dead-letter topic.
pub(crate) fn want_dead_letters<'a>(
    group: &Policies,
    mut edges: impl Iterator<Item = &'a EdgePolicies>,
) -> bool {
    group.want_dead_letters() || edges.any(EdgePolicies::want_dead_letters)
}
