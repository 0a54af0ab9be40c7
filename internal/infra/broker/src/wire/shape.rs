//! Requests walked over by their shapes, before anything is allocated for them.
//!
//! A decoder that trusts the length of a list can be made to ask for more memory than there is, which ends the process.

/// What a field is. A flexible version writes its lengths as varints and has tagged fields at the end of each struct (KIP-482).
#[derive(Clone, Copy, Debug)]
pub(crate) enum Field {
    /// So many bytes.
    Fixed(usize),
    /// A string, or none.
    Text,
    /// Bytes, or none.
    Blob,
    /// A list of numbers of so many bytes.
    Numbers(usize),
    /// A list of strings.
    Texts,
    /// A list of structs.
    List(Shape),
}

/// A field, and the versions that have it.
pub(crate) type Part = (Field, i16, i16);

/// The fields of a struct in their order.
pub(crate) type Shape = &'static [Part];

/// Bytes that are read from the front; every read may find them too few.
#[derive(Debug)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Bytes that are left.
    pub(crate) fn left(&self) -> usize {
        self.0.len()
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn number<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn varint(&mut self) -> Option<u32> {
        let mut value = 0_u32;
        for shift in [0, 7, 14, 21, 28] {
            let byte = u32::from(*self.take(1)?.first()?);
            value |= (byte & 0x7f).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// A string with two bytes of length; -1 is none.
    #[expect(
        clippy::option_option,
        reason = "the outer says whether the bytes are enough, the inner is the string"
    )]
    pub(crate) fn nullable_string(&mut self) -> Option<Option<&'a str>> {
        let length = i16::from_be_bytes(self.number()?);
        if length == -1 {
            return Some(None);
        }
        let bytes = self.take(usize::try_from(length).ok()?)?;
        std::str::from_utf8(bytes).ok().map(Some)
    }

    /// Passes over tagged fields.
    pub(crate) fn tags(&mut self) -> Option<()> {
        for _ in 0..self.varint()? {
            self.varint()?;
            let size = self.varint()?;
            self.take(usize::try_from(size).ok()?)?;
        }
        Some(())
    }

    /// The length of a string (`wide`: of bytes or a list); none counts as 0.
    fn length(&mut self, flexible: bool, wide: bool) -> Option<usize> {
        if flexible {
            return usize::try_from(self.varint()?.saturating_sub(1)).ok();
        }
        let length = if wide {
            i32::from_be_bytes(self.number()?)
        } else {
            i32::from(i16::from_be_bytes(self.number()?))
        };
        if length == -1 { Some(0) } else { usize::try_from(length).ok() }
    }

    fn field(&mut self, field: Field, version: i16, flexible: bool) -> Option<()> {
        match field {
            Field::Fixed(size) => {
                self.take(size)?;
            }
            Field::Text | Field::Blob => {
                let length = self.length(flexible, matches!(field, Field::Blob))?;
                self.take(length)?;
            }
            Field::Numbers(size) => {
                let count = self.length(flexible, true)?;
                self.take(count.checked_mul(size)?)?;
            }
            Field::Texts => {
                for _ in 0..self.length(flexible, true)? {
                    self.field(Field::Text, version, flexible)?;
                }
            }
            Field::List(shape) => {
                for _ in 0..self.length(flexible, true)? {
                    self.shape(shape, version, flexible)?;
                }
            }
        }
        Some(())
    }

    fn shape(&mut self, shape: Shape, version: i16, flexible: bool) -> Option<()> {
        for (field, min, max) in shape {
            if (*min..=*max).contains(&version) {
                self.field(*field, version, flexible)?;
            }
        }
        if flexible { self.tags() } else { Some(()) }
    }
}

/// Walks over a body; answers how many bytes are left, or `None` where the bytes are too few or make no sense.
pub(crate) fn walk(shape: Shape, version: i16, flexible: bool, body: &[u8]) -> Option<usize> {
    let mut reader = Reader::new(body);
    reader.shape(shape, version, flexible)?;
    Some(reader.left())
}
