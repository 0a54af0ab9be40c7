use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel as Level;
use rdkafka::error::KafkaError;

/// What librdkafka says in its own log goes to ours.
pub(crate) fn log(level: Level, facility: &str, message: &str) {
    match level {
        // It tells each property that is meant for the other kind of client.
        _ if facility == "CONFWARN" => tracing::debug!(facility, "{message}"),
        Level::Emerg | Level::Alert | Level::Critical | Level::Error => tracing::warn!(facility, "{message}"),
        Level::Warning | Level::Notice => tracing::info!(facility, "{message}"),
        Level::Info | Level::Debug => tracing::debug!(facility, "{message}"),
    }
}

/// A context that only logs: for administration and for readers by position.
pub(crate) struct LogContext;

impl ClientContext for LogContext {
    fn log(&self, level: Level, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, "{reason}");
    }

    fn stats_raw(&self, _statistics: &[u8]) {}
}

impl rdkafka::consumer::ConsumerContext for LogContext {}
