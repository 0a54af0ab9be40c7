use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use millstream_model::{Offset, Partition, TopicName};
use millstream_ports::{Advance, CodecError, Landed, PortError, Replica, WholeRow};
use postgres::Error;

use crate::connection::Database;
use crate::failure::port_error;
use crate::session::Session;
use crate::staging::{Staged, Staging};
use crate::statements;
use crate::write::write;

/// Which table follows which topic.
#[derive(Clone, Debug)]
pub struct Target {
    /// The topic.
    pub topic: TopicName,
    /// The schema of the database; it must exist.
    pub schema: String,
    /// The table, made when the first row comes.
    pub table: String,
    /// The column of keys that are no records.
    pub key_column: String,
}

/// A table that follows a topic. It has a connection of its own, made when first needed, and again after it was lost. Each
/// write has a thread of its own, so that the next rows are staged while the database works.
pub struct PostgresTable {
    link: Link,
    staging: Staging,
    writing: Option<Writing>,
}

/// The way to the table. The connection is with the thread that writes, while one does.
struct Link {
    place: Arc<(Database, Target)>,
    session: Option<Session>,
}

enum Writing {
    UnderWay(JoinHandle<(Option<Session>, Result<Landed, PortError>)>),
    NotBegun(PortError),
}

impl PostgresTable {
    /// The table `target` in `database`.
    pub fn new(database: Database, target: Target) -> Self {
        let staging = Staging::new(&target.key_column);
        let link = Link { place: Arc::new((database, target)), session: None };
        Self { link, staging, writing: None }
    }
}

impl Link {
    /// Runs a deed on the connection. After an error the connection is made anew: what it knows may be wrong by then.
    fn with_session<T>(
        &mut self,
        deed: impl FnOnce(&mut Session, &Target) -> Result<T, Error>,
    ) -> Result<T, PortError> {
        let (database, target) = &*self.place;
        let attempt = format!("table '{}' of {}", target.table, database.place());
        let mut session = match self.session.take() {
            Some(session) => session,
            None => Session::open(database, target)?,
        };
        let outcome = deed(&mut session, target).map_err(|error| port_error(&attempt, &error))?;
        self.session = Some(session);
        Ok(outcome)
    }

    fn write(
        mut self,
        rows: &[Staged],
        advances: &[Advance],
    ) -> (Option<Session>, Result<Landed, PortError>) {
        let outcome = self.with_session(|session, target| write(session, target, rows, advances));
        (self.session, outcome)
    }
}

impl Replica for PostgresTable {
    fn positions(&mut self) -> Result<BTreeMap<Partition, Offset>, PortError> {
        self.link.with_session(|session, target| {
            let rows =
                session.client.query(statements::POSITIONS, &[&target.table, &target.topic.as_str()])?;
            let position = |row: &postgres::Row| {
                let partition = Partition::new(u32::try_from(row.try_get::<_, i32>(0)?).unwrap_or_default());
                Ok((partition, Offset(row.try_get(1)?)))
            };
            rows.iter().map(position).collect()
        })
    }

    fn stage(&mut self, key: &WholeRow, value: Option<&WholeRow>) -> Result<(), CodecError> {
        self.staging.take(key, value)
    }

    fn begin(&mut self, advances: Vec<Advance>) {
        let rows = self.staging.drain();
        let link = Link { place: self.link.place.clone(), session: self.link.session.take() };
        let begun = thread::Builder::new().name("sink write".to_owned()).spawn(move || {
            // What was written is given back by this thread too.
            let rows = rows;
            link.write(&rows, &advances)
        });
        self.writing = Some(match begun {
            Ok(thread) => Writing::UnderWay(thread),
            Err(error) => {
                Writing::NotBegun(PortError::retry("no thread to write").because(error.to_string()))
            }
        });
    }

    fn is_writing(&self) -> bool {
        matches!(&self.writing, Some(Writing::UnderWay(thread)) if !thread.is_finished())
    }

    fn finish(&mut self) -> Result<Landed, PortError> {
        match self.writing.take() {
            None => Err(PortError::stop("no write was begun")),
            Some(Writing::NotBegun(error)) => Err(error),
            Some(Writing::UnderWay(thread)) => {
                let (session, outcome) = thread.join().map_err(|_| PortError::stop("a write panicked"))?;
                self.link.session = session;
                outcome
            }
        }
    }

    fn clear(&mut self) {
        self.staging.drain();
    }
}
