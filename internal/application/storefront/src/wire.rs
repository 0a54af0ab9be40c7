//! What the shop's values look like in a topic: one borrowed struct per schema of `schemas/`, and the way to the
//! domain's types and back.
//!
//! The structs say nothing of bytes: any serde format that writes records with named fields will do. Decoding from a
//! slice copies no text, so a callback that looks at one field pays for one field; [`ProductNameWire`] is all the
//! name filter needs. Going to a domain type checks what the schema can't say and copies.
//!
//! ```
//! use millstream_shop::Catalogue;
//! use millstream_storefront::wire::ProductWire;
//! use std::num::NonZeroU32;
//!
//! let product = Catalogue::new(1, NonZeroU32::MIN, 1).next().unwrap().product;
//! let wire = ProductWire::from(&product);
//! assert_eq!(wire.name.as_str(), product.name);
//! assert_eq!(wire.into_product().unwrap(), product);
//! ```

use millstream_shop::{IdentityError, MoneyError, PromptError};
use thiserror::Error;

mod price;
mod product;
mod product_state;
mod prompt;
mod recommendation;
mod text;

pub use price::PriceWire;
pub use product::{ImageWire, ProductNameWire, ProductWire, StockWire};
pub use product_state::ProductStateWire;
pub use prompt::PromptWire;
pub use recommendation::{OfferWire, RecommendationWire};
pub use text::Text;

/// The Avro schema of a product, for the values of the product topics.
pub const PRODUCT_SCHEMA: &str = include_str!("../schemas/product.avsc");
/// The Avro schema of a [`ProductStateWire`], for the group table and its changelog.
pub const PRODUCT_STATE_SCHEMA: &str = include_str!("../schemas/product_state.avsc");
/// The Avro schema of a prompt, for the values of the topic of prompts.
pub const PROMPT_SCHEMA: &str = include_str!("../schemas/prompt.avsc");
/// The Avro schema of keys that are one text: a product's id, a prompt.
pub const KEY_SCHEMA: &str = include_str!("../schemas/key.avsc");

/// Why a decoded value is none of the shop's: it fits its schema and breaks a rule of the domain.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WireError {
    /// An id is empty.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// A price or its currency is out of range.
    #[error(transparent)]
    Money(#[from] MoneyError),
    /// A prompt or its user is empty.
    #[error(transparent)]
    Prompt(#[from] PromptError),
    /// A price has more than two digits after the point, or far too many before it.
    #[error("the amount {0} does not fit twelve digits with two of them after the point")]
    Digits(String),
    /// A count is below zero.
    #[error("'{field}' is {count}, and a count is never below zero")]
    Negative {
        /// Which field.
        field: &'static str,
        /// Its value.
        count: i64,
    },
}

/// A count as the domain has it.
fn count(field: &'static str, count: i64) -> Result<u64, WireError> {
    u64::try_from(count).map_err(|_| WireError::Negative { field, count })
}

/// A count as the wire has it; nothing that is counted here comes near the limit.
fn long(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
