//! The HTTP face of a long-running program: metrics, health and readiness.
