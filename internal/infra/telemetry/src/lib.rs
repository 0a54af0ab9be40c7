//! Logs to the terminal and metrics for Prometheus.
