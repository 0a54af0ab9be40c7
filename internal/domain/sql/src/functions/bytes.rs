//! Texts as bytes and back.

use millstream_model::Value;

use super::arguments::{at, bytes, text};
use super::encodings::{Encoding, uuid_text};
use super::{Body, Definition, Entry};
use crate::eval::{Failure, Outcome};

pub(super) const FUNCTIONS: &[Definition] = &[
    Definition {
        name: "TO_BYTES",
        category: "STRING",
        about: "The bytes that a text in 'hex', 'utf8', 'ascii' or 'base64' stands for.",
        entries: &[Entry::new(
            "text STRING, encoding STRING -> BYTES",
            Body::Two(|a, b| Ok(Value::Bytes(Encoding::named(text(b)?)?.read(text(a)?)?.into()))),
        )],
    },
    Definition {
        name: "FROM_BYTES",
        category: "STRING",
        about: "The bytes as a text in 'hex', 'utf8', 'ascii' or 'base64'.",
        entries: &[Entry::new(
            "bytes BYTES, encoding STRING -> STRING",
            Body::Two(|a, b| Ok(Value::text(Encoding::named(text(b)?)?.write(bytes(a)?)))),
        )],
    },
    Definition {
        name: "ENCODE",
        category: "STRING",
        about: "A text in one of 'hex', 'utf8', 'ascii' and 'base64', in another of them.",
        entries: &[Entry::new("text STRING, from STRING, to STRING -> STRING", Body::Strict(encode))],
    },
    Definition {
        name: "MD5",
        category: "STRING",
        about: "The MD5 sum (RFC 1321) of a text, in hexadecimal digits.",
        entries: &[Entry::new(
            "text STRING -> STRING",
            Body::One(|a| {
                use md5::Digest;
                Ok(Value::text(Encoding::Hex.write(&md5::Md5::digest(text(a)?))))
            }),
        )],
    },
    Definition {
        name: "UUID",
        category: "STRING",
        about: "A random UUID, or the one that 16 bytes are.",
        entries: &[Entry::new(
            "bytes BYTES -> STRING",
            Body::One(|a| {
                let bits = <[u8; 16]>::try_from(bytes(a)?).map(u128::from_be_bytes);
                Ok(bits.map_or(Value::Null, |bits| Value::text(uuid_text(bits))))
            }),
        )],
    },
];

fn encode(values: &[&Value]) -> Outcome {
    let (from, to) = (Encoding::named(text(at(values, 1))?)?, Encoding::named(text(at(values, 2))?)?);
    if from == to {
        return Err(Failure::new("it is encoded so already"));
    }
    Ok(Value::text(to.write(&from.read_loosely(text(at(values, 0))?)?)))
}
