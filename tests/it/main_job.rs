use std::collections::BTreeMap;

use crate::outside::{Avro, Seen, field, hundredths, read_all, text};
use crate::stack::{Background, Stack, repository, until};
use crate::terminal::Terminal;

const RULES: &str = "rules/personal_recom.sql";

/// All files of `rules/` in one process; those of their topics that are not there are created as they say.
pub fn every_rule(stack: &Stack) {
    let rules = repository().join("rules");
    Background::start(stack, "rules", "", &["run", rules.to_str().unwrap()]).interrupt();
    let topics = read_all(stack, "event_counts").len() + read_all(stack, "events").len();
    assert_eq!(topics, 0, "both are there, and empty");
}

/// Shop, stream, rules and client as a person uses them.
pub fn run(stack: &Stack) {
    stack.run_well("stream", "", &["topics", "create"]);
    let again = stack.run_well("stream", "", &["topics", "create"]);
    assert_eq!(again.matches("verified").count(), 6, "a second time changes nothing:\n{again}");
    let rules = repository().join(RULES);
    let rules = Background::start(stack, "rules", "", &["run", rules.to_str().unwrap()]);
    let mut stream = Terminal::open(stack, "stream", "", &["--http", "off"]);
    stream.wait_for("filter: none, all products pass", 1);

    // A prompt before any product has come finds them when they do.
    let mut client = Terminal::open(stack, "client", "", &["--user", "early"]);
    client.wait_for("search>", 1);
    client.type_line("Oak desk lamp");

    stack.run_well("shop", "", &["--count", "300", "--seed", "7"]);
    let before = wait_filtered(stack, |_| true);
    client.wait_for("Oak desk lamp: ", 1);
    stream.type_line("LAMP");
    stream.wait_for("filter: \"LAMP\"", 1);
    stack.run_well("shop", "", &["--count", "300", "--seed", "8"]);
    let mut avro = Avro::of(stack);
    let mut is_lamp = |seen: &Seen| {
        text(&avro.decode(seen.value.as_ref().unwrap()), "name").to_lowercase().contains("lamp")
    };
    wait_filtered(stack, |seen| before.contains(seen) || is_lamp(seen));
    stream.type_line("");
    stream.wait_for("filter: none, all products pass", 2);
    stream.type_line(":status");
    stream.wait_for("keys", 1);

    recommendations_equal_the_filtered_products(stack);
    searches_in_scripts_tell_by_their_exit_code(stack);
    a_filter_survives_a_restart(stack, stream);
    client.interrupt();
    rules.interrupt();
}

/// Waits until the filtered topic has as many records as the shop's topic has that pass, then compares one by one: what
/// passed is passed on as it is, and nothing else is. Answers the shop's records.
fn wait_filtered(stack: &Stack, mut passes: impl FnMut(&Seen) -> bool) -> Vec<Seen> {
    let all = read_all(stack, "shop_products");
    let mut expected: Vec<_> =
        all.iter().filter(|seen| passes(seen)).map(|seen| (seen.key.clone(), seen.value.clone())).collect();
    expected.sort();
    let mut filtered = Vec::new();
    until("what passes is in the filtered topic", || {
        filtered = read_all(stack, "analytic_products_filtered");
        filtered.len() >= expected.len()
    });
    let mut have: Vec<_> = filtered.into_iter().map(|seen| (seen.key, seen.value)).collect();
    have.sort();
    assert!(have == expected, "{} records passed, {} should have", have.len(), expected.len());
    all
}

/// The recommendation of the early prompt lists each product of that name once, at its latest price.
fn recommendations_equal_the_filtered_products(stack: &Stack) {
    let mut avro = Avro::of(stack);
    let mut latest = BTreeMap::new();
    for seen in read_all(stack, "analytic_products_filtered") {
        let product = avro.decode(&seen.value.unwrap());
        let price = hundredths(field(field(&product, "price"), "amount"));
        latest.insert(text(&product, "id").to_owned(), (text(&product, "name").to_owned(), price));
    }
    let named = |(id, (name, price)): (&String, &(String, i64))| {
        (name == "Oak desk lamp").then(|| (id.clone(), *price))
    };
    let expected: BTreeMap<_, _> = latest.iter().filter_map(named).collect();
    assert!(expected.len() > 1, "the vocabulary repeats names");
    let mut last = BTreeMap::new();
    until("the recommendation has all products of the name", || {
        let mine = |value: &apache_avro::types::Value| {
            text(value, "user") == "early" && text(value, "prompt") == "Oak desk lamp"
        };
        let all =
            read_all(stack, "personal_recom").into_iter().filter_map(|seen| Some(avro.decode(&seen.value?)));
        let Some(newest) = all.filter(mine).last() else { return false };
        let apache_avro::types::Value::Array(products) = field(&newest, "products") else {
            panic!("{newest:?}")
        };
        let listed: Vec<_> = products
            .iter()
            .map(|product| (text(product, "id").to_owned(), hundredths(field(product, "price"))))
            .collect();
        last = listed.iter().cloned().collect();
        assert_eq!(last.len(), listed.len(), "a product is listed twice: {listed:?}");
        last == expected
    });
}

fn searches_in_scripts_tell_by_their_exit_code(stack: &Stack) {
    let found = stack.run("client", "", &["--user", "late", "--once", "Oak desk lamp", "--wait", "60"]);
    assert_eq!(found.status.code(), Some(0), "{found:?}");
    let line: serde_json::Value = serde_json::from_slice(&found.stdout).unwrap();
    assert!(line["products"].as_array().unwrap().len() > 1 && line["user"] == "late", "{line}");
    let none = stack.run("client", "", &["--once", "a name that nothing has", "--wait", "2"]);
    assert_eq!((none.status.code(), none.stdout.len()), (Some(3), 0), "{none:?}");
}

fn a_filter_survives_a_restart(stack: &Stack, mut stream: Terminal) {
    stream.type_line("chair");
    stream.wait_for("filter: \"chair\"", 1);
    stream.interrupt();
    let again = Terminal::open(stack, "stream", "", &["--http", "off"]);
    again.wait_for("filter: \"chair\"", 1);
    again.interrupt();
}
