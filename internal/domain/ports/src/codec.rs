use std::sync::Arc;

use thiserror::Error;

/// Why bytes are no value, or a value can't be bytes. It goes to the dead-letter topic beside the record, unless it may pass.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{reason}")]
pub struct CodecError {
    reason: String,
    may_pass: bool,
}

impl CodecError {
    /// An error whose text names the format and what is wrong with the bytes or the value.
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), may_pass: false }
    }

    /// An error that says nothing of the bytes: what the codec asks, such as a schema registry, does not answer now.
    ///
    /// A record that meets it is good until proven otherwise, and waits.
    pub fn passing(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), may_pass: true }
    }

    /// Whether the same bytes may be read later.
    pub const fn may_pass(&self) -> bool {
        self.may_pass
    }

    /// The same error, with the place before its text.
    #[must_use]
    pub fn at(self, place: &str) -> Self {
        Self { reason: format!("{place}: {}", self.reason), ..self }
    }
}

/// Turns keys or values into bytes and back.
///
/// `Value<'a>` may borrow from the bytes, so that a hot path copies nothing. An adapter MUST give back an equal
/// value from the bytes it wrote, MUST refuse bytes it can't read rather than guess, and MUST NOT panic.
pub trait Codec: Send + Sync + 'static {
    /// What a callback sees.
    type Value<'a>;

    /// Reads a value.
    ///
    /// # Errors
    /// When the bytes are not of this format.
    fn decode<'a>(&self, bytes: &'a [u8]) -> Result<Self::Value<'a>, CodecError>;

    /// Appends the bytes of `value` to `out`.
    ///
    /// # Errors
    /// When the value does not fit the format or its schema; `out` may then hold part of it.
    fn encode(&self, value: &Self::Value<'_>, out: &mut Vec<u8>) -> Result<(), CodecError>;

    /// What an absent key or a tombstone reads as.
    ///
    /// # Errors
    /// Unless the codec knows absence, as [`Nullable`] does.
    fn decode_absent<'a>(&self) -> Result<Self::Value<'a>, CodecError> {
        Err(CodecError::new("it is null, and this edge takes no nulls"))
    }

    /// Whether `value` is written as a null.
    fn is_absent(&self, _value: &Self::Value<'_>) -> bool {
        false
    }
}

impl<C: Codec> Codec for Arc<C> {
    type Value<'a> = C::Value<'a>;

    fn decode<'a>(&self, bytes: &'a [u8]) -> Result<Self::Value<'a>, CodecError> {
        (**self).decode(bytes)
    }

    fn encode(&self, value: &Self::Value<'_>, out: &mut Vec<u8>) -> Result<(), CodecError> {
        (**self).encode(value, out)
    }

    fn decode_absent<'a>(&self) -> Result<Self::Value<'a>, CodecError> {
        (**self).decode_absent()
    }

    fn is_absent(&self, value: &Self::Value<'_>) -> bool {
        (**self).is_absent(value)
    }
}

/// A family of values, one for each lifetime of the bytes they are read from, such as a struct that borrows its texts.
///
/// ```
/// use millstream_ports::Shape;
/// struct Product<'a> { name: &'a str }
/// struct ProductShape;
/// impl Shape for ProductShape { type Of<'a> = Product<'a>; }
/// ```
pub trait Shape: Send + Sync + 'static {
    /// The value that borrows from bytes living as long as `'a`.
    type Of<'a>;
}

/// The shape of values that borrow nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Owned<T>(std::marker::PhantomData<fn() -> T>);

impl<T: 'static> Shape for Owned<T> {
    type Of<'a> = T;
}

/// The bytes as they are.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bytes;

impl Codec for Bytes {
    type Value<'a> = &'a [u8];

    fn decode<'a>(&self, bytes: &'a [u8]) -> Result<&'a [u8], CodecError> {
        Ok(bytes)
    }

    fn encode(&self, value: &&[u8], out: &mut Vec<u8>) -> Result<(), CodecError> {
        out.extend_from_slice(value);
        Ok(())
    }
}

/// UTF-8 text, as Kafka's `StringSerializer` and Goka's string codec write it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Utf8;

impl Codec for Utf8 {
    type Value<'a> = &'a str;

    fn decode<'a>(&self, bytes: &'a [u8]) -> Result<&'a str, CodecError> {
        std::str::from_utf8(bytes).map_err(|error| CodecError::new(format!("not UTF-8 text: {error}")))
    }

    fn encode(&self, value: &&str, out: &mut Vec<u8>) -> Result<(), CodecError> {
        out.extend_from_slice(value.as_bytes());
        Ok(())
    }
}

/// A 64-bit integer in eight big-endian bytes, as Kafka's `LongSerializer` writes it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Int64;

impl Codec for Int64 {
    type Value<'a> = i64;

    fn decode(&self, bytes: &[u8]) -> Result<i64, CodecError> {
        let array = bytes
            .try_into()
            .map_err(|_| CodecError::new(format!("a 64-bit integer has 8 bytes, not {}", bytes.len())))?;
        Ok(i64::from_be_bytes(array))
    }

    fn encode(&self, value: &i64, out: &mut Vec<u8>) -> Result<(), CodecError> {
        out.extend_from_slice(&value.to_be_bytes());
        Ok(())
    }
}

/// A 64-bit integer as decimal text, as Goka's `Int64` codec writes it.
#[derive(Clone, Copy, Debug, Default)]
pub struct DecimalText;

impl Codec for DecimalText {
    type Value<'a> = i64;

    fn decode(&self, bytes: &[u8]) -> Result<i64, CodecError> {
        let text = std::str::from_utf8(bytes).map_err(|_| CodecError::new("not a number in decimal text"))?;
        text.parse().map_err(|_| CodecError::new(format!("'{text}' is not a 64-bit integer")))
    }

    fn encode(&self, value: &i64, out: &mut Vec<u8>) -> Result<(), CodecError> {
        out.extend_from_slice(value.to_string().as_bytes());
        Ok(())
    }
}

/// Another codec's values, or nothing: a null key, or a tombstone.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nullable<C>(pub C);

impl<C: Codec> Codec for Nullable<C> {
    type Value<'a> = Option<C::Value<'a>>;

    fn decode<'a>(&self, bytes: &'a [u8]) -> Result<Self::Value<'a>, CodecError> {
        self.0.decode(bytes).map(Some)
    }

    fn encode(&self, value: &Self::Value<'_>, out: &mut Vec<u8>) -> Result<(), CodecError> {
        value.as_ref().map_or(Ok(()), |value| self.0.encode(value, out))
    }

    fn decode_absent<'a>(&self) -> Result<Self::Value<'a>, CodecError> {
        Ok(None)
    }

    fn is_absent(&self, value: &Self::Value<'_>) -> bool {
        value.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes_of<C: Codec>(codec: &C, value: &C::Value<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        codec.encode(value, &mut out).unwrap();
        out
    }

    #[test]
    fn integers_are_written_as_kafka_and_as_goka_do() {
        assert_eq!(bytes_of(&Int64, &258), [0, 0, 0, 0, 0, 0, 1, 2]);
        assert_eq!(bytes_of(&DecimalText, &-12), b"-12");
        assert_eq!(Int64.decode(&[255; 8]), Ok(-1));
        assert_eq!(DecimalText.decode(b"99"), Ok(99));
    }

    #[test]
    fn bytes_that_do_not_fit_are_refused_with_a_reason() {
        assert_eq!(Int64.decode(b"abc").unwrap_err().to_string(), "a 64-bit integer has 8 bytes, not 3");
        assert_eq!(DecimalText.decode(b"1x").unwrap_err().to_string(), "'1x' is not a 64-bit integer");
        assert!(Utf8.decode(&[0xff]).is_err());
        assert!(Utf8.decode_absent().is_err());
    }

    #[test]
    fn a_nullable_value_may_be_absent() {
        assert_eq!(Nullable(Utf8).decode_absent(), Ok(None));
        assert_eq!(Nullable(Utf8).decode(b"x"), Ok(Some("x")));
        assert!(Nullable(Utf8).is_absent(&None));
    }
}
