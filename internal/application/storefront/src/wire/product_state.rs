use millstream_model::Offset;
use millstream_shop::ProductState;
use serde::{Deserialize, Serialize};

use super::{ProductWire, WireError, count, long};

/// What the group table keeps per product, as it lies in the store and in the changelog.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProductStateWire<'a> {
    /// The latest version with the images of every version.
    #[serde(borrow)]
    pub product: ProductWire<'a>,
    /// How many records were taken in.
    pub seen: i64,
    /// The offset of the record that completed the images.
    #[serde(default)]
    pub completed_at: Option<i64>,
    /// The offset of the last record taken in.
    pub last_offset: i64,
}

impl ProductStateWire<'_> {
    /// The state in the domain's terms.
    ///
    /// # Errors
    /// When the product is none, or a count is below zero.
    pub fn into_state(self) -> Result<ProductState, WireError> {
        let seen = count("seen", self.seen)?;
        let completed_at = self.completed_at.map(Offset);
        Ok(ProductState::restore(self.product.into_product()?, seen, completed_at, Offset(self.last_offset)))
    }
}

impl<'a> From<&'a ProductState> for ProductStateWire<'a> {
    fn from(state: &'a ProductState) -> Self {
        Self {
            product: state.product().into(),
            seen: long(state.seen()),
            completed_at: state.completed_at().map(|offset| offset.0),
            last_offset: state.last().0,
        }
    }
}
