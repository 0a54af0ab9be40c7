use std::error::Error;
use std::sync::mpsc::{Receiver, Sender, channel};

use millstream_model::Partition;

use crate::context::Context;
use crate::graph::CallbackResult;

/// What is done for a deferred record on its owner's thread.
pub(crate) type Resume = Box<dyn FnOnce(&mut Context<'_>) -> CallbackResult + Send>;

/// What a completion does with the answer it is given.
type Then<T> = Box<dyn FnOnce(&mut Context<'_>, T) -> CallbackResult + Send>;

/// News of a deferred record.
pub(crate) struct Completed {
    pub(crate) number: u64,
    pub(crate) partition: Partition,
    pub(crate) resume: Resume,
}

/// Gives out completions, and counts those of the record at hand.
pub(crate) struct Deferral {
    sender: Sender<Completed>,
    number: u64,
    count: usize,
}

impl Deferral {
    pub(crate) fn new() -> (Self, Receiver<Completed>) {
        let (sender, completed) = channel();
        (Self { sender, number: 0, count: 0 }, completed)
    }

    /// Goes on giving out completions under the number of a record that was deferred before.
    pub(crate) fn under(&self, number: u64) -> Self {
        Self { sender: self.sender.clone(), number, count: 0 }
    }

    /// The number of the record at hand and how many completions it awaits, if any. The next record has another number.
    pub(crate) fn take(&mut self) -> Option<(u64, usize)> {
        let (number, count) = (self.number, std::mem::take(&mut self.count));
        self.number += u64::from(count > 0);
        (count > 0).then_some((number, count))
    }

    /// How many completions were given out since the last call.
    pub(crate) fn take_count(&mut self) -> usize {
        std::mem::take(&mut self.count)
    }

    pub(crate) fn give<T, F>(&mut self, partition: Partition, then: F) -> Completion<T>
    where
        F: FnOnce(&mut Context<'_>, T) -> CallbackResult + Send + 'static,
    {
        self.count += 1;
        let ticket = Ticket { sender: self.sender.clone(), number: self.number, partition };
        Completion { open: Some((ticket, Box::new(then))) }
    }
}

struct Ticket {
    sender: Sender<Completed>,
    number: u64,
    partition: Partition,
}

impl Ticket {
    fn send(self, resume: Resume) {
        // A worker that has ended has left the record to the next owner.
        let _ = self.sender.send(Completed { number: self.number, partition: self.partition, resume });
    }
}

/// The other end of a deferred record: it may go to another thread, and has to come to an end there.
///
/// A record that was deferred is committed once all its completions are completed. Dropping one fails the record, so that
/// none is forgotten. One that comes too late, because its partition went to another member or was taken back, has no effect:
/// the record is processed again.
#[must_use = "a completion that is dropped fails its record"]
pub struct Completion<T> {
    open: Option<(Ticket, Then<T>)>,
}

impl<T: Send + 'static> Completion<T> {
    /// Lets the owner of the record go on with `answer`, on its own thread.
    pub fn complete(mut self, answer: T) {
        if let Some((ticket, then)) = self.open.take() {
            ticket.send(Box::new(move |context| then(context, answer)));
        }
    }
}

impl<T> Completion<T> {
    /// Fails the record, as if its callback had answered this error.
    pub fn fail(mut self, error: impl Into<Box<dyn Error + Send + Sync>>) {
        let error = error.into();
        if let Some((ticket, _)) = self.open.take() {
            ticket.send(Box::new(move |_| Err(error)));
        }
    }
}

impl<T> Drop for Completion<T> {
    fn drop(&mut self) {
        if let Some((ticket, _)) = self.open.take() {
            ticket.send(Box::new(|_| Err("its completion was dropped".into())));
        }
    }
}

impl<T> std::fmt::Debug for Completion<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let place = self.open.as_ref().map(|(ticket, _)| (ticket.number, ticket.partition));
        f.debug_tuple("Completion").field(&place).finish()
    }
}
