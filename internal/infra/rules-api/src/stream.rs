use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use futures_core::Stream;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Pieces that wait for a slow reader.
const WAITING_MAX: usize = 64;

/// What a thread writes, as a body.
struct Pieces(Receiver<Bytes>);

impl Stream for Pieces {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context).map(|piece| piece.map(Ok))
    }
}

/// A body, and where its pieces are written. It ends when that is dropped; and that is closed when nobody reads any more.
pub(crate) fn piped() -> (Sender<Bytes>, Body) {
    let (sender, receiver) = channel(WAITING_MAX);
    (sender, Body::from_stream(Pieces(receiver)))
}
