use proptest::prelude::*;

use super::reading::WIDE;
use super::*;
use crate::Decimal;

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Boolean),
        any::<i32>().prop_map(Value::Int),
        any::<i64>().prop_map(Value::Bigint),
        any::<f64>().prop_map(Value::Double),
        (any::<i128>(), 0_u8..=38)
            .prop_map(|(unscaled, scale)| Value::Decimal(Decimal::new(unscaled, scale))),
        ".{0,8}".prop_map(Value::text),
        proptest::collection::vec(any::<u8>(), 0..8).prop_map(|bytes| Value::Bytes(bytes.into())),
        any::<i64>().prop_map(Value::Timestamp),
        any::<i32>().prop_map(Value::Date),
        any::<i32>().prop_map(Value::Time),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::Struct),
            proptest::collection::btree_map(inner.clone(), inner, 0..4).prop_map(Value::Map),
        ]
    })
}

fn encoded(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_value(value, &mut bytes);
    bytes
}

proptest! {
    #[test]
    fn values_round_trip(value in value()) {
        prop_assert_eq!(decode_value(&encoded(&value)), Ok(value));
    }

    #[test]
    fn rows_round_trip_and_no_row_begins_another(a in proptest::collection::vec(value(), 0..4), b in proptest::collection::vec(value(), 0..4)) {
        let (first, second) = (row_bytes(&a), row_bytes(&b));
        prop_assert_eq!(first == second, a == b);
        if a != b {
            prop_assert!(!first.starts_with(&second));
        }
        prop_assert_eq!(decode_row(&first), Ok(a));
    }

    #[test]
    fn cut_or_changed_bytes_never_panic(value in value(), cut in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = encoded(&value);
        let place = cut.index(bytes.len());
        prop_assert!(decode_value(&bytes[..place]).is_err());
        bytes[place] = byte;
        // One encoding a value: whatever still decodes encodes to the same bytes.
        if let Ok(other) = decode_value(&bytes) {
            prop_assert_eq!(encoded(&other), bytes);
        }
    }
}

#[test]
fn the_encoding_stays_what_it_was() {
    let value =
        Value::Struct(vec![Value::text("lamp"), Value::Decimal(Decimal::new(-129, 2)), Value::Bigint(64)]);
    assert_eq!(encoded(&value), [1, 14, 3, 7, 4, b'l', b'a', b'm', b'p', 6, 129, 2, 2, 4, 128, 1]);
}

#[test]
fn damage_is_told() {
    assert_eq!(decode_value(&[]), Err(ValueError::Version(None)));
    assert_eq!(decode_value(&[2, 0]), Err(ValueError::Version(Some(2))));
    assert_eq!(decode_value(&[1, 0, 0]), Err(ValueError::Long(1)));
    assert_eq!(decode_value(&[1, 7, 200, 1]), Err(ValueError::Short));
    assert_eq!(decode_value(&[1, 3, 0x80, 0]), Err(WIDE));
    let deep: Vec<u8> = std::iter::once(1).chain([12, 1].repeat(200)).collect();
    assert_eq!(decode_value(&deep), Err(ValueError::Damaged("it is nested too deeply")));
}

/// What is written and read part by part is what is written and read as a tree.
#[test]
fn parts_are_as_the_whole() {
    let row = vec![Value::Double(0.5), Value::Map([(Value::text("k"), Value::Null)].into())];
    let whole = Value::Struct(vec![
        Value::Bigint(i64::MIN),
        Value::Int(i32::MAX),
        Value::Array(vec![Value::text("a"), Value::Bytes([0, 1].into())]),
        Value::Struct(row.clone()),
    ]);
    let mut writer = ValueWriter::with_capacity(8);
    writer.fields(4);
    writer.bigint(i64::MIN);
    writer.int(i32::MAX);
    writer.elements(2);
    writer.value(&Value::text("a"));
    writer.value(&Value::Bytes([0, 1].into()));
    writer.row(&row);
    let bytes = writer.into_bytes();
    assert_eq!(bytes, whole.to_bytes());
    let mut reader = ValueReader::new(&bytes).unwrap();
    assert_eq!((reader.fields(), reader.bigint(), reader.int()), (Ok(4), Ok(i64::MIN), Ok(i32::MAX)));
    assert_eq!((reader.elements(), reader.text()), (Ok(2), Ok("a")));
    assert_eq!(reader.value(), Ok(Value::Bytes([0, 1].into())));
    assert_eq!(reader.row(), Ok(row));
    assert_eq!(reader.end(()), Ok(()));
    let mut reader = ValueReader::new(&bytes).unwrap();
    assert!(reader.bigint().is_err(), "it is a struct");
    assert_eq!(ValueReader::new(&bytes).unwrap().end(()), Err(ValueError::Long(bytes.len() - 1)));
}
