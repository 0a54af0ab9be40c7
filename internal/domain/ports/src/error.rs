use std::error::Error;
use std::fmt;

/// What the caller of a port should do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The fault may pass: do the same again later.
    Retry,
    /// The record at hand is the fault: set it aside and go on.
    DeadLetter,
    /// Nothing here can mend it: stop, and say so.
    Stop,
}

/// An adapter's error: what was attempted, what to do about it, and the technology's own error.
///
/// The runtime looks only at [`PortError::action`]; the rest is for people.
#[derive(Debug)]
pub struct PortError {
    action: Action,
    attempt: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl PortError {
    /// An error that `action` answers. `attempt` says what failed, on what, and the remedy where there is one.
    pub fn new(action: Action, attempt: impl Into<String>) -> Self {
        Self { action, attempt: attempt.into(), source: None }
    }

    /// An error that may pass.
    pub fn retry(attempt: impl Into<String>) -> Self {
        Self::new(Action::Retry, attempt)
    }

    /// An error that only a person can mend.
    pub fn stop(attempt: impl Into<String>) -> Self {
        Self::new(Action::Stop, attempt)
    }

    /// Adds the technology's own error.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What to do about it.
    pub fn action(&self) -> Action {
        self.action
    }
}

impl fmt::Display for PortError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Some(source) => write!(f, "{}: {source}", self.attempt),
            None => f.write_str(&self.attempt),
        }
    }
}

impl Error for PortError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        // Display already tells the source; handing on its source keeps chains from saying it twice.
        self.source.as_ref().and_then(|source| source.source())
    }
}
