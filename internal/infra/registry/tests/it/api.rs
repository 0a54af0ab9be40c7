//! Confluent's API reference, path by path.

use millstream_registry::Settings;
use serde_json::{Value, json};

use crate::asked::Asked;
use crate::world::Memory;

const ONE: &str = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}"#;
const TWO: &str = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"b","type":"int","default":0}]}"#;
const OTHER: &str = r#"{"type":"record","name":"R","fields":[{"name":"c","type":"int"}]}"#;

fn schema(text: &str) -> Value {
    json!({ "schema": text })
}

#[test]
fn a_schema_is_registered_and_found_in_every_way() {
    let asked = Asked::new();
    assert_eq!(asked.get("/"), json!({}));
    assert_eq!(asked.get("/subjects"), json!([]));
    let answer = asked.told("POST", "/subjects/s-value/versions", &schema(&ONE.replace(',', " , ")));
    assert_eq!(answer, json!({ "id": 1 }));
    assert_eq!(asked.register("s-value", ONE), 1);
    assert_eq!(asked.register("t-value", ONE), 1);
    assert_eq!(asked.register("s-value", TWO), 2);

    assert_eq!(asked.get("/subjects"), json!(["s-value", "t-value"]));
    assert_eq!(asked.get("/subjects/"), json!(["s-value", "t-value"]));
    assert_eq!(asked.get("/subjects/s-value/versions/"), json!([1, 2]));
    assert_eq!(asked.get("/subjects?subjectPrefix=t"), json!(["t-value"]));
    assert_eq!(asked.get("/subjects?offset=1&limit=1"), json!(["t-value"]));
    assert_eq!(asked.get("/subjects/s-value/versions"), json!([1, 2]));
    let second = json!({ "subject": "s-value", "version": 2, "id": 2, "schema": TWO });
    for version in ["2", "latest", "-1"] {
        assert_eq!(asked.get(&format!("/subjects/s-value/versions/{version}")), second);
    }
    assert_eq!(
        asked.get("/subjects/s-value/versions/1/schema").to_string(),
        serde_json::from_str::<Value>(ONE).unwrap().to_string()
    );
    assert_eq!(asked.told("POST", "/subjects/s-value", &schema(TWO)), second);

    assert_eq!(asked.get("/schemas/ids/1"), json!({ "schema": ONE }));
    assert_eq!(asked.get("/schemas/ids/1?fetchMaxId=true"), json!({ "schema": ONE, "maxId": 2 }));
    assert_eq!(asked.raw("GET", "/schemas/ids/1/schema", None, "").text().unwrap(), ONE, "the bare text");
    assert_eq!(asked.get("/schemas/ids/1/subjects"), json!(["s-value", "t-value"]));
    let uses = json!([{ "subject": "s-value", "version": 1 }, { "subject": "t-value", "version": 1 }]);
    assert_eq!(asked.get("/schemas/ids/1/versions"), uses);
    assert_eq!(asked.get("/schemas/types"), json!(["JSON", "PROTOBUF", "AVRO"]));
    assert_eq!(asked.get("/schemas").as_array().unwrap().len(), 3);
    assert_eq!(asked.get("/schemas?latestOnly=true&subjectPrefix=s-"), json!([second]));
    assert_eq!(asked.get("/contexts"), json!(["."]));
    assert!(asked.get("/v1/metadata/id")["scope"]["clusters"]["schema-registry-cluster"].is_string());
    assert!(asked.get("/v1/metadata/version")["version"].is_string());
}

#[test]
fn what_is_not_there_is_told_by_confluents_codes() {
    let asked = Asked::new();
    asked.register("s", ONE);
    for (method, path, body, refusal) in [
        ("GET", "/subjects/t/versions", Value::Null, (404, 40401)),
        ("GET", "/subjects/t/versions/1", Value::Null, (404, 40401)),
        ("GET", "/subjects/s/versions/2", Value::Null, (404, 40402)),
        ("GET", "/subjects/s/versions/2/schema", Value::Null, (404, 40402)),
        ("GET", "/subjects/s/versions/2/referencedby", Value::Null, (404, 40402)),
        ("GET", "/subjects/s/versions/none", Value::Null, (422, 42202)),
        ("GET", "/subjects/s/versions/0", Value::Null, (422, 42202)),
        ("POST", "/subjects/t", schema(ONE), (404, 40401)),
        ("POST", "/subjects/s", schema(TWO), (404, 40403)),
        ("GET", "/schemas/ids/9", Value::Null, (404, 40403)),
        ("GET", "/schemas/ids/9/schema", Value::Null, (404, 40403)),
        ("GET", "/schemas/ids/9/subjects", Value::Null, (404, 40403)),
        ("GET", "/schemas/ids/9/versions", Value::Null, (404, 40403)),
        ("GET", "/schemas/ids/nine", Value::Null, (404, 404)),
        ("GET", "/config/s", Value::Null, (404, 40408)),
        ("DELETE", "/config/s", Value::Null, (404, 40401)),
        ("GET", "/mode/s", Value::Null, (404, 40409)),
        ("DELETE", "/mode/s", Value::Null, (404, 40401)),
        ("POST", "/compatibility/subjects/s/versions/7", schema(ONE), (404, 40402)),
        ("POST", "/compatibility/subjects/s/versions/x", schema(ONE), (422, 42202)),
        ("DELETE", "/subjects/t", Value::Null, (404, 40401)),
        ("DELETE", "/subjects/s?permanent=true", Value::Null, (404, 40405)),
        ("DELETE", "/subjects/s/versions/2", Value::Null, (404, 40402)),
        ("DELETE", "/subjects/s/versions/1?permanent=true", Value::Null, (404, 40407)),
        ("GET", "/nowhere", Value::Null, (404, 404)),
        ("PUT", "/subjects", json!({}), (405, 405)),
    ] {
        assert_eq!(asked.refused(method, path, &body), refusal, "{method} {path}");
    }
}

#[test]
fn what_can_not_be_registered_is_told_by_confluents_codes() {
    let asked = Asked::new();
    asked.register("s", ONE);
    let path = "/subjects/s/versions";
    for (body, refusal) in [
        (schema(OTHER), (409, 409)),
        (schema("nonsense"), (422, 42201)),
        (schema(""), (422, 42201)),
        (json!({}), (422, 42201)),
        (json!({ "schema": ONE, "schemaType": "XML" }), (422, 42201)),
        (
            json!({ "schema": ONE, "references": [{ "name": "n", "subject": "x", "version": 1 }] }),
            (422, 42201),
        ),
        (
            json!({ "schema": ONE, "references": [{ "name": "n", "subject": "x", "version": -1 }] }),
            (422, 42201),
        ),
        (json!({ "schema": TWO, "version": 7 }), (422, 42201)),
        (json!({ "schema": TWO, "id": 7 }), (422, 42205)),
        (json!({ "schema": TWO, "schemaTagsToAdd": [] }), (422, 42205)),
        (json!({ "schema": "{}", "schemaType": "JSON" }), (409, 409)),
        (json!({ "schema": 12 }), (400, 400)),
    ] {
        assert_eq!(asked.refused("POST", path, &body), refusal, "{body}");
    }
    assert_eq!(asked.refused("POST", "/subjects/:.other:s/versions", &schema(ONE)), (422, 42208));
    let said = asked.ask("POST", path, &schema(OTHER)).1["message"].to_string();
    assert!(
        said.contains("incompatible with an earlier schema for subject") && said.contains("'c'"),
        "{said}"
    );
    let kind = Some("application/json");
    assert_eq!(asked.raw("POST", path, kind, "{").status(), 400);
    assert_eq!(asked.raw("POST", path, Some("text/plain"), "{}").status(), 415);
    assert_eq!(asked.get("/subjects/s/versions"), json!([1]), "nothing of that was kept");
}

#[test]
fn deletion_is_soft_first() {
    let asked = Asked::new();
    asked.register("s", ONE);
    asked.register("s", TWO);
    assert_eq!(asked.told("DELETE", "/subjects/s/versions/1", &Value::Null), json!(1));
    assert_eq!(asked.refused("DELETE", "/subjects/s/versions/1", &Value::Null), (404, 40406));
    assert_eq!(asked.refused("GET", "/subjects/s/versions/1", &Value::Null), (404, 40402));
    assert_eq!(asked.get("/subjects/s/versions/1?deleted=true")["id"], 1);
    assert_eq!(asked.get("/subjects/s/versions?deleted=true"), json!([1, 2]));
    assert_eq!(asked.get("/subjects/s/versions?deletedOnly=true"), json!([1]));
    assert_eq!(asked.get("/schemas/ids/1/subjects"), json!([]));
    assert_eq!(asked.get("/schemas/ids/1/subjects?deleted=true"), json!(["s"]));
    assert_eq!(asked.told("DELETE", "/subjects/s/versions/1?permanent=true", &Value::Null), json!(1));
    assert_eq!(asked.refused("GET", "/schemas/ids/1", &Value::Null), (404, 40403));
    assert_eq!(asked.told("DELETE", "/subjects/s", &Value::Null), json!([2]));
    assert_eq!(asked.refused("DELETE", "/subjects/s", &Value::Null), (404, 40404));
    assert_eq!(asked.get("/subjects"), json!([]));
    assert_eq!(asked.get("/subjects?deleted=true"), json!(["s"]));
    assert_eq!(asked.get("/subjects?deletedOnly=true"), json!(["s"]));
    assert_eq!(asked.told("DELETE", "/subjects/s?permanent=true", &Value::Null), json!([2]));
    assert_eq!(asked.get("/subjects?deleted=true"), json!([]));
}

#[test]
fn compatibility_is_answered_with_reasons_for_those_who_ask() {
    let asked = Asked::new();
    asked.register("s", ONE);
    let all = "/compatibility/subjects/s/versions";
    assert_eq!(asked.told("POST", all, &schema(TWO)), json!({ "is_compatible": true }));
    assert_eq!(asked.told("POST", all, &schema(OTHER)), json!({ "is_compatible": false }));
    assert_eq!(
        asked.told("POST", "/compatibility/subjects/new/versions/latest", &schema(TWO)),
        json!({ "is_compatible": true })
    );
    for path in [all, "/compatibility/subjects/s/versions/latest", "/compatibility/subjects/s/versions/1"] {
        let told = asked.told("POST", &format!("{path}?verbose=true"), &schema(OTHER));
        let why = told["messages"].to_string();
        assert!(
            told["is_compatible"] == false && why.contains("READER_FIELD_MISSING_DEFAULT_VALUE"),
            "{told}"
        );
        let told = asked.told("POST", &format!("{path}?verbose=true"), &schema(TWO));
        assert_eq!(told, json!({ "is_compatible": true, "messages": [] }));
    }
    assert_eq!(asked.refused("POST", all, &schema("nonsense")), (422, 42201));
    let told = asked.told("POST", &format!("{all}?verbose=true"), &schema("nonsense"));
    assert!(
        told["is_compatible"] == false
            && told["messages"][0].as_str().is_some_and(|why| why.contains("not JSON")),
        "{told}"
    );
}

#[test]
fn settings_hold_for_all_and_for_one() {
    let asked = Asked::new();
    assert_eq!(asked.get("/config"), json!({ "compatibilityLevel": "BACKWARD" }));
    assert_eq!(
        asked.told("PUT", "/config", &json!({ "compatibility": "full" })),
        json!({ "compatibility": "FULL" })
    );
    assert_eq!(asked.get("/config"), json!({ "compatibilityLevel": "FULL" }));
    assert_eq!(asked.get("/config/s?defaultToGlobal=true"), json!({ "compatibilityLevel": "FULL" }));
    assert_eq!(
        asked.told("PUT", "/config/s", &json!({ "compatibility": "NONE" })),
        json!({ "compatibility": "NONE" })
    );
    let normalized = json!({ "compatibility": "NONE", "normalize": true });
    assert_eq!(asked.told("PUT", "/config/s", &json!({ "normalize": true })), normalized);
    assert_eq!(asked.get("/config/s"), json!({ "compatibilityLevel": "NONE", "normalize": true }));
    asked.register("s", ONE);
    asked.register("s", OTHER);
    assert_eq!(asked.refused("PUT", "/config", &json!({ "compatibility": "SOME" })), (422, 42203));
    assert_eq!(asked.refused("PUT", "/config/s", &json!({ "alias": "t" })), (422, 42205));
    assert_eq!(asked.told("DELETE", "/config/s", &Value::Null)["compatibilityLevel"], "NONE");
    assert_eq!(asked.told("DELETE", "/config", &Value::Null)["compatibilityLevel"], "FULL");
    assert_eq!(asked.get("/config"), json!({ "compatibilityLevel": "BACKWARD" }));
}

#[test]
fn modes_hold_for_all_and_for_one() {
    let asked = Asked::new();
    assert_eq!(asked.get("/mode"), json!({ "mode": "READWRITE" }));
    assert_eq!(asked.get("/mode/s?defaultToGlobal=true"), json!({ "mode": "READWRITE" }));
    asked.register("s", ONE);
    assert_eq!(asked.told("PUT", "/mode/s", &json!({ "mode": "READONLY" })), json!({ "mode": "READONLY" }));
    assert_eq!(asked.get("/mode/s"), json!({ "mode": "READONLY" }));
    assert_eq!(asked.refused("POST", "/subjects/s/versions", &schema(TWO)), (422, 42205));
    assert_eq!(asked.refused("PUT", "/mode", &json!({ "mode": "SOME" })), (422, 42204));
    assert_eq!(asked.refused("PUT", "/mode", &json!({ "mode": "IMPORT" })), (422, 42205));
    assert_eq!(
        asked.told("PUT", "/mode?force=true", &json!({ "mode": "IMPORT" })),
        json!({ "mode": "IMPORT" })
    );
    let imported =
        asked.told("POST", "/subjects/i/versions", &json!({ "schema": TWO, "id": 70, "version": 5 }));
    assert_eq!(imported, json!({ "id": 70 }));
    assert_eq!(asked.get("/subjects/i/versions"), json!([5]));
    assert_eq!(asked.told("DELETE", "/mode", &Value::Null), json!({ "mode": "IMPORT" }));
    assert_eq!(asked.told("DELETE", "/mode/s", &Value::Null), json!({ "mode": "READONLY" }));
    assert_eq!(asked.register("s", TWO), 70);
}

#[test]
fn references_metadata_and_other_languages_are_given_back() {
    let asked = Asked::new();
    asked.register("c", r#"{"type":"fixed","name":"n.C","size":2}"#);
    let reference = json!({ "name": "n.C", "subject": "c", "version": 1 });
    let body = json!({
        "schema": r#"{"type":"array","items":"n.C"}"#,
        "references": [{ "name": "n.C", "subject": "c", "version": -1 }],
        "metadata": { "properties": { "owner": "us" } },
        "ruleSet": { "domainRules": [] },
    });
    assert_eq!(asked.told("POST", "/subjects/a/versions", &body)["id"], 2);
    let told = asked.get("/schemas/ids/2");
    assert_eq!((&told["references"], &told["metadata"]), (&json!([reference]), &body["metadata"]));
    assert_eq!(told["ruleSet"], body["ruleSet"]);
    assert_eq!(asked.get("/subjects/c/versions/latest/referencedby"), json!([2]));
    assert_eq!(asked.refused("DELETE", "/subjects/c", &Value::Null), (422, 42206));

    let with = |value: &str| format!("/subjects/a/metadata?key=owner&value={value}");
    assert_eq!(asked.get(&with("us"))["id"], 2);
    assert_eq!(asked.refused("GET", &with("them"), &Value::Null), (404, 40403));
    assert_eq!(asked.refused("GET", "/subjects/z/metadata?key=owner&value=us", &Value::Null), (404, 40401));

    let proto = json!({ "schema": "syntax = \"proto3\";\nmessage A {}\n", "schemaType": "PROTOBUF" });
    let id = asked.told("POST", "/subjects/p/versions", &proto)["id"].clone();
    assert_eq!(asked.get(&format!("/schemas/ids/{id}")), proto);
    let next = json!({ "schema": "syntax = \"proto3\";\nmessage B {}\n", "schemaType": "PROTOBUF" });
    assert_eq!(asked.refused("POST", "/subjects/p/versions", &next), (422, 42205));
    assert_eq!(asked.refused("POST", "/compatibility/subjects/p/versions", &next), (422, 42205));
    asked.told("PUT", "/config/p", &json!({ "compatibility": "NONE" }));
    asked.told("POST", "/subjects/p/versions", &next);
    assert_eq!(asked.get("/subjects/p/versions"), json!([1, 2]));
}

#[test]
fn subjects_may_have_any_name_that_a_path_can_tell() {
    let asked = Asked::new();
    let path = "/subjects/a%2Fb%20c%3A%C3%A4/versions";
    asked.told("POST", path, &schema(ONE));
    assert_eq!(asked.get(path), json!([1]));
    assert_eq!(asked.get("/subjects"), json!(["a/b c:ä"]));
}

#[test]
fn what_can_not_be_read_changes_nothing() {
    let asked = Asked::new();
    let level = json!({ "compatibility": "NONE" });
    for (method, path, body, refusal) in [
        ("PUT", "/config/%ff", level.clone(), (400, 400)),
        ("PUT", "/config/%00", level.clone(), (422, 42208)),
        ("PUT", "/config/:.other:s", level, (422, 42208)),
        ("DELETE", "/mode/%ff", Value::Null, (400, 400)),
        ("GET", "/subjects/%ff/versions", Value::Null, (400, 400)),
        ("PUT", "/mode", json!({ "mode": 1 }), (400, 400)),
        ("PUT", "/config", json!([]), (400, 400)),
    ] {
        assert_eq!(asked.refused(method, path, &body), refusal, "{method} {path}");
    }
    assert_eq!(
        asked.raw("POST", "/subjects/s/versions", Some("application/json"), &"[".repeat(100_000)).status(),
        400
    );
    let deep = format!("{}\"int\"{}", r#"{"type":"array","items":"#.repeat(1000), "}".repeat(1000));
    assert_eq!(asked.refused("POST", "/subjects/s/versions", &schema(&deep)), (422, 42201));
    assert_eq!(asked.get("/config"), json!({ "compatibilityLevel": "BACKWARD" }));
    assert_eq!(asked.get("/subjects"), json!([]));
}

#[test]
fn answers_come_in_the_kind_that_is_asked_for() {
    let asked = Asked::new();
    let client = reqwest::blocking::Client::new();
    for (accept, kind) in [
        (None, "application/vnd.schemaregistry.v1+json"),
        (Some("application/json"), "application/json"),
        (
            Some("application/vnd.schemaregistry.v1+json, application/json"),
            "application/vnd.schemaregistry.v1+json",
        ),
    ] {
        let mut request = client.get(format!("{}/subjects", asked.url()));
        if let Some(accept) = accept {
            request = request.header("accept", accept);
        }
        assert_eq!(request.send().unwrap().headers()["content-type"], kind, "{accept:?}");
    }
}

#[test]
fn clients_that_take_more_are_told_more() {
    let asked = Asked::new();
    asked.register("s", ONE);
    asked.told("DELETE", "/subjects/s/versions/1", &Value::Null);
    let client = reqwest::blocking::Client::new();
    let told = |request: reqwest::blocking::RequestBuilder| -> Value {
        let request = request.header("Confluent-Accept-Unknown-Properties", "true");
        serde_json::from_str(&request.send().unwrap().text().unwrap()).unwrap()
    };
    let path = format!("{}/subjects/s/versions", asked.url());
    assert_eq!(told(client.get(format!("{path}/1?deleted=true")))["deleted"], true);
    assert_eq!(told(client.post(path).body(schema(TWO).to_string())), json!({ "id": 2, "version": 2 }));
    assert!(asked.get("/subjects/s/versions/1?deleted=true").get("deleted").is_none());
}

#[test]
fn bodies_and_records_are_bounded() {
    let settings = Settings { body_bytes_max: 2000, record_bytes_max: 1000, ..Settings::at("127.0.0.1:0") };
    let asked = Asked::with(&Memory::default(), &settings);
    let with_doc =
        |length| format!(r#"{{"type":"record","name":"R","doc":"{}","fields":[]}}"#, "x".repeat(length));
    assert_eq!(asked.refused("POST", "/subjects/s/versions", &schema(&with_doc(3000))), (413, 413));
    assert_eq!(asked.refused("POST", "/subjects/s/versions", &schema(&with_doc(1000))), (422, 42209));
    asked.register("s", &with_doc(100));
}
