//! Writes rows and positions in one transaction.

use std::collections::HashMap;

use millstream_ports::{Advance, Landed};
use postgres::types::ToSql;
use postgres::{Error, Statement, Transaction};

use crate::layout::Cell;
use crate::session::{Session, columns, take_turns};
use crate::staging::{Staged, groups};
use crate::statements::{self, Known};
use crate::table::Target;

/// Writes `rows` and moves the partitions on, or does neither.
pub(crate) fn write(
    session: &mut Session,
    target: &Target,
    rows: &[Staged],
    advances: &[Advance],
) -> Result<Landed, Error> {
    let Session { client, known, prepared } = session;
    let mut transaction = client.transaction()?;
    if !advance(&mut transaction, target, advances)? {
        transaction.rollback()?;
        return Ok(Landed::Elsewhere);
    }
    for group in groups(rows) {
        Write { transaction: &mut transaction, known, prepared, table: &target.table }.group(&group)?;
    }
    transaction.commit()?;
    Ok(Landed::Yes)
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
            let texts = group.iter().map(|staged| staged.value.as_ref()?.1.get(*place));
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
    (0..columns).map(|place| group.iter().map(|staged| staged.key.get(place)).collect()).collect()
}
