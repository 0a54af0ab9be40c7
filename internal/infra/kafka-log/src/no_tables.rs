use millstream_model::Offset;
use millstream_ports::{KeyRange, PortError, TableStore};

/// The table of a world without any; there is none, so nothing can be asked of it.
#[derive(Clone, Copy, Debug)]
pub enum NoTables {}

impl TableStore for NoTables {
    fn get(&self, _: &[u8], _: &mut Vec<u8>) -> Result<bool, PortError> {
        match *self {}
    }

    fn apply<'a>(
        &self,
        _: &mut dyn Iterator<Item = (&'a [u8], Option<&'a [u8]>)>,
        _: Offset,
    ) -> Result<(), PortError> {
        match *self {}
    }

    fn changelog_offset(&self) -> Result<Option<Offset>, PortError> {
        match *self {}
    }

    fn range(&self, _: &KeyRange, _: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<(), PortError> {
        match *self {}
    }

    fn count(&self) -> Result<u64, PortError> {
        match *self {}
    }

    fn clear(&self) -> Result<(), PortError> {
        match *self {}
    }

    fn flush(&self) -> Result<(), PortError> {
        match *self {}
    }
}
