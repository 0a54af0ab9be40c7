use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

/// What a broker is told before it starts.
#[derive(Clone, Debug)]
pub struct BrokerSettings {
    /// The folder of its data; made if it is not there. One broker at a time may have it.
    pub data: PathBuf,
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Whether it may listen where other machines reach it. It asks nobody who they are.
    pub anywhere: bool,
    /// Whether each batch is on the disk, and not only with the system, before it is acknowledged.
    pub flush: bool,
    /// Partitions of a topic that is made when a client first names it; with 0 none is made so.
    pub new_topic_partitions: usize,
    /// Connections at a time; more are closed at once.
    pub connections_max: usize,
    /// Bytes of one request.
    pub request_bytes_max: usize,
    /// Bytes of all requests that are being read or answered at a time; more wait.
    pub requests_bytes_max: usize,
    /// How often it looks for what is to be removed or compacted.
    pub tidy_every: Duration,
}

impl BrokerSettings {
    /// What suits one machine.
    pub fn new(data: impl Into<PathBuf>, listen: SocketAddr) -> Self {
        Self {
            data: data.into(),
            listen,
            anywhere: false,
            flush: false,
            new_topic_partitions: 0,
            connections_max: 2_000,
            request_bytes_max: 100 << 20,
            requests_bytes_max: 512 << 20,
            tidy_every: Duration::from_secs(15),
        }
    }
}

/// Why a broker can't start.
#[derive(Debug, Error)]
pub enum BrokerError {
    /// The address is not this machine's own, and it was not said that this is meant.
    #[error(
        "{0} can be reached by other machines, and the broker asks nobody who they are; listen on 127.0.0.1, or say explicitly that this is meant"
    )]
    NotLoopback(SocketAddr),
    /// The address is taken, or not this machine's.
    #[error("can't listen on {address}: {source}; choose another address")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// Another broker has the folder.
    #[error("{} is in use by another broker; stop it, or choose another folder", .0.display())]
    InUse(PathBuf),
    /// The folder can't be read or written.
    #[error("can't use {} for data: {source}; choose a folder that can be written", path.display())]
    Data {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The system gives no thread.
    #[error("can't start a thread: {0}")]
    Thread(io::Error),
}
