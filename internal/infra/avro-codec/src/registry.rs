mod fault;
mod memory;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use millstream_ports::{Action, CodecError, PortError, SchemaBook};
use reqwest::blocking::{Client, RequestBuilder};
use schema_registry_converter::blocking::schema_registry::{
    SrSettings, get_schema_by_id, perform_sr_call, post_schema,
};
use schema_registry_converter::schema_registry_common::{
    RegisteredSchema, SchemaType, SrCall, SuppliedSchema,
};

use crate::writer_schema::WriterSchema;
use fault::{Fault, retried};
use memory::Memory;

/// How long one request may take.
const ANSWER_WAIT: Duration = Duration::from_secs(10);

/// How long a registry that can't be reached is tried for, unless told otherwise.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long a schema is asked for that a record needs: who reads the record can wait better than this can.
const SCHEMA_PATIENCE: Duration = Duration::from_secs(2);

/// How long an id that the registry does not know is believed to be unknown.
const UNKNOWN_FOR: Duration = Duration::from_secs(5);

const MEDIA_TYPE: &str = "application/vnd.schemaregistry.v1+json";

/// A Schema Registry with Confluent's API. A cheap handle; clones share what was learnt.
///
/// Schemas by id are asked for once: an id's schema never changes. Calls block, and must not be made on an async executor.
/// A registry that does not answer is asked again for some seconds; one that refuses is not.
#[derive(Clone)]
pub struct Registry(Arc<Inner>);

struct Inner {
    /// Where it is not a server but this process that keeps the schemas.
    memory: Option<Mutex<Memory>>,
    urls: Vec<String>,
    settings: SrSettings,
    /// For what the library does not offer: the compatibility of a subject.
    client: Client,
    patience: Duration,
    schemas: RwLock<HashMap<u32, Arc<WriterSchema>>>,
    unknown: Mutex<HashMap<u32, Instant>>,
    prepared: Mutex<HashSet<String>>,
}

/// The newest schema of a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// Its id, which frames carry.
    pub id: u32,
    /// Its version in the subject, from 1.
    pub version: u32,
    /// The schema in JSON.
    pub schema: String,
}

impl Registry {
    /// The registry at `url`; several addresses of one registry are given with commas between. An address may have a path,
    /// and a user and password before its host.
    ///
    /// # Errors
    /// When the HTTP client can't be set up or no address is given.
    pub fn new(url: &str) -> Result<Self, PortError> {
        Self::with_patience(url, PATIENCE)
    }

    /// Like [`Registry::new`], with the time that a registry which does not answer is tried for.
    ///
    /// # Errors
    /// When the HTTP client can't be set up or no address is given.
    pub fn with_patience(url: &str, patience: Duration) -> Result<Self, PortError> {
        let trimmed = url.split(',').map(|url| url.trim().trim_end_matches('/').to_owned());
        let urls: Vec<_> = trimmed.filter(|url| !url.is_empty()).collect();
        let settings = settings(&urls)?;
        let client = Client::builder().timeout(ANSWER_WAIT).no_proxy().build();
        let client = client.map_err(|error| no_client(error.without_url().to_string()))?;
        let (schemas, unknown, prepared) = (RwLock::default(), Mutex::default(), Mutex::default());
        let memory = None;
        Ok(Self(Arc::new(Inner { memory, urls, settings, client, patience, schemas, unknown, prepared })))
    }

    /// A registry of this process alone, for tests of rules: nothing is asked over a network, and every schema is taken.
    ///
    /// # Errors
    /// As [`Registry::new`].
    pub fn in_memory() -> Result<Self, PortError> {
        Self::new("http://memory.invalid").map(|registry| registry.emptied())
    }

    /// A registry of this process alone that holds nothing, and shares what is costly to make.
    #[must_use]
    pub fn emptied(&self) -> Self {
        let (urls, settings) = (self.0.urls.clone(), self.0.settings.clone());
        let (schemas, unknown, prepared) = (RwLock::default(), Mutex::default(), Mutex::default());
        let (client, patience, memory) = (self.0.client.clone(), self.0.patience, Some(Mutex::default()));
        Self(Arc::new(Inner { memory, urls, settings, client, patience, schemas, unknown, prepared }))
    }

    /// Puts a schema under a subject and an id in a registry of this process; with no id, under one that is free.
    ///
    /// # Errors
    /// When the registry is a server.
    pub fn put(&self, subject: &str, id: Option<u32>, schema: &str) -> Result<u32, PortError> {
        let id = self.within(|memory| match id {
            Some(id) => {
                memory.put(subject, id, schema);
                id
            }
            None => memory.register(subject, schema),
        });
        id.ok_or_else(|| PortError::stop("a registry that is a server gives ids itself"))
    }

    fn within<T>(&self, act: impl FnOnce(&mut Memory) -> T) -> Option<T> {
        let memory = self.0.memory.as_ref()?;
        Some(act(&mut memory.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    /// The text of the schema that `id` stands for, whatever its language.
    ///
    /// # Errors
    /// When the registry does not know it or can't be reached.
    pub fn text(&self, id: u32) -> Result<String, CodecError> {
        let unknown = || CodecError::new(format!("the schema registry knows no schema with id {id}"));
        if let Some(found) = self.within(|memory| memory.schema(id).cloned()) {
            return found.ok_or_else(unknown);
        }
        self.fetch(id, true)?.ok_or_else(unknown)
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
        let text = self.fetch(id, false)?.ok_or_else(|| {
            self.0.unknown.lock().unwrap_or_else(PoisonError::into_inner).insert(id, Instant::now());
            unknown()
        })?;
        let schema =
            WriterSchema::parse(&text).map_err(|reason| CodecError::new(format!("schema {id}: {reason}")))?;
        let schema = Arc::new(schema);
        self.0.schemas.write().unwrap_or_else(PoisonError::into_inner).insert(id, schema.clone());
        Ok(schema)
    }

    /// The text of schema `id`, in Avro unless any language will do, or `None` where the registry does not know it.
    fn fetch(&self, id: u32, is_any: bool) -> Result<Option<String>, CodecError> {
        if let Some(found) = self.within(|memory| memory.schema(id).cloned()) {
            return Ok(found);
        }
        let refused = |why: &str| CodecError::new(format!("schema {id} can't be read: {why}"));
        let patience = self.0.patience.min(SCHEMA_PATIENCE);
        match retried(patience, || Ok(get_schema_by_id(id, &self.0.settings)?)) {
            Ok(RegisteredSchema { schema_type, references, schema, .. })
                if is_any || matches!(schema_type, SchemaType::Avro) =>
            {
                if references.is_empty() {
                    return Ok(Some(schema));
                }
                Err(refused("it refers to other subjects; register it with its types written out"))
            }
            Ok(_) => Err(refused("it is not Avro")),
            Err(fault) if fault.is_absence() => Ok(None),
            Err(fault) => {
                Err(codec_error(&fault.told(&format!("could not get schema {id} from the schema registry"))))
            }
        }
    }

    /// The newest schema of `subject`, or `None` where there is none.
    ///
    /// # Errors
    /// When the registry can't be reached or refuses.
    pub fn latest(&self, subject: &str) -> Result<Option<Registered>, PortError> {
        if let Some(found) = self.within(|memory| memory.latest(subject)) {
            return Ok(found);
        }
        let attempt = format!("could not read subject '{subject}' from the schema registry");
        let ask = || Ok(perform_sr_call(&self.0.settings, SrCall::GetLatest(subject))?);
        let raw = match retried(self.0.patience, ask) {
            Err(fault) if fault.is_absence() => return Ok(None),
            answered => answered.map_err(|fault| fault.told(&attempt))?,
        };
        match (raw.id, raw.version, raw.schema) {
            (Some(id), Some(version), Some(schema)) => Ok(Some(Registered { id, version, schema })),
            _ => Err(PortError::stop(attempt).because("its answer lacks the id, the version or the schema")),
        }
    }

    /// Registers `schema` under `subject` and gives its id. A new subject is set to compatibility BACKWARD first.
    ///
    /// # Errors
    /// When the registry can't be reached, or refuses: the schema is none, or not compatible with the subject's others.
    pub fn register(&self, subject: &str, schema: &str) -> Result<u32, PortError> {
        self.register_as(subject, schema, || SchemaType::Avro)
    }

    fn register_as(
        &self,
        subject: &str,
        schema: &str,
        language: impl Fn() -> SchemaType,
    ) -> Result<u32, PortError> {
        if let Some(id) = self.within(|memory| memory.register(subject, schema)) {
            return Ok(id);
        }
        self.prepare(subject)?;
        let supplied = || SuppliedSchema::new(None, language(), schema.to_owned());
        let ask = || Ok(post_schema(&self.0.settings, subject.to_owned(), supplied())?);
        retried(self.0.patience, ask).map(|registered| registered.id).map_err(|fault| {
            let attempt = if fault.is_conflict() {
                format!(
                    "the schema for subject '{subject}' is not compatible with those registered before it"
                )
            } else {
                format!("could not register a schema under subject '{subject}'")
            };
            fault.told(&attempt)
        })
    }

    /// Takes back all versions of a subject, as a registry does that can bring them back; ids stay what they are. One that is
    /// not there is no error.
    ///
    /// # Errors
    /// When the registry can't be reached or refuses.
    pub fn forget(&self, subject: &str) -> Result<(), PortError> {
        if self.within(|memory| memory.forget(subject)).is_some() {
            return Ok(());
        }
        let ask = || self.first_that_answers(|url| self.0.client.delete(format!("{url}/subjects/{subject}")));
        self.0.prepared.lock().unwrap_or_else(PoisonError::into_inner).remove(subject);
        match retried(self.0.patience, ask) {
            Err(fault) if !fault.is_absence() => {
                Err(fault.told(&format!("could not delete subject '{subject}' from the schema registry")))
            }
            _ => Ok(()),
        }
    }

    /// Sets a new subject to BACKWARD, once.
    fn prepare(&self, subject: &str) -> Result<(), PortError> {
        if self.0.prepared.lock().unwrap_or_else(PoisonError::into_inner).contains(subject) {
            return Ok(());
        }
        if self.latest(subject)?.is_none() {
            retried(self.0.patience, || self.put_backward(subject)).map_err(|fault| {
                fault.told(&format!("could not set the compatibility of subject '{subject}'"))
            })?;
        }
        self.0.prepared.lock().unwrap_or_else(PoisonError::into_inner).insert(subject.to_owned());
        Ok(())
    }

    fn put_backward(&self, subject: &str) -> Result<(), Fault> {
        self.first_that_answers(|url| {
            let request = self.0.client.put(format!("{url}/config/{subject}"));
            request.header("content-type", MEDIA_TYPE).body(r#"{"compatibility":"BACKWARD"}"#)
        })
    }

    /// Asks the first address that answers.
    fn first_that_answers(&self, request: impl Fn(&str) -> RequestBuilder) -> Result<(), Fault> {
        let mut last = Fault::Passing(String::new());
        for url in &self.0.urls {
            last = match request(url).send() {
                Ok(answer) if answer.status().is_success() => return Ok(()),
                Ok(answer) => Fault::of(answer),
                Err(error) => Fault::unanswered(error),
            };
            if matches!(last, Fault::Refused { .. }) {
                break;
            }
        }
        Err(last)
    }
}

impl SchemaBook for Registry {
    fn text(&self, id: u32) -> Result<String, PortError> {
        Self::text(self, id).map_err(|error| PortError::stop(error.to_string()))
    }

    fn latest(&self, subject: &str) -> Result<Option<(u32, String)>, PortError> {
        Ok(Self::latest(self, subject)?.map(|latest| (latest.id, latest.schema)))
    }

    fn register_json(&self, subject: &str, text: &str) -> Result<u32, PortError> {
        self.register_as(subject, text, || SchemaType::Json)
    }

    fn forget(&self, subject: &str) -> Result<(), PortError> {
        Self::forget(self, subject)
    }
}

fn settings(urls: &[String]) -> Result<SrSettings, PortError> {
    let Some((first, rest)) = urls.split_first() else {
        return Err(PortError::stop("no address of a schema registry is given"));
    };
    let mut builder = SrSettings::new_builder(first.clone());
    for url in rest {
        builder.add_url(url.clone());
    }
    builder.set_timeout(ANSWER_WAIT).no_proxy().build().map_err(|error| no_client(error.error))
}

/// What a codec says of a registry that refused or did not answer.
pub(crate) fn codec_error(error: &PortError) -> CodecError {
    match error.action() {
        Action::Retry => CodecError::passing(error.to_string()),
        _ => CodecError::new(error.to_string()),
    }
}

fn no_client(why: String) -> PortError {
    PortError::stop("can't set up the schema registry's client").because(why)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// A registry that gives every request this answer.
    fn answering(status: &'static str, body: &'static str) -> Registry {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let _ = stream.read(&mut [0; 4096]);
                let length = body.len();
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status}\r\ncontent-type: {MEDIA_TYPE}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
                );
            }
        });
        Registry::with_patience(&format!("http://{address}"), Duration::ZERO).unwrap()
    }

    #[test]
    fn only_what_the_registry_said_counts_against_a_record() {
        let nobody = Registry::with_patience("http://127.0.0.1:1", Duration::ZERO).unwrap();
        let unwell = answering("503 Service Unavailable", "{}");
        let unknown = answering("404 Not Found", r#"{"error_code": 40403, "message": "Schema not found"}"#);
        let other = answering("200 OK", r#"{"schemaType": "PROTOBUF", "schema": "syntax = \"proto3\";"}"#);
        for (registry, may_pass) in [(nobody, true), (unwell, true), (unknown, false), (other, false)] {
            let error = registry.schema(7).err().unwrap();
            assert_eq!(error.may_pass(), may_pass, "{error}");
        }
    }
}
