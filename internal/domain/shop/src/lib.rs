//! The shop's own rules: products, prompts, recommendations, the name filter and complete image sets.
//!
//! Everything here gives the same answer for the same input: no clock, no I/O, no wire format. What a product looks
//! like in a topic is decided elsewhere; what a product *is*, when it passes a filter, when its image set is complete
//! and which version of it counts is decided here. [`Catalogue`] invents believable products from a seed.
//!
//! ```
//! use std::num::NonZeroU32;
//! use millstream_shop::{Case, Catalogue, NameFilter, ProductState};
//! use millstream_model::Offset;
//!
//! let lamps = NameFilter::new("lamp", Case::Insensitive);
//! let mut state: Option<ProductState> = None;
//! for (emission, offset) in Catalogue::new(7, NonZeroU32::MIN, 20).zip(0..) {
//!     if lamps.passes(&emission.product.name) {
//!         let observation = ProductState::observe(&mut state, emission.product, Offset(offset));
//!         assert!(!observation.redelivered);
//!         break;
//!     }
//! }
//! ```

mod catalogue;
mod identity;
mod image_set;
mod money;
mod name_filter;
mod product;
mod product_state;
mod prompt;

pub use catalogue::{Catalogue, Emission, EmissionKind};
pub use identity::{IdentityError, ProductId, StoreId};
pub use image_set::{Image, ImageSet};
pub use money::{Currency, Money, MoneyError};
pub use name_filter::{Case, NameFilter};
pub use product::{Product, Stock};
pub use product_state::{Observation, ProductState};
pub use prompt::{Offer, Prompt, PromptError, Recommendation};
