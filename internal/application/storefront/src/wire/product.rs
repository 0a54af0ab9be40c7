use std::collections::BTreeMap;

use millstream_model::Timestamp;
use millstream_shop::{Image, ImageSet, Product, ProductId, Stock, StoreId};
use serde::{Deserialize, Serialize};

use super::{PriceWire, Text, WireError, count, long};

/// A product in a topic. Fields that have a default in the schema may be missing from what an older or a newer
/// program wrote; fields it does not know are skipped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of `Product`, described there and in the schema")]
pub struct ProductWire<'a> {
    #[serde(borrow)]
    pub id: Text<'a>,
    #[serde(borrow)]
    pub name: Text<'a>,
    #[serde(borrow, default)]
    pub description: Text<'a>,
    #[serde(borrow)]
    pub price: PriceWire<'a>,
    #[serde(borrow, default)]
    pub category: Text<'a>,
    #[serde(borrow, default)]
    pub brand: Text<'a>,
    #[serde(default)]
    pub stock: StockWire,
    #[serde(borrow, default)]
    pub sku: Text<'a>,
    #[serde(borrow, default)]
    pub tags: Vec<Text<'a>>,
    #[serde(default)]
    pub image_count: i32,
    #[serde(borrow, default)]
    pub images: Vec<ImageWire<'a>>,
    #[serde(borrow, default)]
    pub specifications: BTreeMap<Text<'a>, Text<'a>>,
    #[serde(default)]
    pub created_at: i64,
    pub updated_at: i64,
    #[serde(borrow)]
    pub store_id: Text<'a>,
}

/// A product of which only the name is read; the rest is skipped without being looked at.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ProductNameWire<'a> {
    /// What it is called.
    #[serde(borrow)]
    pub name: Text<'a>,
}

/// How many pieces there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockWire {
    /// Pieces that can be bought now.
    #[serde(default)]
    pub available: i64,
    /// Pieces in somebody's basket.
    #[serde(default)]
    pub reserved: i64,
}

/// A picture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageWire<'a> {
    /// Where it is.
    #[serde(borrow)]
    pub url: Text<'a>,
    /// What it shows.
    #[serde(borrow, default)]
    pub alt: Text<'a>,
}

impl ProductWire<'_> {
    /// Whether it is a product in the domain's terms, without the copy that [`ProductWire::into_product`] makes.
    ///
    /// # Errors
    /// As [`ProductWire::into_product`].
    pub fn check(&self) -> Result<(), WireError> {
        self.price.to_money()?;
        self.stock.to_stock()?;
        image_count(self.image_count)?;
        // Only an empty one is refused, so that nothing is copied for the others.
        if self.id.as_str().is_empty() {
            ProductId::new("")?;
        }
        if self.store_id.as_str().is_empty() {
            StoreId::new("")?;
        }
        Ok(())
    }

    /// The product in the domain's terms.
    ///
    /// # Errors
    /// When an id is empty, the price is out of range or a count is below zero.
    pub fn into_product(self) -> Result<Product, WireError> {
        Ok(Product {
            price: self.price.to_money()?,
            stock: self.stock.to_stock()?,
            images: image_set(self.image_count, self.images)?,
            id: ProductId::new(self.id.into_string())?,
            name: self.name.into_string(),
            description: self.description.into_string(),
            category: self.category.into_string(),
            brand: self.brand.into_string(),
            sku: self.sku.into_string(),
            tags: self.tags.into_iter().map(Text::into_string).collect(),
            specifications: owned(self.specifications),
            created_at: Timestamp(self.created_at),
            updated_at: Timestamp(self.updated_at),
            store_id: StoreId::new(self.store_id.into_string())?,
        })
    }
}

impl<'a> From<&'a Product> for ProductWire<'a> {
    fn from(product: &'a Product) -> Self {
        Self {
            id: product.id.as_str().into(),
            name: (&product.name).into(),
            description: (&product.description).into(),
            price: (&product.price).into(),
            category: (&product.category).into(),
            brand: (&product.brand).into(),
            stock: product.stock.into(),
            sku: (&product.sku).into(),
            tags: product.tags.iter().map(Text::from).collect(),
            image_count: i32::try_from(product.images.declared()).unwrap_or(i32::MAX),
            images: product.images.images().iter().map(ImageWire::from).collect(),
            specifications: product.specifications.iter().map(|(k, v)| (k.into(), v.into())).collect(),
            created_at: product.created_at.0,
            updated_at: product.updated_at.0,
            store_id: product.store_id.as_str().into(),
        }
    }
}

impl StockWire {
    fn to_stock(self) -> Result<Stock, WireError> {
        let available = count("stock.available", self.available)?;
        Ok(Stock { available, reserved: count("stock.reserved", self.reserved)? })
    }
}

impl From<Stock> for StockWire {
    fn from(stock: Stock) -> Self {
        Self { available: long(stock.available), reserved: long(stock.reserved) }
    }
}

impl<'a> From<&'a Image> for ImageWire<'a> {
    fn from(image: &'a Image) -> Self {
        Self { url: (&image.url).into(), alt: (&image.alt).into() }
    }
}

fn image_set(declared: i32, images: Vec<ImageWire<'_>>) -> Result<ImageSet, WireError> {
    let image = |wire: ImageWire<'_>| Image { url: wire.url.into_string(), alt: wire.alt.into_string() };
    Ok(ImageSet::new(image_count(declared)?, images.into_iter().map(image).collect()))
}

fn image_count(declared: i32) -> Result<u32, WireError> {
    u32::try_from(declared).map_err(|_| WireError::Negative { field: "image_count", count: declared.into() })
}

fn owned(texts: BTreeMap<Text<'_>, Text<'_>>) -> BTreeMap<String, String> {
    texts.into_iter().map(|(key, value)| (key.into_string(), value.into_string())).collect()
}
