use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::time::Duration;

use anyhow::{Context as _, bail};
use reqwest::blocking::{Client as Http, RequestBuilder, Response};
use serde_json::{Value, json};

/// How long a server may take to be found.
const CONTACT_WAIT: Duration = Duration::from_secs(10);

/// A server, as the console talks to it.
#[derive(Clone)]
pub(crate) struct Client {
    http: Http,
    url: String,
    access: Access,
}

/// What is shown to a server that asks for it.
#[derive(Clone, Default)]
pub(crate) struct Access {
    /// Name and password, with a colon between.
    pub(crate) basic: Option<String>,
    pub(crate) bearer: Option<String>,
}

/// What whoever types has set.
#[derive(Clone, Debug, Default)]
pub(crate) struct Own {
    pub(crate) properties: BTreeMap<String, String>,
    pub(crate) variables: BTreeMap<String, String>,
}

/// Lines that come.
pub(crate) struct Lines {
    /// The query whose they are, by which it can be ended.
    pub(crate) id: Option<String>,
    lines: BufReader<Response>,
}

impl Client {
    pub(crate) fn new(url: &str, access: Access) -> anyhow::Result<Self> {
        // Statements and queries take as long as they take.
        let http = Http::builder().timeout(None::<Duration>).connect_timeout(CONTACT_WAIT).build()?;
        let url = url.trim_end_matches('/');
        let url = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        Ok(Self { http, url, access })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    fn shown(&self, request: RequestBuilder) -> RequestBuilder {
        match (&self.access.bearer, &self.access.basic) {
            (Some(token), _) => request.bearer_auth(token),
            (None, Some(basic)) => {
                let (name, password) = basic.split_once(':').unwrap_or((basic, ""));
                request.basic_auth(name, Some(password))
            }
            _ => request,
        }
    }

    /// What the server says of itself.
    pub(crate) fn info(&self) -> anyhow::Result<Value> {
        let answer = self.shown(self.http.get(format!("{}/info", self.url))).timeout(CONTACT_WAIT).send();
        let answer = answer.with_context(|| format!("no server answers on {}", self.url))?;
        fine(answer)?.json().with_context(|| format!("{} is no server of rules", self.url))
    }

    fn post(&self, path: &str, body: &Value) -> anyhow::Result<Response> {
        let request = self.shown(self.http.post(format!("{}{path}", self.url))).json(body);
        let answer = request.send().with_context(|| format!("{} does not answer", self.url))?;
        fine(answer)
    }

    /// Carries out a statement, and answers what it comes to.
    pub(crate) fn statement(&self, text: &str, own: &Own) -> anyhow::Result<Vec<Value>> {
        let body = json!({"ksql": format!("{text};"), "streamsProperties": own.properties, "sessionVariables": own.variables});
        Ok(self.post("/ksql", &body)?.json()?)
    }

    /// Asks a query, and answers its rows as they come, its columns first.
    pub(crate) fn query(&self, text: &str, own: &Own) -> anyhow::Result<Lines> {
        let body = json!({"sql": format!("{text};"), "properties": own.properties, "sessionVariables": own.variables});
        let answer = self.post("/query-stream", &body)?;
        let id = answer.headers().get("query-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
        Ok(Lines { id, lines: BufReader::new(answer) })
    }

    /// Ends a query that is followed. One that has ended is no error.
    pub(crate) fn close(&self, id: &str) {
        let _ = self.post("/close-query", &json!({"queryId": id}));
    }
}

impl Iterator for Lines {
    type Item = anyhow::Result<String>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut line = String::new();
        match self.lines.read_line(&mut line) {
            Ok(0) => None,
            Ok(_) => Some(Ok(line)),
            Err(error) => Some(Err(error.into())),
        }
    }
}

/// An answer that is one; else what the server says is wrong.
fn fine(answer: Response) -> anyhow::Result<Response> {
    if answer.status().is_success() {
        return Ok(answer);
    }
    let status = answer.status();
    let body = answer.text().unwrap_or_default();
    let told: Option<Value> = serde_json::from_str(&body).ok();
    let said = told.as_ref().and_then(|told| told.get("message")?.as_str()).map(str::to_owned);
    bail!("{}", said.unwrap_or_else(|| format!("{status}: {body}")))
}
