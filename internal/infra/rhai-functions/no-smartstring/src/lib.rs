//! Nothing: rhai depends on a crate of this name in any case, and has its strings from `compact_str` where it is told to.
//! The real one is under a licence that is not permissive (MPL-2.0).
