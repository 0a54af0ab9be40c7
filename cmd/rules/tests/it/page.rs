//! The console's page beside the API, on one address: by hand over a socket, and in a real browser where there is one.

use std::io::{BufRead, BufReader};
use std::sync::Arc;

use millstream_http_api::{Access, Console, Peers, Routes, Server, Site, Token};
use millstream_rules_api::{ApiError, ApiSettings, RulesApi};
use reqwest::blocking::{Client, Response};
use serde_json::{Value, json};

use crate::browser::{Browser, installed};
use crate::instance::until;
use crate::{Served, served};

/// The server's rules on the console's address.
fn site(served: &Served, access: Access) -> Server {
    let console = Console::new("rules", Peers::new(&access).unwrap());
    let fine = || Arc::new(|| Ok(()));
    let routes = Routes { metrics: Arc::new(|| "figures 1\n".to_owned()), healthy: fine(), ready: fine() };
    let address = "127.0.0.1:0".to_owned();
    let api = RulesApi::router(served.server.clone(), &ApiSettings { address, ..ApiSettings::default() });
    let site = Site::new(routes).access(access).guarded(api.unwrap()).console(&console);
    Server::open("127.0.0.1:0", site).unwrap()
}

fn with_rule() -> Served {
    let served = served();
    served.run("CREATE STREAM dear WITH (KAFKA_TOPIC='dear', PARTITIONS=1) AS SELECT id, kind, amount FROM events WHERE amount > 5 EMIT CHANGES");
    served
}

fn run(page: &Server, headers: &[(&str, &str)], text: &str) -> Response {
    let request = Client::new().post(format!("http://{}/ksql", page.address()));
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    request.json(&json!({"ksql": text})).send().unwrap()
}

#[test]
fn statements_and_rows_are_answered_beside_the_page() {
    let served = with_rule();
    let page = site(&served, Access::default());
    let get = |path: &str| Client::new().get(format!("http://{}{path}", page.address())).send().unwrap();
    assert!(get("/").text().unwrap().contains("<html"), "the page is at the root");
    assert!(get("/info").json::<Value>().unwrap().get("KsqlServerInfo").is_some());
    assert_eq!(get("/metrics").text().unwrap(), "figures 1\n");
    assert_eq!(get("/no-such-path").status(), 404);
    let shown: Value = run(&page, &[], "SHOW QUERIES;").json().unwrap();
    assert!(shown.to_string().contains("DEAR"), "{shown}");
    let asked =
        json!({"sql": "SELECT id FROM dear EMIT CHANGES;", "properties": {"auto.offset.reset": "earliest"}});
    let url = format!("http://{}/query-stream", page.address());
    let mut rows = BufReader::new(Client::new().post(url).json(&asked).send().unwrap()).lines();
    assert!(rows.next().unwrap().unwrap().contains("columnNames"));
    served.run("INSERT INTO events (id, kind, amount) VALUES ('a', 'k', 7)");
    assert_eq!(rows.next().unwrap().unwrap().trim_end_matches(','), "[\"a\"]");
    // Rows have no end; the server has.
    drop(page);
}

#[test]
fn one_guard_stands_before_all_of_it() {
    let served = with_rule();
    let access = Access::default().or_token(Token::new("t").unwrap()).or_basic("me:secret");
    let page = site(&served, access);
    for (headers, status) in [
        (&[][..], 401),
        (&[("authorization", "Bearer x")], 401),
        (&[("authorization", "Bearer t")], 200),
        (&[("authorization", "Basic bWU6c2VjcmV0")], 200),
        (&[("authorization", "Bearer t"), ("origin", "http://evil.example")], 403),
    ] {
        assert_eq!(run(&page, headers, "SHOW STREAMS;").status(), status, "{headers:?}");
    }
    let open = site(&served, Access::default());
    assert_eq!(run(&open, &[("host", "evil.example")], "SHOW STREAMS;").status(), 421);
    let far = ApiSettings { address: "0.0.0.0:0".to_owned(), ..ApiSettings::default() };
    let refused = RulesApi::router(served.server.clone(), &far).err();
    assert!(matches!(refused, Some(ApiError::Open(_))), "everybody might run statements");
}

#[test]
fn a_browser_shows_rules_explains_them_and_streams_their_rows() {
    let Some(program) = installed() else { return };
    let served = with_rule();
    let page = site(&served, Access::default().or_basic("me:secret"));
    let mut browser = Browser::start(&program);
    browser.screen(1200, 800, false);
    browser.open(&format!("http://{}/#rules", page.address()));
    browser.holds("document.getElementById('token-dialog').open");
    browser.value("document.getElementById('token').focus()");
    browser.types("me:secret");
    browser.press("Enter");
    browser.reads("CSAS_DEAR");
    browser.reads("running");
    browser.value("document.querySelector('button.key').click()");
    browser.holds("document.querySelectorAll('.flow .node').length >= 2");
    served.run("INSERT INTO events (id, kind, amount) VALUES ('desk', 'oak', 7)");
    browser.value(
        "document.querySelector('textarea').value = \"SELECT id, amount FROM events WHERE amount = 8 EMIT CHANGES;\"",
    );
    browser.value("document.querySelector('textarea').closest('form').requestSubmit()");
    browser.holds("document.querySelector('th[scope=col]') !== null");
    // Rows count from when the query reads, which is some moment after its columns are told.
    let shown = "[...document.querySelectorAll('td')].some((cell) => cell.textContent === 'lamp')";
    until("a row is streamed", || {
        served.run("INSERT INTO events (id, kind, amount) VALUES ('lamp', 'oak', 8)");
        browser.value(shown) == json!(true)
    });
    browser.shot("rules-serve");
    browser.value("document.querySelector('textarea').value = 'SELECT * FROM nowhere;'");
    browser.value("document.querySelector('textarea').closest('form').requestSubmit()");
    browser.reads("NOWHERE");
    assert_eq!(browser.faults, [] as [String; 0]);
}
