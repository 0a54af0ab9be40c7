//! A request's head, and its body proven to be of its shape.

use bytes::{Buf, Bytes};
use kafka_protocol::messages::ApiKey;
use thiserror::Error;

use super::shape::{self, Reader};

/// Bytes of a request that carries no records.
const PLAIN_MAX: usize = 8 << 20;

/// Why bytes are no request.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum FrameError {
    /// It announces more bytes than are allowed, or fewer than none.
    #[error("a request of {0} bytes is not allowed")]
    Size(i64),
    /// It ends before its head does.
    #[error("the head of the request is cut short")]
    Head,
    /// It asks for something that is not known.
    #[error("request {key} in version {version} is not known")]
    Unknown {
        /// The request's number.
        key: i16,
        /// Its version.
        version: i16,
    },
    /// Its body is not of its shape.
    #[error("request {key} in version {version} is malformed")]
    Malformed {
        /// The request's number.
        key: i16,
        /// Its version.
        version: i16,
    },
}

/// A request whose body has the shape of its kind and version.
///
/// **Invariant:** every list in the body is as long as it announces, so that decoding allocates no more than some multiple of
/// what was sent.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) key: ApiKey,
    pub(crate) version: i16,
    pub(crate) correlation: i32,
    pub(crate) client_id: String,
    pub(crate) body: Bytes,
    /// The kind is known and the version is not; only asked of `ApiVersions`.
    pub(crate) is_too_new: bool,
}

impl Frame {
    /// Reads one from bytes without their length before them.
    pub(crate) fn decode(mut bytes: Bytes) -> Result<Self, FrameError> {
        if bytes.len() < 8 {
            return Err(FrameError::Head);
        }
        let (number, version, correlation) = (bytes.get_i16(), bytes.get_i16(), bytes.get_i32());
        let unknown = FrameError::Unknown { key: number, version };
        let api = super::find(number).ok_or(unknown)?;
        let is_too_new = !(api.min..=api.max).contains(&version);
        if is_too_new && api.key != ApiKey::ApiVersions {
            return Err(FrameError::Unknown { key: number, version });
        }
        if is_too_new {
            let (client_id, body) = (String::new(), Bytes::new());
            return Ok(Self { key: api.key, version, correlation, client_id, body, is_too_new });
        }
        let flexible = api.key.request_header_version(version) >= 2;
        let mut reader = Reader::new(&bytes);
        let client_id = reader.nullable_string().ok_or(FrameError::Head)?.unwrap_or_default().to_owned();
        if flexible {
            reader.tags().ok_or(FrameError::Head)?;
        }
        let body = bytes.slice(bytes.len() - reader.left()..);
        let malformed = FrameError::Malformed { key: number, version };
        if body.len() > PLAIN_MAX && api.key != ApiKey::Produce {
            return Err(FrameError::Size(i64::try_from(body.len()).unwrap_or(i64::MAX)));
        }
        // librdkafka leaves bytes behind some requests; Kafka passes over them, and so does this.
        if shape::walk(api.shape, version, flexible, &body).is_none() {
            return Err(malformed);
        }
        Ok(Self { key: api.key, version, correlation, client_id, body, is_too_new })
    }

    /// What to say of a body that has the shape and can't be decoded.
    pub(crate) fn malformed(&self) -> FrameError {
        FrameError::Malformed { key: self.key as i16, version: self.version }
    }
}
