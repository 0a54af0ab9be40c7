use std::borrow::Cow;
use std::collections::BTreeMap;

use millstream::Shape;
use serde::{Deserialize, Serialize};

/// The schema that the benchmark's products are written with.
pub(crate) const SCHEMA: &str = r#"{"type": "record", "name": "Product", "namespace": "peers.avro", "fields": [
  {"name": "product_id", "type": "string"}, {"name": "name", "type": "string"}, {"name": "description", "type": "string"},
  {"name": "price", "type": {"type": "record", "name": "Price", "fields": [
    {"name": "amount", "type": "double"}, {"name": "currency", "type": "string"}]}},
  {"name": "category", "type": "string"}, {"name": "brand", "type": "string"},
  {"name": "stock", "type": {"type": "record", "name": "Stock", "fields": [
    {"name": "available", "type": "long"}, {"name": "reserved", "type": "long"}]}},
  {"name": "sku", "type": "string"}, {"name": "tags", "type": {"type": "array", "items": "string"}},
  {"name": "images", "type": {"type": "array", "items": {"type": "record", "name": "Image", "fields": [
    {"name": "url", "type": "string"}, {"name": "alt", "type": "string"}]}}},
  {"name": "specifications", "type": {"type": "map", "values": "string"}},
  {"name": "created_at", "type": "string"}, {"name": "updated_at", "type": "string"}, {"name": "store_id", "type": "string"}]}"#;

/// Products that borrow their texts from the record.
pub(crate) struct ProductShape;

impl Shape for ProductShape {
    type Of<'a> = Product<'a>;
}

/// A text that is borrowed wherever it stands; serde borrows a bare `Cow` only as a struct's own field.
#[derive(Deserialize, Serialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(transparent)]
pub(crate) struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[expect(clippy::struct_field_names, reason = "the names are the schema's")]
#[derive(Deserialize, Serialize)]
pub(crate) struct Product<'a> {
    #[serde(borrow)]
    pub(crate) product_id: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) name: Cow<'a, str>,
    #[serde(borrow)]
    description: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) price: Price<'a>,
    #[serde(borrow)]
    pub(crate) category: Cow<'a, str>,
    #[serde(borrow)]
    brand: Cow<'a, str>,
    stock: Stock,
    #[serde(borrow)]
    sku: Cow<'a, str>,
    #[serde(borrow)]
    tags: Vec<Text<'a>>,
    #[serde(borrow)]
    images: Vec<Image<'a>>,
    #[serde(borrow)]
    specifications: BTreeMap<Text<'a>, Text<'a>>,
    #[serde(borrow)]
    created_at: Cow<'a, str>,
    #[serde(borrow)]
    updated_at: Cow<'a, str>,
    #[serde(borrow)]
    store_id: Cow<'a, str>,
}

#[derive(Deserialize, Serialize)]
pub(crate) struct Price<'a> {
    pub(crate) amount: f64,
    #[serde(borrow)]
    currency: Cow<'a, str>,
}

#[derive(Deserialize, Serialize)]
struct Stock {
    available: i64,
    reserved: i64,
}

#[derive(Deserialize, Serialize)]
struct Image<'a> {
    #[serde(borrow)]
    url: Cow<'a, str>,
    #[serde(borrow)]
    alt: Cow<'a, str>,
}
