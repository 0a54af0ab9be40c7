use millstream_model::Value;
use proptest::prelude::*;

use super::world::World;

const RECOMMENDATIONS: &str = concat!(
    include_str!("../../../tests/golden/recommendations.sql"),
    "CREATE TABLE asks WITH (KAFKA_TOPIC='asks') AS SELECT user, COUNT(*) AS times FROM prompts GROUP BY user;
    CREATE TABLE wishes WITH (KAFKA_TOPIC='wishes', KEY_FORMAT='AVRO') AS
      SELECT s.user, s.prompt, o.products AS products FROM searches s LEFT JOIN offers o ON s.prompt = o.name;"
);

struct Shop(World);

impl Shop {
    fn new() -> Self {
        Self(World::new(RECOMMENDATIONS))
    }

    fn of_one_partition() -> Self {
        Self(World::of_one_partition(RECOMMENDATIONS))
    }

    fn ask(&mut self, user: &str, prompt: &str) {
        let value = vec![Value::text(prompt), Value::text(user), Value::Timestamp(9)];
        self.0.put("asked", vec![Value::text(prompt)], Some(value));
    }

    fn offer(&mut self, id: &str, name: &str, price: i32) {
        let price = Value::Struct(vec![Value::Int(price), Value::text("EUR")]);
        // The column ID stands in the key, and is not read again from the value.
        self.0.put("offered", vec![Value::text(id)], Some(vec![Value::text(name), price]));
    }

    fn gone(&mut self, id: &str) {
        self.0.put("offered", vec![Value::text(id)], None);
    }

    /// What a user is recommended for a prompt: ids and prices, or nothing.
    fn recommended(&self, user: &str, prompt: &str) -> Option<Vec<(String, i32)>> {
        let row = self.row("recommended", user, prompt)?;
        assert_eq!(row[..2], [Value::text(user), Value::text(prompt)]);
        Some(products(&row[2]))
    }

    fn row(&self, topic: &str, user: &str, prompt: &str) -> Option<Vec<Value>> {
        self.0.table(topic).remove(&vec![Value::text(user), Value::text(prompt)])
    }
}

fn products(list: &Value) -> Vec<(String, i32)> {
    let product = |product: &Value| match product {
        Value::Struct(fields) => match (&fields[0], &fields[2]) {
            (Value::String(id), Value::Int(price)) => (id.to_string(), *price),
            other => panic!("not a product: {other:?}"),
        },
        other => panic!("not a struct: {other:?}"),
    };
    match list {
        Value::Array(list) => list.iter().map(product).collect(),
        other => panic!("not a list: {other:?}"),
    }
}

fn listed(products: &[(&str, i32)]) -> Vec<(String, i32)> {
    products.iter().map(|(id, price)| ((*id).to_owned(), *price)).collect()
}

#[test]
fn a_prompt_finds_the_products_of_exactly_its_name() {
    let mut shop = Shop::new();
    shop.offer("p1", "oak lamp", 10);
    shop.offer("p2", "oak lamp XL", 20);
    shop.ask("ann", "oak lamp");
    assert_eq!(shop.recommended("ann", "oak lamp"), Some(listed(&[("p1", 10)])));
    assert_eq!(shop.recommended("bob", "oak lamp"), None);
}

#[test]
fn a_product_after_the_prompt_updates_the_recommendation() {
    let mut shop = Shop::new();
    shop.ask("ann", "lamp");
    assert_eq!(shop.recommended("ann", "lamp"), None);
    shop.offer("p1", "lamp", 10);
    shop.offer("p2", "lamp", 20);
    assert_eq!(shop.recommended("ann", "lamp"), Some(listed(&[("p1", 10), ("p2", 20)])));
}

#[test]
fn a_product_seen_twice_is_listed_once_at_its_latest_price() {
    let mut shop = Shop::new();
    shop.ask("ann", "lamp");
    shop.offer("p1", "lamp", 10);
    shop.offer("p2", "lamp", 20);
    shop.offer("p1", "lamp", 15);
    assert_eq!(shop.recommended("ann", "lamp"), Some(listed(&[("p2", 20), ("p1", 15)])));
}

#[test]
fn a_product_renamed_or_gone_leaves_the_list() {
    let mut shop = Shop::new();
    shop.ask("ann", "lamp");
    shop.offer("p1", "lamp", 10);
    shop.offer("p2", "lamp", 20);
    shop.offer("p1", "chair", 10);
    assert_eq!(shop.recommended("ann", "lamp"), Some(listed(&[("p2", 20)])));
    shop.gone("p2");
    assert_eq!(shop.recommended("ann", "lamp"), None);
    assert_eq!(shop.row("wishes", "ann", "lamp"), Some(vec![Value::Null]));
}

#[test]
fn what_is_gone_leaves_nothing_behind() {
    let mut shop = Shop::new();
    for name in ["lamp", "chair", "table"] {
        shop.offer("p1", name, 10);
        shop.offer("p2", name, 10);
    }
    shop.gone("p1");
    shop.gone("p2");
    assert_eq!(shop.0.entries(1), 3, "what each group's latest time was");
}

#[derive(Clone, Debug)]
enum Event {
    Ask(usize, usize),
    Offer(usize, usize, i32),
    Gone(usize),
    Crash(usize, usize),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        2 => (0..3_usize, 0..3_usize).prop_map(|(user, name)| Event::Ask(user, name)),
        5 => (0..5_usize, 0..3_usize, 1..9).prop_map(|(id, name, price)| Event::Offer(id, name, price)),
        1 => (0..5_usize).prop_map(Event::Gone),
        2 => (0..5_usize, 0..9_usize).prop_map(|(rule, back)| Event::Crash(rule, back)),
    ]
}

const USERS: [&str; 3] = ["ann", "bob", "cyd"];
const NAMES: [&str; 3] = ["lamp", "chair", "table"];
const IDS: [&str; 5] = ["p0", "p1", "p2", "p3", "p4"];

/// The same from plain lists: who asked what how often, and the products in the order of their last change.
#[derive(Default)]
struct Naive {
    asked: Vec<(usize, usize)>,
    offered: Vec<(usize, usize, i32)>,
}

impl Naive {
    fn apply(&mut self, event: &Event) {
        match event {
            Event::Ask(user, name) => self.asked.push((*user, *name)),
            Event::Offer(id, name, price) => {
                self.offered.retain(|(other, ..)| other != id);
                self.offered.push((*id, *name, *price));
            }
            Event::Gone(id) => self.offered.retain(|(other, ..)| other != id),
            Event::Crash(..) => {}
        }
    }

    fn recommended(&self, user: usize, name: usize) -> Option<Vec<(String, i32)>> {
        let offered = self.offered.iter().filter(|(_, of, _)| *of == name);
        let products: Vec<_> = offered.map(|(id, _, price)| (IDS[*id].to_owned(), *price)).collect();
        (self.asked.contains(&(user, name)) && !products.is_empty()).then_some(products)
    }
}

proptest! {
    /// Whatever comes in whatever order, and whatever comes again after a crash, each user sees what a look at the tables
    /// themselves gives.
    #[test]
    fn recommendations_equal_a_naive_join(
        events in proptest::collection::vec(event(), 0..40),
        is_one: bool,
    ) {
        let shop = if is_one { Shop::of_one_partition() } else { Shop::new() };
        let (mut shop, mut naive) = (shop, Naive::default());
        for event in &events {
            naive.apply(event);
            match event {
                Event::Ask(user, name) => shop.ask(USERS[*user], NAMES[*name]),
                Event::Offer(id, name, price) => shop.offer(IDS[*id], NAMES[*name], *price),
                Event::Gone(id) => shop.gone(IDS[*id]),
                Event::Crash(rule, back) => shop.0.crash(*rule, *back),
            }
        }
        for (user, who) in USERS.iter().enumerate() {
            let times = naive.asked.iter().filter(|(asker, _)| *asker == user).count();
            let counted = shop.0.table("asks").remove(&vec![Value::text(who)]);
            let expected = (times > 0).then(|| vec![Value::Bigint(i64::try_from(times).unwrap())]);
            prop_assert_eq!(counted, expected, "{} asked", who);
            for (name, what) in NAMES.iter().enumerate() {
                let expected = naive.recommended(user, name);
                prop_assert_eq!(shop.recommended(who, what), expected.clone());
                let wished = shop.row("wishes", who, what);
                prop_assert_eq!(wished.is_some(), naive.asked.contains(&(user, name)));
                let wished = wished.filter(|row| row[0] != Value::Null).map(|row| products(&row[0]));
                prop_assert_eq!(wished, expected);
            }
        }
    }
}
