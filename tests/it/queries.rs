use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::outside::read_all;
use crate::stack::{Background, Stack, get, until};

const PREFIX: &str = "queries_";

/// Two streams on brokers share the table; each answers for every product, through the other where that has it, after the
/// newest record of it, and goes on doing so when the other is gone.
pub fn run(stack: &Stack) {
    stack.run_well("stream", PREFIX, &["topics", "create"]);
    let start = |name: &str| {
        let state = stack.folder(&format!("{PREFIX}{name}")).display().to_string();
        Background::start(stack, "stream", PREFIX, &["--no-repl", "--state-dir", &state])
    };
    let (one, other) = (start("one"), start("other"));
    stack.run_well("shop", PREFIX, &["--count", "300", "--seed", "11"]);
    let newest: BTreeMap<String, i64> = read_all(stack, "queries_shop_products")
        .into_iter()
        .map(|seen| (String::from_utf8(seen.key).unwrap(), seen.offset))
        .collect();
    let ask = |http: u16, path: &str| {
        let (status, body) = get(http, &format!("v1/tables/queries_product-stream-table/{path}")).unwrap();
        (status, serde_json::from_str::<Value>(&body).unwrap())
    };
    until("both count all products", || {
        [one.http, other.http].iter().all(|http| ask(*http, "count").1["count"] == json!(newest.len()))
    });
    let mut answered = BTreeMap::new();
    for (key, offset) in &newest {
        for http in [one.http, other.http] {
            let (status, found) = ask(http, &format!("entries/{key}?min_offset={offset}"));
            assert_eq!((status, &found["value"]["product"]["id"]), (200, &json!(key)), "{found}");
            assert!(found["value"]["product"]["price"]["amount"].is_string(), "a decimal is told in full");
            *answered.entry(found["answered_by"].as_str().unwrap().to_owned()).or_insert(0) += 1;
        }
    }
    assert_eq!(answered.len(), 2, "both instances have keys: {answered:?}");
    assert_eq!(walked(|path| ask(one.http, path).1), newest.keys().cloned().collect::<Vec<_>>());
    let (status, console) = get(one.http, "v1/groups").unwrap();
    let console: Value = serde_json::from_str(&console).unwrap();
    assert_eq!((status, console["groups"][0]["instances"].as_array().unwrap().len()), (200, 2), "{console}");
    other.interrupt();
    let (key, offset) = newest.first_key_value().unwrap();
    until("the one that is left has all partitions", || {
        ask(one.http, "count").1["count"] == json!(newest.len())
    });
    // It has read no record of these partitions itself: what the other had committed counts.
    assert_eq!(ask(one.http, &format!("entries/{key}?min_offset={offset}")).0, 200);
    one.interrupt();
}

/// All keys, page by page.
fn walked(ask: impl Fn(&str) -> Value) -> Vec<String> {
    let (mut keys, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = ask(&format!("entries?limit=64{cursor}"));
        let entries = page["entries"].as_array().unwrap();
        keys.extend(entries.iter().map(|entry| entry["key"].as_str().unwrap().to_owned()));
        match page["cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return keys,
        }
    }
}
