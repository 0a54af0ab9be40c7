use std::sync::Arc;

use millstream_model::Value;

use super::Functions;
use crate::eval::{Failure, Outcome};

/// What functions ask of the world around the rules: the time, and chance.
#[derive(Clone)]
pub struct Outside {
    now_ms: Arc<dyn Fn() -> Option<i64> + Send + Sync>,
    chance: Arc<dyn Fn() -> Option<u64> + Send + Sync>,
}

impl Outside {
    /// A clock in milliseconds since 1970, and a source of 64 even bits each time.
    pub fn new(
        now_ms: impl Fn() -> i64 + Send + Sync + 'static,
        chance: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> Self {
        Self { now_ms: Arc::new(move || Some(now_ms())), chance: Arc::new(move || Some(chance())) }
    }

    /// A world without either: whatever asks for them fails.
    pub fn none() -> Self {
        Self { now_ms: Arc::new(|| None), chance: Arc::new(|| None) }
    }

    pub(super) fn add_to(&self, functions: &mut Functions) {
        let now = self.clone();
        functions.volatile(
            "UNIX_TIMESTAMP",
            "DATE / TIME",
            "The milliseconds since 1970 of a TIMESTAMP, or of now.",
            &[(" -> BIGINT", Arc::new(move |_| now.now().map(Value::Bigint)))],
        );
        let now = self.clone();
        functions.volatile(
            "UNIX_DATE",
            "DATE / TIME",
            "The days since 1970 of a DATE, or of today.",
            &[(" -> INT", Arc::new(move |_| now.today()))],
        );
        let chance = self.clone();
        functions.volatile(
            "RANDOM",
            "MATHEMATICAL",
            "A number from 0 up to but not 1, each time another.",
            &[(" -> DOUBLE", Arc::new(move |_| chance.fraction()))],
        );
        let chance = self.clone();
        functions.volatile(
            "UUID",
            "STRING",
            "A random UUID (RFC 9562, version 4), or the one that 16 bytes are.",
            &[(" -> STRING", Arc::new(move |_| chance.uuid()))],
        );
    }

    fn now(&self) -> Result<i64, Failure> {
        (self.now_ms)().ok_or_else(|| Failure::new("there is no clock here"))
    }

    fn bits(&self) -> Result<u64, Failure> {
        (self.chance)().ok_or_else(|| Failure::new("there is no source of chance here"))
    }

    fn today(&self) -> Outcome {
        let day = self.now()?.div_euclid(86_400_000);
        i32::try_from(day).map(Value::Int).map_err(|_| Failure::overflow("INT"))
    }

    /// The upper 53 bits, which are all that a double's fraction holds.
    #[expect(clippy::cast_precision_loss, reason = "53 bits are exact in a double")]
    fn fraction(&self) -> Outcome {
        Ok(Value::Double((self.bits()? >> 11) as f64 / (1_u64 << 53) as f64))
    }

    /// Six of the 128 bits say what kind of UUID it is.
    fn uuid(&self) -> Outcome {
        let bits = (u128::from(self.bits()?) << 64) | u128::from(self.bits()?);
        let version = (bits & !(0xf << 76)) | (4 << 76);
        let variant = (version & !(0b11 << 62)) | (0b10 << 62);
        Ok(Value::text(super::encodings::uuid_text(variant)))
    }
}

impl std::fmt::Debug for Outside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Outside")
    }
}
