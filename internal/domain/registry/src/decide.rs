mod compatibility;
mod delete;
mod register;
mod settings;

pub use register::{Registered, Registration};

use crate::{Record, Refusal, Scope, State};

/// What a request comes to: records that are to be appended, all or none, and the answer once they count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision<T> {
    /// In this order. None where all is as asked already.
    pub records: Vec<Record>,
    /// For whoever asked.
    pub answer: T,
}

impl State {
    /// # Errors
    /// [`Refusal::NotPermitted`] where nothing may be changed.
    fn writable(&self, scope: &Scope) -> Result<(), Refusal> {
        if !self.effective_mode(scope).is_read_only() {
            return Ok(());
        }
        let whose =
            scope.as_ref().map_or_else(|| "The registry".to_owned(), |subject| format!("Subject {subject}"));
        Err(Refusal::NotPermitted(format!("{whose} is in read-only mode")))
    }
}

#[cfg(test)]
mod tests;
