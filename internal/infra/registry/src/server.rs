use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use axum::Router;
use millstream_ports::World;
use tokio::sync::oneshot;

use crate::journal::Journal;
use crate::{RegistryError, Settings, http};

/// Threads for requests at most, of both kinds; each waits for the journal, or checks schemas.
const THREADS_MAX: usize = 2 * http::REQUESTS_MAX;

/// A registry at work. Dropping it ends it, after the requests in hand.
pub struct Registry {
    address: SocketAddr,
    journal: Arc<Journal>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Registry {
    /// Reads the journal, which is created where there is none, and serves it.
    ///
    /// # Errors
    /// When the address can't be listened on or is open to others without leave, the journal's topic is not fit to be one,
    /// or Kafka can't be reached.
    pub fn start(world: &impl World, settings: &Settings) -> Result<Self, RegistryError> {
        let listener = listen(settings)?;
        let address = listener.local_addr().map_err(|source| not_listening(settings, source))?;
        let journal = Arc::new(Journal::open(world, settings)?);
        let (stop, stopped) = oneshot::channel();
        let router = http::router(journal.clone(), settings);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(THREADS_MAX)
            .build()
            .map_err(RegistryError::Thread)?;
        let body = move || {
            if let Err(error) = runtime.block_on(serve(listener, router, stopped)) {
                tracing::error!(%error, "the schema registry ended");
            }
        };
        let thread =
            thread::Builder::new().name("registry".to_owned()).spawn(body).map_err(RegistryError::Thread)?;
        Ok(Self { address, journal, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether it does its work.
    ///
    /// # Errors
    /// What is wrong, when the journal can't be read any more; only a new start mends that.
    pub fn health(&self) -> Result<(), String> {
        self.journal.health().map_err(|fault| fault.to_string())
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // The server may have ended by itself; nobody is told then.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn not_listening(settings: &Settings, source: io::Error) -> RegistryError {
    RegistryError::Listen { address: settings.address.clone(), source }
}

fn listen(settings: &Settings) -> Result<TcpListener, RegistryError> {
    let wrong = |source| not_listening(settings, source);
    let addresses: Vec<_> = settings.address.to_socket_addrs().map_err(wrong)?.collect();
    if !settings.is_open && addresses.iter().any(|address| !address.ip().is_loopback()) {
        return Err(RegistryError::Open(settings.address.clone()));
    }
    let listener = TcpListener::bind(addresses.as_slice()).map_err(wrong)?;
    listener.set_nonblocking(true).map_err(wrong)?;
    Ok(listener)
}

async fn serve(listener: TcpListener, router: Router, stopped: oneshot::Receiver<()>) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let until = async move {
        let _ = stopped.await;
    };
    axum::serve(listener, router).with_graceful_shutdown(until).await
}
