use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use millstream_model::{Headers, Offset, Timestamp, TopicName};
use millstream_ports::{Outlet, PortError, SendRecord, Tag, World};
use millstream_registry_rules::{Decision, Record, Refusal, Stamp, State};

use super::reader::PARTITION;
use super::{Fault, Shared};
use crate::{Settings, wire};

/// How often a decision is made anew when other instances come in between.
const TRIES: u32 = 20;

/// The longest pause before a decision is made anew; how long it is is left to chance, so that two don't meet again.
const PAUSE_MS_MAX: u64 = 40;

const OFFSET: Tag = Tag(0);

/// Appends records with the text of their stamp, and waits; tells the last one's offset.
type Append = dyn FnMut(&[wire::Bytes], &str) -> Result<Offset, PortError> + Send;

/// Writes to the journal, one decision after the other.
pub(super) struct Writer {
    append: Box<Append>,
    shared: Arc<Shared>,
    /// `None` when it is not known what became of what was written last.
    token: Option<u64>,
    record_bytes_max: usize,
    wait: Duration,
}

/// A number that no other writer has.
pub(super) fn number(now: Timestamp) -> u64 {
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_i64(now.0);
    hasher.finish().min(u64::MAX - 1)
}

impl Writer {
    pub(super) fn new(
        world: &impl World,
        topic: TopicName,
        shared: Arc<Shared>,
        settings: &Settings,
    ) -> Self {
        let append = Box::new(appending(world.clone(), topic));
        let (record_bytes_max, wait) = (settings.record_bytes_max, settings.answer_wait);
        Self { append, shared, token: None, record_bytes_max, wait }
    }

    /// Decides on the newest state and writes, anew where another instance came in between.
    pub(super) fn write<T>(
        &mut self,
        decide: impl Fn(&State) -> Result<Decision<T>, Refusal>,
    ) -> Result<T, Fault> {
        // A token that was held for long may have gone to another instance, of whose records none is read yet.
        let mut is_fresh = false;
        for _ in 0..TRIES {
            let Some(stamp) = self.held() else {
                self.take_token()?;
                is_fresh = true;
                continue;
            };
            let (decision, mut records) = {
                let state = self.shared.state();
                (decide(&state), state.repairs())
            };
            match decision {
                Err(refusal) if is_fresh => return Err(refusal.into()),
                Err(_) => self.token = None,
                Ok(decision) => {
                    records.extend(decision.records);
                    if self.put(stamp, &records)? {
                        return Ok(decision.answer);
                    }
                    self.give_way();
                }
            }
        }
        Err(Fault::Contended(TRIES))
    }

    /// The stamp by which records count, as far as the journal is read.
    fn held(&self) -> Option<Stamp> {
        let stamp = Stamp { writer: self.shared.writer, token: self.token? };
        self.shared.state().holds(stamp).then_some(stamp)
    }

    fn take_token(&mut self) -> Result<(), Fault> {
        let position = u64::try_from(self.shared.progress.next().0).unwrap_or_default();
        let (token, id_max) = {
            let state = self.shared.state();
            (state.next_token(position), state.id_max())
        };
        let stamp = Stamp { writer: self.shared.writer, token };
        if !self.put(stamp, &[Record::Noop(Some(id_max))])? {
            self.give_way();
        }
        self.token = Some(token);
        Ok(())
    }

    fn give_way(&mut self) {
        self.token = None;
        thread::sleep(Duration::from_millis(number(Timestamp(0)) % PAUSE_MS_MAX));
    }

    /// Appends records and reads them back; answers whether all of them count.
    fn put(&mut self, stamp: Stamp, records: &[Record]) -> Result<bool, Fault> {
        if records.is_empty() {
            return Ok(true);
        }
        let encoded: Result<Vec<_>, _> = records.iter().map(wire::encode).collect();
        let encoded = encoded.map_err(Fault::Store)?;
        if let Some(large) = encoded.iter().map(wire::Bytes::len).find(|bytes| *bytes > self.record_bytes_max)
        {
            return Err(Fault::TooLarge { bytes: large, max: self.record_bytes_max });
        }
        self.shared.progress.forget_own();
        // Until they are read back it is not known what became of them.
        let token = self.token.take();
        let offset = (self.append)(&encoded, &wire::stamp_text(stamp))?;
        let counted = self.shared.progress.await_own(offset, stamp.token, self.wait)?;
        self.token = token;
        Ok(counted == records.len())
    }
}

/// Appends with an outlet that is made when first needed, and anew after a fault.
fn appending<W: World>(
    world: W,
    topic: TopicName,
) -> impl FnMut(&[wire::Bytes], &str) -> Result<Offset, PortError> + Send {
    let mut open: Option<W::Outlet> = None;
    move |records, stamp| {
        let mut outlet = match open.take() {
            Some(outlet) => outlet,
            None => world.outlet("schema-registry")?,
        };
        let mut headers = Headers::default();
        headers.push(wire::HEADER, stamp.as_bytes());
        for wire::Bytes { key, value } in records {
            outlet.send(&SendRecord {
                topic: &topic,
                partition: Some(PARTITION),
                key: Some(key),
                value: value.as_deref(),
                headers: &headers,
                timestamp: None,
                tag: OFFSET,
            })?;
        }
        outlet.settle()?;
        let last = outlet.acknowledged(OFFSET);
        open = Some(outlet);
        last.ok_or_else(|| PortError::stop("the schemas' journal acknowledged nothing"))
    }
}
