use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use millstream_ports::{Action, CodecError, PortError};
use reqwest::StatusCode;
use reqwest::blocking::{Client, Response};
use schema_registry_converter::blocking::schema_registry::{SrSettings, get_schema_by_id, post_schema};
use schema_registry_converter::schema_registry_common::{SchemaType, SuppliedSchema};
use serde::Deserialize;

/// How long one request may take.
const ANSWER_WAIT: Duration = Duration::from_secs(10);

/// How long a registry that can't be reached is tried for.
const RETRY_FOR: Duration = Duration::from_secs(15);

/// How long an id that the registry does not know is believed to be unknown.
const UNKNOWN_FOR: Duration = Duration::from_secs(5);

/// A Schema Registry with Confluent's API. A cheap handle; clones share what was learnt.
///
/// Schemas by id are asked for once: an id's schema never changes. Calls block, and must not be made on an async executor.
#[derive(Clone)]
pub struct Registry(Arc<Inner>);

struct Inner {
    urls: Vec<String>,
    settings: SrSettings,
    client: Client,
    schemas: RwLock<HashMap<u32, Arc<WriterSchema>>>,
    unknown: Mutex<HashMap<u32, Instant>>,
    prepared: Mutex<HashSet<String>>,
}

/// A schema that records were written with, by its id.
pub struct WriterSchema {
    /// As it was registered, in JSON.
    pub text: String,
    pub(crate) decoder: serde_avro_fast::Schema,
}

/// The newest schema of a subject.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Registered {
    /// Its id, which frames carry.
    pub id: u32,
    /// Its version in the subject, from 1.
    pub version: u32,
    /// The schema in JSON.
    pub schema: String,
}

impl WriterSchema {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let decoder = text.parse().map_err(|error| format!("not an Avro schema: {error}"))?;
        Ok(Self { text: text.to_owned(), decoder })
    }
}

impl Registry {
    /// The registry at `url`; several addresses of one registry are given with commas between.
    ///
    /// # Errors
    /// When the HTTP client can't be set up or no address is given.
    pub fn new(url: &str) -> Result<Self, PortError> {
        let urls: Vec<_> = url
            .split(',')
            .map(|url| url.trim().trim_end_matches('/').to_owned())
            .filter(|url| !url.is_empty())
            .collect();
        let Some((first, rest)) = urls.split_first() else {
            return Err(PortError::stop("no address of a schema registry is given"));
        };
        let mut builder = SrSettings::new_builder(first.clone());
        for url in rest {
            builder.add_url(url.clone());
        }
        let refused =
            |what: String| PortError::stop("can't set up the schema registry's client").because(what);
        let settings = builder
            .set_timeout(ANSWER_WAIT)
            .no_proxy()
            .build()
            .map_err(|error| refused(error.to_string()))?;
        let client = Client::builder()
            .timeout(ANSWER_WAIT)
            .no_proxy()
            .build()
            .map_err(|error| refused(error.to_string()))?;
        let (schemas, unknown, prepared) = (RwLock::default(), Mutex::default(), Mutex::default());
        Ok(Self(Arc::new(Inner { urls, settings, client, schemas, unknown, prepared })))
    }

    /// The schema that `id` stands for.
    ///
    /// # Errors
    /// When the registry does not know it, can't be reached, or has a schema that can't be read.
    pub fn schema(&self, id: u32) -> Result<Arc<WriterSchema>, CodecError> {
        let known = self.0.schemas.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned();
        known.map_or_else(|| self.learn(id), Ok)
    }

    /// Puts a schema in, as if the registry had told it.
    #[cfg(test)]
    pub(crate) fn know(&self, id: u32, text: &str) {
        let schema = Arc::new(WriterSchema::parse(text).unwrap());
        self.0.schemas.write().unwrap().insert(id, schema);
    }

    fn learn(&self, id: u32) -> Result<Arc<WriterSchema>, CodecError> {
        let unknown = || CodecError::new(format!("the schema registry knows no schema with id {id}"));
        let believed = |at: &Instant| at.elapsed() < UNKNOWN_FOR;
        if self.0.unknown.lock().unwrap_or_else(PoisonError::into_inner).get(&id).is_some_and(believed) {
            return Err(unknown());
        }
        let text = self.fetch(id)?.ok_or_else(|| {
            self.0.unknown.lock().unwrap_or_else(PoisonError::into_inner).insert(id, Instant::now());
            unknown()
        })?;
        let schema =
            WriterSchema::parse(&text).map_err(|reason| CodecError::new(format!("schema {id}: {reason}")))?;
        let schema = Arc::new(schema);
        self.0.schemas.write().unwrap_or_else(PoisonError::into_inner).insert(id, schema.clone());
        Ok(schema)
    }

    /// The text of schema `id`, or `None` where the registry does not know it.
    fn fetch(&self, id: u32) -> Result<Option<String>, CodecError> {
        let begun = Instant::now();
        loop {
            match get_schema_by_id(id, &self.0.settings) {
                Ok(found) => return Ok(Some(found.schema)),
                // The library answers the same for "no such id" and for a registry that is down; asking tells them apart.
                Err(_)
                    if self
                        .get(&format!("schemas/ids/{id}"))
                        .is_ok_and(|answer| answer.status() == StatusCode::NOT_FOUND) =>
                {
                    return Ok(None);
                }
                Err(error) if begun.elapsed() > RETRY_FOR => {
                    return Err(CodecError::new(format!(
                        "schema {id} could not be fetched from the registry: {}",
                        error.error
                    )));
                }
                Err(_) => thread::sleep(Duration::from_millis(250)),
            }
        }
    }

    /// The newest schema of `subject`, or `None` where there is none.
    ///
    /// # Errors
    /// When the registry can't be reached or refuses.
    pub fn latest(&self, subject: &str) -> Result<Option<Registered>, PortError> {
        let attempt = format!("could not read subject '{subject}' from the schema registry");
        let answer = retried(&attempt, || self.get(&format!("subjects/{subject}/versions/latest")))?;
        match answer.status() {
            StatusCode::NOT_FOUND => Ok(None),
            status if status.is_success() => {
                let body = answer
                    .text()
                    .map_err(|error| PortError::retry(attempt.clone()).because(error.without_url()))?;
                serde_json::from_str(&body).map(Some).map_err(|error| PortError::stop(attempt).because(error))
            }
            _ => Err(refusal(attempt, answer)),
        }
    }

    /// Registers `schema` under `subject` and gives its id. A new subject is set to compatibility BACKWARD first.
    ///
    /// # Errors
    /// When the registry can't be reached, or refuses: the schema is none, or not compatible with the subject's others.
    pub fn register(&self, subject: &str, schema: &str) -> Result<u32, PortError> {
        self.prepare(subject)?;
        let attempt = format!("could not register a schema under subject '{subject}'");
        let begun = Instant::now();
        loop {
            let supplied = SuppliedSchema::new(None, SchemaType::Avro, schema.to_owned());
            match post_schema(&self.0.settings, subject.to_owned(), supplied) {
                Ok(registered) => return Ok(registered.id),
                Err(error) if error.retriable && begun.elapsed() < RETRY_FOR => {
                    thread::sleep(Duration::from_millis(250));
                }
                Err(error) => {
                    return Err(self.why_refused(
                        subject,
                        schema,
                        PortError::stop(attempt).because(error.error),
                    ));
                }
            }
        }
    }

    /// The library keeps the registry's own words from us; posting once more brings them.
    fn why_refused(&self, subject: &str, schema: &str, otherwise: PortError) -> PortError {
        let body = serde_json::json!({ "schema": schema }).to_string();
        let path = format!("subjects/{subject}/versions");
        match self.send(|client, url| client.post(format!("{url}/{path}")).body(body.clone())) {
            Ok(answer) if answer.status() == StatusCode::CONFLICT => refusal(
                format!(
                    "the schema for subject '{subject}' is not compatible with those registered before it"
                ),
                answer,
            ),
            Ok(answer) if !answer.status().is_success() => {
                refusal(format!("could not register a schema under subject '{subject}'"), answer)
            }
            _ => otherwise,
        }
    }

    /// Sets a new subject to BACKWARD, once.
    fn prepare(&self, subject: &str) -> Result<(), PortError> {
        let is_prepared = || self.0.prepared.lock().unwrap_or_else(PoisonError::into_inner).contains(subject);
        if is_prepared() {
            return Ok(());
        }
        if self.latest(subject)?.is_none() {
            let attempt = format!("could not set the compatibility of subject '{subject}'");
            let put = |client: &Client, url: &str| {
                client.put(format!("{url}/config/{subject}")).body(r#"{"compatibility":"BACKWARD"}"#)
            };
            let answer = retried(&attempt, || self.send(put))?;
            if !answer.status().is_success() {
                return Err(refusal(attempt, answer));
            }
        }
        self.0.prepared.lock().unwrap_or_else(PoisonError::into_inner).insert(subject.to_owned());
        Ok(())
    }

    fn get(&self, path: &str) -> Result<Response, PortError> {
        self.send(|client, url| client.get(format!("{url}/{path}")))
    }

    /// Sends a request to the first address that answers.
    fn send(
        &self,
        request: impl Fn(&Client, &str) -> reqwest::blocking::RequestBuilder,
    ) -> Result<Response, PortError> {
        let mut last = None;
        for url in &self.0.urls {
            let made =
                request(&self.0.client, url).header("content-type", "application/vnd.schemaregistry.v1+json");
            match made.send() {
                Ok(answer) if !answer.status().is_server_error() => return Ok(answer),
                Ok(answer) => last = Some(answer.status().to_string()),
                // The address may hold a password, so it is not told.
                Err(error) => last = Some(error.without_url().to_string()),
            }
        }
        let reason = last.unwrap_or_default();
        Err(PortError::retry(
            "the schema registry does not answer; is it up, and is SCHEMA_REGISTRY_URL right?",
        )
        .because(reason))
    }
}

/// The registry's own words about what it refused.
fn refusal(attempt: String, answer: Response) -> PortError {
    #[derive(Deserialize)]
    struct Said {
        message: String,
    }
    let status = answer.status();
    let body = answer.text().unwrap_or_default();
    let said = serde_json::from_str::<Said>(&body).map_or(body, |said| said.message);
    PortError::stop(attempt).because(format!("{status}: {said}"))
}

/// Asks again while the registry does not answer, up to a limit.
fn retried(attempt: &str, ask: impl Fn() -> Result<Response, PortError>) -> Result<Response, PortError> {
    let begun = Instant::now();
    loop {
        match ask() {
            Err(error) if error.action() == Action::Retry && begun.elapsed() < RETRY_FOR => {
                tracing::debug!(%error, "asking the schema registry again");
                thread::sleep(Duration::from_millis(250));
            }
            Err(error) => return Err(PortError::new(error.action(), attempt).because(error)),
            answered => return answered,
        }
    }
}
