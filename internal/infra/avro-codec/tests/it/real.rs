//! Against a real registry, where `SCHEMA_REGISTRY_URL` names one.

use std::time::{SystemTime, UNIX_EPOCH};

use millstream_avro_codec::{Avro, Forwarding, Registry, value_subject};
use millstream_ports::{Action, Codec};

use crate::oracle::bytes_of;
use crate::product::{Product, SCHEMA, lamp};

/// The registry, its address, and a topic that it has not seen; `None`, with a note, where there is no registry.
fn real(name: &str) -> Option<(Registry, String, String)> {
    let Ok(url) = std::env::var("SCHEMA_REGISTRY_URL") else {
        println!("skipped: SCHEMA_REGISTRY_URL names no registry");
        return None;
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    Some((Registry::new(&url).unwrap(), url, format!("avro_codec_{name}_{now}")))
}

#[test]
fn products_travel_by_a_registered_schema() {
    let Some((registry, url, topic)) = real("travel") else { return };
    let subject = value_subject(&topic);
    assert_eq!(registry.latest(&subject).unwrap(), None);
    let writer = Avro::<Product<String>>::writer(&registry, &subject, SCHEMA).unwrap();
    let bytes = bytes_of(&writer, &lamp());
    let stranger = Registry::new(&url).unwrap();
    assert_eq!(Avro::<Product<String>>::reader(&stranger).decode(&bytes), Ok(lamp()));
    let latest = stranger.latest(&subject).unwrap().unwrap();
    assert_eq!((latest.id.to_be_bytes(), latest.version), (bytes[1..5].try_into().unwrap(), 1));
    assert_eq!(registry.register(&subject, SCHEMA).unwrap(), latest.id);
    let compatibility =
        reqwest::blocking::get(format!("{}/config/{subject}", url.trim_end_matches('/'))).unwrap();
    assert!(compatibility.text().unwrap().contains("BACKWARD"));
}

#[test]
fn a_schema_that_old_records_can_not_be_read_by_is_refused() {
    let Some((registry, _, topic)) = real("refused") else { return };
    let subject = value_subject(&topic);
    let with = |fields: &str| format!(r#"{{"type": "record", "name": "R", "fields": [{fields}]}}"#);
    registry.register(&subject, &with(r#"{"name": "a", "type": "string"}"#)).unwrap();
    let error = registry
        .register(&subject, &with(r#"{"name": "a", "type": "string"}, {"name": "b", "type": "int"}"#))
        .unwrap_err();
    assert_eq!(error.action(), Action::Stop);
    let said = error.to_string();
    assert!(said.contains(&subject) && said.contains("is not compatible with those registered"), "{said}");
    registry
        .register(
            &subject,
            &with(r#"{"name": "a", "type": "string"}, {"name": "b", "type": "int", "default": 0}"#),
        )
        .unwrap();
    let nonsense = registry.register(&subject, "{\"type\": \"nonsense\"}").unwrap_err();
    assert_eq!(nonsense.action(), Action::Stop, "{nonsense}");
}

#[test]
fn forwarded_records_are_readable_under_the_output() {
    let Some((registry, url, topic)) = real("forwarded") else { return };
    let writer = Avro::<Product<String>>::writer(&registry, &value_subject(&topic), SCHEMA).unwrap();
    let bytes = bytes_of(&writer, &lamp());
    let output = value_subject(&format!("{topic}_out"));
    Forwarding::to(&Registry::new(&url).unwrap(), &output).check(&bytes).unwrap();
    assert!(registry.latest(&output).unwrap().is_some());
}

#[test]
fn an_id_that_nobody_registered_is_unknown() {
    let Some((registry, _, _)) = real("unknown") else { return };
    let said = registry.schema(2_000_000_000).map(drop).unwrap_err().to_string();
    assert_eq!(said, "the schema registry knows no schema with id 2000000000");
}
