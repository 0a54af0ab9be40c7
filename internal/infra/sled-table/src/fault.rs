/// Why a database could not be worked on.
#[derive(Debug)]
pub(crate) enum Fault {
    Sled(sled::Error),
    /// A block is none.
    Malformed,
}

impl From<sled::Error> for Fault {
    fn from(error: sled::Error) -> Self {
        Self::Sled(error)
    }
}
