//! The world in memory: a log, tables and a clock for tests.
