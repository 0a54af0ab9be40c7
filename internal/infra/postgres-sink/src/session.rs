use std::collections::HashMap;

use millstream_ports::PortError;
use postgres::{Client, Error, Statement, Transaction};

use crate::connection::Database;
use crate::failure::port_error;
use crate::statements::{self, Known};
use crate::table::Target;

/// A connection, and what is known while it lasts.
pub(crate) struct Session {
    pub(crate) client: Client,
    /// The table's columns; none where it is not there.
    pub(crate) known: Known,
    pub(crate) prepared: HashMap<String, Statement>,
}

impl Session {
    pub(crate) fn open(database: &Database, target: &Target) -> Result<Self, PortError> {
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
pub(crate) fn take_turns(transaction: &mut Transaction<'_>) -> Result<(), Error> {
    transaction.execute("select pg_advisory_xact_lock(hashtext('millstream tables'))", &[]).map(|_| ())
}

pub(crate) fn columns(transaction: &mut Transaction<'_>, table: &str) -> Result<Known, Error> {
    let rows = transaction.query(statements::COLUMNS, &[&table])?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}
