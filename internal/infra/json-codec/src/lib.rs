//! JSON documents as a codec.
//!
//! ```
//! use millstream_json_codec::Json;
//! use millstream_ports::Codec;
//!
//! #[derive(serde::Serialize, serde::Deserialize, Debug, PartialEq)]
//! struct State { count: u64 }
//!
//! let codec = Json::<State>::new();
//! let mut bytes = Vec::new();
//! codec.encode(&State { count: 3 }, &mut bytes)?;
//! assert_eq!(bytes, br#"{"count":3}"#);
//! assert_eq!(codec.decode(&bytes)?, State { count: 3 });
//! # Ok::<(), millstream_ports::CodecError>(())
//! ```

mod document;
mod rows;

use std::marker::PhantomData;

use millstream_ports::{Codec, CodecError, Owned, Shape};
use serde::{Deserialize, Serialize};

pub use document::Document;
pub use rows::JsonRows;

/// JSON, read into values of a shape that may borrow its texts from the bytes.
pub struct JsonBorrowed<S>(PhantomData<fn() -> S>);

/// JSON, read into values that own what they hold.
pub type Json<T> = JsonBorrowed<Owned<T>>;

impl<S> JsonBorrowed<S> {
    /// The codec. It has no settings.
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<S> Default for JsonBorrowed<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Clone for JsonBorrowed<S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for JsonBorrowed<S> {}

impl<S: Shape> Codec for JsonBorrowed<S>
where
    for<'a> S::Of<'a>: Deserialize<'a> + Serialize,
{
    type Value<'a> = S::Of<'a>;

    fn decode<'a>(&self, bytes: &'a [u8]) -> Result<Self::Value<'a>, CodecError> {
        serde_json::from_slice(bytes)
            .map_err(|error| CodecError::new(format!("not the JSON expected: {error}")))
    }

    fn encode(&self, value: &Self::Value<'_>, out: &mut Vec<u8>) -> Result<(), CodecError> {
        serde_json::to_writer(out, value)
            .map_err(|error| CodecError::new(format!("can't be written as JSON: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize, Serialize)]
    struct Named<'a> {
        name: &'a str,
    }

    struct NamedShape;

    impl Shape for NamedShape {
        type Of<'a> = Named<'a>;
    }

    #[test]
    fn texts_are_borrowed_from_the_bytes() {
        let bytes = br#"{"name":"lamp"}"#;
        let read = JsonBorrowed::<NamedShape>::new().decode(bytes).unwrap();
        assert!(bytes.as_ptr_range().contains(&read.name.as_ptr()));
    }

    #[test]
    fn what_is_not_the_json_expected_is_refused_with_the_place() {
        for bytes in [&b"{"[..], b"", b"[1]", br#"{"name":1}"#] {
            let said = JsonBorrowed::<NamedShape>::new().decode(bytes).err().unwrap().to_string();
            assert!(said.contains("line 1 column"), "{said}");
        }
    }
}
