use std::sync::{PoisonError, RwLock};

use millstream_ports::CodecError;

use crate::frame;
use crate::registry::Registry;

/// Sees to it that records passed on as they are can be read under the topic they go to: the schema each was written with
/// is registered under that topic's subject too, once a schema.
pub struct Forwarding {
    registry: Registry,
    subject: String,
    seen: RwLock<Vec<u32>>,
}

impl Forwarding {
    /// For records that go on to the topic of `subject`.
    pub fn to(registry: &Registry, subject: impl Into<String>) -> Self {
        Self { registry: registry.clone(), subject: subject.into(), seen: RwLock::default() }
    }

    /// Makes sure of the schema of one framed record.
    ///
    /// # Errors
    /// When the bytes have no frame, or the registry does not take the schema under the subject.
    pub fn check(&self, bytes: &[u8]) -> Result<(), CodecError> {
        let (id, _) = frame::open(bytes)?;
        if self.seen.read().unwrap_or_else(PoisonError::into_inner).contains(&id) {
            return Ok(());
        }
        let schema = self.registry.schema(id)?;
        self.registry
            .register(&self.subject, &schema.text)
            .map_err(|error| CodecError::new(error.to_string()))?;
        self.seen.write().unwrap_or_else(PoisonError::into_inner).push(id);
        Ok(())
    }
}
