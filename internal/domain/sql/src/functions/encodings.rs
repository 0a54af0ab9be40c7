//! Bytes written as text.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::eval::Failure;

/// How bytes are written as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// Hexadecimal digits, two a byte.
    Hex,
    /// As UTF-8.
    Utf8,
    /// As ASCII: what is beyond is a question mark, or read back as U+FFFD.
    Ascii,
    /// Base64 (RFC 4648).
    Base64,
}

impl Encoding {
    pub(super) fn named(name: &str) -> Result<Self, Failure> {
        match name.to_lowercase().as_str() {
            "hex" => Ok(Self::Hex),
            "utf8" => Ok(Self::Utf8),
            "ascii" => Ok(Self::Ascii),
            "base64" => Ok(Self::Base64),
            other => Err(Failure::new(format!(
                "there is no encoding {other}; there are hex, utf8, ascii and base64"
            ))),
        }
    }

    pub(super) fn write(self, bytes: &[u8]) -> String {
        match self {
            Self::Hex => to_hex(bytes),
            Self::Utf8 => String::from_utf8_lossy(bytes).into_owned(),
            Self::Ascii => bytes
                .iter()
                .map(|byte| if byte.is_ascii() { char::from(*byte) } else { '\u{fffd}' })
                .collect(),
            Self::Base64 => to_base64(bytes),
        }
    }

    pub(super) fn read(self, text: &str) -> Result<Vec<u8>, Failure> {
        let refused = || Failure::new(format!("'{text}' is not written in {self:?}"));
        match self {
            Self::Hex => from_hex(text).ok_or_else(refused),
            Self::Utf8 => Ok(text.as_bytes().to_vec()),
            Self::Ascii => {
                Ok(text.chars().map(|c| u8::try_from(c).ok().filter(u8::is_ascii).unwrap_or(b'?')).collect())
            }
            Self::Base64 => from_base64(text).ok_or_else(refused),
        }
    }

    /// Also reads hexadecimal digits that are written as `0xAB` or `X'AB'`.
    pub(super) fn read_loosely(self, text: &str) -> Result<Vec<u8>, Failure> {
        if self != Self::Hex {
            return self.read(text);
        }
        if let Some(digits) = text.strip_prefix("0x") {
            let odd = if digits.len() % 2 == 0 { "" } else { "0" };
            return self.read(&format!("{odd}{digits}"));
        }
        let quoted =
            text.strip_prefix(['x', 'X']).and_then(|rest| rest.strip_prefix('\'')?.strip_suffix('\''));
        self.read(quoted.unwrap_or(text))
    }
}

fn to_hex(bytes: &[u8]) -> String {
    let digit = |digit: u8| char::from_digit(u32::from(digit), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |c: &u8| char::from(*c).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    text.as_bytes()
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => Some(digit(high)? << 4 | digit(low)?),
            _ => None,
        })
        .collect()
}

/// Reads Base64, with or without its padding.
const LOOSE: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

pub(crate) fn from_base64(text: &str) -> Option<Vec<u8>> {
    LOOSE.decode(text).ok()
}

pub(crate) fn to_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// A UUID as it is written (RFC 9562).
pub(super) fn uuid_text(bits: u128) -> String {
    let digits = format!("{bits:032x}");
    let parts = [(0, 8), (8, 12), (12, 16), (16, 20), (20, 32)];
    let parts: Vec<_> = parts.iter().filter_map(|(from, to)| digits.get(*from..*to)).collect();
    parts.join("-")
}
