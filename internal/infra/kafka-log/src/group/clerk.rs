use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use millstream_ports::PortError;

/// A thread that makes the requests about one producer's transactions, or about one member's positions, so that whoever wants
/// them made can do something else meanwhile, and need not wait for one that never ends.
///
/// A client tells what came of a commit that nobody waits for by a callback alone, which its binding (0.39) does not set. And
/// librdkafka (2.12) waits without a limit in `rd_kafka_send_offsets_to_transaction`, and what it waits for may never come: a
/// request to the group's coordinator is made again when a broker's state changes, which it may have done already
/// (`rd_kafka_coord_req_fsm`). A broker that was away for long brings that about.
///
/// Dropping it ends its thread, or leaves it to the request that it is stuck in.
pub(crate) struct Clerk(Sender<Box<dyn FnOnce() + Send>>);

impl Clerk {
    pub(crate) fn start() -> Result<Self, PortError> {
        let (requests, wanted) = channel::<Box<dyn FnOnce() + Send>>();
        let work = move || wanted.into_iter().for_each(|request| request());
        let thread = thread::Builder::new().name("commits".to_owned()).spawn(work);
        thread.map_err(|error| PortError::stop("could not start a thread").because(error))?;
        Ok(Self(requests))
    }

    /// Begins a request. What comes of it can be received.
    pub(crate) fn begin<T: Send + 'static>(
        &self,
        request: impl FnOnce() -> T + Send + 'static,
    ) -> Receiver<T> {
        let (tell, answer) = channel();
        // Whoever asked may have given up; the answer is then for nobody. And where there is no clerk, there is no answer.
        drop(self.0.send(Box::new(move || drop(tell.send(request())))));
        answer
    }

    /// Makes a request, and answers what came of it; `None` where nothing came in this time.
    pub(crate) fn ask<T: Send + 'static>(
        &self,
        patience: Duration,
        request: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        self.begin(request).recv_timeout(patience).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_never_ends_is_waited_for_no_longer_than_the_patience() {
        let (clerk, (release, held)) = (Clerk::start().unwrap(), channel::<()>());
        assert_eq!(clerk.ask(Duration::from_mins(1), || 1), Some(1));
        assert_eq!(clerk.ask(Duration::from_millis(1), move || held.recv().is_ok()), None);
        assert_eq!(clerk.ask(Duration::from_millis(1), || 2), None, "it is stuck");
        release.send(()).unwrap();
        assert_eq!(clerk.ask(Duration::from_mins(1), || 3), Some(3));
    }
}
