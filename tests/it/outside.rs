//! Topics as another client sees them: librdkafka by itself, and Avro by `apache-avro` with schemas fetched from the registry.

use std::collections::HashMap;
use std::time::Duration;

use apache_avro::types::Value;
use apache_avro::{Schema, from_avro_datum};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedMessage, Headers};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};

use crate::stack::Stack;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seen {
    pub partition: i32,
    pub offset: i64,
    pub key: Vec<u8>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, String)>,
}

impl Seen {
    /// The last header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

fn headers_of(message: &BorrowedMessage<'_>) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
    headers.map(|header| (header.key.to_owned(), header.value.map(text).unwrap_or_default())).collect()
}

/// Every committed record of a topic, up to its end as of now, by partition and offset.
pub fn read_all(stack: &Stack, topic: &str) -> Vec<Seen> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", stack.brokers())
        .set("group.id", "outside")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .create()
        .unwrap();
    let wait = Duration::from_secs(30);
    let metadata = consumer.fetch_metadata(Some(topic), wait).unwrap();
    let partitions = metadata.topics()[0].partitions().len();
    let mut list = TopicPartitionList::new();
    for partition in 0..i32::try_from(partitions).unwrap() {
        list.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&list).unwrap();
    let (mut seen, mut ended) = (Vec::new(), 0);
    while ended < partitions {
        match consumer.poll(wait).expect("the broker answers") {
            Ok(message) => seen.push(Seen {
                partition: message.partition(),
                offset: message.offset(),
                key: message.key().unwrap_or_default().to_vec(),
                value: message.payload().map(<[u8]>::to_vec),
                headers: headers_of(&message),
            }),
            Err(rdkafka::error::KafkaError::PartitionEOF(_)) => ended += 1,
            Err(error) => panic!("{topic}: {error}"),
        }
    }
    seen.sort();
    seen
}

/// Decodes framed Avro with the schemas that the registry has.
pub struct Avro {
    registry: String,
    schemas: HashMap<u32, Schema>,
}

impl Avro {
    pub fn of(stack: &Stack) -> Self {
        Self { registry: stack.registry(), schemas: HashMap::new() }
    }

    pub fn decode(&mut self, framed: &[u8]) -> Value {
        assert_eq!(framed[0], 0, "the frame's first byte");
        let id = u32::from_be_bytes(framed[1..5].try_into().unwrap());
        let schema = self.schemas.entry(id).or_insert_with(|| {
            let answer = reqwest::blocking::get(format!("{}/schemas/ids/{id}", self.registry)).unwrap();
            let body: serde_json::Value = serde_json::from_str(&answer.text().unwrap()).unwrap();
            Schema::parse_str(body["schema"].as_str().unwrap()).unwrap()
        });
        from_avro_datum(schema, &mut &framed[5..], None).unwrap()
    }
}

/// A record's field; a union is its value.
pub fn field<'v>(value: &'v Value, name: &str) -> &'v Value {
    let Value::Record(fields) = bare(value) else { panic!("no record: {value:?}") };
    bare(
        &fields.iter().find(|(field, _)| field == name).unwrap_or_else(|| panic!("no {name} in {value:?}")).1,
    )
}

pub fn bare(value: &Value) -> &Value {
    match value {
        Value::Union(_, inner) => bare(inner),
        other => other,
    }
}

pub fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    match field(value, name) {
        Value::String(text) => text,
        other => panic!("{name} is {other:?}"),
    }
}

pub fn long(value: &Value, name: &str) -> i64 {
    match field(value, name) {
        Value::Long(number) | Value::TimestampMillis(number) => *number,
        other => panic!("{name} is {other:?}"),
    }
}

/// A decimal of two digits behind the point, in hundredths.
pub fn hundredths(value: &Value) -> i64 {
    match bare(value) {
        Value::Decimal(decimal) => {
            let bytes: Vec<u8> = decimal.clone().try_into().unwrap();
            let sign = if bytes[0] & 0x80 == 0 { 0 } else { -1_i64 };
            bytes.iter().fold(sign, |number, byte| (number << 8) | i64::from(*byte))
        }
        other => panic!("no decimal: {other:?}"),
    }
}
