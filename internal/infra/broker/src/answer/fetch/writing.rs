//! A fetch's answer written around the batches, which stay in their files until they are sent.
//!
//! The message's own encoder would need them in memory. It writes everything else, one partition at a time.

use std::io;

use bytes::{BufMut, BytesMut};
use kafka_protocol::messages::fetch_request::FetchTopic;
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::{FetchResponse, ResponseHeader};
use kafka_protocol::protocol::Encodable;

use crate::outgoing::{Outgoing, Piece};
use crate::storage::segment::Stretch;
use crate::wire::Frame;

/// The first version with compact lengths and tagged fields.
const FLEXIBLE: i16 = 12;

/// Batches of fewer bytes are read and sent with what is before them.
const READ_UP_TO: usize = 32 << 10;

/// A partition's part of an answer.
pub(super) type Part = (PartitionData, Option<Stretch>);

/// What is written, and what was before it.
struct Writer {
    version: i16,
    done: Vec<Piece>,
    bytes: BytesMut,
}

/// Writes an answer; `topics` are those of the request, with a part for each partition.
pub(super) fn write(frame: &Frame, topics: &[(&FetchTopic, Vec<Part>)]) -> io::Result<Outgoing> {
    let version = frame.version;
    let mut writer = Writer { version, done: Vec::new(), bytes: BytesMut::with_capacity(512) };
    let header = ResponseHeader::default().with_correlation_id(frame.correlation);
    let header_version = frame.key.response_header_version(version);
    header.encode(&mut writer.bytes, header_version).map_err(io::Error::other)?;
    writer.without_its_end(&FetchResponse::default())?;
    writer.length(topics.len());
    for (topic, parts) in topics {
        writer.topic(topic, parts)?;
    }
    writer.tags();
    let Writer { mut done, bytes, .. } = writer;
    done.push(bytes.into());
    Outgoing::new(done)
}

impl Writer {
    fn is_flexible(&self) -> bool {
        self.version >= FLEXIBLE
    }

    /// What an encoder writes of something whose last field is an empty list or empty bytes, without those.
    fn without_its_end(&mut self, message: &impl Encodable) -> io::Result<()> {
        let before = self.bytes.len();
        message.encode(&mut self.bytes, self.version).map_err(io::Error::other)?;
        let end: &[u8] = if self.is_flexible() { &[1, 0] } else { &[0, 0, 0, 0] };
        let kept = self.bytes.len() - end.len();
        if kept < before || self.bytes.get(kept..) != Some(end) {
            return Err(io::Error::other("the encoder ends a message in another way"));
        }
        self.bytes.truncate(kept);
        Ok(())
    }

    fn length(&mut self, length: usize) {
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        if self.is_flexible() { self.varint(length + 1) } else { self.bytes.put_u32(length) }
    }

    fn varint(&mut self, mut number: u32) {
        loop {
            let [.., low] = number.to_be_bytes();
            number >>= 7;
            if number == 0 {
                self.bytes.put_u8(low & 0x7f);
                return;
            }
            self.bytes.put_u8(low | 0x80);
        }
    }

    fn tags(&mut self) {
        if self.is_flexible() {
            self.bytes.put_u8(0);
        }
    }

    fn topic(&mut self, topic: &FetchTopic, parts: &[Part]) -> io::Result<()> {
        if self.version >= 13 {
            self.bytes.put_slice(topic.topic_id.as_bytes());
        } else {
            let name = topic.topic.as_bytes();
            if self.is_flexible() {
                self.length(name.len());
            } else {
                self.bytes.put_u16(u16::try_from(name.len()).map_err(io::Error::other)?);
            }
            self.bytes.put_slice(name);
        }
        self.length(parts.len());
        for (data, stretch) in parts {
            self.without_its_end(data)?;
            self.records(stretch.as_ref())?;
            self.tags();
        }
        self.tags();
        Ok(())
    }

    fn records(&mut self, stretch: Option<&Stretch>) -> io::Result<()> {
        let size = stretch.map_or(0, Stretch::size);
        self.length(size);
        match stretch {
            Some(stretch) if size > READ_UP_TO => {
                let before = std::mem::replace(&mut self.bytes, BytesMut::with_capacity(512));
                self.done.extend([Piece::from(before), Piece::File(stretch.clone())]);
            }
            Some(stretch) => self.bytes.extend_from_slice(&stretch.read_all()?),
            None => {}
        }
        Ok(())
    }
}
