use std::io;

use millstream_model::TopicNameError;
use millstream_ports::PortError;
use thiserror::Error;

/// Why a registry can't be had.
#[derive(Debug, Error)]
pub enum RegistryError {
    /// The address is taken, or is none of this machine's.
    #[error("can't listen on {address}: {source}; choose another address")]
    Listen {
        /// The address.
        address: String,
        /// What the system says.
        source: io::Error,
    },
    /// The address can be reached by others.
    #[error(
        "the schema registry would be open to the network at {0}, and it asks nobody for a password; listen on 127.0.0.1, or allow it explicitly"
    )]
    Open(String),
    /// The system gives no thread.
    #[error("can't start the schema registry: {0}")]
    Thread(io::Error),
    /// The journal's topic can't be called so.
    #[error(transparent)]
    Name(#[from] TopicNameError),
    /// The journal's topic is not fit to be one.
    #[error("topic '{topic}' can't be the schemas' journal: {why}")]
    Journal {
        /// The topic.
        topic: String,
        /// What is wrong, and the remedy.
        why: String,
    },
    /// Kafka can't be reached, or refuses.
    #[error(transparent)]
    Port(#[from] PortError),
}
