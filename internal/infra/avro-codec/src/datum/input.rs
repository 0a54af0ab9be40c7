use super::layout::Branch;
use super::{DatumError, decimal};

/// How many elements that take no bytes a list may have; all others are bounded by the bytes there are.
const EMPTY_ELEMENTS_MAX: usize = 1024;

/// What is left of a datum.
pub(super) struct Input<'de> {
    rest: &'de [u8],
    elements_left: usize,
}

#[cold]
fn short() -> DatumError {
    DatumError::new("it ends too early")
}

impl<'de> Input<'de> {
    pub(super) fn new(datum: &'de [u8]) -> Self {
        Self { rest: datum, elements_left: datum.len().saturating_add(EMPTY_ELEMENTS_MAX) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    #[inline]
    pub(super) fn take(&mut self, count: usize) -> Result<&'de [u8], DatumError> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or_else(short)?;
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], DatumError> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or_else(short)?;
        self.rest = rest;
        Ok(*taken)
    }

    #[inline]
    pub(super) fn long(&mut self) -> Result<i64, DatumError> {
        // Most numbers and lengths take one byte.
        if let Some((&first, rest)) = self.rest.split_first()
            && first < 0x80
        {
            self.rest = rest;
            return Ok(i64::from(first >> 1) ^ -i64::from(first & 1));
        }
        self.long_of_many_bytes()
    }

    fn long_of_many_bytes(&mut self) -> Result<i64, DatumError> {
        let mut number: u64 = 0;
        for shift in (0..64).step_by(7) {
            let [byte] = self.array()?;
            let low = u64::from(byte & 0x7f);
            if shift == 63 && low > 1 {
                break;
            }
            number |= low << shift;
            if byte < 0x80 {
                return Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed());
            }
        }
        Err(DatumError::new("a number has more than 64 bits"))
    }

    #[inline]
    pub(super) fn int(&mut self) -> Result<i32, DatumError> {
        i32::try_from(self.long()?).map_err(|_| DatumError::new("an int has more than 32 bits"))
    }

    #[inline]
    pub(super) fn bytes(&mut self) -> Result<&'de [u8], DatumError> {
        let length = usize::try_from(self.long()?).map_err(|_| DatumError::new("a length is below zero"))?;
        self.take(length)
    }

    #[inline]
    pub(super) fn text(&mut self) -> Result<&'de str, DatumError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| DatumError::new("a text is not UTF-8"))
    }

    pub(super) fn boolean(&mut self) -> Result<bool, DatumError> {
        match self.array()? {
            [0] => Ok(false),
            [1] => Ok(true),
            [other] => Err(DatumError::new(format!("{other} stands for no boolean"))),
        }
    }

    /// The elements of the next block and, where the writer told, its bytes.
    pub(super) fn block(&mut self) -> Result<(usize, Option<usize>), DatumError> {
        let count = self.long()?;
        let bytes = if count < 0 { Some(self.long()?) } else { None };
        let size = |number: i64| {
            usize::try_from(number).map_err(|_| DatumError::new("a block's size is below zero"))
        };
        let count = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
        self.elements_left = self
            .elements_left
            .checked_sub(count)
            .ok_or_else(|| DatumError::new("a list claims more elements than its bytes can hold"))?;
        Ok((count, bytes.map(size).transpose()?))
    }

    pub(super) fn symbol<'l>(&mut self, symbols: &'l [String]) -> Result<&'l str, DatumError> {
        let index = self.long()?;
        let symbol = usize::try_from(index).ok().and_then(|index| symbols.get(index));
        symbol
            .map(String::as_str)
            .ok_or_else(|| DatumError::new(format!("an enum has no symbol number {index}")))
    }

    pub(super) fn branch<'l>(&mut self, branches: &'l [Branch]) -> Result<&'l Branch, DatumError> {
        let index = self.long()?;
        let branch = usize::try_from(index).ok().and_then(|index| branches.get(index));
        branch.ok_or_else(|| DatumError::new(format!("a union has no branch number {index}")))
    }

    pub(super) fn decimal(&mut self, scale: u32, width: Option<usize>) -> Result<String, DatumError> {
        let bytes = match width {
            Some(width) => self.take(width)?,
            None => self.bytes()?,
        };
        let number =
            decimal::unscaled(bytes).ok_or_else(|| DatumError::new("a decimal has more than 128 bits"))?;
        Ok(decimal::text(number, scale))
    }
}
