use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use millstream_model::Partition;
use millstream_ports::PortError;
use rdkafka::error::KafkaError;

use crate::KafkaLog;
use crate::client::locked;
use crate::failure::port_error;
use crate::outlet::KafkaOutlet;

/// How long one request may take before it is made anew.
const ANSWER_WAIT: Duration = Duration::from_secs(2);

/// Time between two looks whether a taking that is waited for is still wanted.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// How long the brokers may be away before a transaction is given up for good.
const PATIENCE: Duration = Duration::from_mins(2);

/// What a taking came to: the producers of the lowest partitions, as many as were asked for.
pub(super) type Taken = Result<Vec<(Partition, KafkaOutlet)>, PortError>;

/// The transactional ids of partitions, being taken over on a thread of its own.
///
/// Dropping it calls it off: an id that was not reached is left to its next owner.
pub(super) struct Taking {
    wanted: Arc<Mutex<BTreeSet<Partition>>>,
    answer: Receiver<Taken>,
}

impl Taking {
    /// Begins to take over, and keeps up to so many producers.
    pub(super) fn begin(
        log: &KafkaLog,
        group: &str,
        partitions: &[Partition],
        keeps: usize,
    ) -> Result<Self, PortError> {
        let wanted = Arc::new(Mutex::new(partitions.iter().copied().collect()));
        let (tell, answer) = channel();
        let (log, group, asked) = (log.clone(), group.to_owned(), wanted.clone());
        let work = move || {
            // Whoever asked may have gone meanwhile.
            let _ = tell.send(take_over(&log, &group, &asked, keeps));
        };
        let thread = thread::Builder::new().name("takes-over".to_owned()).spawn(work);
        thread.map_err(|error| PortError::stop("could not start a thread").because(error))?;
        Ok(Self { wanted, answer })
    }

    pub(super) fn has(&self, partition: Partition) -> bool {
        locked(&self.wanted).contains(&partition)
    }

    pub(super) fn give_up(&mut self, partitions: &[Partition]) {
        locked(&self.wanted).retain(|wanted| !partitions.contains(wanted));
    }

    /// What it came to, if it is over.
    pub(super) fn done(&mut self) -> Option<Taken> {
        match self.answer.try_recv() {
            Ok(taken) => Some(taken),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Err(broken())),
        }
    }

    /// Waits until it is over, or nobody wants it any more.
    pub(super) fn finish(self, is_called_off: &dyn Fn() -> bool) -> Taken {
        loop {
            match self.answer.recv_timeout(LOOK_AGAIN) {
                Ok(taken) => return taken,
                Err(RecvTimeoutError::Timeout) if is_called_off() => {
                    return Err(PortError::retry(
                        "the brokers do not hand over the partitions' transactions",
                    ));
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(broken()),
            }
        }
    }
}

impl Drop for Taking {
    fn drop(&mut self) {
        locked(&self.wanted).clear();
    }
}

fn broken() -> PortError {
    PortError::stop("the thread that takes over transactions ended too early")
}

fn take_over(log: &KafkaLog, group: &str, wanted: &Mutex<BTreeSet<Partition>>, keeps: usize) -> Taken {
    let asked: Vec<_> = locked(wanted).iter().copied().collect();
    // All connect at once, and are then taken over one after another.
    let open = |partition: &Partition| {
        KafkaOutlet::open_transactional(log, &format!("{group}-{partition}"))
            .map(|outlet| (*partition, outlet))
    };
    let outlets = asked.iter().map(open).collect::<Result<Vec<_>, _>>()?;
    let mut kept = Vec::new();
    for (partition, outlet) in outlets {
        let is_wanted = || locked(wanted).contains(&partition);
        if !is_wanted() {
            continue;
        }
        match until_answered(is_wanted, || outlet.init_transactions(ANSWER_WAIT)) {
            Ok(()) if kept.len() < keeps => kept.push((partition, outlet)),
            Ok(()) => {}
            Err(_) if !is_wanted() => {}
            // Without them the member owns partitions that it can't process; it has been patient.
            Err(error) => {
                let attempt = format!("group '{group}' could not take over its partitions' transactions");
                return Err(PortError::stop(port_error(attempt, &error).to_string()));
            }
        }
    }
    Ok(kept)
}

/// Makes a request again while the brokers do not answer it and it is still wanted; the client takes it up where it was.
pub(super) fn until_answered(
    is_wanted: impl Fn() -> bool,
    mut request: impl FnMut() -> Result<(), KafkaError>,
) -> Result<(), KafkaError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match request() {
            Err(KafkaError::Transaction(error))
                if error.is_retriable()
                    && !error.txn_requires_abort()
                    && Instant::now() < deadline
                    && is_wanted() =>
            {
                tracing::debug!(%error, "the transaction waits");
            }
            answer => return answer,
        }
    }
}
