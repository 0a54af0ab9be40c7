//! The console in a real browser, where there is one. `CONSOLE_SHOTS=folder` keeps pictures of it.

use std::sync::{Arc, Mutex};

use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use millstream_http_api::{Access, DeadLetter, DeadLetters, FilterControl, Token};
use millstream_model::{Headers, Offset, Partition};
use millstream_ports::Delivery;
use millstream_runtime::dead_letter_header;
use millstream_sim::Sim;
use serde_json::{Value, json};

use crate::browser::{Browser, installed};
use crate::instance::{CLIENT, Instance, settled};

/// What would run, were it not taken as text.
const HOSTILE: &str = "<img src=x onerror=\"window.pwned=1\"><script>window.pwned=1</script>";

struct Filter(Mutex<String>);

impl FilterControl for Filter {
    fn read(&self) -> Result<String, String> {
        Ok(self.0.lock().unwrap().clone())
    }

    fn set(&self, text: &str) -> Result<(), String> {
        text.clone_into(&mut self.0.lock().unwrap());
        Ok(())
    }
}

#[derive(Default)]
struct Letters(Mutex<Vec<(Partition, Offset)>>);

impl DeadLetters for Letters {
    fn list(&self, limit: usize) -> Result<Vec<DeadLetter>, String> {
        let mut headers = Headers::default();
        headers.push(dead_letter_header::TOPIC, "facts");
        headers.push(dead_letter_header::MESSAGE, format!("its value is {HOSTILE}"));
        let letter = |offset| DeadLetter {
            partition: Partition::new(1),
            offset: Offset(offset),
            key: Some(b"k".to_vec()),
            value: Some(HOSTILE.as_bytes().to_vec()),
            headers: headers.clone(),
        };
        let replayed = self.0.lock().unwrap();
        let left = [9, 4].into_iter().filter(|offset| !replayed.iter().any(|(_, gone)| gone.0 == *offset));
        Ok(left.map(letter).take(limit).collect())
    }

    fn can_replay(&self) -> bool {
        true
    }

    fn replay(&self, partition: Partition, offset: Offset) -> Result<(), String> {
        self.0.lock().unwrap().push((partition, offset));
        Ok(())
    }
}

/// As much of ksqlDB's server as the page asks for.
fn rules() -> Router {
    let ksql = |Json(asked): Json<Value>| async move {
        let text = asked["ksql"].as_str().unwrap_or_default().to_owned();
        Json(if text.starts_with("EXPLAIN") {
            json!([{"@type": "queryDescription", "queryDescription": {"id": "CSAS_OFFERS_1", "state": "RUNNING",
                "sources": ["PRODUCTS"], "sinks": ["OFFERS"],
                "executionPlan": " > [ SINK ] | OFFERS\n  > [ FILTER ] | price < 100\n   > [ SOURCE ] | PRODUCTS"}}])
        } else {
            json!([{"@type": "queries", "queries": [{"id": "CSAS_OFFERS_1", "state": "RUNNING",
                "queryString": "CREATE STREAM offers AS SELECT * FROM products WHERE price < 100;"}]}])
        })
    };
    let stream = |Json(asked): Json<Value>| async move {
        if asked["sql"].as_str().unwrap_or_default().contains("nowhere") {
            return (
                StatusCode::BAD_REQUEST,
                "{\"error_code\":40001,\"message\":\"there is no stream NOWHERE\"}".to_owned(),
            );
        }
        let head =
            json!({"queryId": "q", "columnNames": ["NAME", "PRICE"], "columnTypes": ["STRING", "INTEGER"]});
        (StatusCode::OK, format!("{head}\n{}\n{}\n", json!([HOSTILE, 7]), json!(["Oak desk lamp", 12])))
    };
    Router::new()
        .route("/info", get(|| async { Json(json!({"KsqlServerInfo": {"version": "1"}})) }))
        .route("/ksql", post(ksql))
        .route("/query-stream", post(stream))
}

struct Shown {
    instances: Vec<Instance>,
    letters: Arc<Letters>,
    browser: Browser,
    sim: Sim,
}

/// Two instances and a browser; `None` where this machine has no browser.
fn shown(access: &Access) -> Option<Shown> {
    let browser = installed();
    if browser.is_none() {
        println!("no Chromium is installed; the console is not looked at");
    }
    let sim = Sim::live();
    sim.create("facts", 6);
    (0..60).for_each(|number| sim.write("facts", format!("k{number:02}").as_bytes(), Some(b"v")));
    sim.write("facts", HOSTILE.as_bytes(), Some(HOSTILE.as_bytes()));
    let letters = Arc::new(Letters::default());
    let start = || {
        let (filter, letters) = (Arc::new(Filter(Mutex::default())), letters.clone());
        Instance::start_with(&sim.process(), Delivery::AtLeastOnce, access.clone(), |console| {
            console.browse_tables();
            console.filter(filter);
            console.dead_letters(letters);
            rules()
        })
    };
    let instances = vec![start(), start()];
    Some(Shown { browser: Browser::start(&browser?), instances, letters, sim })
}

#[test]
fn the_console_shows_what_is_there_and_runs_nothing_of_it() {
    let Some(Shown { instances, letters, mut browser, sim }) = shown(&Access::default()) else { return };
    settled(&instances, 6);
    let base = format!("http://127.0.0.1:{}/", instances[0].server.address().port());
    browser.screen(1200, 800, false);
    browser.open(&base);
    browser.reads("6 / 6");
    browser.holds("document.querySelectorAll('.flow .node').length === 3");
    (0..40).for_each(|number| sim.write("facts", format!("k{number:02}").as_bytes(), Some(b"w")));
    browser.holds("document.querySelectorAll('.flow .edge.live').length >= 1");
    browser.shot("flow");
    browser.open(&format!("{base}#partitions"));
    for instance in &instances {
        browser.reads(&format!("http://localhost:{}", instance.server.address().port()));
    }
    browser.holds("document.querySelectorAll('tbody tr').length === 6");
    browser.shot("partitions");
    tables(&mut browser, &base);
    browser.open(&format!("{base}#dead-letters"));
    browser.reads("1@9");
    browser.value("document.querySelector('details').open = true");
    browser.reads("onerror");
    browser.shot("dead-letters");
    browser.value("document.querySelector('details button').click()");
    browser.holds("document.querySelectorAll('details').length === 1");
    assert_eq!(*letters.0.lock().unwrap(), [(Partition::new(1), Offset(9))]);
    filter(&mut browser, &base);
    queries(&mut browser, &base);
    phone(&mut browser, &base);
    assert_eq!(browser.value("window.pwned ?? 'nothing ran'"), json!("nothing ran"));
    assert_eq!(browser.faults, [] as [String; 0]);
}

fn tables(browser: &mut Browser, base: &str) {
    browser.screen(1200, 800, true);
    browser.open(&format!("{base}#tables"));
    browser.reads("61 keys");
    browser.holds("document.querySelectorAll('button.key').length === 25");
    // By the keyboard alone: to the field, a prefix, Enter.
    browser.value("document.querySelector('input[name=key]').focus()");
    browser.types("<img");
    browser.press("Enter");
    browser.reads("1 key");
    browser.holds("document.querySelectorAll('button.key').length === 1");
    browser.value("document.querySelector('button.key').focus()");
    browser.press("Enter");
    browser.reads("up to date");
    browser.holds("document.querySelector('pre').textContent.includes('onerror')");
    browser.shot("tables");
    browser.value("document.querySelector('input[name=key]').value = 'nothing'");
    browser.value("document.querySelector('form').requestSubmit()");
    browser.reads("No key begins with that.");
}

fn filter(browser: &mut Browser, base: &str) {
    browser.open(&format!("{base}#filter"));
    browser.reads("All products pass.");
    browser.value("document.querySelector('input[name=filter]').focus()");
    browser.types("lamp");
    browser.press("Enter");
    browser.reads("contains “lamp”");
    browser.shot("filter");
}

fn queries(browser: &mut Browser, base: &str) {
    browser.open(&format!("{base}#rules"));
    browser.reads("CSAS_OFFERS_1");
    browser.value("document.querySelector('button.key').click()");
    browser.reads("FILTER");
    browser.holds("document.querySelectorAll('.flow .node').length === 3");
    browser
        .value("document.querySelector('textarea').value = 'SELECT name, price FROM offers EMIT CHANGES;'");
    browser.value("document.querySelector('textarea').closest('form').requestSubmit()");
    browser.reads("2 rows");
    browser.reads("Oak desk lamp");
    browser.shot("rules");
    browser.value("document.querySelector('textarea').value = 'SELECT * FROM nowhere;'");
    browser.value("document.querySelector('textarea').closest('form').requestSubmit()");
    browser.reads("there is no stream NOWHERE");
}

fn phone(browser: &mut Browser, base: &str) {
    for dark in [false, true] {
        browser.screen(360, 740, dark);
        for part in ["flow", "partitions", "tables", "dead-letters", "rules"] {
            browser.open(&format!("{base}#{part}"));
            browser.holds(&format!("document.querySelector('nav a[aria-current]')?.hash === '#{part}'"));
            browser.holds("document.querySelector('main .card') !== null");
            let wide = "document.documentElement.scrollWidth <= innerWidth";
            assert_eq!(browser.value(wide), json!(true), "{part} is wider than a phone");
            browser.shot(&format!("phone-{part}{}", if dark { "-dark" } else { "" }));
        }
    }
}

#[test]
fn the_console_asks_for_a_token_where_one_is_needed() {
    let access = Access::default().by_token(Token::new("s3cret").unwrap());
    let Some(Shown { instances, mut browser, .. }) = shown(&access) else { return };
    browser.screen(1200, 800, false);
    browser.open(&format!("http://127.0.0.1:{}/", instances[0].server.address().port()));
    for (token, words) in [("wrong", "That token was refused."), ("s3cret", "partitions run")] {
        browser.holds("document.getElementById('token-dialog').open");
        browser.value("document.getElementById('token').focus()");
        browser.types(token);
        browser.press("Enter");
        browser.reads(words);
    }
    browser.shot("token");
    assert_eq!(browser.faults, [] as [String; 0]);
}

#[test]
fn pages_of_other_sites_can_not_write() {
    let sim = Sim::live();
    sim.create("facts", 2);
    let filter = Arc::new(Filter(Mutex::default()));
    let given = filter.clone();
    let instance = Instance::start_with(&sim, Delivery::AtLeastOnce, Access::default(), move |console| {
        console.filter(given);
        Router::new()
    });
    let url = |path: &str| format!("http://127.0.0.1:{}{path}", instance.server.address().port());
    let set = |origin: Option<&str>, host: Option<&str>| {
        let request = CLIENT.put(url("/v1/filter")).json(&json!({"text": "lamp"}));
        let request = origin.iter().fold(request, |request, origin| request.header("origin", *origin));
        host.iter()
            .fold(request, |request, host| request.header("host", *host))
            .send()
            .unwrap()
            .status()
            .as_u16()
    };
    assert_eq!(set(Some("http://evil.example"), None), 403);
    assert_eq!(set(None, Some("evil.example")), 421);
    assert_eq!(filter.read().unwrap(), "");
    assert_eq!(set(None, None), 200);
    assert_eq!(filter.read().unwrap(), "lamp");
    let page = CLIENT.get(url("/")).send().unwrap();
    let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert!(!page.text().unwrap().contains("http://"), "the page names no other server");
    for (path, status) in [("/v1/dead-letters", 404), ("/v1/dead-letters/replay", 405), ("/v1/groups", 200)] {
        assert_eq!(CLIENT.get(url(path)).send().unwrap().status().as_u16(), status, "{path}");
    }
}
