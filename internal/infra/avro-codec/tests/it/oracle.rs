//! What we write, another library reads as the same, and the reverse.

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use millstream_avro_codec::{Avro, AvroBorrowed, frame};
use millstream_ports::Codec;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use crate::product::{Borrowed, Image, Price, Product, SCHEMA, Stock, lamp};

pub(crate) fn bytes_of<C: Codec>(codec: &C, value: &C::Value<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    codec.encode(value, &mut out).unwrap();
    out
}

fn owned() -> Avro<Product<String>> {
    Avro::fixed(9, SCHEMA).unwrap()
}

fn record(fields: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    Value::Record(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

/// The product in the other library's terms.
fn generic(product: &Product<String>) -> Value {
    let category = product.category.as_deref();
    let image = |image: &Image<String>| record([("url", text(&image.url)), ("alt", text(&image.alt))]);
    record([
        ("id", text(&product.id)),
        ("name", text(&product.name)),
        ("description", text(&product.description)),
        (
            "price",
            record([
                ("amount", Value::Double(product.price.amount)),
                ("currency", text(&product.price.currency)),
            ]),
        ),
        (
            "category",
            Value::Union(u32::from(category.is_some()), Box::new(category.map_or(Value::Null, text))),
        ),
        ("brand", text(&product.brand)),
        (
            "stock",
            record([
                ("available", Value::Long(product.stock.available)),
                ("reserved", Value::Int(product.stock.reserved)),
            ]),
        ),
        ("sku", text(&product.sku)),
        ("tags", Value::Array(product.tags.iter().map(|tag| text(tag)).collect())),
        ("images", Value::Array(product.images.iter().map(image).collect())),
        (
            "specifications",
            Value::Map(product.specifications.iter().map(|(k, v)| (k.clone(), text(v))).collect()),
        ),
        ("created_at", Value::TimestampMillis(product.created_at)),
        ("active", Value::Boolean(product.active)),
        ("store_id", text(&product.store_id)),
    ])
}

prop_compose! {
    fn images()(pairs in vec((".*", ".*"), 0..4)) -> Vec<Image<String>> {
        pairs.into_iter().map(|(url, alt)| Image { url, alt }).collect()
    }
}

prop_compose! {
    fn products()(
        texts in vec(".*", 7),
        (amount, available, reserved) in (prop::num::f64::NORMAL | prop::num::f64::ZERO, any::<i64>(), any::<i32>()),
        category in proptest::option::of(".*"),
        tags in vec(".*", 0..5),
        images in images(),
        specifications in btree_map(".*", ".*", 0..5),
        (created_at, active) in (any::<i64>(), any::<bool>()),
    ) -> Product<String> {
        let [id, name, description, currency, brand, sku, store_id] = texts.try_into().unwrap();
        Product {
            id, name, description, category, brand, sku, tags, images, specifications, created_at, active, store_id,
            price: Price { amount, currency },
            stock: Stock { available, reserved },
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_here_is_read_the_same_elsewhere(product in products()) {
        let bytes = bytes_of(&owned(), &product);
        let (id, mut datum) = frame::open(&bytes).unwrap();
        let schema = Schema::parse_str(SCHEMA).unwrap();
        let reader = GenericDatumReader::builder(&schema).build().unwrap();
        prop_assert_eq!(reader.read_value(&mut datum).unwrap(), generic(&product));
        prop_assert_eq!((id, datum.len()), (9, 0));
    }

    #[test]
    fn what_is_written_elsewhere_is_read_the_same_here(product in products()) {
        let schema = Schema::parse_str(SCHEMA).unwrap();
        let writer = GenericDatumWriter::builder(&schema).build().unwrap();
        let mut bytes = Vec::new();
        frame::begin(9, &mut bytes);
        writer.write_value(&mut bytes, generic(&product)).unwrap();
        prop_assert_eq!(&owned().decode(&bytes), &Ok(product.clone()));
        let borrowing = AvroBorrowed::<Borrowed>::fixed(9, SCHEMA).unwrap();
        prop_assert_eq!(borrowing.decode(&bytes), Ok(product.borrowed()));
    }

    #[test]
    fn a_borrowing_codec_writes_the_same_bytes(product in products()) {
        let borrowing = AvroBorrowed::<Borrowed>::fixed(9, SCHEMA).unwrap();
        prop_assert_eq!(bytes_of(&borrowing, &product.borrowed()), bytes_of(&owned(), &product));
    }

    /// Refused or read, but never a panic, and nothing is allocated that the bytes do not hold.
    #[test]
    fn any_bytes_at_all_are_answered(noise in vec(any::<u8>(), 0..200)) {
        let mut bytes = Vec::new();
        frame::begin(9, &mut bytes);
        bytes.extend(noise);
        if let Ok(product) = owned().decode(&bytes) {
            prop_assert_eq!(owned().decode(&bytes_of(&owned(), &product)), Ok(product));
        }
    }

    #[test]
    fn a_flipped_bit_is_answered(place in 0..300_usize, bit in 0..8_u8) {
        let mut bytes = bytes_of(&owned(), &lamp());
        let place = place % bytes.len();
        bytes[place] ^= 1 << bit;
        prop_assert_ne!(owned().decode(&bytes), Ok(lamp()));
    }
}

#[test]
fn texts_are_borrowed_from_the_bytes() {
    let bytes = bytes_of(&owned(), &lamp());
    let codec = AvroBorrowed::<Borrowed>::fixed(9, SCHEMA).unwrap();
    let product = codec.decode(&bytes).unwrap();
    let held = bytes.as_ptr_range();
    let lists = product.tags.iter().chain(product.specifications.keys());
    for text in [product.id, product.store_id, product.price.currency].iter().chain(lists) {
        assert!(held.contains(&text.as_ptr()), "{text} was copied");
    }
}

#[test]
fn a_record_cut_anywhere_or_with_more_behind_it_is_refused() {
    let mut bytes = bytes_of(&owned(), &lamp());
    for cut in 0..bytes.len() {
        assert!(owned().decode(&bytes[..cut]).is_err(), "cut at {cut} of {}", bytes.len());
    }
    bytes.push(0);
    let said = owned().decode(&bytes).unwrap_err().to_string();
    assert_eq!(said, "not the Avro of schema 9: bytes are left after its end");
}

#[test]
fn a_list_that_claims_more_than_the_bytes_can_hold_is_refused_at_once() {
    let nulls = Avro::<Vec<()>>::fixed(9, r#"{"type": "array", "items": "null"}"#).unwrap();
    let mut bytes = vec![0, 0, 0, 0, 9];
    // A block of 900,000,000 elements that take no bytes, and the end.
    bytes.extend([0x80, 0xd2, 0xa5, 0xda, 0x06, 0]);
    let said = nulls.decode(&bytes).unwrap_err().to_string();
    assert!(said.contains("more elements than its bytes can hold"), "{said}");
}

#[test]
fn an_id_that_is_not_known_is_refused_by_its_number() {
    let mut bytes = bytes_of(&owned(), &lamp());
    bytes[4] = 77;
    assert_eq!(owned().decode(&bytes).unwrap_err().to_string(), "no schema with id 77 is known");
}
