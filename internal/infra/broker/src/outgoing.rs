//! Answers on their way out: bytes, and stretches of files that the system sends without their passing through here.

use std::io::{self, Write};
use std::net::TcpStream;

use bytes::{Bytes, BytesMut};

use crate::storage::segment::Stretch;

/// A part of an answer.
#[derive(Debug)]
pub(crate) enum Piece {
    /// Bytes at hand.
    Bytes(Bytes),
    /// Batches in a file.
    File(Stretch),
}

/// An answer, its length first.
#[derive(Debug)]
pub(crate) struct Outgoing(Vec<Piece>);

impl Outgoing {
    /// Puts the length before what follows.
    pub(crate) fn new(pieces: Vec<Piece>) -> io::Result<Self> {
        let length = pieces.iter().map(Piece::size).sum::<usize>();
        let length = i32::try_from(length).map_err(io::Error::other)?;
        let mut all = pieces;
        if let Some(Piece::Bytes(first)) = all.first_mut() {
            // One write where the answer is short.
            *first = Bytes::from([&length.to_be_bytes()[..], first].concat());
        }
        Ok(Self(all))
    }

    pub(crate) fn send(&self, stream: &mut TcpStream) -> io::Result<()> {
        for piece in &self.0 {
            match piece {
                Piece::Bytes(bytes) => stream.write_all(bytes)?,
                Piece::File(stretch) => stretch.send(stream)?,
            }
        }
        Ok(())
    }
}

impl Piece {
    fn size(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::File(stretch) => stretch.size(),
        }
    }
}

impl From<BytesMut> for Piece {
    fn from(bytes: BytesMut) -> Self {
        Self::Bytes(bytes.freeze())
    }
}
