use std::collections::BTreeMap;

use super::{ARRAY, BIGINT, DEPTH_MAX, INT, ROOM_MAX, STRING, STRUCT, VERSION, ValueError};
use crate::{Decimal, Value};

pub(super) const WIDE: ValueError = ValueError::Damaged("a number is wider than its type");

/// Reads an encoded value whose shape is known, part by part, without a tree of values.
///
/// ```
/// use millstream_model::{Value, ValueReader};
///
/// let bytes = Value::Struct(vec![Value::Bigint(7), Value::text("lamp")]).to_bytes();
/// let mut reader = ValueReader::new(&bytes)?;
/// assert_eq!((reader.fields()?, reader.bigint()?, reader.text()?), (2, 7, "lamp"));
/// reader.end(())?;
/// # Ok::<(), millstream_model::ValueError>(())
/// ```
pub struct ValueReader<'a> {
    rest: &'a [u8],
}

impl<'a> ValueReader<'a> {
    /// At the beginning of what [`crate::encode_value`] or [`crate::ValueWriter`] wrote.
    ///
    /// # Errors
    /// When the bytes are of another version, or nothing of the kind.
    pub fn new(bytes: &'a [u8]) -> Result<Self, ValueError> {
        match bytes.split_first() {
            Some((&VERSION, rest)) => Ok(Self { rest }),
            other => Err(ValueError::Version(other.map(|(first, _)| *first))),
        }
    }

    /// Gives back what was `read`, once all is.
    ///
    /// # Errors
    /// When more follows.
    pub fn end<T>(self, read: T) -> Result<T, ValueError> {
        if self.rest.is_empty() { Ok(read) } else { Err(ValueError::Long(self.rest.len())) }
    }

    /// Enters a struct, whose fields are next; answers how many.
    ///
    /// # Errors
    /// When no struct is next.
    pub fn fields(&mut self) -> Result<usize, ValueError> {
        self.tag(STRUCT)?;
        self.count()
    }

    /// Enters an array, whose elements are next; answers how many.
    ///
    /// # Errors
    /// When no array is next.
    pub fn elements(&mut self) -> Result<usize, ValueError> {
        self.tag(ARRAY)?;
        self.count()
    }

    /// Reads a 64-bit integer.
    ///
    /// # Errors
    /// When none is next.
    pub fn bigint(&mut self) -> Result<i64, ValueError> {
        self.tag(BIGINT)?;
        self.narrow()
    }

    /// Reads a 32-bit integer.
    ///
    /// # Errors
    /// When none is next.
    pub fn int(&mut self) -> Result<i32, ValueError> {
        self.tag(INT)?;
        self.narrow()
    }

    /// Reads a text, where it lies.
    ///
    /// # Errors
    /// When none is next.
    pub fn text(&mut self) -> Result<&'a str, ValueError> {
        self.tag(STRING)?;
        self.characters()
    }

    /// Appends a struct's fields, of whatever types.
    ///
    /// # Errors
    /// When no struct is next. Fields before one that is damaged are appended by then.
    pub fn append_row(&mut self, row: &mut Vec<Value>) -> Result<(), ValueError> {
        let count = self.fields()?;
        row.reserve(count.min(ROOM_MAX));
        (0..count).try_for_each(|_| self.read(1, row))
    }

    /// Reads a struct's fields, of whatever types.
    ///
    /// # Errors
    /// When no struct is next.
    pub fn row(&mut self) -> Result<Vec<Value>, ValueError> {
        let mut row = Vec::new();
        self.append_row(&mut row)?;
        Ok(row)
    }

    /// Reads a value of whatever type.
    ///
    /// # Errors
    /// When none is next.
    pub fn value(&mut self) -> Result<Value, ValueError> {
        self.single(0)
    }

    fn tag(&mut self, wanted: u8) -> Result<(), ValueError> {
        if self.byte()? == wanted { Ok(()) } else { Err(ValueError::Damaged("it is of another type")) }
    }

    fn byte(&mut self) -> Result<u8, ValueError> {
        let (first, rest) = self.rest.split_first().ok_or(ValueError::Short)?;
        self.rest = rest;
        Ok(*first)
    }

    /// A number that fits a word, as nearly all do; `None` for one that may be wider, of which nothing is read then.
    fn word(&mut self) -> Result<Option<u64>, ValueError> {
        let mut number = 0_u64;
        // As many bytes as fit a word; the last of them is not nothing, unless it is the only one.
        let rest = self.rest;
        for (place, byte) in rest.iter().take(9).enumerate() {
            number |= u64::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                self.rest = rest.get(place + 1..).unwrap_or_default();
                return if *byte == 0 && place > 0 { Err(WIDE) } else { Ok(Some(number)) };
            }
        }
        Ok(None)
    }

    fn unsigned(&mut self) -> Result<u128, ValueError> {
        match self.word()? {
            Some(number) => Ok(number.into()),
            None => self.wide(),
        }
    }

    fn wide(&mut self) -> Result<u128, ValueError> {
        let mut number = 0_u128;
        for shift in (0..u128::BITS).step_by(7) {
            let byte = self.byte()?;
            let bits = u128::from(byte & 0x7f);
            number |= bits.checked_shl(shift).filter(|shifted| shifted >> shift == bits).ok_or(WIDE)?;
            if byte & 0x80 == 0 {
                return if byte == 0 && shift > 0 { Err(WIDE) } else { Ok(number) };
            }
        }
        Err(WIDE)
    }

    fn signed(&mut self) -> Result<i128, ValueError> {
        let number = self.unsigned()?;
        Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    fn narrow<T: TryFrom<i64>>(&mut self) -> Result<T, ValueError> {
        let number = match self.word()? {
            Some(number) => (number >> 1).cast_signed() ^ -(number & 1).cast_signed(),
            None => i64::try_from(self.signed()?).map_err(|_| WIDE)?,
        };
        T::try_from(number).map_err(|_| WIDE)
    }

    /// A length; every element takes a byte or more, so it is bounded by what is left.
    fn count(&mut self) -> Result<usize, ValueError> {
        let count = match self.word()? {
            Some(count) => usize::try_from(count),
            None => usize::try_from(self.wide()?),
        };
        let count = count.map_err(|_| WIDE)?;
        if count > self.rest.len() { Err(ValueError::Short) } else { Ok(count) }
    }

    fn bytes(&mut self) -> Result<&'a [u8], ValueError> {
        let count = self.count()?;
        let (bytes, rest) = self.rest.split_at_checked(count).ok_or(ValueError::Short)?;
        self.rest = rest;
        Ok(bytes)
    }

    pub(super) fn values(&mut self, depth: u8) -> Result<Vec<Value>, ValueError> {
        let count = self.count()?;
        // What bytes that are damaged promise is not believed before it is there.
        let mut values = Vec::with_capacity(count.min(ROOM_MAX));
        for _ in 0..count {
            self.read(depth, &mut values)?;
        }
        Ok(values)
    }

    pub(super) fn single(&mut self, depth: u8) -> Result<Value, ValueError> {
        let mut values = Vec::with_capacity(1);
        self.read(depth, &mut values)?;
        values.pop().ok_or(ValueError::Short)
    }

    /// Reads a value to where it is to be: handed from function to function, each would be copied twice, and the processor
    /// waits for what was just written in pieces before it is read whole.
    fn read(&mut self, depth: u8, out: &mut Vec<Value>) -> Result<(), ValueError> {
        if depth > DEPTH_MAX {
            return Err(ValueError::Damaged("it is nested too deeply"));
        }
        match self.byte()? {
            0 => out.push(Value::Null),
            1 => out.push(Value::Boolean(false)),
            2 => out.push(Value::Boolean(true)),
            INT => out.push(Value::Int(self.narrow()?)),
            BIGINT => out.push(Value::Bigint(self.narrow()?)),
            5 => out.push(Value::Double(self.double()?)),
            6 => out.push(Value::Decimal(self.decimal()?)),
            STRING => out.push(Value::String(self.characters()?.into())),
            8 => out.push(Value::Bytes(self.bytes()?.into())),
            9 => out.push(Value::Timestamp(self.narrow()?)),
            10 => out.push(Value::Date(self.narrow()?)),
            11 => out.push(Value::Time(self.narrow()?)),
            ARRAY => out.push(Value::Array(self.values(depth + 1)?)),
            13 => out.push(Value::Map(self.map(depth + 1)?)),
            STRUCT => out.push(Value::Struct(self.values(depth + 1)?)),
            _ => return Err(ValueError::Damaged("no value has such a tag")),
        }
        Ok(())
    }

    fn double(&mut self) -> Result<f64, ValueError> {
        let (bits, rest) = self.rest.split_first_chunk::<8>().ok_or(ValueError::Short)?;
        self.rest = rest;
        Ok(f64::from_bits(u64::from_be_bytes(*bits)))
    }

    fn decimal(&mut self) -> Result<Decimal, ValueError> {
        let (unscaled, scale) = (self.signed()?, self.byte()?);
        let decimal = Decimal::new(unscaled, scale);
        if decimal.scale() == scale {
            Ok(decimal)
        } else {
            Err(ValueError::Damaged("no decimal has such a scale"))
        }
    }

    fn characters(&mut self) -> Result<&'a str, ValueError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| ValueError::Damaged("a text is not UTF-8"))
    }

    fn map(&mut self, depth: u8) -> Result<BTreeMap<Value, Value>, ValueError> {
        let count = self.count()?;
        let mut map = BTreeMap::new();
        for _ in 0..count {
            let key = self.single(depth)?;
            if map.last_key_value().is_some_and(|(last, _)| *last >= key) {
                return Err(ValueError::Damaged("a map's keys are out of order"));
            }
            let value = self.single(depth)?;
            map.insert(key, value);
        }
        Ok(map)
    }
}
