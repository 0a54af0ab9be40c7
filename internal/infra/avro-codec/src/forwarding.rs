use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use millstream_ports::{Action, CodecError};

use crate::frame;
use crate::learnt::Learnt;
use crate::registry::{Registry, codec_error};

/// How long a schema that the registry refused is believed to be refused, so that it is not asked for every record.
const REFUSED_FOR: Duration = Duration::from_secs(5);

/// Sees to it that records passed on as they are can be read under the topic they go to: the schema each was written with
/// is registered under that topic's subject too, once a schema.
pub struct Forwarding {
    registry: Registry,
    subject: String,
    passed: Learnt<()>,
    refused: Mutex<HashMap<u32, (Instant, CodecError)>>,
}

impl Forwarding {
    /// For records that go on to the topic of `subject`.
    pub fn to(registry: &Registry, subject: impl Into<String>) -> Self {
        let (passed, refused) = (Learnt::default(), Mutex::default());
        Self { registry: registry.clone(), subject: subject.into(), passed, refused }
    }

    /// Makes sure of the schema of one framed record. Of a schema that was seen before it takes no lock.
    ///
    /// # Errors
    /// When the bytes have no frame, or the registry does not take the schema under the subject.
    pub fn check(&self, bytes: &[u8]) -> Result<(), CodecError> {
        let (id, _) = frame::open(bytes)?;
        self.passed.get(id, || self.register(id)).copied()
    }

    fn register(&self, id: u32) -> Result<(), CodecError> {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, error)) = refused.get(&id)
            && at.elapsed() < REFUSED_FOR
        {
            return Err(error.clone());
        }
        let schema = self.registry.schema(id)?;
        self.registry.register(&self.subject, &schema.text).map(drop).map_err(|error| {
            let told = codec_error(&error);
            if error.action() == Action::Stop {
                refused.insert(id, (Instant::now(), told.clone()));
            }
            told
        })
    }
}
