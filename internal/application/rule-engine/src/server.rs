//! A server of statements: what rules there are is kept in a topic, and several servers share it and the work.
//!
//! The journal is one compacted partition of statements, each under a key of its own. Every server reads it and applies the
//! statements in their order ([`book`]), so that all come to the same, whatever is written at the same time: of two that do
//! not go together the later one is refused by everybody, its writer included, who reads it back before it answers. A
//! statement is checked before it is written. What counts no more is taken out afterwards, refused statements first, so that
//! nothing that is left means something else than before.

mod answer;
mod assert;
mod book;
mod columns;
mod copy;
mod crew;
mod delete;
mod entry;
mod fault;
mod group_entry;
mod insert;
mod journal;
mod print;
mod pull;
mod push;
mod regroup;
mod session;
mod shared_groups;
mod show;
mod statements;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::thread;
use std::time::Duration;

use millstream_model::{Offset, TopicName};
use millstream_ports::{Groups, PortError, Topics, World};
use millstream_runtime::{Settings, Stop};
use millstream_sql::{Functions, Source};

pub use answer::{Answer, Described, FunctionTold, ListedQuery, Property, Told};
pub use book::{Broken, Outcome, QueryEntry};
pub use crew::QueryState;
pub use fault::Fault;
pub use push::{Flow, Row};
pub use session::Session;
pub use statements::Statements;

use book::Book;
use copy::TableCopy;
use crew::Crew;
use entry::Entry;
use journal::{Follower, Progress, Writer};
use regroup::Regrouper;

use crate::deploy::{Engine, touched};
use crate::formats::Formats;
use crate::outside::outside;
use crate::watched::{RuleWatch, WatchedRule};

/// How a server runs.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// What servers that share statements and work have in common, and others have not. It names the journal's topic and
    /// begins the names of all groups.
    pub service_id: String,
    /// How each rule runs.
    pub rules: Settings,
    /// How long a statement may take until it is read back.
    pub answer_wait: Duration,
    /// Time between two looks whether the topics that queries read are there.
    pub topics_interval: Duration,
    /// After how long queries that keep nothing, have caught up and read the same topic are put into one consumer group; each
    /// time that takes them a second or two. `None` leaves each in its own.
    pub share_interval: Option<Duration>,
    /// What statements can call: the standard functions, and those that the program adds by [`Functions::register`]. An
    /// [`Engine`]'s are `engine.catalog().functions().clone()`. Servers that share a service id should have the same.
    pub functions: Functions,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            service_id: "default".to_owned(),
            rules: Settings::default(),
            answer_wait: Duration::from_secs(30),
            topics_interval: Duration::from_secs(10),
            share_interval: Some(Duration::from_secs(5)),
            functions: Functions::with(&outside()),
        }
    }
}

impl ServerSettings {
    /// The topic that the statements are kept in.
    pub fn journal_topic(&self) -> String {
        format!("_rules-{}-statements", self.service_id)
    }
}

/// What all threads of a server share.
pub(crate) struct Inner<W: World> {
    world: W,
    formats: Formats,
    settings: ServerSettings,
    book: RwLock<Book>,
    crew: Mutex<Crew>,
    progress: Progress,
    writer: Mutex<Writer<W>>,
    rows: Mutex<insert::Rows<W>>,
    copies: Mutex<BTreeMap<String, Arc<Mutex<TableCopy<W>>>>>,
    stop: Stop,
}

impl<W: World> Inner<W> {
    pub(crate) fn book(&self) -> RwLockReadGuard<'_, Book> {
        self.book.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn crew(&self) -> MutexGuard<'_, Crew> {
        self.crew.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes out of the journal what counts no more.
    pub(crate) fn tidy(&self, writer: &mut Writer<W>) -> Result<(), PortError> {
        let (removable, broken) = {
            let book = self.book();
            (book.removable(), book.broken.clone())
        };
        for broken in broken.iter().filter(|_| !removable.is_empty()) {
            if let Some(key) = &broken.key {
                let (key, headers) = Entry::aside(key, &broken.reason);
                writer.append(&key, Some(broken.text.as_bytes()), &headers)?;
            }
        }
        for key in &removable {
            writer.append(key, None, &millstream_model::Headers::default())?;
        }
        Ok(())
    }
}

/// A server at work. Dropping it stops its rules, after they have committed; the journal keeps them for the next start.
pub struct Server<W: World + Topics + Groups> {
    inner: Arc<Inner<W>>,
    statements: Option<thread::JoinHandle<()>>,
}

impl<W: World + Topics + Groups> Server<W> {
    /// Reads the journal, which is created where there is none, and starts what it says. A statement that can't be carried
    /// out any more is told by [`Server::broken`], and keeps nothing else from starting.
    ///
    /// # Errors
    /// When the brokers can't be reached, the journal is no single partition, or the system gives no thread.
    pub fn start(world: W, formats: Formats, settings: ServerSettings) -> Result<Self, PortError> {
        let name = settings.journal_topic();
        let topic = TopicName::new(name.as_str())
            .map_err(|error| PortError::stop("the service id makes no topic's name").because(error))?;
        journal::ensure(&world, &topic, settings.rules.replication)?;
        let engine = Engine::new(world.clone(), formats.clone(), settings.rules.clone());
        let inner = Arc::new(Inner {
            book: RwLock::new(Book::new(&settings.service_id, &settings.functions)),
            crew: Mutex::new(Crew::default()),
            progress: Progress::default(),
            writer: Mutex::new(Writer::new(world.clone(), topic.clone())),
            rows: Mutex::new(insert::Rows::new(world.clone())),
            copies: Mutex::default(),
            stop: Stop::new(),
            world,
            formats,
            settings,
        });
        let mut follower = Follower::open(inner.clone(), engine, &topic)?;
        follower.catch_up()?;
        let regrouper = Regrouper::new(inner.clone());
        // From here on what fails ends what was begun.
        let mut server = Self { inner, statements: None };
        server.statements = Some(spawned("statements", move || follower.run())?);
        // What it waits for may take longer than a program that is to end should, and what it leaves undone others do.
        drop(spawned("groups", move || regrouper.run())?);
        Ok(server)
    }

    /// How it runs.
    pub fn settings(&self) -> &ServerSettings {
        &self.inner.settings
    }

    /// Statements of the journal that can't be carried out any more, and why.
    pub fn broken(&self) -> Vec<Broken> {
        self.inner.book().broken.clone()
    }

    /// Whether the journal is read.
    ///
    /// # Errors
    /// Why it is not.
    pub fn health(&self) -> Result<(), String> {
        self.inner.progress.check().map_err(|fault| fault.to_string())
    }

    /// What the queries of this server are doing.
    pub fn statuses(&self) -> Vec<Arc<millstream_runtime::Status>> {
        self.inner.crew().statuses()
    }

    /// What each query is doing, and what it has done on this server.
    pub fn rules(&self) -> Vec<WatchedRule> {
        let queries: Vec<_> = self.inner.book().queries.values().cloned().collect();
        let crew = self.inner.crew();
        queries.iter().map(|query| crew.watched(query)).collect()
    }

    /// What runs on this server, to be looked at.
    pub fn watches(&self) -> Vec<RuleWatch> {
        self.inner.crew().watches()
    }

    /// Writes a statement to the journal, and waits until it was read back and what it asks for is begun.
    pub(crate) fn write(&self, session: &Session, text: &str) -> Result<(Outcome, Offset), Fault> {
        let inner = &self.inner;
        let (outcome, offset) = {
            let mut writer = inner.writer.lock().unwrap_or_else(PoisonError::into_inner);
            let end = writer.end()?;
            inner.progress.await_applied(end, inner.settings.answer_wait)?;
            let seen = inner.progress.applied();
            let mut entry = Entry::new(text, session.settings(), seen);
            // Nothing that is wrong is written.
            let checked = self.check(&entry)?;
            entry.query = checked.query.filter(|_| checked.goes_on);
            entry.columns = checked.columns;
            inner.progress.expect(&entry.key);
            let offset = writer.append(&entry.key, Some(entry.text.as_bytes()), &entry.headers())?;
            let outcome = inner.progress.outcome(&entry.key, inner.settings.answer_wait);
            inner.tidy(&mut writer)?;
            (outcome?, offset)
        };
        inner.progress.await_begun(offset.next().0, inner.settings.answer_wait);
        for group in &outcome.ended {
            self.delete_inner_topics(group);
        }
        Ok((outcome, offset))
    }

    /// What an entry would come to. What this server can't read or write is refused here and not by the book, which is to be the
    /// same everywhere.
    fn check(&self, entry: &Entry) -> Result<Outcome, Fault> {
        let mut next = self.inner.book().clone();
        let outcome = next.apply(entry, &self.inner.formats)?;
        let book = self.inner.book();
        let made = next.catalog.sources().filter(|source| book.catalog.get(&source.name) != Some(*source));
        let is_new = |query: &&QueryEntry| {
            book.queries.get(&query.id).is_none_or(|known| known.version != query.version)
        };
        let used = next.queries.values().filter(is_new).flat_map(|query| touched(&query.rule));
        made.chain(used).try_for_each(|source| self.admit(source)).map(|()| outcome)
    }

    fn admit(&self, source: &Source) -> Result<(), Fault> {
        self.inner.formats.admit(source).map_err(|error| Fault::statement(error.to_string()))
    }

    /// Deletes what an ended query kept for itself. Dead letters stay, for somebody may want to look at them.
    fn delete_inner_topics(&self, group: &str) {
        for name in [format!("{group}-table"), format!("{group}-loop")] {
            let Ok(name) = TopicName::new(name) else { continue };
            let found = self.inner.world.describe_topics(std::slice::from_ref(&name));
            if found.is_ok_and(|found| found.iter().any(Option::is_some))
                && let Err(error) = self.inner.world.delete_topic(&name)
            {
                tracing::warn!(topic = %name, %error, "an ended query's topic could not be deleted");
            }
        }
    }
}

fn spawned(name: &str, body: impl FnOnce() + Send + 'static) -> Result<thread::JoinHandle<()>, PortError> {
    let spawned = thread::Builder::new().name(name.to_owned()).spawn(body);
    spawned.map_err(|error| PortError::stop("could not start a thread").because(error))
}

impl<W: World + Topics + Groups> Drop for Server<W> {
    fn drop(&mut self) {
        self.inner.stop.set();
        // A thread that panicked has been told of already.
        drop(self.statements.take().map(thread::JoinHandle::join));
    }
}

#[cfg(test)]
mod tests;
