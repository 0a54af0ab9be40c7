use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use thiserror::Error;

mod wide;

/// A text that is not a decimal number, or one with more than 38 digits.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("'{0}' is not a decimal number of at most 38 digits")]
pub struct DecimalError(String);

/// An exact number: an integer and how many of its digits are after the point.
///
/// **Invariant:** the scale is at most 38. It is kept: `1.20` is not `1.2`, though both sort side by side.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Decimal {
    // Bytes, so that a value needs no 16-byte alignment and stays at four words.
    unscaled: [u8; 16],
    scale: u8,
}

/// The most digits a decimal can have, and so the most after its point.
const DIGITS_MAX: u8 = 38;

/// The powers of ten that 127 bits hold.
#[expect(clippy::indexing_slicing, reason = "it is done while compiling")]
const POWERS: [i128; 39] = {
    let mut powers = [1; 39];
    let mut place = 1;
    while place < powers.len() {
        powers[place] = powers[place - 1] * 10;
        place += 1;
    }
    powers
};

fn power(exponent: u8) -> Option<i128> {
    POWERS.get(usize::from(exponent)).copied()
}

/// `a / b`, rounded half away from zero.
fn divide(a: i128, b: i128) -> Option<i128> {
    let (quotient, rest) = (a.checked_div(b)?, a.checked_rem(b)?);
    let up = rest.unsigned_abs() >= b.unsigned_abs() - rest.unsigned_abs();
    let step = if (a < 0) == (b < 0) { 1 } else { -1 };
    if up && rest != 0 { quotient.checked_add(step) } else { Some(quotient) }
}

impl Decimal {
    /// `unscaled` with `scale` of its digits after the point; a scale above 38 counts as 38.
    pub fn new(unscaled: i128, scale: u8) -> Self {
        Self { unscaled: unscaled.to_ne_bytes(), scale: scale.min(DIGITS_MAX) }
    }

    /// The number without its point.
    pub fn unscaled(self) -> i128 {
        i128::from_ne_bytes(self.unscaled)
    }

    /// Digits after the point.
    pub fn scale(self) -> u8 {
        self.scale
    }

    /// Digits in all, at least one, and at least the scale.
    pub fn precision(self) -> u8 {
        let digits = self.unscaled().unsigned_abs().checked_ilog10().map_or(1, |log| log + 1);
        u8::try_from(digits).unwrap_or(u8::MAX).max(self.scale)
    }

    /// Whether it is zero.
    pub fn is_zero(self) -> bool {
        self.unscaled() == 0
    }

    /// The same number with another scale, rounded half away from zero; `None` when it does not fit.
    pub fn rescale(self, scale: u8) -> Option<Self> {
        if scale == self.scale {
            return Some(self);
        }
        let unscaled = if scale >= self.scale {
            self.unscaled().checked_mul(power(scale - self.scale)?)?
        } else {
            divide(self.unscaled(), power(self.scale - scale)?)?
        };
        (scale <= DIGITS_MAX).then(|| Self::new(unscaled, scale))
    }

    /// The same number as `DECIMAL(precision, scale)`; `None` when it has too many digits before the point.
    pub fn fit(self, precision: u8, scale: u8) -> Option<Self> {
        let fitted = self.rescale(scale)?;
        let fits =
            power(precision).is_none_or(|bound| fitted.unscaled().unsigned_abs() < bound.unsigned_abs());
        (fits && scale <= precision).then_some(fitted)
    }

    fn aligned(self, other: Self) -> Option<(i128, i128, u8)> {
        if self.scale == other.scale {
            return Some((self.unscaled(), other.unscaled(), self.scale));
        }
        let scale = self.scale.max(other.scale);
        Some((self.rescale(scale)?.unscaled(), other.rescale(scale)?.unscaled(), scale))
    }

    /// The sum; `None` on overflow.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        let (a, b, scale) = self.aligned(other)?;
        Some(Self::new(a.checked_add(b)?, scale))
    }

    /// The difference; `None` on overflow.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        let (a, b, scale) = self.aligned(other)?;
        Some(Self::new(a.checked_sub(b)?, scale))
    }

    /// The product, with both scales added; `None` on overflow.
    pub fn checked_mul(self, other: Self) -> Option<Self> {
        let scale = self.scale.checked_add(other.scale).filter(|scale| *scale <= DIGITS_MAX)?;
        Some(Self::new(self.unscaled().checked_mul(other.unscaled())?, scale))
    }

    /// The product at `scale`, rounded half away from zero; `None` on overflow.
    pub fn checked_mul_at(self, other: Self, scale: u8) -> Option<Self> {
        let (a, b, both) = (self.unscaled(), other.unscaled(), self.scale + other.scale);
        match both.checked_sub(scale) {
            None => self.checked_mul(other)?.rescale(scale),
            Some(0) => Some(Self::new(a.checked_mul(b)?, scale)),
            Some(less) => Some(Self::new(wide::mul_div(a, b, power(less)?)?, scale)),
        }
    }

    /// The quotient at `scale`, rounded half away from zero; `None` on overflow or division by zero.
    pub fn checked_div(self, other: Self, scale: u8) -> Option<Self> {
        let shift = i16::from(scale) + i16::from(other.scale) - i16::from(self.scale);
        let (a, b) = (self.unscaled(), other.unscaled());
        let factor = power(u8::try_from(shift.unsigned_abs()).ok()?)?;
        let unscaled =
            if shift >= 0 { wide::mul_div(a, factor, b) } else { divide(a, b.checked_mul(factor)?) };
        Some(Self::new(unscaled?, scale))
    }

    /// The rest of a division, with the sign of `self`; `None` on overflow or division by zero.
    pub fn checked_rem(self, other: Self) -> Option<Self> {
        let (a, b, scale) = self.aligned(other)?;
        Some(Self::new(a.checked_rem(b)?, scale))
    }

    /// The number with the other sign; `None` on overflow.
    pub fn checked_neg(self) -> Option<Self> {
        Some(Self::new(self.unscaled().checked_neg()?, self.scale))
    }

    /// The number without its sign; `None` on overflow.
    pub fn checked_abs(self) -> Option<Self> {
        if self.unscaled() < 0 { self.checked_neg() } else { Some(self) }
    }

    /// The greatest whole number that is not above it; `None` on overflow.
    pub fn floor(self) -> Option<Self> {
        Some(Self::new(self.unscaled().div_euclid(power(self.scale)?), 0))
    }

    /// The least whole number that is not below it; `None` on overflow.
    pub fn ceil(self) -> Option<Self> {
        self.checked_neg()?.floor()?.checked_neg()
    }

    /// The digits before the point; `None` when they do not fit.
    pub fn to_i64(self) -> Option<i64> {
        i64::try_from(self.unscaled() / power(self.scale)?).ok()
    }

    /// The nearest floating point number.
    pub fn to_f64(self) -> f64 {
        // Through text: dividing by a power of ten would round twice.
        self.to_string().parse().unwrap_or(f64::NAN)
    }

    /// The shortest decimal that reads back as `number`; `None` when it is not finite or has too many digits.
    pub fn from_f64(number: f64) -> Option<Self> {
        format!("{number}").parse().ok()
    }

    /// Compares the numbers: `1.20` equals `1.2`.
    pub fn compare(self, other: Self) -> Ordering {
        match self.aligned(other) {
            Some((a, b, _)) => a.cmp(&b),
            // Scaling one of them up overflowed, so that one is farther from zero than any decimal of the other's scale.
            None if self.scale < other.scale => self.unscaled().cmp(&0),
            None => 0.cmp(&other.unscaled()),
        }
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        self.compare(*other).then(self.scale.cmp(&other.scale))
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl From<i64> for Decimal {
    fn from(number: i64) -> Self {
        Self::new(number.into(), 0)
    }
}

impl FromStr for Decimal {
    type Err = DecimalError;

    fn from_str(text: &str) -> Result<Self, DecimalError> {
        parse(text).ok_or_else(|| DecimalError(text.to_owned()))
    }
}

/// Reads `-12.50`, also with an exponent.
fn parse(text: &str) -> Option<Decimal> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i16>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = whole.trim_start_matches(['-', '+']).len() + fraction.len();
    if digits == 0 || fraction.contains(['-', '+']) {
        return None;
    }
    let unscaled: i128 = format!("{whole}{fraction}").parse().ok()?;
    let scale = i16::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
    match u8::try_from(scale) {
        Ok(scale) if scale <= DIGITS_MAX => Some(Decimal::new(unscaled, scale)),
        Ok(_) => None,
        Err(_) => Some(Decimal::new(unscaled.checked_mul(power(u8::try_from(-scale).ok()?)?)?, 0)),
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scale = usize::from(self.scale);
        let digits = format!("{:0>width$}", self.unscaled().unsigned_abs(), width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        let sign = if self.unscaled() < 0 { "-" } else { "" };
        let point = if scale == 0 { "" } else { "." };
        write!(f, "{sign}{whole}{point}{fraction}")
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests;
