use std::marker::PhantomData;

use millstream_ports::{Codec, CodecError, Shape};
use serde::{Deserialize, Serialize};

/// JSON of any shape: the graph does not mind which format it is given.
pub struct Json<S>(PhantomData<fn() -> S>);

impl<S> Json<S> {
    pub fn new() -> Self {
        Self(PhantomData)
    }
}

impl<S> Clone for Json<S> {
    fn clone(&self) -> Self {
        Self::new()
    }
}

impl<S: Shape> Codec for Json<S>
where
    for<'a> S::Of<'a>: Deserialize<'a> + Serialize,
{
    type Value<'a> = S::Of<'a>;

    fn decode<'a>(&self, bytes: &'a [u8]) -> Result<S::Of<'a>, CodecError> {
        serde_json::from_slice(bytes).map_err(|error| CodecError::new(error.to_string()))
    }

    fn encode(&self, value: &S::Of<'_>, out: &mut Vec<u8>) -> Result<(), CodecError> {
        serde_json::to_writer(out, value).map_err(|error| CodecError::new(error.to_string()))
    }
}
