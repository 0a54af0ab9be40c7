/// What becomes of a record that can't be processed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// The processor stops, before the record is committed.
    Fail,
    /// The record is passed over, and counted.
    Skip,
    /// The record goes to the dead-letter topic, with headers that say where it came from and what was wrong.
    DeadLetter,
}

/// A group's policies. By default undecodable records are dead letters, and a failing callback stops the processor.
#[derive(Clone, Debug)]
pub struct Policies {
    /// For records whose key or value can't be decoded.
    pub decode: Policy,
    /// For callbacks that answer an error or panic.
    pub callback: Policy,
    /// The dead-letter topic; `None` is `<group>-dead-letters`.
    pub dead_letters: Option<String>,
}

impl Default for Policies {
    fn default() -> Self {
        Self { decode: Policy::DeadLetter, callback: Policy::Fail, dead_letters: None }
    }
}

impl Policies {
    pub(crate) fn want_dead_letters(&self) -> bool {
        [self.decode, self.callback].contains(&Policy::DeadLetter)
    }
}
