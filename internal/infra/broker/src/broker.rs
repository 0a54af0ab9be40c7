use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::{debug, info, warn};

use crate::connection::{self, Connections};
use crate::settings::{BrokerError, BrokerSettings};
use crate::state::State;

/// A broker at work. Dropping it stops it.
#[derive(Debug)]
pub struct Broker {
    state: Arc<State>,
    connections: Arc<Connections>,
    threads: Vec<JoinHandle<()>>,
}

impl Broker {
    /// Opens the data, listens, and serves.
    ///
    /// # Errors
    /// When the address may not or can't be listened on, when the folder is another broker's or can't be used, and when
    /// the system gives no thread.
    pub fn start(settings: BrokerSettings) -> Result<Self, BrokerError> {
        if !settings.anywhere && !settings.listen.ip().is_loopback() {
            return Err(BrokerError::NotLoopback(settings.listen));
        }
        let listen = |source| BrokerError::Listen { address: settings.listen, source };
        let listener = TcpListener::bind(settings.listen).map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        raise_limit_of_files();
        let connections = Arc::new(Connections::new(&settings));
        let state = Arc::new(State::open(settings, address)?);
        let mut broker = Self { state, connections, threads: Vec::new() };
        broker.spawn("broker-accept", move |state, connections| accept(&listener, state, connections))?;
        broker.spawn("broker-clock", |state, _| watch_the_clock(state))?;
        broker.spawn("broker-tidy", |state, _| tidy(state))?;
        info!(%address, "the broker is up");
        Ok(broker)
    }

    fn spawn(
        &mut self,
        name: &str,
        work: impl FnOnce(&Arc<State>, &Arc<Connections>) + Send + 'static,
    ) -> Result<(), BrokerError> {
        let (state, connections) = (Arc::clone(&self.state), Arc::clone(&self.connections));
        let work = move || work(&state, &connections);
        let thread = thread::Builder::new().name(name.to_owned()).spawn(work).map_err(BrokerError::Thread)?;
        self.threads.push(thread);
        Ok(())
    }

    /// Where clients find it.
    pub fn address(&self) -> SocketAddr {
        self.state.address
    }

    /// Closes all connections, and writes what makes the next start swift.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.state.begin_to_stop();
        // Wakes the thread that accepts.
        let _ = TcpStream::connect_timeout(&self.state.address, Duration::from_secs(1));
        self.connections.close_all();
        for thread in self.threads.drain(..) {
            thread.thread().unpark();
            let _ = thread.join();
        }
        self.connections.wait_until_none_is_left();
        self.state.close();
        info!(address = %self.state.address, "the broker is down");
    }
}

fn accept(listener: &TcpListener, state: &Arc<State>, connections: &Arc<Connections>) {
    loop {
        let accepted = listener.accept();
        if state.is_stopping() {
            return;
        }
        match accepted {
            Ok((stream, peer)) => {
                if let Err(error) = connection::serve(stream, peer, state, connections) {
                    warn!(%peer, %error, "a connection is refused");
                }
            }
            Err(error) => {
                warn!(%error, "can't accept a connection");
                thread::park_timeout(Duration::from_millis(100));
            }
        }
    }
}

/// Lets members and transactions go whose time is over.
fn watch_the_clock(state: &Arc<State>) {
    while !state.is_stopping() {
        let groups = state.groups.expire(state.clock.now());
        let transactions = state.expire_transactions();
        if let Some(next) = groups.into_iter().chain(transactions).min() {
            state.alarm.set(next);
        }
        state.alarm.wait(&state.clock);
    }
}

fn tidy(state: &Arc<State>) {
    loop {
        thread::park_timeout(state.settings.tidy_every);
        if state.is_stopping() {
            return;
        }
        state.tidy();
    }
}

/// Each partition holds a file open, and some systems allow few.
fn raise_limit_of_files() {
    let limit = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    if let Err(error) = raised.map_err(io::Error::from) {
        debug!(%error, "can't raise the limit of open files");
    }
}
