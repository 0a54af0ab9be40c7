use millstream_http_api::{Access, Server, Site, Token};
use millstream_ports::Delivery;
use millstream_sim::Sim;
use serde_json::{Value, json};

use crate::instance::{CLIENT, Instance, routes, until};

fn get(server: &Server, path: &str, token: Option<&str>) -> (u16, Value) {
    let url = format!("http://{}{path}", server.address());
    let request = CLIENT.get(url);
    let request = token.iter().fold(request, reqwest::blocking::RequestBuilder::bearer_auth);
    let answer = request.send().unwrap();
    (answer.status().as_u16(), answer.json().unwrap_or(Value::Null))
}

#[test]
fn a_token_is_asked_for_everything_but_probes() {
    let access = Access::default().by_token(Token::new("s3cret").unwrap());
    let server = Server::open("127.0.0.1:0", Site::new(routes()).access(access)).unwrap();
    for (path, token, status) in [
        ("/healthz", None, 200),
        ("/readyz", None, 200),
        ("/metrics", None, 401),
        ("/metrics", Some("wrong"), 401),
        ("/metrics", Some("s3cret"), 200),
        ("/nothing", None, 404),
    ] {
        let (found, body) = get(&server, path, token);
        assert_eq!(found, status, "{path} {token:?}");
        assert!(!body.to_string().contains("s3cret"));
        if status == 401 {
            assert_eq!(body["error"], json!("unauthorized"));
        }
    }
}

#[test]
fn instances_that_share_a_token_ask_each_other() {
    let sim = Sim::live();
    sim.create("facts", 4);
    (0..40).for_each(|number| sim.write("facts", format!("k{number}").as_bytes(), Some(b"v")));
    let access = || Access::default().by_token(Token::new("t").unwrap());
    let start = |sim: &Sim| Instance::start(sim, Delivery::AtLeastOnce, access());
    let instances = [start(&sim.process()), start(&sim.process())];
    until("both have partitions", || instances.iter().all(|each| each.partitions() == 2));
    let count =
        |each: &Instance| get(&each.server, "/v1/tables/keeper-table/count", Some("t")).1["count"].clone();
    until("both count all of it", || instances.iter().all(|each| count(each) == json!(40)));
    assert_eq!(get(&instances[0].server, "/v1/tables/keeper-table/count", None).0, 401);
}

/// A certificate of `localhost` and its key, made by the machine's own tool.
fn certificate(folder: &std::path::Path) -> (std::path::PathBuf, std::path::PathBuf) {
    let (certificate, key) = (folder.join("server.pem"), folder.join("server.key"));
    let made = std::process::Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
        ])
        .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:TRUE"])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    (certificate, key)
}

#[test]
fn tls_is_served_and_trusted_between_instances_and_plain_text_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let (chain, key) = certificate(folder.path());
    let access = || Access::default().by_tls(&chain, &key).unwrap();
    let sim = Sim::live();
    sim.create("facts", 4);
    (0..40).for_each(|number| sim.write("facts", format!("k{number}").as_bytes(), Some(b"v")));
    let start = |sim: &Sim| Instance::start(sim, Delivery::AtLeastOnce, access());
    let instances = [start(&sim.process()), start(&sim.process())];
    let trusted = reqwest::Certificate::from_pem(&std::fs::read(&chain).unwrap()).unwrap();
    let client = reqwest::blocking::Client::builder().tls_certs_merge([trusted]).build().unwrap();
    let count = |each: &Instance| {
        let url = format!("https://localhost:{}/v1/tables/keeper-table/count", each.server.address().port());
        client.get(url).send().unwrap().json::<Value>().unwrap()["count"].clone()
    };
    until("both count all of it", || {
        instances.iter().all(|each| each.partitions() == 2 && count(each) == json!(40))
    });
    let plain =
        reqwest::blocking::get(format!("http://localhost:{}/healthz", instances[0].server.address().port()));
    assert!(plain.is_err(), "nothing is told in plain text");
    // One that never says a word holds nobody up.
    let _silent = std::net::TcpStream::connect(instances[0].server.address()).unwrap();
    assert_eq!(count(&instances[0]), json!(40));
}

#[test]
fn certificates_that_can_not_be_used_are_told_with_their_file() {
    let folder = tempfile::tempdir().unwrap();
    let (chain, key) = certificate(folder.path());
    let (absent, empty) = (folder.path().join("absent.pem"), folder.path().join("empty.pem"));
    std::fs::write(&empty, "nothing").unwrap();
    for (chain, key, words) in
        [(&absent, &key, "absent.pem"), (&empty, &key, "holds no certificate"), (&chain, &empty, "empty.pem")]
    {
        let said = Access::default().by_tls(chain, key).unwrap_err().to_string();
        assert!(said.contains(words), "{said}");
    }
}
