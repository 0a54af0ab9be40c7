use std::num::NonZeroU32;

use millstream_avro_codec::WriterSchema;
use millstream_model::{Offset, Timestamp};
use millstream_shop::{
    Catalogue, Currency, Money, Offer, Product, ProductId, ProductState, Prompt, Recommendation, StoreId,
};
use proptest::prelude::*;
use rust_decimal::Decimal;
use serde::Serialize;

use super::*;

const RECOMMENDATION_AS_A_RULE_WRITES_IT: &str = r#"{"type": "record", "name": "KsqlDataSourceSchema", "fields": [
    {"name": "USER", "type": ["null", "string"]}, {"name": "PROMPT", "type": ["null", "string"]},
    {"name": "PRODUCTS", "type": ["null", {"type": "array", "items": ["null", {"type": "record", "name": "P", "fields": [
        {"name": "ID", "type": ["null", "string"]}, {"name": "NAME", "type": ["null", "string"]},
        {"name": "PRICE", "type": ["null", {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}]},
        {"name": "CURRENCY", "type": ["null", "string"]}, {"name": "BRAND", "type": ["null", "string"]}]}]}]}]}"#;

fn avro(value: &impl Serialize, schema: &str) -> Vec<u8> {
    WriterSchema::parse(schema).unwrap().to_datum(value).unwrap()
}

fn read<'a, T: serde::Deserialize<'a>>(bytes: &'a [u8], schema: &str) -> T {
    WriterSchema::parse(schema).unwrap().from_datum(bytes).unwrap()
}

fn products(seed: u64, count: u64) -> impl Iterator<Item = Product> {
    Catalogue::new(seed, NonZeroU32::new(3).unwrap(), count).map(|emission| emission.product)
}

fn priced(hundredths: i64, currency: Currency) -> Product {
    let price = Money::from_hundredths(hundredths, currency).unwrap();
    Product { price, ..products(1, 1).next().unwrap() }
}

proptest! {
    #[test]
    fn a_product_survives_avro(seed: u64) {
        for product in products(seed, 5) {
            let bytes = avro(&ProductWire::from(&product), PRODUCT_SCHEMA);
            let back: ProductWire<'_> = read(&bytes, PRODUCT_SCHEMA);
            prop_assert_eq!(back.check(), Ok(()));
            prop_assert_eq!(back.into_product(), Ok(product));
        }
    }

    #[test]
    fn every_amount_survives_avro(hundredths in 0i64..=999_999_999_999) {
        let product = priced(hundredths, Currency::RUB);
        let bytes = avro(&ProductWire::from(&product), PRODUCT_SCHEMA);
        let back: ProductWire<'_> = read(&bytes, PRODUCT_SCHEMA);
        prop_assert_eq!(back.price.to_money(), Ok(product.price));
    }
}

#[test]
fn amounts_at_the_edge_of_a_byte_survive_avro() {
    for hundredths in [0, 1, 99, 127, 128, 255, 256, 12_800, 32_767, 32_768, 65_535, 65_536, 999_999_999_999]
    {
        let product = priced(hundredths, Currency::EUR);
        let bytes = avro(&ProductWire::from(&product), PRODUCT_SCHEMA);
        let back: ProductWire<'_> = read(&bytes, PRODUCT_SCHEMA);
        assert_eq!(back.price.to_money(), Ok(product.price), "{hundredths}");
    }
}

#[test]
fn decoding_copies_no_text() {
    let product = products(4, 20).find(|product| product.tags.len() > 1).unwrap();
    let bytes = avro(&ProductWire::from(&product), PRODUCT_SCHEMA);
    let wire: ProductWire<'_> = read(&bytes, PRODUCT_SCHEMA);
    let texts = [&wire.id, &wire.name, &wire.description, &wire.price.currency, &wire.sku, &wire.store_id];
    assert!(texts.into_iter().all(Text::is_borrowed));
    assert!(wire.tags.iter().all(Text::is_borrowed));
    assert!(wire.images.iter().all(|image| image.url.is_borrowed() && image.alt.is_borrowed()));
    assert!(wire.specifications.iter().all(|(key, value)| key.is_borrowed() && value.is_borrowed()));
}

#[test]
fn the_name_is_read_without_the_rest() {
    for product in products(5, 20) {
        let bytes = avro(&ProductWire::from(&product), PRODUCT_SCHEMA);
        let name: ProductNameWire<'_> = read(&bytes, PRODUCT_SCHEMA);
        assert_eq!(name.name.as_str(), product.name);
        assert!(name.name.is_borrowed());
    }
}

/// Another Avro library reads the same from the bytes, and accepts the schema with its defaults.
#[test]
fn an_independent_reader_agrees() {
    use apache_avro::types::Value;
    let product = priced(12_990, Currency::EUR);
    let bytes = avro(&ProductWire::from(&product), PRODUCT_SCHEMA);
    let schema = apache_avro::Schema::parse_str(PRODUCT_SCHEMA).unwrap();
    let reader = apache_avro::reader::datum::GenericDatumReader::builder(&schema).build().unwrap();
    let Value::Record(fields) = reader.read_value(&mut bytes.as_slice()).unwrap() else {
        panic!("no record")
    };
    let field = |name: &str| fields.iter().find(|(field, _)| field == name).map(|(_, value)| value).unwrap();
    assert_eq!(field("name"), &Value::String(product.name.clone()));
    assert_eq!(field("updated_at"), &Value::TimestampMillis(product.updated_at.0));
    let Value::Record(price) = field("price") else { panic!("no record") };
    let Value::Decimal(amount) = &price[0].1 else { panic!("no decimal") };
    assert_eq!(Vec::<u8>::try_from(amount).unwrap(), 12_990i16.to_be_bytes());
}

#[test]
fn fields_an_older_writer_did_not_know_are_defaulted() {
    let old = r#"{"type": "record", "name": "Product", "namespace": "millstream.shop", "fields": [
        {"name": "store_id", "type": "string"}, {"name": "id", "type": "string"}, {"name": "name", "type": "string"},
        {"name": "price", "type": {"type": "record", "name": "Price", "fields": [
            {"name": "amount", "type": {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}},
            {"name": "currency", "type": "string"}]}},
        {"name": "weight_g", "type": "int"}, {"name": "updated_at", "type": "long"}]}"#;
    let price = serde_json::json!({"amount": "9.90", "currency": "USD"});
    let bytes = avro(
        &serde_json::json!({"store_id": "s", "id": "p", "name": "Lamp", "price": price, "weight_g": 5, "updated_at": 7}),
        old,
    );
    let product = read::<ProductWire<'_>>(&bytes, old).into_product().unwrap();
    assert_eq!(
        (product.name.as_str(), product.price.hundredths(), product.brand.as_str()),
        ("Lamp", 990, "")
    );
    assert!(product.images.is_complete() && product.specifications.is_empty());
}

/// The state's schema writes the product's out in full, because a schema file stands alone.
#[test]
fn the_states_schema_holds_the_products() {
    let parsed = |schema: &str| serde_json::from_str::<serde_json::Value>(schema).unwrap();
    assert_eq!(parsed(PRODUCT_STATE_SCHEMA)["fields"][0]["type"], parsed(PRODUCT_SCHEMA));
}

#[test]
fn a_state_survives_avro() {
    let mut complete = 0;
    for (product, at) in products(6, 40).zip(0..) {
        let mut slot = None;
        ProductState::observe(&mut slot, product, Offset(at));
        let state = slot.unwrap();
        complete += usize::from(state.completed_at().is_some());
        let bytes = avro(&ProductStateWire::from(&state), PRODUCT_STATE_SCHEMA);
        let back: ProductStateWire<'_> = read(&bytes, PRODUCT_STATE_SCHEMA);
        assert_eq!(back.into_state(), Ok(state));
    }
    assert!((1..40).contains(&complete), "both kinds of state were tried");
}

#[test]
fn a_prompt_survives_avro() {
    let prompt = Prompt::new("Настольная лампа", "ann", Timestamp(1_767_225_600_000)).unwrap();
    let bytes = avro(&PromptWire::from(&prompt), PROMPT_SCHEMA);
    assert_eq!(read::<PromptWire<'_>>(&bytes, PROMPT_SCHEMA).to_prompt(), Ok(prompt));
    assert_eq!(avro(&"ab", KEY_SCHEMA), b"\x04ab");
}

#[test]
fn a_recommendation_is_read_as_a_rule_writes_it() {
    let product = |brand: serde_json::Value| serde_json::json!({"ID": "p-1", "NAME": "Oak desk lamp", "PRICE": "129.90", "CURRENCY": "EUR", "BRAND": brand});
    let products = [product("Halden".into()), product(serde_json::Value::Null)];
    let written = serde_json::json!({"USER": "ann", "PROMPT": "Oak desk lamp", "PRODUCTS": products});
    let bytes = avro(&written, RECOMMENDATION_AS_A_RULE_WRITES_IT);
    let wire: RecommendationWire<'_> = read(&bytes, RECOMMENDATION_AS_A_RULE_WRITES_IT);
    let offer = |brand: &str| Offer {
        id: ProductId::new("p-1").unwrap(),
        name: "Oak desk lamp".into(),
        price: Money::from_hundredths(12_990, Currency::EUR).unwrap(),
        brand: brand.into(),
        store_id: None,
    };
    let products = vec![offer("Halden"), offer("")];
    let expected = Recommendation { user: "ann".into(), prompt: "Oak desk lamp".into(), products };
    assert_eq!(wire.into_recommendation(), Ok(expected));
}

#[test]
fn a_recommendation_survives_its_wire_shape() {
    let offer = Offer {
        id: ProductId::new("p-1").unwrap(),
        name: "Lamp".into(),
        price: Money::from_hundredths(5, Currency::USD).unwrap(),
        brand: "Halden".into(),
        store_id: Some(StoreId::new("store-01").unwrap()),
    };
    let recommendation = Recommendation { user: "ann".into(), prompt: "Lamp".into(), products: vec![offer] };
    let json = serde_json::to_string(&RecommendationWire::from(&recommendation)).unwrap();
    let back: RecommendationWire<'_> = serde_json::from_str(&json).unwrap();
    assert_eq!(back.into_recommendation(), Ok(recommendation));
    assert!(json.contains(r#""price":"0.05","currency":"USD""#), "{json}");
}

#[test]
fn what_breaks_a_rule_of_the_domain_is_refused_with_the_reason() {
    let product = products(1, 1).next().unwrap();
    let refused = |spoil: fn(&mut ProductWire<'_>)| {
        let mut wire = ProductWire::from(&product);
        spoil(&mut wire);
        let checked = wire.check();
        let message = wire.into_product().unwrap_err().to_string();
        assert_eq!(checked.unwrap_err().to_string(), message, "a check finds what a conversion finds");
        message
    };
    let cases = [
        (refused(|wire| wire.id = "".into()), "a product id is empty"),
        (refused(|wire| wire.store_id = "".into()), "a store id is empty"),
        (refused(|wire| wire.stock.reserved = -1), "'stock.reserved' is -1"),
        (refused(|wire| wire.image_count = -2), "'image_count' is -2"),
        (refused(|wire| wire.price.amount = Decimal::new(1, 3)), "the amount 0.001 does not fit"),
        (
            refused(|wire| wire.price.amount = Decimal::MAX),
            "the amount 79228162514264337593543950335 does not fit",
        ),
        (refused(|wire| wire.price.amount = Decimal::new(-1, 2)), "an amount of -1 hundredths is outside"),
        (refused(|wire| wire.price.currency = "eur".into()), "'eur' is not a currency"),
    ];
    for (message, expected) in cases {
        assert!(message.starts_with(expected), "{message}");
    }
}
