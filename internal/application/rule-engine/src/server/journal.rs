use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLockWriteGuard};
use std::time::{Duration, Instant};

use millstream_model::{Headers, Offset, Partition, TopicName};
use millstream_ports::{
    Action, Groups, Outlet, PortError, SendRecord, Start, Tag, Tail, TopicSpec, Topics, World,
};

use super::book::{Book, Broken, Outcome};
use super::entry::Entry;
use super::group_entry::GroupEntry;
use super::{Fault, Inner};
use crate::deploy::Engine;

/// The journal's only partition.
const PARTITION: Partition = Partition::new(0);

/// How long a poll waits; also how long it takes to see that it should end.
const POLL_WAIT: Duration = Duration::from_millis(50);

/// Records that are taken in at once.
const BATCH: usize = 1000;

/// Pause after a fault that may pass.
const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// How long the first reading may stand still.
const STILL_MAX: Duration = Duration::from_mins(1);

const OFFSET: Tag = Tag(0);

/// Creates the journal's topic where there is none.
pub(super) fn ensure(
    world: &impl World,
    topic: &TopicName,
    replication: Option<u16>,
) -> Result<(), PortError> {
    let found = world.describe_topics(std::slice::from_ref(topic))?.into_iter().flatten().next();
    match found {
        Some(found) if found.partitions == 1 => Ok(()),
        Some(found) => Err(PortError::stop(format!(
            "topic '{topic}' has {} partitions, and the statements' journal has one; choose another service id",
            found.partitions
        ))),
        None => world.create_topic(&TopicSpec {
            name: topic.clone(),
            partitions: 1,
            replication,
            settings: BTreeMap::from([("cleanup.policy".to_owned(), "compact".to_owned())]),
        }),
    }
}

/// How far the journal was read and carried out, and what became of this server's own statements.
#[derive(Default)]
pub(crate) struct Progress {
    inside: Mutex<Inside>,
    changed: Condvar,
}

#[derive(Default)]
struct Inside {
    applied: i64,
    begun: i64,
    own: BTreeMap<String, Option<Result<Outcome, Fault>>>,
    fault: Option<String>,
}

impl Progress {
    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<T>(&self, wait: Duration, mut look: impl FnMut(&mut Inside) -> Option<T>) -> Result<T, Fault> {
        let deadline = Instant::now() + wait;
        let mut inside = self.inside();
        loop {
            if let Some(found) = look(&mut inside) {
                return Ok(found);
            }
            if let Some(why) = &inside.fault {
                return Err(PortError::stop(why.clone()).into());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let said = "the statements' journal was not read back in time; the statement may still count";
                return Err(PortError::retry(said).into());
            }
            inside = self.changed.wait_timeout(inside, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    pub(crate) fn check(&self) -> Result<(), Fault> {
        let fault = self.inside().fault.clone();
        fault.map_or(Ok(()), |why| Err(PortError::stop(why).into()))
    }

    pub(crate) fn applied(&self) -> i64 {
        self.inside().applied
    }

    /// Waits until everything before `end` is taken in.
    pub(crate) fn await_applied(&self, end: Offset, wait: Duration) -> Result<(), Fault> {
        self.wait(wait, |inside| (inside.applied >= end.0).then_some(()))
    }

    /// Waits until what the statements before `end` ask for is begun; for no longer than `wait`, for it will be.
    pub(crate) fn await_begun(&self, end: i64, wait: Duration) {
        let _ = self.wait(wait, |inside| (inside.begun >= end).then_some(()));
    }

    pub(crate) fn expect(&self, key: &str) {
        self.inside().own.insert(key.to_owned(), None);
    }

    /// Waits for what became of a statement that was expected.
    pub(crate) fn outcome(&self, key: &str, wait: Duration) -> Result<Outcome, Fault> {
        let found = self.wait(wait, |inside| {
            inside.own.get(key)?.as_ref()?;
            inside.own.remove(key).flatten()
        });
        self.inside().own.remove(key);
        found?
    }

    fn tell(&self, key: &str, outcome: Result<Outcome, Fault>) {
        if let Some(slot) = self.inside().own.get_mut(key) {
            *slot = Some(outcome);
        }
    }

    fn advance(&self, set: impl FnOnce(&mut Inside)) {
        set(&mut self.inside());
        self.changed.notify_all();
    }
}

/// Appends to the journal.
pub(crate) struct Writer<W: World> {
    world: W,
    topic: TopicName,
    outlet: Option<W::Outlet>,
    probe: Option<W::Tail>,
}

impl<W: World> Writer<W> {
    pub(crate) fn new(world: W, topic: TopicName) -> Self {
        Self { world, topic, outlet: None, probe: None }
    }

    /// Where the journal ends now.
    pub(crate) fn end(&mut self) -> Result<Offset, PortError> {
        let mut probe = match self.probe.take() {
            Some(probe) => probe,
            None => self.world.tail("statements-end", std::slice::from_ref(&self.topic))?,
        };
        let (_, end) = probe.add(0, PARTITION, Start::Latest)?;
        probe.remove(0, PARTITION)?;
        self.probe = Some(probe);
        Ok(end)
    }

    /// Appends a record and waits until it is safe. After a fault the next one gets an outlet of its own.
    pub(crate) fn append(
        &mut self,
        key: &str,
        value: Option<&[u8]>,
        headers: &Headers,
    ) -> Result<Offset, PortError> {
        let mut outlet = match self.outlet.take() {
            Some(outlet) => outlet,
            None => self.world.outlet("statements")?,
        };
        outlet.send(&SendRecord {
            topic: &self.topic,
            partition: Some(PARTITION),
            key: Some(key.as_bytes()),
            value,
            headers,
            timestamp: None,
            tag: OFFSET,
        })?;
        outlet.settle()?;
        let offset = outlet.acknowledged(OFFSET);
        self.outlet = Some(outlet);
        offset.ok_or_else(|| PortError::stop("the statements' journal acknowledged nothing"))
    }
}

/// Reads the journal, and has the queries follow it.
pub(crate) struct Follower<W: World> {
    inner: Arc<Inner<W>>,
    engine: Engine<W>,
    tail: W::Tail,
    end: Offset,
    /// When it last looked which topics there are.
    looked: Instant,
}

/// A record that came: an entry, or the end of the one of a key.
enum Came {
    Entry(Noted),
    End(String),
    Aside(String, String),
}

/// An entry that counts, or does not, by those before it.
enum Noted {
    Statement(Entry),
    Group(GroupEntry),
}

impl Noted {
    fn key(&self) -> &String {
        match self {
            Self::Statement(entry) => &entry.key,
            Self::Group(entry) => &entry.key,
        }
    }

    fn offset(&self) -> i64 {
        match self {
            Self::Statement(entry) => entry.offset,
            Self::Group(entry) => entry.offset,
        }
    }
}

impl<W: World + Topics + Groups> Follower<W> {
    pub(super) fn open(
        inner: Arc<Inner<W>>,
        engine: Engine<W>,
        topic: &TopicName,
    ) -> Result<Self, PortError> {
        let mut tail = inner.world.tail("statements", std::slice::from_ref(topic))?;
        let (_, end) = tail.add(0, PARTITION, Start::Earliest)?;
        Ok(Self { inner, engine, tail, end, looked: Instant::now() })
    }

    /// Reads up to where the journal ended when it was opened. What is taken out by then never was.
    pub(super) fn catch_up(&mut self) -> Result<(), PortError> {
        let mut entries: BTreeMap<String, Noted> = BTreeMap::new();
        let mut moved = Instant::now();
        while self.tail.position(0, PARTITION)? < self.end {
            let before = self.tail.position(0, PARTITION)?;
            for came in self.poll()? {
                match came {
                    Came::Entry(entry) => drop(entries.insert(entry.key().clone(), entry)),
                    Came::End(key) => drop(entries.remove(&key)),
                    Came::Aside(text, reason) => self.set_aside(text, reason),
                }
            }
            if self.tail.position(0, PARTITION)? > before {
                moved = Instant::now();
            } else if moved.elapsed() > STILL_MAX {
                return Err(PortError::retry(
                    "the statements' journal can't be read to its end; are its brokers up?",
                ));
            }
        }
        let mut entries: Vec<_> = entries.into_values().collect();
        entries.sort_by_key(Noted::offset);
        for entry in &entries {
            self.apply(entry);
        }
        let next = self.tail.position(0, PARTITION)?.0;
        self.inner.progress.advance(|inside| inside.applied = next);
        tracing::info!(statements = entries.len(), "the statements' journal is read");
        Ok(())
    }

    /// Until the server stops, or nothing can be read any more.
    pub(super) fn run(mut self) {
        self.inner.crew().settle(&self.inner.book(), &self.engine);
        while !self.inner.stop.is_set() {
            match self.step() {
                Ok(()) => {}
                Err(error) if error.action() == Action::Retry => {
                    tracing::warn!(%error, "reading the statements' journal again");
                    std::thread::sleep(RETRY_PAUSE);
                }
                Err(error) => {
                    tracing::error!(%error, "the statements' journal is not read any more");
                    let why = error.to_string();
                    self.inner.progress.advance(|inside| inside.fault = Some(why));
                    break;
                }
            }
        }
        let ended = std::mem::take(&mut *self.inner.crew());
        ended.stop();
    }

    fn poll(&mut self) -> Result<Vec<Came>, PortError> {
        let mut batch = Vec::new();
        self.tail.poll(POLL_WAIT, BATCH, |view| {
            if let Some(entry) = Entry::read(&view) {
                batch.push(Came::Entry(Noted::Statement(entry)));
            } else if let Some(entry) = GroupEntry::read(&view) {
                batch.push(Came::Entry(Noted::Group(entry)));
            } else if let Some((text, reason)) = Entry::read_aside(&view) {
                batch.push(Came::Aside(text, reason));
            } else {
                let key = view.key.and_then(|key| String::from_utf8(key.to_vec()).ok());
                batch.extend(key.filter(|_| view.value.is_none()).map(Came::End));
            }
            ControlFlow::Continue(())
        })?;
        Ok(batch)
    }

    fn step(&mut self) -> Result<(), PortError> {
        for came in self.poll()? {
            match came {
                Came::Entry(entry) => self.apply(&entry),
                Came::End(key) => self.book().taken_out(&key),
                Came::Aside(text, reason) => self.set_aside(text, reason),
            }
        }
        let next = self.tail.position(0, PARTITION)?.0;
        self.inner.progress.advance(|inside| inside.applied = next);
        let book = self.inner.book().clone();
        self.look(&book);
        self.inner.crew().settle(&book, &self.engine);
        self.inner.progress.advance(|inside| inside.begun = next);
        Ok(())
    }

    /// Looks from time to time whether the topics that queries read are still there.
    fn look(&mut self, book: &Book) {
        if self.looked.elapsed() < self.inner.settings.topics_interval || book.queries.is_empty() {
            return;
        }
        match self.inner.world.list_topics() {
            Ok(topics) => {
                let topics = topics.into_iter().map(|topic| topic.name.as_str().to_owned()).collect();
                self.inner.crew().look(&topics, book);
            }
            // Queries say themselves that the brokers do not answer.
            Err(error) => tracing::debug!(%error, "the topics can't be listed"),
        }
        self.looked = Instant::now();
    }

    fn book(&self) -> RwLockWriteGuard<'_, Book> {
        self.inner.book.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_aside(&self, text: String, reason: String) {
        self.book().broken.push(Broken { text, reason, key: None });
    }

    fn apply(&self, entry: &Noted) {
        match entry {
            Noted::Statement(entry) => self.apply_statement(entry),
            Noted::Group(entry) => drop(self.book().regroup(entry)),
        }
    }

    fn apply_statement(&self, entry: &Entry) {
        let outcome = self.book().apply(entry, &self.inner.formats);
        if let Err(fault) = &outcome {
            tracing::warn!(statement = entry.text, %fault, "a statement of the journal does not count");
        }
        self.inner.progress.tell(&entry.key, outcome);
    }
}
