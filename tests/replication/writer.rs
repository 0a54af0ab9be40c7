//! Writes what the programs do not: tombstones, newer schemas, and what can't be read.

use std::time::Duration;

use apache_avro::types::Value;
use apache_avro::{Schema, to_avro_datum};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::{Value as Json, json};

use crate::outside::{Avro, Seen, read_all};
use crate::stack::Stack;

pub struct Writer<'s> {
    stack: &'s Stack,
    topic: String,
    producer: BaseProducer,
    /// What was there at first.
    before: Vec<Seen>,
}

impl<'s> Writer<'s> {
    pub fn on(stack: &'s Stack, topic: &str) -> Self {
        let producer = ClientConfig::new()
            .set("bootstrap.servers", stack.brokers())
            .set("partitioner", "murmur2")
            .create();
        let before = read_all(stack, topic);
        Self { stack, topic: topic.to_owned(), producer: producer.unwrap(), before }
    }

    /// To the partition where the key's records were before.
    fn send(&self, beside: &str, key: Option<&[u8]>, value: Option<&[u8]>) {
        let mut record = BaseRecord::<[u8], [u8]>::to(&self.topic).partition(self.newest(beside).partition);
        record.key = key;
        record.payload = value;
        self.producer.send(record).map_err(|(error, _)| error).unwrap();
        self.producer.flush(Duration::from_secs(30)).unwrap();
    }

    fn newest(&self, key: &str) -> &Seen {
        let of_key = |seen: &&Seen| {
            seen.key == key.as_bytes() && seen.value.as_ref().is_some_and(|value| value[0] == 0)
        };
        self.before.iter().rfind(of_key).unwrap()
    }

    fn newest_value(&self, key: &str) -> (u32, Value) {
        let framed = self.newest(key).value.as_ref().unwrap();
        let id = u32::from_be_bytes(framed[1..5].try_into().unwrap());
        (id, Avro::of(self.stack).decode(framed))
    }

    fn schema(&self, id: u32) -> Json {
        let answer = reqwest::blocking::get(format!("{}/schemas/ids/{id}", self.stack.registry())).unwrap();
        let body: Json = serde_json::from_str(&answer.text().unwrap()).unwrap();
        serde_json::from_str(body["schema"].as_str().unwrap()).unwrap()
    }

    pub fn delete(&mut self, key: &str) {
        self.send(key, Some(key.as_bytes()), None);
    }

    pub fn restore(&mut self, key: &str) {
        let value = self.newest(key).value.clone().unwrap();
        self.send(key, Some(key.as_bytes()), Some(&value));
    }

    pub fn rename(&mut self, key: &str, name: &str) {
        let value = self.renamed(key, name);
        self.send(key, Some(key.as_bytes()), Some(&value));
    }

    fn renamed(&self, key: &str, name: &str) -> Vec<u8> {
        let (id, Value::Record(mut fields)) = self.newest_value(key) else { panic!("no record") };
        let field = fields.iter_mut().find(|(field, _)| field == "name").unwrap();
        field.1 = Value::String(name.to_owned());
        framed(id, &Schema::parse(&self.schema(id)).unwrap(), Value::Record(fields))
    }

    /// Writes the product by a schema with two fields more: a rating, and a size that is a record.
    pub fn evolve(&mut self, key: &str, rating: f64) {
        let (id, value) = self.newest_value(key);
        let mut schema = self.schema(id);
        let size = json!({"type": "record", "name": "Size", "fields": [{"name": "width", "type": "int"}]});
        let more = [
            json!({"name": "rating", "type": ["null", "double"], "default": null}),
            json!({"name": "size", "type": ["null", size], "default": null}),
        ];
        let has = schema["fields"].as_array().unwrap().iter().any(|field| field["name"] == "rating");
        if !has {
            schema["fields"].as_array_mut().unwrap().extend(more);
        }
        let newer = Schema::parse(&schema).unwrap();
        let Value::Record(mut fields) = value else { panic!("no record") };
        fields.retain(|(name, _)| name != "rating" && name != "size");
        fields.push(("rating".to_owned(), Value::Union(1, Box::new(Value::Double(rating)))));
        let size = Value::Record(vec![("width".to_owned(), Value::Int(12))]);
        fields.push(("size".to_owned(), Value::Union(1, Box::new(size))));
        let id = self.register(&schema);
        self.send(key, Some(key.as_bytes()), Some(&framed(id, &newer, Value::Record(fields))));
    }

    fn register(&self, schema: &Json) -> u32 {
        let url = format!("{}/subjects/{}-value/versions", self.stack.registry(), self.topic);
        let body = json!({ "schema": schema.to_string() }).to_string();
        let client = reqwest::blocking::Client::new();
        let request =
            client.post(url).header("Content-Type", "application/vnd.schemaregistry.v1+json").body(body);
        let answer: Json = serde_json::from_str(&request.send().unwrap().text().unwrap()).unwrap();
        u32::try_from(answer["id"].as_u64().unwrap_or_else(|| panic!("{answer}"))).unwrap()
    }

    pub fn garbage(&mut self, key: &str) {
        self.send(key, Some(key.as_bytes()), Some(b"{\"no\": \"avro\"}"));
    }

    pub fn without_key(&mut self, beside: &str) {
        let value = self.renamed(beside, "nobody's");
        self.send(beside, None, Some(&value));
    }

    pub fn key_that_is_no_text(&mut self, beside: &str) {
        let value = self.renamed(beside, "nobody's");
        self.send(beside, Some(&[0xff, 0xfe, 0x41]), Some(&value));
    }
}

fn framed(id: u32, schema: &Schema, value: Value) -> Vec<u8> {
    let mut bytes = vec![0];
    bytes.extend(id.to_be_bytes());
    bytes.extend(to_avro_datum(schema, value).unwrap());
    bytes
}
