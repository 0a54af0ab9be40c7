use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::path::Path;
use std::str::FromStr;

use config::ValueKind;
use millstream_model::TopicName;
use serde::de::DeserializeOwned;

use crate::address::{brokers_fault, dsn_fault, urls_fault};
use crate::env_file::EnvFile;
use crate::secret::without_credentials;
use crate::yaml_file::YamlFile;
use crate::{Key, Secret, SettingsError, Sources};

#[cfg(test)]
mod tests;

/// What begins a librdkafka property's name in the environment: `KAFKA_CONFIG_SECURITY_PROTOCOL`.
const KAFKA_VARIABLE: &str = "KAFKA_CONFIG_";

/// The settings of one process, from all sources. `Debug` shows no value.
///
/// **Invariant:** the files are read once, when it is made; a setting is judged when it is asked for, so that a program
/// needs only those that it uses.
#[derive(Clone)]
pub struct Settings {
    sources: Sources,
    yaml: YamlFile,
    env_file: EnvFile,
    kafka: BTreeMap<String, String>,
}

/// What one place says.
struct Found {
    place: String,
    value: String,
}

impl Settings {
    /// Reads the files that are there.
    ///
    /// # Errors
    /// When one is there and can't be read, when the one named by a flag is not there, and when `config.yaml` has a
    /// name at its top that is no setting, or a section `kafka` that is not made of names with values.
    pub fn load(sources: Sources) -> Result<Self, SettingsError> {
        let env_file = EnvFile::read(sources.folder.join(".env"))?;
        let path = sources.config.clone().unwrap_or_else(|| sources.folder.join("config.yaml"));
        let yaml = YamlFile::read(path, sources.config.is_some())?;
        let mut kafka = properties(&env_file.values);
        kafka.extend(yaml.flattened("kafka")?);
        kafka.extend(properties(&sources.environment));
        Ok(Self { sources, yaml, env_file, kafka })
    }

    /// Kafka's brokers: `host:port`, several with commas between.
    ///
    /// # Errors
    /// When they are not set or of another form.
    pub fn brokers(&self) -> Result<String, SettingsError> {
        self.checked(Key::KafkaBrokers, brokers_fault)
    }

    /// The schema registry's address, or several of one registry with commas between. It may hold a password.
    ///
    /// # Errors
    /// When it is not set or no web address.
    pub fn registry_url(&self) -> Result<Secret, SettingsError> {
        self.checked(Key::SchemaRegistryUrl, urls_fault).map(Secret::new)
    }

    /// The database's address, which holds a password.
    ///
    /// # Errors
    /// When it is not set or no address of a database.
    pub fn database_dsn(&self) -> Result<Secret, SettingsError> {
        self.checked(Key::DatabaseDsn, dsn_fault).map(Secret::new)
    }

    /// The topic that `key` names.
    ///
    /// # Errors
    /// When it is not set or no name of a topic.
    pub fn topic(&self, key: Key) -> Result<TopicName, SettingsError> {
        let found = self.required(key.name())?;
        TopicName::new(&found.value).map_err(|error| self.malformed(key.name(), found.place, error))
    }

    /// The librdkafka properties that were set: section `kafka` of the file, and `KAFKA_CONFIG_…` in the environment. They
    /// may hold passwords, so they are for the client alone.
    pub fn kafka_properties(&self) -> BTreeMap<String, String> {
        self.kafka.clone()
    }

    /// Where traces are told, and which part of them; `None` where no collector is named.
    ///
    /// # Errors
    /// When the part is no number.
    pub fn collector(&self) -> Result<Option<(String, f64)>, SettingsError> {
        let Some(endpoint) = self.get("otel.exporter_otlp_endpoint")? else { return Ok(None) };
        Ok(Some((endpoint, self.get("otel.traces_sampler_arg")?.unwrap_or(1.0))))
    }

    /// The value of a setting such as `stream.workers`, if anybody says one.
    ///
    /// # Errors
    /// When what counts is no `T`.
    pub fn get<T: FromStr<Err: Display>>(&self, name: &str) -> Result<Option<T>, SettingsError> {
        let Some(found) = self.find(name)? else { return Ok(None) };
        let parsed = found.value.parse();
        parsed.map(Some).map_err(|error: T::Err| {
            let shown = without_credentials(&found.value);
            self.malformed(name, found.place, format!("'{shown}': {error}"))
        })
    }

    /// A section of `config.yaml` as a whole, for what is more than single values; `None` when it is not there.
    ///
    /// # Errors
    /// When it does not fit `T`; the message names the section and the field.
    pub fn section<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, SettingsError> {
        let Some(value) = self.yaml.value(name) else { return Ok(None) };
        value.try_deserialize().map(Some).map_err(|error| SettingsError::Section {
            section: name.to_owned(),
            path: self.yaml.path.clone(),
            reason: error.to_string(),
        })
    }

    fn checked(&self, key: Key, fault: fn(&str) -> Option<String>) -> Result<String, SettingsError> {
        let found = self.required(key.name())?;
        match fault(&found.value) {
            None => Ok(found.value),
            Some(reason) => Err(self.malformed(key.name(), found.place, reason)),
        }
    }

    fn required(&self, name: &str) -> Result<Found, SettingsError> {
        let missing = || SettingsError::Missing { name: variable(name), places: self.places(name) };
        self.find(name)?.ok_or_else(missing)
    }

    /// What the first place that has the setting says.
    fn find(&self, name: &str) -> Result<Option<Found>, SettingsError> {
        let found = |place: String, value: Option<&String>| {
            let value = value.map(|value| value.trim()).filter(|value| !value.is_empty())?;
            Some(Found { place, value: value.to_owned() })
        };
        let variable = variable(name);
        let flag = flag_name(name).unwrap_or("a flag");
        let given = found(flag.to_owned(), self.sources.flags.get(name));
        let said =
            given.or_else(|| found("the environment".to_owned(), self.sources.environment.get(&variable)));
        let said = said.map_or_else(|| self.find_in_yaml(name), |found| Ok(Some(found)))?;
        let last = || found(self.env_file.path.display().to_string(), self.env_file.values.get(&variable));
        Ok(said.or_else(last))
    }

    fn find_in_yaml(&self, name: &str) -> Result<Option<Found>, SettingsError> {
        let Some(value) = self.yaml.value(name) else { return Ok(None) };
        let place = format!("'{name}' in {}", self.yaml.path.display());
        if matches!(value.kind, ValueKind::Table(_) | ValueKind::Array(_)) {
            return Err(self.malformed(name, place, "it is not one value"));
        }
        let text = value.into_string().unwrap_or_default().trim().to_owned();
        Ok((!text.is_empty()).then_some(Found { place, value: text }))
    }

    fn malformed(&self, name: &str, found: String, reason: impl Display) -> SettingsError {
        let (name, places) = (variable(name), self.places(name));
        SettingsError::Malformed { name, found, reason: reason.to_string(), places }
    }

    fn places(&self, name: &str) -> String {
        let flag = flag_name(name).map(|flag| format!("{flag}, "));
        let file = |path: &Path, is_there: bool| {
            let note = if is_there { "" } else { " (no such file)" };
            format!("{}{note}", path.display())
        };
        let yaml = file(&self.yaml.path, self.yaml.is_there);
        let env_file = file(&self.env_file.path, self.env_file.is_there);
        format!("{}the environment, '{name}' in {yaml}, and {env_file}", flag.unwrap_or_default())
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("sources", &self.sources)
            .field("kafka", &self.kafka.keys())
            .finish_non_exhaustive()
    }
}

/// The name of a setting in the environment and in `.env`.
fn variable(name: &str) -> String {
    name.to_uppercase().replace('.', "_")
}

fn flag_name(name: &str) -> Option<&'static str> {
    Key::ALL.into_iter().find(|key| key.name() == name)?.flag()
}

/// The librdkafka properties among an environment's variables.
fn properties(variables: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let property = |(name, value): (&String, &String)| {
        let name = name.strip_prefix(KAFKA_VARIABLE).filter(|name| !name.is_empty())?;
        (!value.is_empty()).then(|| (name.to_lowercase().replace('_', "."), value.clone()))
    };
    variables.iter().filter_map(property).collect()
}
