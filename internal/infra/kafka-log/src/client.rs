use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel as Level;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

/// What librdkafka says in its own log goes to ours.
pub(crate) fn log(level: Level, facility: &str, message: &str) {
    match level {
        // It tells each property that is meant for the other kind of client.
        _ if facility == "CONFWARN" => tracing::debug!(facility, "{message}"),
        // Connections that fail come as complaints too, where each is told once.
        _ if facility == "FAIL" || facility == "ERROR" => tracing::debug!(facility, "{message}"),
        Level::Emerg | Level::Alert | Level::Critical | Level::Error | Level::Warning => {
            tracing::warn!(facility, "{message}");
        }
        Level::Notice => tracing::info!(facility, "{message}"),
        Level::Info | Level::Debug => tracing::debug!(facility, "{message}"),
    }
}

/// What is wrong with a client's connections and topics, as librdkafka complains of it. Each kind of trouble is logged
/// once, until the client works again; librdkafka itself goes on trying.
#[derive(Default)]
pub(crate) struct Complaints {
    is_troubled: AtomicBool,
    heard: Mutex<Vec<(Code, String)>>,
}

impl Complaints {
    pub(crate) fn hear(&self, error: &KafkaError, reason: &str) {
        let Some(code) = error.rdkafka_error_code().filter(|code| *code != Code::PartitionEOF) else {
            return;
        };
        let mut heard = self.heard();
        self.is_troubled.store(true, Ordering::Relaxed);
        if let Some((_, last)) = heard.iter_mut().find(|(known, _)| *known == code) {
            reason.clone_into(last);
        } else {
            tracing::warn!(kafka = %code, "{reason}");
            heard.push((code, reason.to_owned()));
        }
    }

    /// The client works: what it complained of is over.
    pub(crate) fn settle(&self) {
        if self.is_troubled.swap(false, Ordering::Relaxed) {
            self.heard().clear();
            tracing::info!("kafka answers again");
        }
    }

    /// What a person has to mend, if the brokers don't let the client in: then it waits for nothing.
    pub(crate) fn refusal(&self) -> Option<Code> {
        let closed = [Code::Authentication, Code::SaslAuthenticationFailed, Code::SSL];
        self.heard().iter().map(|(code, _)| *code).find(|code| closed.contains(code))
    }

    fn heard(&self) -> MutexGuard<'_, Vec<(Code, String)>> {
        locked(&self.heard)
    }
}

/// A lock whose holder may have panicked: what it guards is whole after each step.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// All that is wrong, in parentheses, for a message that would otherwise only say that something is.
impl fmt::Display for Complaints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let heard = self.heard();
        let reasons: Vec<_> = heard.iter().map(|(_, reason)| reason.as_str()).collect();
        if reasons.is_empty() { Ok(()) } else { write!(f, " ({})", reasons.join("; ")) }
    }
}

/// A context that only takes in what is told: for administration and for readers by position.
#[derive(Default)]
pub(crate) struct PlainContext {
    pub(crate) complaints: Complaints,
}

impl ClientContext for PlainContext {
    fn log(&self, level: Level, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.complaints.hear(&error, reason);
    }

    fn stats_raw(&self, _statistics: &[u8]) {}
}

impl rdkafka::consumer::ConsumerContext for PlainContext {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_are_kept_by_kind_until_the_client_works() {
        let complaints = Complaints::default();
        let transport = KafkaError::Global(Code::BrokerTransportFailure);
        complaints.hear(&KafkaError::Global(Code::PartitionEOF), "the end is no trouble");
        assert_eq!(complaints.to_string(), "");
        complaints.hear(&transport, "a:9092 refused");
        complaints.hear(&transport, "b:9092 refused");
        complaints.hear(&KafkaError::Global(Code::AllBrokersDown), "2/2 brokers are down");
        assert_eq!(complaints.to_string(), " (b:9092 refused; 2/2 brokers are down)");
        assert_eq!(complaints.refusal(), None, "they may come up");
        complaints.hear(&KafkaError::Global(Code::Authentication), "wrong");
        assert_eq!(complaints.refusal(), Some(Code::Authentication));
        complaints.settle();
        assert_eq!((complaints.to_string(), complaints.refusal()), (String::new(), None));
    }
}
