use std::sync::Arc;

use millstream_model::Headers;
use millstream_registry_rules::{
    Config, Definition, Language, Level, Mode, Record, Reference, Stamp, Stored, Subject,
};

use super::{HEADER, decode, encode, stamp_from, stamp_text};

fn subject(name: &str) -> Subject {
    Subject::new(name).unwrap()
}

fn schema(definition: Definition) -> Record {
    Record::Schema(
        subject("s"),
        2,
        Some(Stored { id: 7, definition: Arc::new(definition), is_deleted: false }),
    )
}

fn with_everything() -> Definition {
    Definition {
        language: Language::Json,
        text: "{}".to_owned(),
        references: vec![Reference { name: "n".to_owned(), subject: subject("o"), version: 1 }],
        metadata: Some(r#"{"properties":{"a":"b"}}"#.to_owned()),
        rule_set: Some(r#"{"domainRules":[]}"#.to_owned()),
    }
}

/// The bytes that Confluent's registry writes, from its classes' annotations.
#[test]
fn records_are_written_byte_for_byte_as_confluents_registry_does() {
    for (record, key, value) in [
        (
            schema(Definition::avro(r#""int""#)),
            r#"{"keytype":"SCHEMA","subject":"s","version":2,"magic":1}"#,
            Some(
                r#"{"subject":"s","version":2,"id":7,"schemaType":"AVRO","schema":"\"int\"","deleted":false}"#,
            ),
        ),
        (
            schema(with_everything()),
            r#"{"keytype":"SCHEMA","subject":"s","version":2,"magic":1}"#,
            Some(
                r#"{"subject":"s","version":2,"id":7,"schemaType":"JSON","references":[{"name":"n","subject":"o","version":1}],"metadata":{"properties":{"a":"b"}},"ruleSet":{"domainRules":[]},"schema":"{}","deleted":false}"#,
            ),
        ),
        (
            Record::Schema(subject("s"), 2, None),
            r#"{"keytype":"SCHEMA","subject":"s","version":2,"magic":1}"#,
            None,
        ),
        (
            Record::Config(None, Some(Config { level: Some(Level::FullTransitive), normalize: None })),
            r#"{"keytype":"CONFIG","magic":0}"#,
            Some(r#"{"compatibilityLevel":"FULL_TRANSITIVE"}"#),
        ),
        (
            Record::Config(
                Some(subject("s")),
                Some(Config { level: Some(Level::None), normalize: Some(true) }),
            ),
            r#"{"keytype":"CONFIG","subject":"s","magic":0}"#,
            Some(r#"{"subject":"s","normalize":true,"compatibilityLevel":"NONE"}"#),
        ),
        (Record::Config(Some(subject("s")), None), r#"{"keytype":"CONFIG","subject":"s","magic":0}"#, None),
        (
            Record::Mode(Some(subject("s")), Some(Mode::Import)),
            r#"{"keytype":"MODE","subject":"s","magic":0}"#,
            Some(r#"{"subject":"s","mode":"IMPORT"}"#),
        ),
        (
            Record::DeleteSubject(subject("s"), 3),
            r#"{"keytype":"DELETE_SUBJECT","subject":"s","magic":0}"#,
            Some(r#"{"subject":"s","version":3}"#),
        ),
        (
            Record::ClearSubject(Some(subject("s"))),
            r#"{"keytype":"CLEAR_SUBJECT","subject":"s","magic":0}"#,
            Some(r#"{"subject":"s"}"#),
        ),
        (Record::Noop(Some(9)), r#"{"keytype":"NOOP","magic":0}"#, Some(r#"{"idMax":9}"#)),
        (Record::Noop(None), r#"{"keytype":"NOOP","magic":0}"#, None),
    ] {
        let bytes = encode(&record).unwrap();
        assert_eq!(std::str::from_utf8(&bytes.key).unwrap(), key);
        assert_eq!(bytes.value.as_deref().map(|value| std::str::from_utf8(value).unwrap()), value);
        assert_eq!(decode(&bytes.key, bytes.value.as_deref()), Ok(Some(record)));
    }
}

#[test]
fn older_and_newer_records_of_confluents_are_read() {
    let read = |key: &str, value: &str| decode(key.as_bytes(), Some(value.as_bytes()));
    let plain = read(
        r#"{"keytype":"SCHEMA","subject":"s","version":2,"magic":1}"#,
        r#"{"subject":"s","version":2,"id":7,"schema":"\"int\"","deleted":false}"#,
    );
    assert_eq!(plain, Ok(Some(schema(Definition::avro(r#""int""#)))));
    let newer = read(
        r#"{"keytype":"SCHEMA","subject":"s","version":2,"magic":1}"#,
        r#"{"subject":"s","version":2,"id":7,"md5":"x==","schemaType":"AVRO","schema":"\"int\"","deleted":false,"ts":1,"guid":"g"}"#,
    );
    assert_eq!(newer, plain);
    let config = read(r#"{"keytype":"CONFIG","subject":null,"magic":0}"#, r#"{"compatibilityLevel":"FULL"}"#);
    assert_eq!(
        config,
        Ok(Some(Record::Config(None, Some(Config { level: Some(Level::Full), normalize: None }))))
    );
}

#[test]
fn what_is_not_ours_is_passed_over_and_what_is_broken_told() {
    for key in [
        r#"{"keytype":"CONTEXT","tenant":"default","context":".c","magic":0}"#,
        r#"{"keytype":"SCHEMA","subject":":.other:s","version":1,"magic":1}"#,
    ] {
        assert_eq!(decode(key.as_bytes(), Some(b"{}")), Ok(None), "{key}");
    }
    for (key, value, why) in [
        ("nonsense", "{}", "its key"),
        (r#"{"keytype":"SCHEMA","version":1,"magic":1}"#, "{}", "names no subject"),
        (r#"{"keytype":"SCHEMA","subject":"s","magic":1}"#, "{}", "names no version"),
        (r#"{"keytype":"SCHEMA","subject":"s","version":1,"magic":1}"#, "{}", "its value"),
        (r#"{"keytype":"CONFIG","magic":0}"#, r#"{"compatibilityLevel":"SOME"}"#, "compatibility level"),
    ] {
        let said = decode(key.as_bytes(), Some(value.as_bytes())).unwrap_err();
        assert!(said.contains(why), "{key}: {said}");
    }
}

#[test]
fn a_stamp_goes_through_a_header() {
    let stamp = Stamp { writer: 0xfeed, token: 42 };
    let mut headers = Headers::default();
    assert_eq!(stamp_from(&headers), None);
    headers.push(HEADER, stamp_text(stamp).into_bytes());
    assert_eq!(stamp_from(&headers), Some(stamp));
    headers.push(HEADER, b"nonsense".to_vec());
    assert_eq!(stamp_from(&headers), None, "what can't be read is no stamp");
}
