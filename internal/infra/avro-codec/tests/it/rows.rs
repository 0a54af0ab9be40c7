//! Rows that we write, another library reads as the same, through a registry that hands the schemas out.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex};

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value as Generic;
use millstream_avro_codec::{AvroRows, Registry, frame, key_subject, value_subject};
use millstream_model::{Column, Decimal, FormatOptions, Type, Value};
use millstream_ports::{RowFormat, RowSpec, Side};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use crate::fake::{Answer, Fake, Request};

/// A registry that keeps what is posted, its ids counted from 1.
fn keeping() -> Fake {
    let kept = Mutex::new(Vec::<(String, String)>::new());
    Fake::start(move |request: &Request| -> Answer {
        let mut kept = kept.lock().unwrap();
        let parts: Vec<_> = request.path().split('/').collect();
        match (request.method(), parts.as_slice()) {
            ("POST", [_, "subjects", subject, "versions"]) => {
                let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
                kept.push(((*subject).to_owned(), body["schema"].as_str().unwrap().to_owned()));
                (200, format!(r#"{{"id":{}}}"#, kept.len()))
            }
            ("GET", [_, "schemas", "ids", id]) => Fake::schema(&kept[id.parse::<usize>().unwrap() - 1].1),
            ("GET", [_, "subjects", subject, ..]) => {
                match kept.iter().position(|(known, _)| known == subject) {
                    Some(at) => {
                        let found = serde_json::json!({"id": at + 1, "version": 1, "schema": kept[at].1});
                        (200, found.to_string())
                    }
                    None => Fake::error(404, 40401, "Subject not found"),
                }
            }
            _ => (200, "{}".to_owned()),
        }
    })
}

/// One process that writes and one that reads, with a registry between them; setting up a client for every case is slow.
static SIDES: LazyLock<(Registry, Registry)> = LazyLock::new(|| {
    let url = keeping().url();
    (Registry::new(&url).unwrap(), Registry::new(&url).unwrap())
});

/// A topic that no case has used.
fn topic() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    format!("t{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A type, and values of it or null.
fn typed() -> impl Strategy<Value = (Type, Value)> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(|v| (Type::Boolean, Value::Boolean(v))),
        any::<i32>().prop_map(|v| (Type::Int, Value::Int(v))),
        any::<i64>().prop_map(|v| (Type::Bigint, Value::Bigint(v))),
        any::<i64>().prop_map(|v| (Type::Timestamp, Value::Timestamp(v))),
        prop::num::f64::ANY.prop_map(|v| (Type::Double, Value::Double(v))),
        ".*".prop_map(|v| (Type::String, Value::text(v))),
        vec(any::<u8>(), 0..20).prop_map(|v| (Type::Bytes, Value::Bytes(v.into()))),
        (-10_i128.pow(18)..10_i128.pow(18), 0..=18_u8).prop_map(|(mantissa, scale)| {
            let value = Decimal::new(mantissa, scale);
            (Type::Decimal { precision: 18, scale }, Value::Decimal(value))
        }),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let fields = vec(inner.clone(), 1..4).prop_map(|fields| {
            let (types, values): (Vec<_>, _) = fields.into_iter().unzip();
            let named = types.into_iter().enumerate().map(|(n, ty)| Column::new(format!("f{n}"), ty));
            (Type::Struct(named.collect()), Value::Struct(values))
        });
        let list = (inner.clone(), 0..3_usize).prop_map(|((ty, value), n)| {
            (Type::Array(Box::new(ty)), Value::Array([vec![value; n], vec![Value::Null]].concat()))
        });
        let map = (inner, btree_map(".*", any::<bool>(), 0..3)).prop_map(|((ty, value), keys)| {
            let entry = |(key, is_null): (String, bool)| {
                (Value::text(key), if is_null { Value::Null } else { value.clone() })
            };
            (
                Type::Map(Box::new(Type::String), Box::new(ty)),
                Value::Map(keys.into_iter().map(entry).collect::<BTreeMap<_, _>>()),
            )
        });
        prop_oneof![fields, list, map]
    })
}

/// The value in the other library's terms: each may be null, so each is the first or the second of a union.
fn generic(ty: &Type, value: &Value) -> Generic {
    if value.is_null() {
        return Generic::Union(0, Box::new(Generic::Null));
    }
    Generic::Union(1, Box::new(bare(ty, value)))
}

fn bare(ty: &Type, value: &Value) -> Generic {
    match (ty, value) {
        (_, Value::Boolean(v)) => Generic::Boolean(*v),
        (_, Value::Int(v)) => Generic::Int(*v),
        (_, Value::Bigint(v)) => Generic::Long(*v),
        (_, Value::Timestamp(v)) => Generic::TimestampMillis(*v),
        (_, Value::Double(v)) => Generic::Double(*v),
        (_, Value::String(v)) => Generic::String(v.to_string()),
        (_, Value::Bytes(v)) => Generic::Bytes(v.to_vec()),
        (_, Value::Decimal(v)) => Generic::Decimal(shortest(v.unscaled()).into()),
        (Type::Array(item), Value::Array(items)) => {
            Generic::Array(items.iter().map(|value| generic(item, value)).collect())
        }
        (Type::Map(_, inner), Value::Map(entries)) => {
            let entries =
                entries.iter().map(|(key, value)| (key.as_text().unwrap().to_owned(), generic(inner, value)));
            Generic::Map(entries.collect::<HashMap<_, _>>())
        }
        (Type::Struct(columns), Value::Struct(values)) => record(columns, values),
        other => panic!("no value of its type: {other:?}"),
    }
}

fn record(columns: &[Column], values: &[Value]) -> Generic {
    let fields = columns.iter().zip(values);
    Generic::Record(fields.map(|(column, value)| (column.name.clone(), generic(&column.ty, value))).collect())
}

/// The fewest bytes of two's complement that hold a number.
fn shortest(number: i128) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    let spare = (0..15).take_while(|&at| {
        let sign = if number < 0 { 0xff } else { 0 };
        bytes[at] == sign && (bytes[at + 1] ^ sign) & 0x80 == 0
    });
    bytes[spare.count()..].to_vec()
}

/// Doubles that are no numbers differ from themselves in the other library's eyes, so both sides are compared as text.
fn told(value: &Generic) -> String {
    match value {
        Generic::Map(entries) => {
            let sorted: BTreeMap<_, _> = entries.iter().map(|(key, value)| (key, told(value))).collect();
            format!("{sorted:?}")
        }
        Generic::Record(fields) => {
            let pairs: Vec<_> = fields.iter().map(|(name, value)| (name, told(value))).collect();
            format!("{pairs:?}")
        }
        Generic::Array(items) => items.iter().map(|item| told(item) + ",").collect(),
        Generic::Union(place, inner) => format!("{place}:{}", told(inner)),
        other => format!("{other:?}"),
    }
}

fn spec<'a>(topic: &'a str, side: Side, columns: &'a [Column]) -> RowSpec<'a> {
    static KEYS: LazyLock<FormatOptions> = LazyLock::new(FormatOptions::bare);
    static VALUES: LazyLock<FormatOptions> = LazyLock::new(FormatOptions::default);
    RowSpec { topic, side, columns, options: if side == Side::Key { &KEYS } else { &VALUES } }
}

proptest! {
    #[test]
    fn rows_are_read_as_they_were_written_here_and_elsewhere(
        cells in vec((typed(), prop::bool::weighted(0.1)), 1..6),
        keep in vec(any::<bool>(), 6),
    ) {
        let named = cells.into_iter().enumerate();
        let (columns, row): (Vec<_>, Vec<_>) = named
            .map(|(n, ((ty, value), is_null))| (Column::new(format!("C{n}"), ty), if is_null { Value::Null } else { value }))
            .unzip();
        let ((here, there), topic) = (&*SIDES, topic());
        let mut bytes = Vec::new();
        AvroRows::new(here).writer(spec(&topic, Side::Value, &columns)).unwrap().encode(&row, &mut bytes).unwrap();

        // The other side knows only the topic: the columns come from the schema.
        let rows = AvroRows::new(there);
        let latest = there.latest(&value_subject(&topic)).unwrap().unwrap();
        let schema = Schema::parse_str(&latest.schema).unwrap();
        let (_, mut datum) = frame::open(&bytes).unwrap();
        let elsewhere = GenericDatumReader::builder(&schema).build().unwrap().read_value(&mut datum).unwrap();
        prop_assert_eq!(told(&elsewhere), told(&record(&columns, &row)));
        let inferred = rows.columns(&topic, Side::Value, None).unwrap().columns;
        prop_assert_eq!(&rows.reader(spec(&topic, Side::Value, &inferred)).unwrap().decode(&bytes).unwrap(), &row);

        // Some of the columns.
        let kept = || keep.iter().enumerate().filter(|(n, keep)| **keep && *n < row.len()).map(|(n, _)| n);
        let some: Vec<_> = kept().map(|n| inferred[n].clone()).collect();
        let expected: Vec<_> = kept().map(|n| row[n].clone()).collect();
        prop_assert_eq!(rows.reader(spec(&topic, Side::Value, &some)).unwrap().decode(&bytes).unwrap(), expected);
    }

    #[test]
    fn a_single_key_is_written_bare((ty, value) in typed()) {
        let ((here, there), topic) = (&*SIDES, topic());
        let rows = AvroRows::new(here);
        let columns = [Column::new("K", ty)];
        let mut bytes = Vec::new();
        rows.writer(spec(&topic, Side::Key, &columns)).unwrap().encode(std::slice::from_ref(&value), &mut bytes).unwrap();
        let latest = there.latest(&key_subject(&topic)).unwrap().unwrap();
        let schema = Schema::parse_str(&latest.schema).unwrap();
        let (_, mut datum) = frame::open(&bytes).unwrap();
        let elsewhere = GenericDatumReader::builder(&schema).build().unwrap().read_value(&mut datum).unwrap();
        prop_assert_eq!(told(&elsewhere), told(&bare(&columns[0].ty, &value)));
        prop_assert_eq!(rows.reader(spec(&topic, Side::Key, &columns)).unwrap().decode(&bytes), Ok(vec![value]));
    }
}

#[test]
fn a_topic_without_a_schema_says_what_to_do() {
    let said = AvroRows::new(&SIDES.1).columns("none", Side::Value, None).unwrap_err().to_string();
    assert!(said.contains("'none-value'") && said.contains("declare the columns"), "{said}");
}

/// The schema that ksqlDB has left under a subject.
const THEIRS: &str = r#"{"type": "record", "name": "KsqlDataSourceSchema", "namespace": "io.confluent.ksql.avro_schemas",
    "fields": []}"#;

#[test]
fn what_ksqldb_has_begun_is_gone_on_with_under_its_name() {
    let fake = Fake::start(|request| match request.method() {
        "POST" if request.body.contains("KsqlDataSourceSchema") => (200, r#"{"id":7}"#.to_owned()),
        "POST" => Fake::error(409, 409, "the name is another"),
        "GET" => (200, serde_json::json!({"id": 3, "version": 1, "schema": THEIRS}).to_string()),
        _ => (200, "{}".to_owned()),
    });
    let registry = Registry::new(&fake.url()).unwrap();
    let columns = [Column::new("M", Type::Map(Box::new(Type::String), Box::new(Type::Bigint)))];
    let options = FormatOptions::default();
    let spec = RowSpec { topic: "old", side: Side::Value, columns: &columns, options: &options };
    let writer = AvroRows::new(&registry).writer(spec).unwrap();
    let mut bytes = Vec::new();
    writer.encode(&[Value::Map([(Value::text("a"), Value::Bigint(1))].into())], &mut bytes).unwrap();
    assert_eq!(bytes[..5], [0, 0, 0, 0, 7]);
    let posted: serde_json::Value = serde_json::from_str(&fake.requests().last().unwrap().body).unwrap();
    let schema: serde_json::Value = serde_json::from_str(posted["schema"].as_str().unwrap()).unwrap();
    assert_eq!(schema["namespace"], "io.confluent.ksql.avro_schemas");
    assert_eq!(schema.pointer("/fields/0/type/1/items/connect.internal.type").unwrap(), "MapEntry");
    let named = FormatOptions { schema_name: Some("shop.Order".to_owned()), ..FormatOptions::default() };
    let refused = AvroRows::new(&registry).writer(RowSpec { options: &named, ..spec });
    assert!(refused.err().unwrap().to_string().contains("not compatible"));
}
