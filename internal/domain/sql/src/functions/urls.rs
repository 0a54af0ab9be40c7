//! The parts of URLs (RFC 3986).

use millstream_model::Value;

use super::arguments::text;
use super::{Body, Definition, Entry};
use crate::eval::{Failure, Outcome};

const CATEGORY: &str = "URL";

macro_rules! part {
    ($name:literal, $about:literal, $part:expr) => {
        Definition {
            name: $name,
            category: CATEGORY,
            about: $about,
            entries: &[Entry::new(
                "url STRING -> STRING",
                Body::One(|a| {
                    let part: fn(&Url<'_>) -> Option<String> = $part;
                    Ok(part(&Url::read(text(a)?)?).map_or(Value::Null, Value::text))
                }),
            )],
        }
    };
}

pub(super) const FUNCTIONS: &[Definition] = &[
    part!("URL_EXTRACT_PROTOCOL", "The protocol of a URL, such as https.", |url| url
        .scheme
        .map(str::to_owned)),
    part!("URL_EXTRACT_HOST", "The host of a URL.", |url| Some(url.server()?.0.to_owned())),
    part!("URL_EXTRACT_PATH", "The path of a URL.", |url| url.path.map(|path| decoded(path, false))),
    part!("URL_EXTRACT_QUERY", "What stands behind the question mark of a URL.", |url| url
        .query
        .map(|query| decoded(query, false))),
    part!("URL_EXTRACT_FRAGMENT", "What stands behind the hash of a URL.", |url| url
        .fragment
        .map(|fragment| decoded(fragment, false))),
    Definition {
        name: "URL_EXTRACT_PORT",
        category: CATEGORY,
        about: "The port of a URL, where it names one.",
        entries: &[Entry::new(
            "url STRING -> INT",
            Body::One(|a| {
                let url = Url::read(text(a)?)?;
                Ok(url.server().and_then(|(_, port)| port).map_or(Value::Null, Value::Int))
            }),
        )],
    },
    Definition {
        name: "URL_EXTRACT_PARAMETER",
        category: CATEGORY,
        about: "The value of a parameter of a URL's query; one that is only named is empty.",
        entries: &[Entry::new("url STRING, parameter STRING -> STRING", Body::Two(parameter))],
    },
    Definition {
        name: "URL_ENCODE_PARAM",
        category: CATEGORY,
        about: "The text as the value of a parameter is written in a URL.",
        entries: &[Entry::new("text STRING -> STRING", Body::One(|a| Ok(Value::text(encoded(text(a)?)))))],
    },
    Definition {
        name: "URL_DECODE_PARAM",
        category: CATEGORY,
        about: "The text that the value of a parameter stands for.",
        entries: &[Entry::new("text STRING -> STRING", Body::One(decode_param))],
    },
];

/// The parts of a URL, undecoded.
struct Url<'u> {
    scheme: Option<&'u str>,
    authority: Option<&'u str>,
    path: Option<&'u str>,
    query: Option<&'u str>,
    fragment: Option<&'u str>,
}

impl<'u> Url<'u> {
    fn read(url: &'u str) -> Result<Self, Failure> {
        if url.is_empty()
            || url.contains(|c: char| c.is_whitespace() || c.is_control() || "\"<>\\^`{|}".contains(c))
            || !has_whole_escapes(url)
        {
            return Err(Failure::new(format!("'{url}' is no URL")));
        }
        let (rest, fragment) = cut(url, '#');
        let (scheme, rest) = match rest.split_once(':') {
            Some((scheme, rest)) if is_scheme(scheme) => (Some(scheme), rest),
            Some((scheme, _)) if !scheme.contains(['/', '?']) => {
                return Err(Failure::new(format!("'{url}' is no URL")));
            }
            _ => (None, rest),
        };
        // What does not go on with a slash, as 'mailto:x', has no further parts.
        if scheme.is_some() && !rest.starts_with('/') {
            return Ok(Self { scheme, authority: None, path: None, query: None, fragment });
        }
        let (rest, query) = cut(rest, '?');
        let (authority, path) = match rest.strip_prefix("//") {
            Some(rest) => {
                let slash = rest.find('/').unwrap_or(rest.len());
                rest.split_at_checked(slash).map_or((None, rest), |(authority, path)| (Some(authority), path))
            }
            None => (None, rest),
        };
        Ok(Self { scheme, authority, path: Some(path), query, fragment })
    }

    /// Host and port.
    fn server(&self) -> Option<(&'u str, Option<i32>)> {
        let server = self.authority?;
        let server = server.rsplit_once('@').map_or(server, |(_, server)| server);
        let (host, port) = match server.rsplit_once(':') {
            Some((host, port)) if port.chars().all(|c| c.is_ascii_digit()) => (host, port.parse().ok()),
            _ => (server, None),
        };
        (!host.is_empty()).then_some((host, port))
    }
}

fn cut(text: &str, at: char) -> (&str, Option<&str>) {
    text.split_once(at).map_or((text, None), |(before, behind)| (before, Some(behind)))
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

fn has_whole_escapes(url: &str) -> bool {
    url.split('%')
        .skip(1)
        .all(|rest| rest.get(..2).is_some_and(|digits| digits.chars().all(|c| c.is_ascii_hexdigit())))
}

fn parameter(url: &Value, wanted: &Value) -> Outcome {
    let (url, wanted) = (Url::read(text(url)?)?, text(wanted)?);
    let query = url.query.map(|query| decoded(query, false)).unwrap_or_default();
    let found = query
        .split('&')
        .map(|part| part.split_once('=').unwrap_or((part, "")))
        .find(|(name, _)| *name == wanted);
    Ok(found.map_or(Value::Null, |(_, value)| Value::text(value)))
}

/// What stands for the bytes behind percent signs; in a form a plus is a blank.
fn decoded(text: &str, is_form: bool) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let mut ahead = rest.clone();
        let digit =
            |byte: Option<u8>| char::from(byte?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        match byte {
            b'%' => match (digit(ahead.next()), digit(ahead.next())) {
                (Some(high), Some(low)) => {
                    bytes.push(high << 4 | low);
                    rest = ahead;
                }
                _ => bytes.push(byte),
            },
            b'+' if is_form => bytes.push(b' '),
            byte => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn decode_param(value: &Value) -> Outcome {
    let given = text(value)?;
    if has_whole_escapes(given) {
        Ok(Value::text(decoded(given, true)))
    } else {
        Err(Failure::new(format!("'{given}' has a percent sign without two digits behind it")))
    }
}

fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'-' | b'*' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            byte => {
                let digit =
                    |digit: u8| char::from_digit(u32::from(digit), 16).unwrap_or('0').to_ascii_uppercase();
                out.extend(['%', digit(byte >> 4), digit(byte & 0xf)]);
            }
        }
    }
    out
}
