use std::time::Duration;

use millstream_ports::PortError;
use millstream_registry_rules::Refusal;
use thiserror::Error;

/// Why a request is not answered as wished.
#[derive(Debug, Error)]
pub(crate) enum Fault {
    /// By the rules.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The journal can't be written or read.
    #[error("the schemas' journal fails: {0}")]
    Store(String),
    /// It takes too long; the write may still happen.
    #[error("the schemas' journal did not answer within {} s; ask again, for the write may have happened", .0.as_secs())]
    Late(Duration),
    /// Other instances were always faster.
    #[error("other registries on this journal came in between {0} times; ask again")]
    Contended(u32),
    /// The record is greater than the brokers take.
    #[error("the schema takes {bytes} bytes in the journal, of {max} allowed")]
    TooLarge {
        /// What it takes.
        bytes: usize,
        /// What is allowed.
        max: usize,
    },
}

impl From<PortError> for Fault {
    fn from(error: PortError) -> Self {
        Self::Store(error.to_string())
    }
}
