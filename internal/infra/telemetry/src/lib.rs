//! Logs to the terminal, metrics for Prometheus, and traces by OTLP.
//!
//! Crates inside emit `tracing` events, hand out figures as [`millstream_ports::Meter`]s, and give spans to a
//! [`millstream_ports::Tracer`]; programs choose here where all of them go.
//!
//! ```
//! use millstream_telemetry::Exporter;
//! assert!(Exporter::new(Vec::new()).render().contains("process_start_time_seconds"));
//! ```

mod disk;
mod exporter;
mod logs;
mod spans;

pub use disk::StateDisk;
pub use exporter::Exporter;
pub use logs::{Lines, Verbosity, init_logs, init_logs_to};
pub use spans::{SpanError, SpanSettings, Spans};
