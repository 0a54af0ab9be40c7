use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::problem::Problem;

/// Tells a value's bytes as JSON, or says why it can't.
pub type ToJson = Arc<dyn Fn(&[u8]) -> Result<Value, String> + Send + Sync>;

/// Tells a key's bytes to people.
pub type Label = Arc<dyn Fn(&[u8]) -> String + Send + Sync>;

/// How a table's keys are written in addresses and answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyForm {
    /// As UTF-8 text.
    #[default]
    Text,
    /// As a whole number, kept in eight bytes, the highest first.
    Int64,
    /// As base64 with the alphabet for addresses and no padding (RFC 4648, section 5).
    Base64,
}

impl KeyForm {
    pub(crate) fn read(self, text: &str) -> Result<Vec<u8>, Problem> {
        match self {
            Self::Text => Ok(text.as_bytes().to_vec()),
            Self::Int64 => text.parse::<i64>().map(|number| number.to_be_bytes().to_vec()).map_err(|_| {
                Problem::bad(format!("'{text}' is no key of this table: its keys are whole numbers"))
            }),
            Self::Base64 => from_base64(text).ok_or_else(|| {
                Problem::bad(format!("'{text}' is no key of this table: its keys are told in base64"))
            }),
        }
    }

    /// What keys of this form begin with, where that can be asked for.
    pub(crate) fn read_prefix(self, text: &str) -> Result<Vec<u8>, Problem> {
        match self {
            Self::Int64 if !text.is_empty() => {
                Err(Problem::bad("keys that are numbers have no prefix; use 'from' and 'to'"))
            }
            Self::Int64 => Ok(Vec::new()),
            Self::Text | Self::Base64 => self.read(text),
        }
    }

    pub(crate) fn tell(self, key: &[u8]) -> Value {
        match self {
            Self::Text => json!(String::from_utf8_lossy(key)),
            Self::Int64 => <[u8; 8]>::try_from(key)
                .map_or_else(|_| json!(base64(key)), |bytes| json!(i64::from_be_bytes(bytes))),
            Self::Base64 => json!(base64(key)),
        }
    }
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn from_base64(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_they_are_told() {
        let told = |form: KeyForm, key: &[u8]| match form.tell(key) {
            Value::String(text) => text,
            other => other.to_string(),
        };
        for (form, key, text) in [
            (KeyForm::Text, "Lampe ä/1".as_bytes(), "Lampe ä/1"),
            (KeyForm::Int64, &(-2_i64).to_be_bytes(), "-2"),
            (KeyForm::Base64, &[0xff, 0, 0xfe], "_wD-"),
        ] {
            assert_eq!(told(form, key), text);
            assert_eq!(form.read(text).unwrap(), key);
        }
        assert!(KeyForm::Int64.read("x").is_err() && KeyForm::Base64.read("=").is_err());
        assert!(KeyForm::Int64.read_prefix("1").is_err());
    }
}
