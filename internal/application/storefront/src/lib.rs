//! The shop's use cases as group graphs, and how its records are written.
//!
//! [`filter_graph`] is the stream's group: products filtered by name, and complete image sets. [`wire`] has the structs and
//! schemas of the shop's topics. [`emit_products`] is the shop's side of it, and [`open_search`] the customer's.
//!
//! What it is not: the shop's rules, which are `millstream-shop`'s, or a program.

mod emit;
mod filter;
mod search;
mod sound;
pub mod wire;

pub use emit::{Emitted, Pace, emit_products};
pub use filter::{
    CheckForward, FILTER_KEY, FilterParts, FilterTopics, ProductShape, ProductStateShape, filter_graph,
    filter_topic_of,
};
pub use search::{
    Answer, Answers, Change, PromptShape, RecommendationShape, Search, SearchError, open_search,
};
