//! Entries of the state as values.

use millstream_model::{Value, ValueReader, ValueWriter, decode_value};

use super::{Done, State, StepError};

const DAMAGED: StepError = StepError::Damaged("an entry of the state");

/// An entry's value.
pub(super) fn get(state: &mut dyn State, key: &[u8]) -> Result<Option<Value>, StepError> {
    state.get(key)?.map(decode_value).transpose().map_err(|_| DAMAGED)
}

/// Sets or, with `None`, deletes an entry.
pub(super) fn put(state: &mut dyn State, key: &[u8], value: Option<&Value>) -> Done {
    state.put(key, value.map(Value::to_bytes).as_deref())
}

/// An entry that is a 64-bit integer.
pub(super) fn number(state: &mut dyn State, key: &[u8]) -> Result<Option<i64>, StepError> {
    let read = |bytes| {
        let mut reader = ValueReader::new(bytes)?;
        let number = reader.bigint()?;
        reader.end(number)
    };
    state.get(key)?.map(read).transpose().map_err(|_| DAMAGED)
}

/// The longest a number is, in bytes, with its tag and its version.
const NUMBER_BYTES: usize = 12;

/// Sets an entry to a 64-bit integer.
pub(super) fn put_number(state: &mut dyn State, key: &[u8], number: i64) -> Done {
    let mut writer = ValueWriter::with_capacity(NUMBER_BYTES);
    writer.bigint(number);
    state.put(key, Some(&writer.into_bytes()))
}
