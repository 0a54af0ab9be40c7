use millstream_shop::Money;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{Text, WireError};

const SCALE: u32 = 2;

/// A price: `decimal(12, 2)` and a currency.
///
/// The amount goes to the format as decimal text, which an Avro decimal takes exactly. It must not go as an integer:
/// that would be the whole units.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceWire<'a> {
    /// How much.
    #[serde(with = "rust_decimal::serde::str")]
    pub amount: Decimal,
    /// Of what, by ISO 4217.
    #[serde(borrow)]
    pub currency: Text<'a>,
}

impl PriceWire<'_> {
    /// The price in the domain's terms.
    ///
    /// # Errors
    /// [`WireError::Digits`] when the amount has digits past the second after the point or is astronomic, and
    /// [`WireError::Money`] when it is below zero, past twelve digits, or the currency is none.
    pub fn to_money(&self) -> Result<Money, WireError> {
        money(self.amount, self.currency.as_str())
    }
}

impl<'a> From<&'a Money> for PriceWire<'a> {
    fn from(money: &'a Money) -> Self {
        Self { amount: amount(*money), currency: money.currency_code().into() }
    }
}

pub(super) fn amount(money: Money) -> Decimal {
    Decimal::new(money.hundredths(), SCALE)
}

pub(super) fn money(amount: Decimal, currency: &str) -> Result<Money, WireError> {
    let mut scaled = amount;
    scaled.rescale(SCALE);
    let hundredths = i64::try_from(scaled.mantissa()).ok();
    let exact = hundredths.filter(|_| scaled == amount && scaled.scale() == SCALE);
    let hundredths = exact.ok_or_else(|| WireError::Digits(amount.to_string()))?;
    Ok(Money::from_hundredths(hundredths, currency.parse()?)?)
}
