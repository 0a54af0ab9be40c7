use std::ops::ControlFlow;

use millstream_model::Timestamp;
use millstream_ports::{Codec, KeyRange};

use crate::context::{Context, ContextError, decoded, stored};
use crate::edges::Table;

impl Context<'_> {
    /// Calls `each` with the group table's entries of a range of keys, in the order of the keys' bytes, until it breaks off:
    /// those of this partition, with what this and earlier callbacks have set.
    ///
    /// # Errors
    /// When there is no such table, bytes do not decode, or its storage fails.
    pub fn range<C: Codec>(
        &mut self,
        table: &Table<C>,
        range: &KeyRange,
        mut each: impl FnMut(&[u8], C::Value<'_>) -> ControlFlow<()>,
    ) -> Result<(), ContextError> {
        let Some(access) = &mut self.table else { return Err(self.names.undeclared("table", "")) };
        let mut failed = Ok(());
        let read = access.range(range, &mut |key, bytes| match table.codec.decode(bytes) {
            Ok(value) => each(key, value).is_continue(),
            Err(error) => {
                failed = Err(error);
                false
            }
        });
        stored(read, &mut self.broken)?;
        decoded(failed, || "the group table's value".to_owned())
    }

    /// The time of the partition: the highest of its records so far, the one at hand included. The values of tables that do
    /// not last for ever, windows and sessions go by it.
    ///
    /// # Errors
    /// When the group has no table.
    pub fn partition_time(&self) -> Result<Timestamp, ContextError> {
        self.table.as_ref().map(|access| access.time()).ok_or_else(|| self.names.undeclared("table", ""))
    }

    /// Sets a key's value as if a record of time `at` did.
    pub(crate) fn set_as_of<C: Codec>(
        &mut self,
        table: &Table<C>,
        key: &[u8],
        value: &C::Value<'_>,
        at: Timestamp,
    ) -> Result<(), ContextError> {
        let mut bytes = Vec::new();
        decoded(table.codec.encode(value, &mut bytes), || "the group table's value".to_owned())?;
        match &mut self.table {
            Some(access) => access.put_as_of(key, &bytes, at),
            None => return Err(self.names.undeclared("table", "")),
        }
        Ok(())
    }
}
