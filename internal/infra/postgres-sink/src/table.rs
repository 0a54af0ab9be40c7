use std::collections::{BTreeMap, HashMap};

use millstream_model::{Offset, Partition, TopicName};
use millstream_ports::{Advance, CodecError, Landed, PortError, Replica, WholeRow};
use postgres::types::ToSql;
use postgres::{Client, Error, Statement, Transaction};

use crate::connection::Database;
use crate::failure::port_error;
use crate::layout::Cell;
use crate::staging::{Staged, Staging};
use crate::statements::{self, Known};

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

/// A table that follows a topic. It has a connection of its own, made when first needed, and again after it was lost.
pub struct PostgresTable {
    database: Database,
    target: Target,
    session: Option<Session>,
    staging: Staging,
}

/// What is known while a connection lasts.
struct Session {
    client: Client,
    /// The table's columns; none where it is not there.
    known: Known,
    prepared: HashMap<String, Statement>,
}

impl PostgresTable {
    /// The table `target` in `database`.
    pub fn new(database: Database, target: Target) -> Self {
        let staging = Staging::new(&target.key_column);
        Self { database, target, session: None, staging }
    }

    /// Runs a deed on the connection. After an error the connection is made anew: what it knows may be wrong by then.
    fn with_session<T>(
        &mut self,
        deed: impl FnOnce(&mut Session, &Target, &Staging) -> Result<T, Error>,
    ) -> Result<T, PortError> {
        let (database, target) = (&self.database, &self.target);
        let attempt = format!("table '{}' of {}", target.table, database.place());
        let mut session = match self.session.take() {
            Some(session) => session,
            None => Session::open(database, target)?,
        };
        let outcome =
            deed(&mut session, target, &self.staging).map_err(|error| port_error(&attempt, &error))?;
        self.session = Some(session);
        Ok(outcome)
    }
}

impl Session {
    fn open(database: &Database, target: &Target) -> Result<Self, PortError> {
        let mut client = database.connect()?;
        let attempt = format!("could not prepare schema '{}' of {}", target.schema, database.place());
        let known = prepare(&mut client, target).map_err(|error| port_error(&attempt, &error))?;
        Ok(Self { client, known, prepared: HashMap::new() })
    }
}

fn prepare(client: &mut Client, target: &Target) -> Result<Known, Error> {
    client.execute("select set_config('search_path', $1, false)", &[&statements::quoted(&target.schema)])?;
    client.batch_execute("set synchronous_commit to on; set client_min_messages to warning")?;
    let mut transaction = client.transaction()?;
    take_turns(&mut transaction)?;
    transaction.batch_execute(statements::CREATE_POSITIONS)?;
    let known = columns(&mut transaction, &target.table)?;
    transaction.commit()?;
    Ok(known)
}

/// Changes to tables are made by one at a time, until the transaction ends.
fn take_turns(transaction: &mut Transaction<'_>) -> Result<(), Error> {
    transaction.execute("select pg_advisory_xact_lock(hashtext('millstream tables'))", &[]).map(|_| ())
}

fn columns(transaction: &mut Transaction<'_>, table: &str) -> Result<Known, Error> {
    let rows = transaction.query(statements::COLUMNS, &[&table])?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

impl Replica for PostgresTable {
    fn positions(&mut self) -> Result<BTreeMap<Partition, Offset>, PortError> {
        self.with_session(|session, target, _| {
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

    fn commit(&mut self, advances: &[Advance]) -> Result<Landed, PortError> {
        let landed = self.with_session(|session, target, staging| {
            let Session { client, known, prepared } = session;
            let mut transaction = client.transaction()?;
            if !advance(&mut transaction, target, advances)? {
                transaction.rollback()?;
                return Ok(Landed::Elsewhere);
            }
            for group in staging.groups() {
                Write { transaction: &mut transaction, known, prepared, table: &target.table }
                    .group(&group)?;
            }
            transaction.commit()?;
            Ok(Landed::Yes)
        })?;
        if landed == Landed::Yes {
            self.staging.clear();
        }
        Ok(landed)
    }

    fn clear(&mut self) {
        self.staging.clear();
    }
}

/// Whether all partitions were where they should be, and are moved on. Whoever else moves one waits until this is over.
fn advance(transaction: &mut Transaction<'_>, target: &Target, advances: &[Advance]) -> Result<bool, Error> {
    let (table, topic) = (&target.table, target.topic.as_str());
    let (mut numbers, mut at, mut next) = (Vec::new(), Vec::new(), Vec::new());
    let (mut new_numbers, mut new_next) = (Vec::new(), Vec::new());
    for Advance { partition, from, to } in advances {
        if let Some(from) = from {
            numbers.push(partition.as_i32());
            at.push(from.0);
            next.push(to.0);
        } else {
            new_numbers.push(partition.as_i32());
            new_next.push(to.0);
        }
    }
    let moved = transaction.execute(statements::ADVANCE, &[table, &topic, &numbers, &at, &next])?;
    let begun = transaction.execute(statements::BEGIN, &[table, &topic, &new_numbers, &new_next])?;
    Ok(moved == numbers.len() as u64 && begun == new_numbers.len() as u64)
}

/// Writes groups of rows in a transaction.
struct Write<'w, 't> {
    transaction: &'w mut Transaction<'t>,
    known: &'w mut Known,
    prepared: &'w mut HashMap<String, Statement>,
    table: &'w str,
}

impl Write<'_, '_> {
    fn group(&mut self, group: &[&Staged]) -> Result<(), Error> {
        let Some(first) = group.first() else { return Ok(()) };
        let key = &first.key_layout.columns;
        let Some((layout, _)) = &first.value else { return self.delete(key, group) };
        let value = places(&layout.columns, key);
        let cells: Vec<_> = value.iter().map(|(_, cell)| *cell).collect();
        self.fit(key, &cells)?;
        let sql = statements::upsert(self.table, self.known, key, &cells);
        let mut arrays = key_arrays(group, key.len());
        for (place, _) in &value {
            let texts = group.iter().map(|staged| staged.value.as_ref()?.1.get(*place)?.as_deref());
            arrays.push(texts.collect());
        }
        self.execute(&sql, &arrays)
    }

    fn delete(&mut self, key: &[Cell], group: &[&Staged]) -> Result<(), Error> {
        if self.known.is_empty() {
            return Ok(());
        }
        let sql = statements::delete(self.table, self.known, key);
        self.execute(&sql, &key_arrays(group, key.len()))
    }

    fn execute(&mut self, sql: &str, arrays: &[Vec<Option<&str>>]) -> Result<(), Error> {
        let statement = if let Some(statement) = self.prepared.get(sql) {
            statement.clone()
        } else {
            let statement = self.transaction.prepare(sql)?;
            self.prepared.insert(sql.to_owned(), statement.clone());
            statement
        };
        let parameters: Vec<&(dyn ToSql + Sync)> = arrays.iter().map(|array| array as _).collect();
        self.transaction.execute(&statement, &parameters).map(|_| ())
    }

    /// Makes the table, or gives it what it lacks.
    fn fit(&mut self, key: &[Cell], value: &[&Cell]) -> Result<(), Error> {
        let all = || key.iter().chain(value.iter().copied());
        if !self.known.is_empty() && statements::alterations(self.table, self.known, all()).is_none() {
            return Ok(());
        }
        take_turns(self.transaction)?;
        self.transaction.batch_execute(&statements::create(self.table, key, value))?;
        *self.known = columns(self.transaction, self.table)?;
        if let Some(sql) = statements::alterations(self.table, self.known, all()) {
            tracing::info!(sql, "a table changes");
            self.transaction.batch_execute(&sql)?;
            *self.known = columns(self.transaction, self.table)?;
        }
        Ok(())
    }
}

/// The columns of a value that are not the key's too, with their places.
fn places<'c>(value: &'c [Cell], key: &[Cell]) -> Vec<(usize, &'c Cell)> {
    let is_own = |cell: &Cell| !key.iter().any(|of_key| of_key.name == cell.name);
    value.iter().enumerate().filter(|(_, cell)| is_own(cell)).collect()
}

fn key_arrays<'s>(group: &[&'s Staged], columns: usize) -> Vec<Vec<Option<&'s str>>> {
    (0..columns)
        .map(|place| group.iter().map(|staged| staged.key.get(place).map(String::as_str)).collect())
        .collect()
}
