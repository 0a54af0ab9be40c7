//! What the client asks of a registry, and what it makes of the answers.

use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use millstream_avro_codec::{Forwarding, Registered, Registry, frame};
use millstream_ports::Action;

use crate::fake::{Answer, Fake, Request};

const SCHEMA: &str = r#""string""#;
const SHORT: Duration = Duration::from_millis(50);

fn registry(fake: &Fake) -> Registry {
    Registry::with_patience(&fake.url(), SHORT).unwrap()
}

/// A registry with no subjects, which gives the id 12 to any schema.
fn empty(request: &Request) -> Answer {
    match request.method() {
        "GET" => Fake::error(404, 40401, "Subject not found"),
        "PUT" => (200, r#"{"compatibility":"BACKWARD"}"#.to_owned()),
        _ => (200, r#"{"id":12}"#.to_owned()),
    }
}

/// An address that nobody listens on.
fn nowhere() -> String {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    format!("127.0.0.1:{port}")
}

#[test]
fn a_new_subject_is_backward_before_its_first_schema() {
    let fake = Fake::start(empty);
    let registry = registry(&fake);
    assert_eq!(registry.register("t-value", SCHEMA).unwrap(), 12);
    assert_eq!(registry.register("t-value", SCHEMA).unwrap(), 12);
    let asked: Vec<_> =
        fake.requests().iter().map(|request| format!("{} {}", request.method(), request.path())).collect();
    let once = ["GET /subjects/t-value/versions/latest", "PUT /config/t-value"];
    let post = "POST /subjects/t-value/versions";
    assert_eq!(asked, [once[0], once[1], post, post]);
    assert_eq!(fake.requests()[1].body, r#"{"compatibility":"BACKWARD"}"#);
    let posted: serde_json::Value = serde_json::from_str(&fake.requests()[2].body).unwrap();
    assert_eq!((&posted["schema"], &posted["schemaType"]), (&SCHEMA.into(), &"AVRO".into()));
}

#[test]
fn a_known_subject_keeps_the_compatibility_it_has() {
    let fake = Fake::start(|request| match request.method() {
        "GET" => (200, r#"{"subject":"t-value","id":4,"version":2,"schema":"\"int\""}"#.to_owned()),
        _ => empty(request),
    });
    let latest = registry(&fake).latest("t-value").unwrap();
    assert_eq!(latest, Some(Registered { id: 4, version: 2, schema: r#""int""#.to_owned() }));
    registry(&fake).register("t-value", SCHEMA).unwrap();
    assert!(fake.requests().iter().all(|request| request.method() != "PUT"));
}

#[test]
fn a_subject_is_taken_back_and_then_backward_again() {
    let fake = Fake::start(empty);
    let registry = registry(&fake);
    registry.register("t-value", SCHEMA).unwrap();
    registry.forget("t-value").unwrap();
    registry.register("t-value", SCHEMA).unwrap();
    let asked: Vec<_> =
        fake.requests().iter().map(|request| format!("{} {}", request.method(), request.path())).collect();
    assert_eq!(asked[3], "DELETE /subjects/t-value");
    assert_eq!(asked[5], "PUT /config/t-value", "a registry may forget a subject's setting with it");
    let missing = Fake::start(|_| Fake::error(404, 40401, "Subject not found"));
    Registry::with_patience(&missing.url(), SHORT).unwrap().forget("t-value").unwrap();
    let closed = Fake::start(|_| Fake::error(403, 403, "Forbidden"));
    let error = Registry::with_patience(&closed.url(), SHORT).unwrap().forget("t-value").unwrap_err();
    assert!(error.to_string().contains("could not delete subject 't-value'"), "{error}");
}

#[test]
fn refusals_stop_and_tell_the_subject_and_the_registrys_words() {
    for (status, code, said, expected) in [
        (
            409,
            409,
            "READER_FIELD_MISSING_DEFAULT_VALUE",
            "is not compatible with those registered before it: 409: READER_FIELD",
        ),
        (
            422,
            42201,
            "Invalid schema",
            "could not register a schema under subject 't-value': 422: Invalid schema",
        ),
        (401, 401, "Unauthorized", "are the user and password in SCHEMA_REGISTRY_URL right?"),
        (404, 0, "no page", "is the path in SCHEMA_REGISTRY_URL right?"),
    ] {
        let fake = Fake::start(move |request| match request.method() {
            "POST" => Fake::error(status, code, said),
            _ => empty(request),
        });
        let error = registry(&fake).register("t-value", SCHEMA).unwrap_err();
        let text = error.to_string();
        assert_eq!(error.action(), Action::Stop, "{text}");
        assert!(text.contains(expected) && text.contains("'t-value'"), "{text}");
        let posts = fake.requests().iter().filter(|request| request.method() == "POST").count();
        assert_eq!(posts, 1, "a refusal is not asked again");
    }
}

#[test]
fn an_address_that_is_no_registrys_is_not_taken_for_a_missing_subject() {
    let fake = Fake::start(|_| (404, "<html>nothing here</html>".to_owned()));
    let error = registry(&fake).latest("t-value").unwrap_err();
    assert!(error.to_string().contains("is the path in SCHEMA_REGISTRY_URL right?"), "{error}");
}

#[test]
fn a_registry_that_is_not_well_yet_is_asked_again() {
    for status in [429, 500, 502, 503] {
        let turn = AtomicUsize::new(0);
        let fake = Fake::start(move |request| match turn.fetch_add(1, Ordering::Relaxed) % 2 {
            0 => Fake::error(status, 50002, "starting"),
            _ => empty(request),
        });
        let registry = Registry::with_patience(&fake.url(), Duration::from_secs(30)).unwrap();
        assert_eq!(registry.register("t-value", SCHEMA).unwrap(), 12, "after {status}");
        assert_eq!(fake.requests().len(), 6, "each of the three requests was made twice");
    }
}

#[test]
fn one_that_can_not_be_reached_may_be_later_and_no_password_is_told() {
    let url = format!("http://ann:s3cret@{}/apis/ccompat/v7", nowhere());
    let registry = Registry::with_patience(&url, SHORT).unwrap();
    let register = registry.register("t-value", SCHEMA).unwrap_err();
    assert_eq!(register.action(), Action::Retry);
    let schema = registry.schema(3).map(drop).unwrap_err();
    for text in [register.to_string(), format!("{register:?}"), schema.to_string()] {
        assert!(text.contains("SCHEMA_REGISTRY_URL") && text.contains("refused"), "{text}");
        assert!(!text.contains("s3cret") && !text.contains("ann"), "{text}");
    }
}

#[test]
fn a_user_a_path_and_a_second_address_are_understood() {
    let fake = Fake::start(empty);
    let url = format!("http://{}, http://ann:s3%20cret@127.0.0.1:{}/apis/v7/ ,", nowhere(), fake.port());
    Registry::with_patience(&url, SHORT).unwrap().register("t-value", SCHEMA).unwrap();
    for request in fake.requests() {
        assert!(request.path().starts_with("/apis/v7/"), "{}", request.line);
        assert_eq!(request.authorization.as_deref(), Some("Basic YW5uOnMzIGNyZXQ="), "{}", request.line);
    }
    assert_eq!(fake.requests().len(), 3);
    assert!(Registry::new(" , ").is_err());
}

#[test]
fn schemas_that_can_not_be_used_are_refused_by_their_id() {
    let fake = Fake::start(|request| match request.path() {
        "/schemas/ids/1" => (200, r#"{"schema":"{}","schemaType":"JSON"}"#.to_owned()),
        "/schemas/ids/2" => {
            let reference = r#"{"name":"Price","subject":"price","version":1}"#;
            (200, format!(r#"{{"schema":"\"Price\"","references":[{reference}]}}"#))
        }
        _ => Fake::schema("{}"),
    });
    for (id, why) in [(1, "it is not Avro"), (2, "it refers to other subjects"), (3, "not an Avro schema")] {
        let said = registry(&fake).schema(id).map(drop).unwrap_err().to_string();
        assert!(said.starts_with(&format!("schema {id}")) && said.contains(why), "{said}");
    }
}

fn framed(id: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame::begin(id, &mut bytes);
    bytes
}

#[test]
fn what_is_forwarded_has_its_schema_registered_once() {
    let fake = Fake::start(|request| match request.path() {
        "/schemas/ids/3" => Fake::schema(SCHEMA),
        _ => empty(request),
    });
    let forwarding = Forwarding::to(&registry(&fake), "out-value");
    for _ in 0..3 {
        forwarding.check(&framed(3)).unwrap();
    }
    let posts: Vec<_> = fake.requests().into_iter().filter(|request| request.method() == "POST").collect();
    assert_eq!(posts.iter().map(Request::path).collect::<Vec<_>>(), ["/subjects/out-value/versions"]);
    assert!(forwarding.check(b"{}").unwrap_err().to_string().contains("2 bytes"));
}

#[test]
fn what_may_not_be_forwarded_is_refused_without_asking_for_every_record() {
    let fake = Fake::start(|request| match (request.method(), request.path()) {
        (_, "/schemas/ids/3") => Fake::schema(SCHEMA),
        ("POST", _) => Fake::error(409, 409, "TYPE_MISMATCH"),
        _ => empty(request),
    });
    let forwarding = Forwarding::to(&registry(&fake), "out-value");
    for _ in 0..3 {
        let said = forwarding.check(&framed(3)).unwrap_err().to_string();
        assert!(
            said.contains("subject 'out-value' is not compatible") && said.contains("TYPE_MISMATCH"),
            "{said}"
        );
    }
    assert_eq!(fake.requests().iter().filter(|request| request.method() == "POST").count(), 1);
}
