use std::collections::{BTreeMap, BTreeSet, VecDeque};

use millstream_model::{Column, Type};
use proptest::prelude::*;

use super::*;
use crate::{Catalog, SchemaSource, plan};

const RECOMMENDATIONS: &str = include_str!("../../tests/golden/recommendations.sql");

/// The schemas that the shop registers, as far as the rules look at them.
struct Shop;

impl SchemaSource for Shop {
    fn value_columns(&self, topic: &str) -> Result<Vec<Column>, String> {
        let text = |name: &str| Column::new(name, Type::String);
        match topic {
            "asked" => Ok(vec![text("PROMPT"), text("USER"), Column::new("ASKED_AT", Type::Timestamp)]),
            "offered" => {
                let price = vec![Column::new("AMOUNT", Type::Int), text("CURRENCY")];
                Ok(vec![text("ID"), text("NAME"), Column::new("PRICE", Type::Struct(price))])
            }
            _ => Err(format!("no schema for '{topic}'")),
        }
    }
}

#[derive(Default)]
struct Memory(BTreeMap<Vec<u8>, Value>);

impl State for Memory {
    fn get(&mut self, key: &[u8]) -> Result<Option<Value>, StepError> {
        Ok(self.0.get(key).cloned())
    }

    fn put(&mut self, key: &[u8], value: Option<&Value>) -> Result<(), StepError> {
        match value {
            Some(value) => self.0.insert(key.to_vec(), value.clone()),
            None => self.0.remove(key),
        };
        Ok(())
    }
}

/// All rules of a text, wired topic to topic, each record delivered `copies` times in a row.
struct Wired {
    rules: Vec<(Rule, Memory)>,
    copies: usize,
    offset: i64,
    tables: BTreeMap<String, BTreeMap<Vec<Value>, Vec<Value>>>,
}

impl Wired {
    fn new(text: &str, copies: usize) -> Self {
        let (rules, mistakes) = plan(text, &mut Catalog::new(), &Shop);
        assert_eq!(mistakes, [], "{}", crate::render("test.sql", text, &mistakes));
        let rules = rules.into_iter().map(|rule| (rule, Memory::default())).collect();
        Self { rules, copies, offset: 0, tables: BTreeMap::new() }
    }

    fn put(&mut self, topic: &str, key: Vec<Value>, value: Option<Vec<Value>>) {
        let mut waiting = VecDeque::from([(topic.to_owned(), key, value)]);
        while let Some((topic, key, value)) = waiting.pop_front() {
            self.offset += 1;
            let record = SourceRecord { key, value, timestamp: 0, partition: 0, offset: self.offset };
            for index in 0..self.rules.len() {
                let sides: Vec<_> = self.rules[index]
                    .0
                    .query
                    .sources()
                    .iter()
                    .enumerate()
                    .filter(|(_, source)| source.topic == topic)
                    .map(|(side, _)| side)
                    .collect();
                for side in sides {
                    for _ in 0..self.copies {
                        waiting.extend(self.step(index, side, &record));
                    }
                }
            }
        }
    }

    fn step(
        &mut self,
        index: usize,
        side: usize,
        record: &SourceRecord,
    ) -> Vec<(String, Vec<Value>, Option<Vec<Value>>)> {
        let (rule, state) = &mut self.rules[index];
        let mut waiting: VecDeque<_> = rule.on_source(side, record, state).unwrap().into();
        let mut out = Vec::new();
        while let Some(emission) = waiting.pop_front() {
            match emission {
                Emission::Repartition { key, message } => {
                    for _ in 0..self.copies {
                        waiting.extend(rule.on_repartitioned(&key, message.clone(), state).unwrap());
                    }
                }
                Emission::Sink { key, value } => {
                    let table = self.tables.entry(rule.sink.topic.clone()).or_default();
                    match &value {
                        Some(value) => table.insert(key.clone(), value.clone()),
                        None => table.remove(&key),
                    };
                    out.push((rule.sink.topic.clone(), key, value));
                }
            }
        }
        out
    }

    fn ask(&mut self, user: &str, prompt: &str) {
        let value = vec![Value::text(prompt), Value::text(user), Value::Timestamp(9)];
        self.put("asked", vec![Value::text(prompt)], Some(value));
    }

    fn offer(&mut self, id: &str, name: &str, price: i32) {
        let price = Value::Struct(vec![Value::Int(price), Value::text("EUR")]);
        // The column ID stands in the key, and is not read again from the value.
        self.put("offered", vec![Value::text(id)], Some(vec![Value::text(name), price]));
    }

    fn gone(&mut self, id: &str) {
        self.put("offered", vec![Value::text(id)], None);
    }

    /// What a user is recommended for a prompt: ids and prices, or nothing.
    fn recommended(&self, user: &str, prompt: &str) -> Option<Vec<(String, i32)>> {
        let row = self.tables.get("recommended")?.get(&vec![Value::text(user), Value::text(prompt)])?;
        let Value::Array(products) = &row[2] else { panic!("not a list: {row:?}") };
        let product = |product: &Value| match product {
            Value::Struct(fields) => match (&fields[0], &fields[2]) {
                (Value::String(id), Value::Int(price)) => (id.to_string(), *price),
                other => panic!("not a product: {other:?}"),
            },
            other => panic!("not a struct: {other:?}"),
        };
        Some(products.iter().map(product).collect())
    }
}

fn listed(products: &[(&str, i32)]) -> Vec<(String, i32)> {
    products.iter().map(|(id, price)| ((*id).to_owned(), *price)).collect()
}

#[test]
fn a_prompt_finds_the_products_of_exactly_its_name() {
    let mut shop = Wired::new(RECOMMENDATIONS, 1);
    shop.offer("p1", "oak lamp", 10);
    shop.offer("p2", "oak lamp XL", 20);
    shop.ask("ann", "oak lamp");
    assert_eq!(shop.recommended("ann", "oak lamp"), Some(listed(&[("p1", 10)])));
    assert_eq!(shop.recommended("bob", "oak lamp"), None);
}

#[test]
fn a_product_after_the_prompt_updates_the_recommendation() {
    let mut shop = Wired::new(RECOMMENDATIONS, 1);
    shop.ask("ann", "lamp");
    assert_eq!(shop.recommended("ann", "lamp"), None);
    shop.offer("p1", "lamp", 10);
    shop.offer("p2", "lamp", 20);
    assert_eq!(shop.recommended("ann", "lamp"), Some(listed(&[("p1", 10), ("p2", 20)])));
}

#[test]
fn a_product_seen_twice_is_listed_once_at_its_latest_price() {
    let mut shop = Wired::new(RECOMMENDATIONS, 1);
    shop.ask("ann", "lamp");
    shop.offer("p1", "lamp", 10);
    shop.offer("p2", "lamp", 20);
    shop.offer("p1", "lamp", 15);
    assert_eq!(shop.recommended("ann", "lamp"), Some(listed(&[("p2", 20), ("p1", 15)])));
}

#[test]
fn a_product_renamed_or_gone_leaves_the_list() {
    let mut shop = Wired::new(RECOMMENDATIONS, 1);
    shop.ask("ann", "lamp");
    shop.offer("p1", "lamp", 10);
    shop.offer("p2", "lamp", 20);
    shop.offer("p1", "chair", 10);
    assert_eq!(shop.recommended("ann", "lamp"), Some(listed(&[("p2", 20)])));
    shop.gone("p2");
    assert_eq!(shop.recommended("ann", "lamp"), None);
}

#[derive(Clone, Debug)]
enum Event {
    Ask(u8, u8),
    Offer(u8, u8, i32),
    Gone(u8),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        2 => (0..3_u8, 0..3_u8).prop_map(|(user, name)| Event::Ask(user, name)),
        5 => (0..5_u8, 0..3_u8, 1..9).prop_map(|(id, name, price)| Event::Offer(id, name, price)),
        1 => (0..5_u8).prop_map(Event::Gone),
    ]
}

proptest! {
    /// Whatever comes in whatever order, once or three times, each user sees what a look at the tables themselves gives.
    #[test]
    fn recommendations_equal_a_naive_join(events in proptest::collection::vec(event(), 0..40), copies in 1..4_usize) {
        let mut shop = Wired::new(RECOMMENDATIONS, copies);
        let (mut asked, mut offered) = (BTreeSet::new(), BTreeMap::new());
        for event in events {
            match event {
                Event::Ask(user, name) => {
                    shop.ask(&format!("u{user}"), &format!("n{name}"));
                    asked.insert((user, name));
                }
                Event::Offer(id, name, price) => {
                    shop.offer(&format!("p{id}"), &format!("n{name}"), price);
                    offered.insert(id, (name, price));
                }
                Event::Gone(id) => {
                    shop.gone(&format!("p{id}"));
                    offered.remove(&id);
                }
            }
        }
        for user in 0..3_u8 {
            for name in 0..3_u8 {
                let mut expected: Vec<_> = offered.iter().filter(|(_, (of, _))| *of == name).map(|(id, (_, price))| (format!("p{id}"), *price)).collect();
                expected.sort();
                let expected = (asked.contains(&(user, name)) && !expected.is_empty()).then_some(expected);
                let mut seen = shop.recommended(&format!("u{user}"), &format!("n{name}"));
                if let Some(seen) = &mut seen {
                    seen.sort();
                }
                prop_assert_eq!(seen, expected);
            }
        }
    }
}

#[test]
fn a_table_keeps_only_rows_that_pass_the_filter() {
    let text = "CREATE TABLE p (id STRING PRIMARY KEY, n INT) WITH (KAFKA_TOPIC='p', VALUE_FORMAT='JSON');
        CREATE TABLE big WITH (KAFKA_TOPIC='big') AS SELECT id, n * 2 AS twice FROM p WHERE n > 5;";
    let mut rules = Wired::new(text, 1);
    let key = || vec![Value::text("a")];
    rules.put("p", key(), Some(vec![Value::Int(7)]));
    assert_eq!(rules.tables["big"][&key()], [Value::Int(14)]);
    rules.put("p", key(), Some(vec![Value::Int(3)]));
    assert!(rules.tables["big"].is_empty());
}

#[test]
fn groups_that_do_not_have_it_are_not_in_the_table() {
    let text = "CREATE STREAM s (k STRING KEY, n INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON');
        CREATE TABLE t WITH (KAFKA_TOPIC='t') AS SELECT k, SUM(n) AS total, COUNT(*) + 1 AS more FROM s GROUP BY k HAVING SUM(n) > 4;";
    let mut rules = Wired::new(text, 1);
    let key = || vec![Value::text("a")];
    rules.put("s", key(), Some(vec![Value::Int(3)]));
    assert!(rules.tables["t"].is_empty());
    rules.put("s", key(), Some(vec![Value::Int(4)]));
    assert_eq!(rules.tables["t"][&key()], [Value::Int(7), Value::Bigint(3)]);
}
