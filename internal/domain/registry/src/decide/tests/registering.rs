use std::sync::Arc;

use super::{Alone, in_language, referring, subject};
use crate::{Config, Definition, Filter, Language, Level, Record, Registration, Stored, VersionRange};

const ONE: &str = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}"#;
const TWO: &str = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"b","type":"int","default":0}]}"#;
const OTHER: &str = r#"{"type":"record","name":"R","fields":[{"name":"c","type":"int"}]}"#;

#[test]
fn one_schema_has_one_id_in_all_subjects_however_it_is_spelled() {
    let mut all = Alone::default();
    let first = all.register("a", ONE).unwrap();
    assert_eq!((first.id, first.version), (1, 1));
    let again = all.register("a", &ONE.replace(',', " ,\n ")).unwrap();
    assert_eq!((again.id, again.version), (1, 1), "registering again answers what is there");
    let elsewhere = all.register("b", ONE).unwrap();
    assert_eq!((elsewhere.id, elsewhere.version), (1, 1));
    let next = all.register("a", TWO).unwrap();
    assert_eq!((next.id, next.version), (2, 2));
    assert_eq!(all.state.schema(1).unwrap().text, ONE);
    assert_eq!(all.state.uses(1, Filter::Live).unwrap(), [(&subject("a"), 1), (&subject("b"), 1)]);
}

#[test]
fn a_doc_makes_another_schema() {
    let mut all = Alone::default();
    let documented = ONE.replace(r#""name":"R""#, r#""name":"R","doc":"d""#);
    assert_eq!((all.id("a", ONE), all.id("a", &documented)), (1, 2));
}

#[test]
fn levels_look_at_as_many_earlier_schemas_and_in_as_many_directions_as_they_say() {
    // Two lacks nothing that one has; three reads two but not one; four is read by two but not by one.
    let field = |name: &str, rest: &str| format!(r#"{{"name":"{name}","type":"int"{rest}}}"#);
    let record =
        |fields: &[String]| format!(r#"{{"type":"record","name":"R","fields":[{}]}}"#, fields.join(","));
    let (a, b, b0) = (field("a", ""), field("b", ""), field("b", r#","default":0"#));
    let (only_a, a_b0, a_b) =
        (record(std::slice::from_ref(&a)), record(&[a.clone(), b0]), record(&[a.clone(), b]));
    let empty = record(&[]);
    for (level, earlier, new, goes) in [
        (Level::Backward, vec![&only_a], &a_b, false),
        (Level::Backward, vec![&only_a], &a_b0, true),
        (Level::Backward, vec![&only_a, &a_b0], &a_b, true),
        (Level::BackwardTransitive, vec![&only_a, &a_b0], &a_b, false),
        (Level::Forward, vec![&only_a], &a_b, true),
        (Level::Forward, vec![&only_a], &empty, false),
        (Level::Forward, vec![&a_b, &a_b0], &only_a, true),
        (Level::ForwardTransitive, vec![&a_b, &a_b0], &only_a, false),
        (Level::Full, vec![&only_a], &a_b, false),
        (Level::Full, vec![&only_a], &empty, false),
        (Level::Full, vec![&only_a], &a_b0, true),
        (Level::Full, vec![&a_b, &a_b0], &only_a, true),
        (Level::FullTransitive, vec![&a_b, &a_b0], &only_a, false),
        (Level::None, vec![&only_a], &r#""string""#.to_owned(), true),
    ] {
        let mut all = Alone::default();
        let set = |all: &mut Alone, level| {
            let decision = all.state.set_config(&None, Config { level: Some(level), normalize: None });
            all.done(decision).unwrap();
        };
        set(&mut all, Level::None);
        for text in &earlier {
            all.id("s", text);
        }
        set(&mut all, level);
        let objections =
            all.state.objections(&subject("s"), &Registration::of(Definition::avro(new.as_str()))).unwrap();
        assert_eq!(objections.is_empty(), goes, "{level:?} {earlier:?} {new}: {objections:?}");
        let registered = all.register("s", new);
        assert_eq!(
            registered.as_ref().map_err(super::Refusal::code).err(),
            (!goes).then_some(409),
            "{registered:?}"
        );
    }
}

#[test]
fn the_level_is_backward_unless_said_and_a_subjects_own_goes_first() {
    let mut all = Alone::default();
    all.id("s", ONE);
    let said = all.register("s", OTHER).unwrap_err();
    assert_eq!(said.code(), 409);
    let text = said.to_string();
    for part in [
        "subject \"s\"",
        "READER_FIELD_MISSING_DEFAULT_VALUE",
        "oldSchemaVersion: 1",
        "compatibility: 'BACKWARD'",
    ] {
        assert!(text.contains(part), "{text}");
    }
    let decision =
        all.state.set_config(&Some(subject("s")), Config { level: Some(Level::None), normalize: None });
    all.done(decision).unwrap();
    assert_eq!(all.id("s", OTHER), 2);
}

#[test]
fn compatibility_with_one_version() {
    let mut all = Alone::default();
    all.id("s", ONE);
    all.id("s", TWO);
    let of =
        |version| all.state.objections_of(&subject("s"), version, &Registration::of(Definition::avro(OTHER)));
    assert!(!of(VersionRange::Exactly(1)).unwrap().is_empty());
    assert_eq!(of(VersionRange::Exactly(9)).unwrap_err().code(), 40402);
    let nobody = all.state.objections_of(
        &subject("new"),
        VersionRange::Latest,
        &Registration::of(Definition::avro(ONE)),
    );
    assert_eq!(nobody.unwrap(), Vec::<String>::new(), "a new subject takes anything");
}

#[test]
fn types_of_other_subjects_are_found_by_way_of_others_too() {
    let mut all = Alone::default();
    all.id("c", r#"{"type":"fixed","name":"n.C","size":2}"#);
    let b = r#"{"type":"record","name":"n.B","fields":[{"name":"c","type":"n.C"}]}"#;
    all.register_as("b", &referring(b, &[("n.C", "c", 1)])).unwrap();
    let a = r#"{"type":"record","name":"n.A","fields":[{"name":"b","type":"B"},{"name":"c","type":"C"}]}"#;
    let kept = all.register_as("a", &referring(a, &[("n.B", "b", 1)])).unwrap();
    assert!(kept.definition.text.contains(r#""type":"B""#), "{}", kept.definition.text);
    assert_eq!(all.state.referrers(&subject("c"), 1), [2].into());
    for (to, why) in
        [(&[("n.B", "b", 2)][..], "version 2"), (&[], "undefined name: 'n.B'"), (&[("n.B", "x", 1)], "\"x\"")]
    {
        let said = all.register_as("d", &referring(a, to)).unwrap_err();
        assert!(said.code() == 42201 && said.to_string().contains(why), "{said}");
    }
}

#[test]
fn a_change_of_a_referred_type_is_seen() {
    let mut all = Alone::default();
    let c = |size: u32| format!(r#"{{"type":"fixed","name":"C","size":{size}}}"#);
    all.id("c", &c(2));
    let decision =
        all.state.set_config(&Some(subject("c")), Config { level: Some(Level::None), normalize: None });
    all.done(decision).unwrap();
    all.id("c", &c(4));
    let a = r#"{"type":"record","name":"A","fields":[{"name":"c","type":"C"}]}"#;
    all.register_as("a", &referring(a, &[("C", "c", 1)])).unwrap();
    let said = all.register_as("a", &referring(a, &[("C", "c", 2)])).unwrap_err();
    assert!(said.code() == 409 && said.to_string().contains("FIXED_SIZE_MISMATCH"), "{said}");
}

#[test]
fn other_languages_are_kept_and_their_compatibility_is_not_guessed() {
    for (language, one, same, other) in [
        (
            Language::Json,
            r#"{"type": "object", "b": 1}"#,
            r#"{ "type":"object","b":1 }"#,
            r#"{"type":"string"}"#,
        ),
        (Language::Protobuf, "message A { }", "// a\nmessage A {}", "message A { string b = 1; }"),
    ] {
        let mut all = Alone::default();
        let id = all.register_as("s", &in_language(language, one)).unwrap().id;
        assert_eq!(all.register_as("s", &in_language(language, same)).unwrap().id, id);
        let said = all.register_as("s", &in_language(language, other)).unwrap_err();
        assert!(said.code() == 42205 && said.to_string().contains("does not check"), "{said}");
        assert_eq!(
            all.state.objections(&subject("s"), &in_language(language, other)).unwrap_err().code(),
            42205
        );
        let decision =
            all.state.set_config(&Some(subject("s")), Config { level: Some(Level::None), normalize: None });
        all.done(decision).unwrap();
        assert_eq!(all.register_as("s", &in_language(language, other)).unwrap().version, 2);
        assert_eq!(all.register("s", ONE).unwrap().version, 3, "and another language too");
        assert_eq!(all.register_as("x", &in_language(language, "")).unwrap_err().code(), 42201);
    }
    let mut all = Alone::default();
    all.id("s", ONE);
    let said = all.register_as("s", &in_language(Language::Json, "{}")).unwrap_err();
    assert!(said.code() == 409 && said.to_string().contains("different schema type"), "{said}");
}

#[test]
fn looking_up_tells_the_subject_from_the_schema() {
    let mut all = Alone::default();
    all.id("s", ONE);
    let look = |name, text: &str| {
        all.state.look_up(&subject(name), &Registration::of(Definition::avro(text)), Filter::Live)
    };
    assert_eq!(look("s", ONE).unwrap().version, 1);
    assert_eq!(look("s", TWO).unwrap_err().code(), 40403);
    assert_eq!(look("t", ONE).unwrap_err().code(), 40401);
    assert_eq!(look("s", "{").unwrap_err().code(), 42201);
}

#[test]
fn normalising_finds_the_same_schema_in_another_order() {
    let mut all = Alone::default();
    let one = r#"{"type":"record","name":"R","z":1,"y":2,"fields":[]}"#;
    let other = r#"{"type":"record","name":"R","y":2,"z":1,"fields":[]}"#;
    let normal = |text: &str| Registration { normalize: true, ..Registration::of(Definition::avro(text)) };
    assert_eq!(all.register_as("s", &normal(one)).unwrap().id, 1);
    assert_eq!(all.register_as("s", &normal(other)).unwrap().id, 1);
    assert_eq!(all.id("s", one), 2, "as it is written it is another");
    let decision = all.state.set_config(&None, Config { level: None, normalize: Some(true) });
    all.done(decision).unwrap();
    assert_eq!(all.id("s", one), 1, "where the settings ask for it the request need not");
}

#[test]
fn what_was_let_in_elsewhere_is_found_though_it_would_not_be_let_in_here() {
    let mut all = Alone::default();
    let odd = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int","default":"none"}]}"#;
    assert_eq!(all.register("s", odd).unwrap_err().code(), 42201);
    let stored = Stored { id: 4, definition: Arc::new(Definition::avro(odd)), is_deleted: false };
    all.state.apply(&Record::Schema(subject("s"), 1, Some(stored)), None);
    assert_eq!(all.id("s", odd), 4);
    assert_eq!(all.register("t", odd).unwrap_err().code(), 42201);
}
