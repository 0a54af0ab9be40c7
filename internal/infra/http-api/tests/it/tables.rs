use std::collections::BTreeMap;

use millstream_http_api::Access;
use millstream_model::{Offset, Partition};
use millstream_ports::Delivery;
use millstream_sim::Sim;
use millstream_topology::Partitioner;
use serde_json::{Value, json};

use crate::instance::{Instance, settled, until};

const PARTITIONS: u32 = 6;

fn key(number: usize) -> String {
    format!("k/{number:03} ä")
}

/// Two instances, and 200 keys that both of them have processed.
fn two(delivery: Delivery) -> (Sim, Vec<Instance>) {
    let sim = Sim::live();
    sim.create("facts", PARTITIONS);
    (0..200)
        .for_each(|number| sim.write("facts", key(number).as_bytes(), Some(number.to_string().as_bytes())));
    let start = |sim: &Sim| Instance::start(sim, delivery, Access::default());
    let instances = vec![start(&sim.process()), start(&sim.process())];
    settled(&instances, PARTITIONS as usize);
    until("all is processed", || instances[0].get("/v1/tables/keeper-table/count").1["count"] == json!(200));
    (sim, instances)
}

fn entry(key: &str) -> String {
    format!("/v1/tables/keeper-table/entries/{}", encoded(key))
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect::<Vec<_>>().concat()
}

fn partition_of(key: &str) -> u32 {
    Partitioner::default().partition(key.as_bytes(), PARTITIONS)
}

#[test]
fn a_part_of_a_table_is_told_by_names_and_no_other_instance_is_asked() {
    let (_, instances) = two(Delivery::AtLeastOnce);
    let mut seen = Vec::new();
    for instance in &instances {
        let (status, page) = instance.get("/v1/tables/own-part/entries?limit=1000");
        assert_eq!((status, &page["has_more"]), (200, &json!(false)));
        let entries = page["entries"].as_array().unwrap();
        assert_eq!(instance.get("/v1/tables/own-part/count").1["count"], json!(entries.len()));
        assert!(!entries.is_empty() && entries.len() < 200, "{} entries", entries.len());
        for entry in entries {
            let found =
                instance.get(&format!("/v1/tables/own-part/entries/{}", entry["key"].as_str().unwrap()));
            assert_eq!(
                (found.0, &found.1["value"], &found.1["label"]),
                (200, &entry["value"], &entry["label"])
            );
            seen.push(entry["label"].as_str().unwrap().to_owned());
        }
    }
    seen.sort();
    assert_eq!(seen, (0..200).map(|number| format!("key {}", key(number))).collect::<Vec<_>>());
    let elsewhere = instances[0].get("/v1/tables/own-part/entries/bm90aGluZw");
    assert_eq!((elsewhere.0, &elsewhere.1["error"]), (404, &json!("no_such_key")));
}

#[test]
fn any_instance_answers_for_any_key_by_its_owner() {
    let (_, instances) = two(Delivery::AtLeastOnce);
    for (at, instance) in instances.iter().enumerate() {
        let mut answered: BTreeMap<String, usize> = BTreeMap::new();
        for number in 0..200 {
            let (status, found) = instance.get(&entry(&key(number)));
            assert_eq!((status, &found["value"]), (200, &json!(number.to_string())), "{found}");
            assert_eq!(found["key"], json!(key(number)));
            assert_eq!(found["partition"], json!(partition_of(&key(number))));
            assert_eq!((&found["role"], &found["staleness"]["lag_records"]), (&json!("owner"), &json!(0)));
            *answered.entry(found["answered_by"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        assert_eq!(answered.len(), 2, "instance {at} asked the other one too: {answered:?}");
        let (status, missing) = instance.get(&entry("nothing"));
        assert_eq!((status, &missing["error"]), (404, &json!("no_such_key")));
        assert!(missing["message"].as_str().unwrap().contains("keeper-table"));
        assert!(missing["staleness"]["behind_ms"].is_u64());
    }
}

/// All keys of a span, page by page.
fn walked(instance: &Instance, parameters: &str) -> Vec<String> {
    let (mut keys, mut cursor) = (Vec::new(), String::new());
    for _ in 0..100 {
        let (status, page) = instance.get(&format!("/v1/tables/keeper-table/entries?{parameters}{cursor}"));
        assert_eq!(status, 200, "{page}");
        keys.extend(
            page["entries"].as_array().unwrap().iter().map(|entry| entry["key"].as_str().unwrap().to_owned()),
        );
        if page["has_more"] == json!(false) {
            assert_eq!(page["cursor"], Value::Null);
            return keys;
        }
        cursor = format!("&cursor={}", page["cursor"].as_str().unwrap());
    }
    panic!("the pages never end");
}

#[test]
fn spans_are_told_in_order_page_by_page_whoever_has_them() {
    let (_, instances) = two(Delivery::AtLeastOnce);
    let all: Vec<_> = (0..200).map(key).collect();
    for instance in &instances {
        for limit in [1000, 7] {
            let page = |more: &str| walked(instance, &format!("limit={limit}{more}"));
            assert_eq!(page(""), all);
            assert_eq!(page(&format!("&prefix={}", encoded("k/01"))), all[10..20]);
            let (from, to) = (encoded(&key(50)), encoded(&key(61)));
            assert_eq!(page(&format!("&from={from}&to={to}")), all[50..61]);
            assert_eq!(page(&format!("&from={to}&to={from}")), [] as [String; 0]);
            let of_two: Vec<_> =
                all.iter().filter(|key| [1, 3].contains(&partition_of(key))).cloned().collect();
            assert_eq!(page("&partitions=1,3"), of_two);
        }
        let counted =
            |parameters: &str| instance.get(&format!("/v1/tables/keeper-table/count?{parameters}")).1;
        assert_eq!(counted(&format!("prefix={}", encoded("k/1")))["count"], json!(100));
        assert_eq!(counted("")["staleness"]["lag_records"], json!(0));
    }
}

#[test]
fn what_can_not_be_answered_is_said_in_json() {
    let (_, instances) = two(Delivery::AtLeastOnce);
    for (path, status, error, words) in [
        ("/v1/tables/other/entries/a", 404, "no_such_table", "there are: keeper-table"),
        ("/v1/tables/keeper-table/entries/a?min_offset=x", 400, "bad_request", "min_offset"),
        ("/v1/tables/keeper-table/entries/a?limits=1", 400, "bad_request", "limits"),
        ("/v1/tables/keeper-table/entries/a?partition=6", 400, "bad_request", "6 partitions, from 0 on"),
        ("/v1/tables/keeper-table/entries/a?min_offset=1&input=lies", 400, "bad_request", "no input 'lies'"),
        ("/v1/tables/keeper-table/entries/a?timeout_ms=600000", 400, "bad_request", "at most 60000"),
        ("/v1/tables/keeper-table/entries?limit=0", 400, "bad_request", "from 1 to 1000"),
        ("/v1/tables/keeper-table/entries?cursor=zzz", 400, "bad_request", "none that this server gave"),
        ("/v1/tables/keeper-table/count?partitions=1,x", 400, "bad_request", "numbers with commas"),
        ("/v1/tables/keeper-table/entries?key=a", 400, "bad_request", "/v1/tables/T/entry?key=K"),
        ("/v1/tables/keeper-table/entry", 400, "bad_request", "'key' is missing"),
        ("/v1/tables/keeper-table/entries/%ff", 400, "bad_request", "UTF-8"),
        ("/v1/tables/%ff/count", 400, "bad_request", "UTF-8"),
    ] {
        for instance in &instances {
            let (found, body) = instance.get(path);
            assert_eq!((found, &body["error"]), (status, &json!(error)), "{path}: {body}");
            assert!(body["message"].as_str().unwrap().contains(words), "{path}: {body}");
        }
    }
}

#[test]
fn keys_that_are_hard_to_write_are_found_from_any_instance() {
    let keys = [
        "",
        ".",
        "..",
        "/",
        "a/b",
        "//",
        "../..",
        "%",
        "%2F",
        "ä€😀",
        "a b",
        "a+b",
        "a?b=c&d#e",
        "\0",
        "\n",
        "a\tb\r\n",
        "\"\\",
        ";=,",
    ];
    let sim = Sim::live();
    sim.create("facts", PARTITIONS);
    keys.iter().for_each(|key| sim.write("facts", key.as_bytes(), Some(format!("<{key}>").as_bytes())));
    let start = |sim: &Sim| Instance::start(sim, Delivery::AtLeastOnce, Access::default());
    let instances = vec![start(&sim.process()), start(&sim.process())];
    settled(&instances, PARTITIONS as usize);
    let all = json!(keys.len());
    until("all is processed", || instances[0].get("/v1/tables/keeper-table/count").1["count"] == all);
    for instance in &instances {
        for key in keys {
            let asked = format!("/v1/tables/keeper-table/entry?key={}", encoded(key));
            let in_path = (!["", ".", ".."].contains(&key)).then(|| entry(key));
            for path in [Some(asked), in_path].into_iter().flatten() {
                let (status, found) = instance.get(&path);
                assert_eq!((status, &found["key"]), (200, &json!(key)), "{path}: {found}");
                assert_eq!(found["value"], json!(format!("<{key}>")), "{path}");
            }
        }
        let mut sorted = keys.map(ToOwned::to_owned);
        sorted.sort();
        assert_eq!(walked(instance, "limit=3"), sorted);
    }
}

/// The offset that the next record of `key` will have.
fn next_offset(sim: &Sim, key: &str) -> Offset {
    sim.end("facts", Partition::new(partition_of(key))).unwrap()
}

#[test]
fn who_wrote_a_record_reads_it_by_its_offset() {
    for delivery in [Delivery::AtLeastOnce, Delivery::ExactlyOnce] {
        let (sim, instances) = two(delivery);
        for number in 0..40 {
            let (key, written) = (key(number), format!("new {number}"));
            let offset = next_offset(&sim, &key);
            sim.write("facts", key.as_bytes(), Some(written.as_bytes()));
            let (status, found) =
                instances[number % 2].get(&format!("{}?min_offset={offset}&timeout_ms=30000", entry(&key)));
            assert_eq!((status, &found["value"]), (200, &json!(written)), "{delivery:?}: {found}");
            assert_eq!(found["staleness"]["committed"], json!(delivery == Delivery::ExactlyOnce));
            assert!(found["staleness"]["processed_before"]["facts"].as_i64() > Some(offset.0), "{found}");
        }
        let (status, late) = instances[0].get(&format!("{}?min_offset=9999&timeout_ms=50", entry("k")));
        assert_eq!((status, &late["error"]), (504, &json!("behind")), "{late}");
        assert!(late["message"].as_str().unwrap().contains("not yet through 9999"), "{late}");
    }
}

#[test]
fn what_the_last_owner_committed_counts_for_the_next_one() {
    let (sim, mut instances) = two(Delivery::AtLeastOnce);
    let gone = instances.remove(0);
    gone.running.unwrap().stop().unwrap();
    settled(&instances, PARTITIONS as usize);
    for number in 0..40 {
        let last = Offset(next_offset(&sim, &key(number)).0 - 1);
        let (status, found) = instances[0].get(&format!("{}?min_offset={last}", entry(&key(number))));
        assert_eq!((status, &found["value"]), (200, &json!(number.to_string())), "{found}");
    }
}

#[test]
fn an_owner_that_is_gone_is_told_of_and_not_waited_for_without_end() {
    let (_, mut instances) = two(Delivery::AtLeastOnce);
    let other = instances.remove(1);
    let theirs = (0..200).map(key).find(|key| {
        let by = instances[0].get(&entry(key)).1["answered_by"].clone();
        by.as_str().unwrap().ends_with(&format!(":{}", other.server.address().port()))
    });
    let theirs = theirs.unwrap();
    // Its processor still has the partition, so nobody else takes it over.
    let Instance { server, running, .. } = other;
    drop(server);
    let (status, said) = instances[0].get(&entry(&theirs));
    assert_eq!((status, &said["error"]), (503, &json!("owner_unreachable")), "{said}");
    drop(running);
    until("the partition is taken over", || instances[0].get(&entry(&theirs)).0 == 200);
}
