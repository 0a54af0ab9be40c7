use std::collections::BTreeMap;
use std::ops::ControlFlow;

use millstream_model::{Offset, Partition, RecordView};
use millstream_ports::{CodecError, Replica, WholeRows};

use crate::set_aside::SetAside;

/// Bytes of records that a transaction writes, and some more: large records make small transactions.
const BYTES_MAX: u64 = 16 << 20;

/// Records taken in since the last commit: their rows are staged in the replica.
#[derive(Default)]
pub(crate) struct Batch {
    /// The place after the last record of each partition.
    pub(crate) next: BTreeMap<Partition, Offset>,
    pub(crate) set_aside: Vec<SetAside>,
    pub(crate) records: u64,
    pub(crate) bytes: u64,
    /// Why a record could not be read yet: it and what comes behind it are read again.
    pub(crate) put_off: Option<String>,
    /// The only record of a batch of one, in case the replica refuses it.
    pub(crate) only: Option<SetAside>,
}

/// How the halves of a topic's records are read.
pub(crate) struct Halves<'h> {
    pub(crate) keys: &'h dyn WholeRows,
    pub(crate) values: &'h dyn WholeRows,
}

impl Batch {
    pub(crate) fn is_empty(&self) -> bool {
        self.next.is_empty()
    }

    /// Whether nothing more is to be taken in, whatever the number of records.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes >= BYTES_MAX || self.put_off.is_some()
    }

    /// Takes a record in. `keeps` says to copy it, for a batch of one.
    pub(crate) fn take(
        &mut self,
        record: &RecordView<'_>,
        halves: &Halves<'_>,
        replica: &mut impl Replica,
        keeps: bool,
    ) -> ControlFlow<()> {
        match stage(record, halves, replica) {
            Err(error) if error.may_pass() => {
                self.put_off = Some(error.to_string());
                return ControlFlow::Break(());
            }
            Err(error) => self.set_aside.push(SetAside::of(record, error.to_string())),
            Ok(()) if keeps => self.only = Some(SetAside::of(record, "the database refuses it")),
            Ok(()) => {}
        }
        self.records += 1;
        let length = |half: Option<&[u8]>| half.map_or(0, <[u8]>::len) as u64;
        self.bytes += length(record.key) + length(record.value);
        self.next.insert(record.partition, record.offset.next());
        if self.is_full() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

fn stage(record: &RecordView<'_>, halves: &Halves<'_>, replica: &mut impl Replica) -> Result<(), CodecError> {
    let key = record.key.ok_or_else(|| CodecError::new("the record has no key, and a row needs one"))?;
    let key = halves.keys.read(key).map_err(|error| error.at("key"))?;
    let value = record.value.map(|value| halves.values.read(value).map_err(|error| error.at("value")));
    replica.stage(&key, value.transpose()?.as_ref())
}
