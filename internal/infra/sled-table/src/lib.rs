//! Group tables in sled.
