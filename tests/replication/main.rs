//! Rows in the database against the topics that they replicate, read and decoded by other libraries than the programs'.
//!
//! `make verify-stack` starts the stack and the programs, and runs this with where they are in the environment: `TABLES` says
//! in which schema of the database the tables are, and `DEAD_LETTERS` what the topic is called that has what no table holds,
//! with TOPIC for the topic.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unused_self,
    clippy::cast_precision_loss,
    unreachable_pub,
    dead_code,
    deprecated,
    missing_docs,
    reason = "tests"
)]

mod expected;
#[path = "../it/outside.rs"]
mod outside;
mod stack;
mod writer;

use std::collections::BTreeMap;

use expected::Row;
use stack::{Stack, until};
use writer::Writer;

/// Topic by its variable, and the column of its key where that is no record.
const TABLES: [(&str, &str, &str); 5] = [
    ("PRODUCT_TOPIC", "shop_products", "id"),
    ("PRODUCT_FILTERED_TOPIC", "analytic_products_filtered", "id"),
    ("PRODUCT_WITH_FULL_IMG_SET_TOPIC", "shop_products_full_img_set", "id"),
    ("PRODUCT_FIND_TOPIC", "analytic_products_find", "prompt"),
    ("RECOMMENDATION_TOPIC", "personal_recom", ""),
];

/// Waits until every table is what its topic says, and tells how many rows each has.
fn tables_equal_topics(stack: &Stack) -> BTreeMap<String, usize> {
    TABLES.iter().map(|(topic, table, key)| ((*table).to_owned(), equal(stack, topic, table, key))).collect()
}

fn equal(stack: &Stack, topic: &str, table: &str, key: &str) -> usize {
    let (mut have, mut want) = (BTreeMap::new(), BTreeMap::new());
    let holds = until(|| {
        want = expected::rows(stack, &stack.topic(topic), key);
        have = stack.rows(table);
        have == want
    });
    assert!(holds, "table {table}: {}", difference(&have, &want));
    have.len()
}

fn difference(have: &BTreeMap<String, Row>, want: &BTreeMap<String, Row>) -> String {
    let missing = want.keys().filter(|key| !have.contains_key(*key)).count();
    let surplus = have.keys().filter(|key| !want.contains_key(*key)).count();
    let other =
        want.iter().find_map(|(key, row)| Some((key, row, have.get(key).filter(|have| *have != row)?)));
    format!(
        "{} rows for {}, {missing} missing, {surplus} too many; differs: {other:#?}",
        have.len(),
        want.len()
    )
}

#[test]
#[ignore = "needs the stack that make verify-stack starts"]
fn tables_are_what_their_topics_say() {
    let stack = Stack::of_environment();
    let rows = tables_equal_topics(&stack);
    println!("rows: {rows:?}");
    assert!(rows.values().all(|count| *count > 0), "{rows:?}");
    assert!(rows["analytic_products_filtered"] <= rows["shop_products"]);
}

#[test]
#[ignore = "needs the stack that make verify-stack starts"]
fn deletes_updates_and_newer_schemas_arrive() {
    let stack = Stack::of_environment();
    let before = tables_equal_topics(&stack);
    let mut writer = Writer::on(&stack, &stack.topic("PRODUCT_TOPIC"));
    let keys: Vec<_> = stack.rows("shop_products").into_keys().take(5).collect();
    writer.delete(&keys[0]);
    writer.rename(&keys[1], "A name of \"another\" kind: \u{1f6cb} \\ \n é");
    writer.evolve(&keys[2], 4.5);
    let after = tables_equal_topics(&stack);
    assert_eq!(after["shop_products"], before["shop_products"] - 1, "the tombstone deleted one");
    let rows = stack.rows("shop_products");
    assert_eq!(rows[&keys[2]]["rating"], 4.5);
    assert_eq!(rows[&keys[2]]["size_width"], 12);
    assert!(rows[&keys[1]]["name"].as_str().unwrap().contains('\u{1f6cb}'));
    writer.restore(&keys[0]);
    assert_eq!(
        tables_equal_topics(&stack)["shop_products"],
        before["shop_products"],
        "a deleted key may come back"
    );
}

#[test]
#[ignore = "needs the stack that make verify-stack starts"]
fn what_no_table_holds_is_set_aside_and_the_rest_goes_on() {
    let stack = Stack::of_environment();
    tables_equal_topics(&stack);
    let topic = stack.topic("PRODUCT_TOPIC");
    let aside = || stack.dead_letters(&topic).len();
    let before = aside();
    let mut writer = Writer::on(&stack, &topic);
    let keys: Vec<_> = stack.rows("shop_products").into_keys().rev().take(3).collect();
    writer.garbage(&keys[0]);
    writer.rename(&keys[0], "with a \0 in it");
    writer.without_key(&keys[0]);
    writer.key_that_is_no_text(&keys[0]);
    writer.rename(&keys[1], "what comes behind them");
    tables_equal_topics(&stack);
    assert_eq!(stack.rows("shop_products")[&keys[1]]["name"], "what comes behind them");
    assert!(until(|| aside() == before + 4), "{} were set aside, not 4", aside() - before);
}
