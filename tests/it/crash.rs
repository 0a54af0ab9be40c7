use std::collections::BTreeMap;

use crate::outside::{Avro, long, read_all, text};
use crate::stack::{Background, Stack, until};

const PREFIX: &str = "crash_";

/// A stream that is killed while products flow, and started again, loses nothing: every product is passed on, the group
/// table equals what the input says, and no more than the last moments of the changelog are replayed.
pub fn run(stack: &Stack) {
    stack.run_well("stream", PREFIX, &["topics", "create"]);
    let first = Background::start(stack, "stream", PREFIX, &["--no-repl"]);
    stack.run_well("shop", PREFIX, &["--count", "3000", "--seed", "1"]);
    let taken_in = |stream: &Background| stream.metric("millstream_records_in_total");
    let sent = read_all(stack, "crash_shop_products").len();
    until("the first products are processed", || taken_in(&first) >= sent as f64);
    first.interrupt();
    let stored = read_all(stack, "crash_product-stream-table").len();

    let second = Background::start(stack, "stream", PREFIX, &["--no-repl"]);
    assert!(
        second.metric("millstream_recovery_replayed_records") < 1.0,
        "a clean stop leaves nothing to replay"
    );
    let mut shop = stack
        .program("shop", PREFIX)
        .args(["--count", "4000", "--seed", "2", "--rate", "2500"])
        .spawn()
        .unwrap();
    until("products are in mid-flow", || taken_in(&second) > 1500.0);
    second.kill();
    assert!(shop.wait().unwrap().success());

    let third = Background::start(stack, "stream", PREFIX, &["--no-repl"]);
    let changelog = read_all(stack, "crash_product-stream-table").len();
    let replayed = third.metric("millstream_recovery_replayed_records");
    let delta = changelog - stored;
    assert!(
        replayed <= delta as f64,
        "{replayed} records were replayed, where only {delta} came after the clean stop"
    );
    outputs_hold_every_product(stack);
    table_equals_the_input(stack);
    third.interrupt();
}

fn counted(stack: &Stack, topic: &str) -> BTreeMap<(Vec<u8>, Option<Vec<u8>>), usize> {
    let mut counts = BTreeMap::new();
    for seen in read_all(stack, topic) {
        *counts.entry((seen.key, seen.value)).or_default() += 1;
    }
    counts
}

fn outputs_hold_every_product(stack: &Stack) {
    let expected = counted(stack, "crash_shop_products");
    until("every product is passed on", || {
        let have = counted(stack, "crash_analytic_products_filtered");
        assert!(
            have.keys().all(|record| expected.contains_key(record)),
            "something was passed on that never came"
        );
        expected.iter().all(|(record, count)| have.get(record).is_some_and(|have| have >= count))
    });
}

/// How often each product was seen, and at which offset last, by the input and by the changelog.
fn table_equals_the_input(stack: &Stack) {
    let mut model = BTreeMap::new();
    for seen in read_all(stack, "crash_shop_products") {
        let entry = model.entry(seen.key).or_insert((0, 0));
        *entry = (entry.0 + 1, seen.offset);
    }
    let mut avro = Avro::of(stack);
    until("the group table equals the model", || {
        let mut table = BTreeMap::new();
        for seen in read_all(stack, "crash_product-stream-table") {
            let state = avro.decode(&seen.value.unwrap());
            assert_eq!(text(crate::outside::field(&state, "product"), "id").as_bytes(), seen.key);
            table.insert(seen.key, (long(&state, "seen"), long(&state, "last_offset")));
        }
        table == model
    });
}
