//! Logs to the terminal and metrics for Prometheus.
//!
//! Crates inside emit `tracing` events and hand out figures as [`millstream_ports::Meter`]s; programs choose here where
//! both go.
//!
//! ```
//! use millstream_telemetry::Exporter;
//! assert!(Exporter::new(Vec::new()).render().contains("process_start_time_seconds"));
//! ```

mod exporter;
mod logs;

pub use exporter::Exporter;
pub use logs::{Lines, Verbosity, init_logs, init_logs_to};
