use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// The largest amount in hundredths: twelve decimal digits, of which two are after the point.
const HUNDREDTHS_MAX: i64 = 999_999_999_999;

/// Why an amount or a currency is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MoneyError {
    /// Below zero or past twelve digits.
    #[error("an amount of {0} hundredths is outside 0.00 to 9999999999.99")]
    Amount(i64),
    /// Not an ISO 4217 code.
    #[error("'{0}' is not a currency: write three capital letters, such as EUR")]
    Currency(String),
}

/// A currency by its ISO 4217 code.
///
/// **Invariant:** three ASCII capital letters; whether such a currency exists is not checked.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Currency([u8; 3]);

impl Currency {
    /// The euro.
    pub const EUR: Self = Self(*b"EUR");
    /// The rouble.
    pub const RUB: Self = Self(*b"RUB");
    /// The dollar of the United States.
    pub const USD: Self = Self(*b"USD");

    /// The code as text.
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl FromStr for Currency {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, MoneyError> {
        match <[u8; 3]>::try_from(text.as_bytes()) {
            Ok(code) if code.iter().all(u8::is_ascii_uppercase) => Ok(Self(code)),
            _ => Err(MoneyError::Currency(text.to_owned())),
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// A price: an exact amount with two digits after the point, in a currency.
///
/// **Invariant:** 0.00 to 9999999999.99. Amounts are counted in hundredths of the currency's unit, so no float is
/// ever involved. Prices in different currencies do not compare, so there is no order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Money {
    hundredths: i64,
    currency: Currency,
}

impl Money {
    /// `hundredths` of one unit of `currency`: 12990 EUR hundredths are 129.90 EUR.
    ///
    /// # Errors
    /// [`MoneyError::Amount`] when it is below zero or has more than twelve digits.
    pub fn from_hundredths(hundredths: i64, currency: Currency) -> Result<Self, MoneyError> {
        if (0..=HUNDREDTHS_MAX).contains(&hundredths) {
            Ok(Self { hundredths, currency })
        } else {
            Err(MoneyError::Amount(hundredths))
        }
    }

    /// For prices made here, which are in range.
    pub(crate) fn made(hundredths: u32, currency: Currency) -> Self {
        Self { hundredths: hundredths.into(), currency }
    }

    /// The amount in hundredths of the currency's unit.
    pub const fn hundredths(self) -> i64 {
        self.hundredths
    }

    /// The currency.
    pub const fn currency(self) -> Currency {
        self.currency
    }

    /// The currency's code, borrowed from here.
    pub fn currency_code(&self) -> &str {
        self.currency.code()
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02} {}", self.hundredths / 100, self.hundredths % 100, self.currency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_stay_within_twelve_digits() {
        for (hundredths, fine) in
            [(0, true), (HUNDREDTHS_MAX, true), (-1, false), (HUNDREDTHS_MAX + 1, false), (i64::MIN, false)]
        {
            assert_eq!(Money::from_hundredths(hundredths, Currency::EUR).is_ok(), fine, "{hundredths}");
        }
    }

    #[test]
    fn a_price_reads_as_people_write_it() {
        for (hundredths, text) in [(12_990, "129.90 RUB"), (5, "0.05 RUB"), (100, "1.00 RUB")] {
            assert_eq!(Money::from_hundredths(hundredths, Currency::RUB).unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_currency_is_three_capital_letters() {
        assert_eq!("USD".parse(), Ok(Currency::USD));
        for wrong in ["", "usd", "EU", "EURO", "€", "Eé"] {
            assert_eq!(wrong.parse::<Currency>(), Err(MoneyError::Currency(wrong.into())));
        }
    }
}
