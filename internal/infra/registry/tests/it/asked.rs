//! Requests over a real socket.

use millstream_registry::{Registry, Settings};
use reqwest::blocking::{Client, Response};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::world::Memory;

/// A registry, and a client of it.
pub struct Asked {
    pub registry: Registry,
    client: Client,
}

impl Asked {
    pub fn new() -> Self {
        Self::on(&Memory::default())
    }

    pub fn on(world: &impl millstream_ports::World) -> Self {
        Self::with(world, &Settings::at("127.0.0.1:0"))
    }

    pub fn with(world: &impl millstream_ports::World, settings: &Settings) -> Self {
        let registry = Registry::start(world, settings).unwrap();
        Self { registry, client: Client::builder().no_proxy().build().unwrap() }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.registry.address())
    }

    pub fn raw(&self, method: &str, path: &str, kind: Option<&str>, body: &str) -> Response {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self.client.request(method, format!("{}{path}", self.url()));
        if let Some(kind) = kind {
            request = request.header("content-type", kind).body(body.to_owned());
        }
        request.send().unwrap()
    }

    /// The status and the answer.
    pub fn ask(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let kind = (!body.is_null()).then_some("application/vnd.schemaregistry.v1+json");
        let response = self.raw(method, path, kind, &body.to_string());
        let status = response.status();
        let text = response.text().unwrap();
        (status.as_u16(), serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// A successful answer.
    pub fn told(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.ask(method, path, body);
        assert_eq!(status, StatusCode::OK, "{method} {path} {body}: {answer}");
        answer
    }

    pub fn get(&self, path: &str) -> Value {
        self.told("GET", path, &Value::Null)
    }

    /// The status and the code of a refusal.
    pub fn refused(&self, method: &str, path: &str, body: &Value) -> (u16, u64) {
        let (status, answer) = self.ask(method, path, body);
        let message = answer["message"].as_str();
        assert!(message.is_some_and(|message| !message.is_empty()), "{method} {path}: {status} {answer}");
        (status, answer["error_code"].as_u64().unwrap())
    }

    pub fn register(&self, subject: &str, schema: &str) -> u64 {
        let answer =
            self.told("POST", &format!("/subjects/{subject}/versions"), &json!({ "schema": schema }));
        answer["id"].as_u64().unwrap()
    }
}
