//! A product as shops announce it; its texts are owned or borrowed, as `T` has it. The benchmark reads it too.

use std::collections::BTreeMap;

use millstream_ports::Shape;
use serde::{Deserialize, Serialize};

pub(crate) const SCHEMA: &str = r#"{"type": "record", "name": "Product", "namespace": "test", "fields": [
  {"name": "id", "type": "string"}, {"name": "name", "type": "string"}, {"name": "description", "type": "string"},
  {"name": "price", "type": {"type": "record", "name": "Price", "fields": [
    {"name": "amount", "type": "double"}, {"name": "currency", "type": "string"}]}},
  {"name": "category", "type": ["null", "string"]}, {"name": "brand", "type": "string"},
  {"name": "stock", "type": {"type": "record", "name": "Stock", "fields": [
    {"name": "available", "type": "long"}, {"name": "reserved", "type": "int"}]}},
  {"name": "sku", "type": "string"}, {"name": "tags", "type": {"type": "array", "items": "string"}},
  {"name": "images", "type": {"type": "array", "items": {"type": "record", "name": "Image", "fields": [
    {"name": "url", "type": "string"}, {"name": "alt", "type": "string"}]}}},
  {"name": "specifications", "type": {"type": "map", "values": "string"}},
  {"name": "created_at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
  {"name": "active", "type": "boolean"}, {"name": "store_id", "type": "string"}]}"#;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de> + Ord"))]
pub(crate) struct Product<T> {
    pub(crate) id: T,
    pub(crate) name: T,
    pub(crate) description: T,
    pub(crate) price: Price<T>,
    pub(crate) category: Option<T>,
    pub(crate) brand: T,
    pub(crate) stock: Stock,
    pub(crate) sku: T,
    pub(crate) tags: Vec<T>,
    pub(crate) images: Vec<Image<T>>,
    pub(crate) specifications: BTreeMap<T, T>,
    pub(crate) created_at: i64,
    pub(crate) active: bool,
    pub(crate) store_id: T,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Price<T> {
    pub(crate) amount: f64,
    pub(crate) currency: T,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stock {
    pub(crate) available: i64,
    pub(crate) reserved: i32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Image<T> {
    pub(crate) url: T,
    pub(crate) alt: T,
}

/// Products that borrow their texts.
pub(crate) struct Borrowed;

impl Shape for Borrowed {
    type Of<'a> = Product<&'a str>;
}

impl Product<String> {
    /// The same, borrowing.
    pub(crate) fn borrowed(&self) -> Product<&str> {
        Product {
            id: &self.id,
            name: &self.name,
            description: &self.description,
            price: Price { amount: self.price.amount, currency: &self.price.currency },
            category: self.category.as_deref(),
            brand: &self.brand,
            stock: self.stock.clone(),
            sku: &self.sku,
            tags: self.tags.iter().map(String::as_str).collect(),
            images: self.images.iter().map(|Image { url, alt }| Image { url: &**url, alt: &**alt }).collect(),
            specifications: self.specifications.iter().map(|(key, value)| (&**key, &**value)).collect(),
            created_at: self.created_at,
            active: self.active,
            store_id: &self.store_id,
        }
    }
}

/// One of ordinary size.
pub(crate) fn lamp() -> Product<String> {
    let text = str::to_owned;
    let image = |n| Image {
        url: format!("https://images.example/p-000041/{n}.jpg"),
        alt: format!("Oak desk lamp, view {n}"),
    };
    let specifications = [("material", "oak"), ("height", "41 cm"), ("socket", "E27"), ("cable", "1.8 m")];
    Product {
        id: text("p-000041"),
        name: text("Oak desk lamp"),
        description: text(
            "A desk lamp of oiled oak with a linen shade; it turns by 270 degrees and dims in steps.",
        ),
        price: Price { amount: 129.9, currency: text("EUR") },
        category: Some(text("lighting")),
        brand: text("Halden"),
        stock: Stock { available: 120, reserved: 7 },
        sku: text("HAL-LMP-0041"),
        tags: ["lamp", "oak", "desk"].map(text).to_vec(),
        images: (1..=3).map(image).collect(),
        specifications: specifications.map(|(key, value)| (text(key), text(value))).into(),
        created_at: 1_767_225_600_000,
        active: true,
        store_id: text("store-01"),
    }
}
