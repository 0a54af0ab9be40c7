use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

use millstream_model::Value;
use millstream_ports::{Groups, PortError, Topics, World};
use millstream_sql::{Asking, SinkRow, Source, SourceKind, SourceRecord};

use super::copy::{Reach, TableCopy, record};
use super::push::{Row, Transient};
use super::{Fault, Server};
use crate::halves::Halves;

/// Rows that are collected for whoever asks.
struct Collected {
    running: Transient,
    /// The rows of groups, the newest of each.
    groups: BTreeMap<Vec<Value>, SinkRow>,
    rows: Vec<Row>,
    left: usize,
}

impl Collected {
    /// Takes a record in; `false` when there is enough.
    fn take(&mut self, record: &SourceRecord) -> Result<bool, Fault> {
        if self.left == 0 {
            return Ok(false);
        }
        let is_grouped = self.running.asking().rule.query.is_stateful();
        for row in self.running.take(0, record)? {
            if is_grouped {
                self.groups.insert(row.key.clone(), row);
            } else if row.value.is_some() && self.left > 0 {
                self.left -= 1;
                self.rows.push(self.running.told(row));
            }
        }
        Ok(self.left > 0)
    }

    fn finish(mut self) -> Vec<Row> {
        let groups = std::mem::take(&mut self.groups).into_values().filter(|row| row.value.is_some());
        let groups: Vec<_> = groups.take(self.left).collect();
        let groups: Vec<_> = groups.into_iter().map(|row| self.running.told(row)).collect();
        self.rows.extend(groups);
        self.rows
    }
}

impl<W: World + Topics + Groups> Server<W> {
    /// What there is now: a table's rows, or a stream's records from the first to the last.
    pub(crate) fn pull(&self, asking: Asking) -> Result<Vec<Row>, Fault> {
        let source = asking.rule.query.sources().first().map(|source| (*source).clone());
        let source = source.ok_or_else(|| Fault::statement("the query reads nothing"))?;
        let left = asking.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
        let key = asking.key.clone();
        let running = Transient::new(asking, &self.inner.formats)?;
        let mut collected = Collected { running, groups: BTreeMap::new(), rows: Vec::new(), left };
        match source.kind {
            SourceKind::Table => self.with_copy(&source, |copy| {
                for record in copy.rows(key.as_deref()) {
                    if !collected.take(record)? {
                        break;
                    }
                }
                Ok(())
            })?,
            SourceKind::Stream => self.read_stream(&source, &mut collected)?,
        }
        Ok(collected.finish())
    }

    fn read_stream(&self, source: &Source, collected: &mut Collected) -> Result<(), Fault> {
        let halves = Halves::reading(source, &self.inner.formats)?;
        let mut fault = None;
        let mut reach = Reach::open(&self.inner.world, &source.topic)?;
        reach.read(self.inner.settings.answer_wait, |raw| {
            let Some(record) = record(&halves, raw)? else { return Ok(ControlFlow::Continue(())) };
            match collected.take(&record) {
                Ok(true) => Ok(ControlFlow::Continue(())),
                Ok(false) => Ok(ControlFlow::Break(())),
                Err(error) => {
                    fault = Some(error);
                    Ok(ControlFlow::Break(()))
                }
            }
        })?;
        fault.map_or(Ok(()), Err)
    }

    /// Lets `look` at a table's copy, which has all that was written up to now.
    pub(crate) fn with_copy<T>(
        &self,
        source: &Source,
        look: impl FnOnce(&TableCopy<W>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let made = self.inner.book().made.get(&source.name).copied().unwrap_or_default();
        let copy = self.copy_of(source, made)?;
        let mut copy = copy.lock().unwrap_or_else(PoisonError::into_inner);
        copy.refresh(self.inner.settings.answer_wait)?;
        look(&copy)
    }

    fn copy_of(&self, source: &Source, made: i64) -> Result<Arc<Mutex<TableCopy<W>>>, PortError> {
        let mut copies = self.inner.copies.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(copy) = copies.get(&source.name) {
            let is_same = copy.lock().unwrap_or_else(PoisonError::into_inner).is_of(source, made);
            if is_same {
                return Ok(copy.clone());
            }
        }
        let copy = TableCopy::open(&self.inner.world, &self.inner.formats, source, made)?;
        let copy = Arc::new(Mutex::new(copy));
        copies.insert(source.name.clone(), copy.clone());
        Ok(copy)
    }
}
