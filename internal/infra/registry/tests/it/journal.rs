//! The journal: what is in it, and how a registry lives with it.

use std::collections::BTreeMap;

use millstream_model::TopicName;
use millstream_ports::{TopicSpec, World};
use millstream_registry::{Registry, Settings};
use serde_json::{Value, json};

use crate::asked::Asked;
use crate::world::Memory;

fn topic(world: &Memory, partitions: u32, policy: &str) {
    let settings = BTreeMap::from([("cleanup.policy".to_owned(), policy.to_owned())]);
    let name = TopicName::new("_schemas").unwrap();
    world.create_topic(&TopicSpec { name, partitions, replication: None, settings }).unwrap();
}

fn everything(asked: &Asked) -> Vec<Value> {
    let paths =
        ["/schemas?deleted=true", "/subjects?deleted=true", "/config", "/config/s", "/mode", "/mode/t"];
    paths.map(|path| asked.ask("GET", path, &Value::Null).1).into()
}

#[test]
fn a_new_journal_is_compacted_and_of_one_partition() {
    let world = Memory::default();
    drop(Asked::on(&world));
    let inside = world.locked();
    let (spec, records) = inside.topics.values().next().unwrap();
    assert_eq!((spec.name.as_str(), spec.partitions), ("_schemas", 1));
    assert_eq!(spec.settings["cleanup.policy"], "compact");
    assert!(records.is_empty(), "a registry that is only read writes nothing");
}

#[test]
fn the_journal_reads_as_confluents() {
    let world = Memory::default();
    let asked = Asked::on(&world);
    asked.register("s", r#" "int" "#);
    asked.register("s", r#" "int" "#);
    asked.told("PUT", "/config/s", &json!({ "compatibility": "FULL" }));
    asked.told("DELETE", "/subjects/s", &Value::Null);
    asked.told("DELETE", "/subjects/s?permanent=true", &Value::Null);
    let schema = r#"{"keytype":"SCHEMA","subject":"s","version":1,"magic":1}"#;
    let config = r#"{"keytype":"CONFIG","subject":"s","magic":0}"#;
    let expected = [
        (r#"{"keytype":"NOOP","magic":0}"#, Some(r#"{"idMax":0}"#)),
        (
            schema,
            Some(
                r#"{"subject":"s","version":1,"id":1,"schemaType":"AVRO","schema":"\"int\"","deleted":false}"#,
            ),
        ),
        (config, Some(r#"{"subject":"s","compatibilityLevel":"FULL"}"#)),
        (r#"{"keytype":"DELETE_SUBJECT","subject":"s","magic":0}"#, Some(r#"{"subject":"s","version":1}"#)),
        (config, None),
        (schema, None),
    ];
    let expected = expected.map(|(key, value)| (key.to_owned(), value.map(str::to_owned)));
    assert_eq!(world.journal(), expected);
}

#[test]
fn a_restart_finds_everything_again_also_in_a_compacted_journal() {
    let world = Memory::default();
    let asked = Asked::on(&world);
    for (subject, schema) in [("s", r#""int""#), ("s", r#""long""#), ("t", r#""int""#), ("u", r#""bytes""#)] {
        asked.register(subject, schema);
    }
    asked.told("PUT", "/config/s", &json!({ "compatibility": "FULL" }));
    asked.told("PUT", "/mode/t", &json!({ "mode": "READONLY" }));
    asked.told("DELETE", "/subjects/s/versions/1", &Value::Null);
    asked.told("DELETE", "/subjects/u", &Value::Null);
    let before = everything(&asked);
    drop(asked);
    assert_eq!(everything(&Asked::on(&world)), before);
    world.compact();
    let again = Asked::on(&world);
    assert_eq!(everything(&again), before);
    assert_eq!(again.register("v", r#""double""#), 4, "ids go on");
}

#[test]
fn an_id_of_a_schema_that_is_gone_for_good_is_not_given_out_again() {
    let world = Memory::default();
    let asked = Asked::on(&world);
    asked.register("s", r#""int""#);
    asked.register("t", r#""long""#);
    drop(asked);
    // The second holder's token notes the ids that were given out.
    let asked = Asked::on(&world);
    asked.told("DELETE", "/subjects/t", &Value::Null);
    asked.told("DELETE", "/subjects/t?permanent=true", &Value::Null);
    drop(asked);
    world.compact();
    assert_eq!(Asked::on(&world).register("t", r#""float""#), 3);
}

#[test]
fn a_journal_of_confluents_is_taken_over() {
    let world = Memory::default();
    topic(&world, 1, "compact");
    let schema = |subject: &str, version: u32, id: u32, text: &str| {
        let key = format!(r#"{{"keytype":"SCHEMA","subject":"{subject}","version":{version},"magic":1}}"#);
        let text = serde_json::to_string(text).unwrap();
        let value = format!(
            r#"{{"subject":"{subject}","version":{version},"id":{id},"schema":{text},"deleted":false}}"#
        );
        world.write("_schemas", &key, Some(&value));
    };
    world.write("_schemas", r#"{"keytype":"NOOP","magic":0}"#, None);
    world.write(
        "_schemas",
        r#"{"keytype":"CONFIG","subject":null,"magic":0}"#,
        Some(r#"{"compatibilityLevel":"NONE"}"#),
    );
    schema("s", 1, 4, r#"{"type": "record", "name": "R", "fields": []}"#);
    schema("s", 2, 5, r#""long""#);
    schema("gone", 1, 6, r#""float""#);
    world.write(
        "_schemas",
        r#"{"keytype":"DELETE_SUBJECT","subject":"gone","magic":0}"#,
        Some(r#"{"subject":"gone","version":1}"#),
    );
    world.write(
        "_schemas",
        r#"{"keytype":"CONTEXT","tenant":"default","context":".x","magic":0}"#,
        Some("{}"),
    );
    world.write("_schemas", "not a key", Some("not a value"));
    let asked = Asked::on(&world);
    assert_eq!(asked.get("/config"), json!({ "compatibilityLevel": "NONE" }));
    assert_eq!(asked.get("/subjects"), json!(["s"]));
    assert_eq!(
        asked.register("s", r#"{"name":"R","type":"record","fields":[]}"#),
        4,
        "spelled otherwise it is the same"
    );
    assert_eq!(asked.register("s", r#""double""#), 7);
    // What Confluent's registry writes while this one is up is seen as well.
    schema("late", 1, 8, r#""boolean""#);
    assert_eq!(asked.register("late", r#""boolean""#), 8);
    assert_eq!(asked.register("next", r#""null""#), 9);
}

#[test]
fn a_write_in_doubt_is_told_and_what_became_of_it_is_found_out() {
    let world = Memory::default();
    let asked = Asked::on(&world);
    asked.register("s", r#""int""#);
    world.locked().fault = Some("the brokers went away".to_owned());
    let (status, answer) = asked.ask("POST", "/subjects/s/versions", &json!({ "schema": "\"long\"" }));
    assert_eq!((status, &answer["error_code"]), (500, &json!(50001)));
    assert!(answer["message"].as_str().unwrap().contains("the brokers went away"), "{answer}");
    assert_eq!(
        asked.register("s", r#""long""#),
        2,
        "the record had arrived, and is answered once asked again"
    );
    assert_eq!(asked.get("/subjects/s/versions"), json!([1, 2]));
}

#[test]
fn a_topic_that_would_lose_schemas_is_refused() {
    for (partitions, policy, why) in
        [(1, "delete", "cleanup.policy is 'delete'"), (3, "compact", "3 partitions")]
    {
        let world = Memory::default();
        topic(&world, partitions, policy);
        let error = Registry::start(&world, &Settings::at("127.0.0.1:0")).err().unwrap().to_string();
        assert!(error.contains("'_schemas'") && error.contains(why), "{error}");
    }
}

#[test]
fn it_listens_to_this_machine_alone_unless_told_otherwise() {
    let open = Settings::at("0.0.0.0:0");
    let error = Registry::start(&Memory::default(), &open).err().unwrap().to_string();
    assert!(error.contains("0.0.0.0:0") && error.contains("127.0.0.1"), "{error}");
    let registry = Registry::start(&Memory::default(), &Settings { is_open: true, ..open }).unwrap();
    let taken = Settings { is_open: true, ..Settings::at(registry.address().to_string()) };
    let error = Registry::start(&Memory::default(), &taken).err().unwrap().to_string();
    assert!(error.contains("can't listen on"), "{error}");
}
