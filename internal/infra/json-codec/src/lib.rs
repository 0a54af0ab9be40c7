//! JSON documents as a codec.
