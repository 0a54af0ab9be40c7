use std::time::Duration;

use millstream_model::{Offset, Partition};
use millstream_ports::{CalledOff, Delivery, Outlet, PortError, Rejection, SendRecord, Tag, Tally};

use crate::KafkaLog;
use crate::group::transactor::Transactor;
use crate::outlet::KafkaOutlet;

/// How a member's records are sent.
pub(super) enum Sender {
    /// Each for itself.
    Plain(KafkaOutlet),
    /// In transactions.
    Transactional(Box<Transactor>),
}

impl Sender {
    pub(super) fn new(
        log: &KafkaLog,
        group: &str,
        client: &str,
        delivery: Delivery,
    ) -> Result<Self, PortError> {
        Ok(match delivery {
            Delivery::AtLeastOnce => Self::Plain(KafkaOutlet::open(log, client)?),
            Delivery::ExactlyOnce => Self::Transactional(Box::new(Transactor::new(log, group))),
        })
    }

    pub(super) fn take_over(&mut self, partitions: &[Partition]) -> Result<(), PortError> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Transactional(transactor) => transactor.take_over(partitions),
        }
    }

    /// Gives up what was taken over of these.
    pub(super) fn release(&mut self, partitions: &[Partition]) {
        if let Self::Transactional(transactor) = self {
            transactor.release(partitions);
        }
    }

    /// Whether the last owner of a partition can write no more, and its records may be worked on.
    pub(super) fn has_taken(&self, partition: Partition) -> bool {
        match self {
            Self::Plain(_) => true,
            Self::Transactional(transactor) => transactor.has_taken(partition),
        }
    }

    /// Whether there is something to commit beside positions.
    pub(super) fn has_begun(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Transactional(transactor) => transactor.has_begun(),
        }
    }

    /// Whether a transaction is being committed.
    pub(super) fn is_ending(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Transactional(transactor) => transactor.is_ending(),
        }
    }

    pub(super) fn tend(&mut self) -> Result<(), PortError> {
        match self {
            Self::Plain(outlet) => {
                outlet.tend();
                Ok(())
            }
            Self::Transactional(transactor) => transactor.tend(),
        }
    }

    pub(super) fn heed(&mut self, is_called_off: &CalledOff) {
        if let Self::Transactional(transactor) = self {
            transactor.heed(is_called_off.clone());
        }
    }

    /// Takes back what can be; answers whether the member was fenced off.
    pub(super) fn abort(&mut self) -> Result<bool, PortError> {
        match self {
            Self::Plain(_) => Ok(false),
            Self::Transactional(transactor) => transactor.abort().map(|()| transactor.is_fenced()),
        }
    }

    pub(super) fn send(&mut self, record: &SendRecord<'_>) -> Result<(), PortError> {
        match self {
            Self::Plain(outlet) => outlet.send(record),
            Self::Transactional(transactor) => transactor.send(record),
        }
    }

    pub(super) fn offer(&mut self, record: &SendRecord<'_>, patience: Duration) -> Result<bool, PortError> {
        match self {
            Self::Plain(outlet) => outlet.offer(record, patience),
            // What is left out would be missing in the transaction.
            Self::Transactional(transactor) => transactor.send(record).map(|()| true),
        }
    }

    pub(super) fn settle(&mut self, is_called_off: &CalledOff) -> Result<(), PortError> {
        match self {
            Self::Plain(outlet) => outlet.settle_unless(&**is_called_off),
            Self::Transactional(transactor) => transactor.settle(),
        }
    }

    pub(super) fn draw_line(&mut self) {
        match self {
            Self::Plain(outlet) => outlet.draw_line(),
            // A transaction is settled as a whole.
            Self::Transactional(_) => {}
        }
    }

    pub(super) fn has_settled(&mut self) -> Result<bool, PortError> {
        match self {
            Self::Plain(outlet) => outlet.has_settled(),
            Self::Transactional(transactor) => transactor.settle().map(|()| true),
        }
    }

    pub(super) fn rejections(&mut self) -> Vec<Rejection> {
        match self {
            Self::Plain(outlet) => outlet.rejections(),
            Self::Transactional(transactor) => transactor.rejections(),
        }
    }

    pub(super) fn tally(&self) -> Tally {
        match self {
            Self::Plain(outlet) => outlet.tally(),
            Self::Transactional(transactor) => transactor.tally(),
        }
    }

    pub(super) fn acknowledged(&self, tag: Tag) -> Option<Offset> {
        match self {
            Self::Plain(outlet) => outlet.acknowledged(tag),
            Self::Transactional(transactor) => transactor.acknowledged(tag),
        }
    }
}
