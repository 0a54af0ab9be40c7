use millstream_shop::{Offer, ProductId, Recommendation, StoreId};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::text::null_as_default;
use super::{Text, WireError, price};

/// A recommendation as a client reads it. A rule writes it, so its schema is the rule's: names may be in capital
/// letters, as ksql writes those without quotes, and every field may be nullable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecommendationWire<'a> {
    /// Who asked.
    #[serde(borrow, alias = "USER")]
    pub user: Text<'a>,
    /// What for.
    #[serde(borrow, alias = "PROMPT")]
    pub prompt: Text<'a>,
    /// What there is.
    #[serde(borrow, default, alias = "PRODUCTS", deserialize_with = "null_as_default")]
    pub products: Vec<OfferWire<'a>>,
}

/// One product within a recommendation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfferWire<'a> {
    /// Which product.
    #[serde(borrow, alias = "ID")]
    pub id: Text<'a>,
    /// Its name.
    #[serde(borrow, alias = "NAME")]
    pub name: Text<'a>,
    /// How much it costs.
    #[serde(alias = "PRICE", with = "rust_decimal::serde::str")]
    pub price: Decimal,
    /// Of what, by ISO 4217.
    #[serde(borrow, alias = "CURRENCY")]
    pub currency: Text<'a>,
    /// Who makes it; empty when the rule does not say.
    #[serde(borrow, default, alias = "BRAND", deserialize_with = "null_as_default")]
    pub brand: Text<'a>,
    /// Which store offers it; empty when the rule does not say.
    #[serde(borrow, default, alias = "STORE_ID", deserialize_with = "null_as_default")]
    pub store_id: Text<'a>,
}

impl RecommendationWire<'_> {
    /// The recommendation in the domain's terms.
    ///
    /// # Errors
    /// When a product's id is empty or its price out of range.
    pub fn into_recommendation(self) -> Result<Recommendation, WireError> {
        let products = self.products.into_iter().map(OfferWire::into_offer).collect::<Result<_, _>>()?;
        Ok(Recommendation { user: self.user.into_string(), prompt: self.prompt.into_string(), products })
    }
}

impl OfferWire<'_> {
    fn into_offer(self) -> Result<Offer, WireError> {
        Ok(Offer {
            price: price::money(self.price, self.currency.as_str())?,
            id: ProductId::new(self.id.into_string())?,
            name: self.name.into_string(),
            brand: self.brand.into_string(),
            store_id: StoreId::new(self.store_id.into_string()).ok(),
        })
    }
}

impl<'a> From<&'a Recommendation> for RecommendationWire<'a> {
    fn from(recommendation: &'a Recommendation) -> Self {
        Self {
            user: (&recommendation.user).into(),
            prompt: (&recommendation.prompt).into(),
            products: recommendation.products.iter().map(OfferWire::from).collect(),
        }
    }
}

impl<'a> From<&'a Offer> for OfferWire<'a> {
    fn from(offer: &'a Offer) -> Self {
        Self {
            id: offer.id.as_str().into(),
            name: (&offer.name).into(),
            price: price::amount(offer.price),
            currency: offer.price.currency_code().into(),
            brand: (&offer.brand).into(),
            store_id: offer.store_id.as_ref().map_or("", StoreId::as_str).into(),
        }
    }
}
