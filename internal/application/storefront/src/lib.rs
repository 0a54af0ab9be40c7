//! The shop's use cases as group graphs: filter products, complete image sets, search.

pub mod wire;
