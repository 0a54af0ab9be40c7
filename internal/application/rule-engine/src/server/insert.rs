use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use millstream_model::{Headers, Partition, Timestamp, Value};
use millstream_ports::{Groups, Outlet, PortError, SendRecord, Tag, Topics, World};
use millstream_sql::{Bounds, Insertion, Source, plan};

use super::copy::width;
use super::{Fault, Server};
use crate::deploy::named;
use crate::formats::Formats;
use crate::halves::Halves;

/// Writes single rows. What a source's rows are written with is made once and kept.
pub(crate) struct Rows<W: World> {
    world: W,
    outlet: Option<W::Outlet>,
    halves: BTreeMap<String, (Source, Arc<Halves>, u32)>,
}

impl<W: World> Rows<W> {
    pub(crate) fn new(world: W) -> Self {
        Self { world, outlet: None, halves: BTreeMap::new() }
    }

    fn halves(&mut self, source: &Source, formats: &Formats) -> Result<(Arc<Halves>, u32), PortError> {
        if let Some((_, halves, width)) = self.halves.get(&source.name).filter(|(known, ..)| known == source)
        {
            return Ok((halves.clone(), *width));
        }
        let halves = Arc::new(Halves::writing(source, formats)?);
        let width = width(&self.world, &named(&source.topic)?)?;
        self.halves.insert(source.name.clone(), (source.clone(), halves.clone(), width));
        Ok((halves, width))
    }

    /// Lets go of what a source's rows were written with.
    pub(crate) fn forget(&mut self, source: &str) {
        self.halves.remove(source);
    }

    /// Writes a row, and waits until it is safe. Without a value it is a tombstone.
    pub(crate) fn write(&mut self, row: &NewRow<'_>, formats: &Formats) -> Result<(), Fault> {
        let (halves, width) = self.halves(row.sink, formats)?;
        let written = halves.write(row.key, row.value, row.window);
        let (key, value) =
            written.map_err(|error| Fault::statement(format!("the row can't be written: {error}")))?;
        let topic = named(&row.sink.topic)?;
        let mut outlet = match self.outlet.take() {
            Some(outlet) => outlet,
            None => self.world.outlet("rows")?,
        };
        let partition = key.as_ref().map(|key| Partition::new(murmur2_partition(key, width)));
        outlet.send(&SendRecord {
            topic: &topic,
            partition,
            key: key.as_deref(),
            value: value.as_deref(),
            headers: &Headers::default(),
            timestamp: row.timestamp.map(Timestamp),
            tag: Tag::NONE,
        })?;
        outlet.settle()?;
        self.outlet = Some(outlet);
        Ok(())
    }
}

/// A row to be written.
pub(crate) struct NewRow<'r> {
    pub(crate) sink: &'r Source,
    pub(crate) key: &'r [Value],
    pub(crate) value: Option<&'r [Value]>,
    pub(crate) window: Option<Bounds>,
    pub(crate) timestamp: Option<i64>,
}

/// Where Java's clients put a key.
fn murmur2_partition(key: &[u8], width: u32) -> u32 {
    millstream_topology::Partitioner::default().partition(key, width)
}

impl<W: World + Topics + Groups> Server<W> {
    /// `INSERT INTO … VALUES`.
    pub(crate) fn insert(&self, text: &str) -> Result<(), Fault> {
        for insertion in self.insertions(text)? {
            let Insertion { sink, key, value, timestamp, .. } = &insertion;
            let row = NewRow { sink, key, value: Some(value), window: None, timestamp: *timestamp };
            self.write_row(&row)?;
        }
        Ok(())
    }

    pub(crate) fn insertions(&self, text: &str) -> Result<Vec<Insertion>, Fault> {
        let mut known = self.inner.book().catalog.clone();
        let (plan, mistakes) = plan(text, &mut known, &self.inner.formats);
        if mistakes.is_empty() { Ok(plan.insertions) } else { Err(Fault::mistakes(text, mistakes)) }
    }

    pub(crate) fn write_row(&self, row: &NewRow<'_>) -> Result<(), Fault> {
        let mut rows = self.inner.rows.lock().unwrap_or_else(PoisonError::into_inner);
        rows.write(row, &self.inner.formats)
    }
}
