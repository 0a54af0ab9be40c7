use millstream_ports::{Codec, CodecError};

use crate::wire::ProductWire;

/// Products that keep the shop's rules: one that breaks them can't be read, as if its bytes were none.
///
/// A schema can't say that an id is not empty. Found out in a callback, such a record would stop the group for good; found
/// out here, it is set aside with its reason.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sound<P>(pub(crate) P);

impl<P: for<'a> Codec<Value<'a> = ProductWire<'a>>> Codec for Sound<P> {
    type Value<'a> = ProductWire<'a>;

    fn decode<'a>(&self, bytes: &'a [u8]) -> Result<ProductWire<'a>, CodecError> {
        let product = self.0.decode(bytes)?;
        product.check().map_err(|error| CodecError::new(error.to_string()))?;
        Ok(product)
    }

    fn encode(&self, value: &ProductWire<'_>, out: &mut Vec<u8>) -> Result<(), CodecError> {
        self.0.encode(value, out)
    }
}
