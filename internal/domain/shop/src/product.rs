use std::collections::BTreeMap;

use millstream_model::Timestamp;

use crate::{ImageSet, Money, ProductId, StoreId};

/// One version of a product, as a store announces it.
///
/// Two messages with the same `id` are versions of one product; the one with the later `updated_at` counts, and of
/// two with the same time the one that arrived later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    /// Which product this is a version of.
    pub id: ProductId,
    /// What it is called; several products may share a name.
    pub name: String,
    /// A few sentences for the buyer.
    pub description: String,
    /// What one costs.
    pub price: Money,
    /// The department it is sold in.
    pub category: String,
    /// Who makes it.
    pub brand: String,
    /// How many there are.
    pub stock: Stock,
    /// The store's own article number.
    pub sku: String,
    /// Words it is found by.
    pub tags: Vec<String>,
    /// The images that came with this version, and how many the product has in all.
    pub images: ImageSet,
    /// Properties by name, such as `height` -> `42 cm`.
    pub specifications: BTreeMap<String, String>,
    /// When the product was first announced.
    pub created_at: Timestamp,
    /// When this version was made.
    pub updated_at: Timestamp,
    /// Which store offers it.
    pub store_id: StoreId,
}

/// How many pieces a store has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stock {
    /// Pieces that can be bought now.
    pub available: u64,
    /// Pieces that are in somebody's basket.
    pub reserved: u64,
}
