use std::collections::BTreeMap;
use std::str::FromStr;

use millstream_model::TopicName;

use crate::secret::{Secret, without_credentials};
use crate::{Key, SettingsError, Sources};

/// What begins a librdkafka property's name in the environment: `KAFKA_CONFIG_SECURITY_PROTOCOL`.
const KAFKA_VARIABLE: &str = "KAFKA_CONFIG_";

/// The settings of one process, from all sources.
#[derive(Clone)]
pub struct Settings {
    /// Each source's values by its own names, the one that counts most first, with what people call it.
    flags: BTreeMap<String, String>,
    environment: BTreeMap<String, String>,
    yaml: BTreeMap<String, String>,
    env_file: BTreeMap<String, String>,
    yaml_path: String,
}

impl Settings {
    /// Reads the sources.
    ///
    /// # Errors
    /// When a file is there and can't be read.
    pub fn load(sources: Sources) -> Result<Self, SettingsError> {
        let (yaml, env_file) = (sources.yaml_file()?, sources.env_file()?);
        let yaml_path = sources.yaml_path().display().to_string();
        Ok(Self { flags: sources.flags, environment: sources.environment, yaml, env_file, yaml_path })
    }

    /// The setting called `name` in `config.yaml`, such as `stream.workers`, where it is set.
    ///
    /// # Errors
    /// When its value is not of this type.
    pub fn get<T: FromStr>(&self, name: &str) -> Result<Option<T>, SettingsError>
    where
        T::Err: std::fmt::Display,
    {
        let Some((text, found)) = self.find(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|error: T::Err| self.malformed(name, found, error.to_string()))
    }

    /// A setting that must be there.
    ///
    /// # Errors
    /// When it is set nowhere.
    pub fn required(&self, key: Key) -> Result<String, SettingsError> {
        let found = self.find(key.name()).map(|(text, _)| text.to_owned());
        found.ok_or_else(|| SettingsError::Missing {
            name: key.name().to_uppercase(),
            places: self.places(key.name()),
        })
    }

    /// A topic's name.
    ///
    /// # Errors
    /// When it is not set, or no topic can be called so.
    pub fn topic(&self, key: Key) -> Result<TopicName, SettingsError> {
        let text = self.required(key)?;
        TopicName::new(&text)
            .map_err(|error| self.malformed(key.name(), self.place_of(key), error.to_string()))
    }

    /// Kafka's brokers, `host:port` with commas between.
    ///
    /// # Errors
    /// When they are not set, or one is not of that form.
    pub fn brokers(&self) -> Result<String, SettingsError> {
        let text = self.required(Key::KafkaBrokers)?;
        let is_fine = |broker: &str| {
            broker
                .trim()
                .rsplit_once(':')
                .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
        };
        match text.split(',').find(|broker| !is_fine(broker)) {
            None => Ok(text),
            Some(broker) => {
                let reason = format!("'{}' is not host:port", without_credentials(broker));
                Err(self.malformed(Key::KafkaBrokers.name(), self.place_of(Key::KafkaBrokers), reason))
            }
        }
    }

    /// The schema registry's address, or several of one registry with commas between. It may hold a password.
    ///
    /// # Errors
    /// When it is not set, or is no address.
    pub fn registry_url(&self) -> Result<Secret, SettingsError> {
        let text = self.required(Key::SchemaRegistryUrl)?;
        let is_fine = |url: &str| {
            ["http://", "https://"]
                .iter()
                .any(|scheme| url.trim().strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()))
        };
        if text.split(',').all(is_fine) {
            return Ok(Secret::new(text));
        }
        let reason = format!("'{}' does not begin with http:// or https://", without_credentials(&text));
        Err(self.malformed(Key::SchemaRegistryUrl.name(), self.place_of(Key::SchemaRegistryUrl), reason))
    }

    /// The librdkafka properties that were set: section `kafka` of the file, and `KAFKA_CONFIG_…` in the environment.
    pub fn kafka_properties(&self) -> BTreeMap<String, String> {
        let section = self
            .yaml
            .iter()
            .filter_map(|(name, value)| Some((name.strip_prefix("kafka.")?.to_owned(), value.clone())));
        let variable = |(name, value): (&String, &String)| {
            let property = name.strip_prefix(KAFKA_VARIABLE)?;
            Some((property.to_lowercase().replace('_', "."), value.clone()))
        };
        let variables = self.env_file.iter().chain(&self.environment).filter_map(variable);
        section.chain(variables).collect()
    }

    /// The value that counts, and where it stands.
    fn find(&self, name: &str) -> Option<(&str, String)> {
        let variable = variable_name(name);
        None.or_else(|| Some((given(self.flags.get(name))?, "the flag".to_owned())))
            .or_else(|| Some((given(self.environment.get(&variable))?, "the environment".to_owned())))
            .or_else(|| Some((given(self.yaml.get(name))?, self.yaml_path.clone())))
            .or_else(|| Some((given(self.env_file.get(&variable))?, ".env".to_owned())))
    }

    fn place_of(&self, key: Key) -> String {
        self.find(key.name()).map(|(_, place)| place).unwrap_or_default()
    }

    fn places(&self, name: &str) -> String {
        let variable = variable_name(name);
        format!(
            "the flags, the environment ({variable}), {} ({name}) and .env ({variable}); '.env.example' shows one that works",
            self.yaml_path
        )
    }

    fn malformed(&self, name: &str, found: String, reason: String) -> SettingsError {
        SettingsError::Malformed { name: variable_name(name), found, reason, places: self.places(name) }
    }
}

/// An empty value is as if it were not there.
fn given(text: Option<&String>) -> Option<&str> {
    text.map(String::as_str).filter(|text| !text.is_empty())
}

fn variable_name(name: &str) -> String {
    name.to_uppercase().replace('.', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(env: &str, yaml: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(".env"), env).unwrap();
        std::fs::write(folder.path().join("config.yaml"), yaml).unwrap();
        folder
    }

    #[test]
    fn later_sources_win_and_empty_values_do_not_count() {
        let folder = folder(
            "PRODUCT_TOPIC=a\nPRODUCT_FIND_TOPIC=a\nKAFKA_BROKERS=a:1\nRECOMMENDATION_TOPIC=a",
            "product_find_topic: b\nkafka_brokers: b:1\nstream:\n  workers: 3",
        );
        let sources = Sources::at(folder.path()).environment([
            ("KAFKA_BROKERS", "c:1"),
            ("RECOMMENDATION_TOPIC", ""),
            ("STREAM_WORKERS", "x"),
        ]);
        let settings = Settings::load(sources.clone().flag("stream.workers", Some(5))).unwrap();
        let topic = |key| settings.topic(key).unwrap().to_string();
        assert_eq!(
            (topic(Key::ProductTopic), topic(Key::ProductFindTopic), topic(Key::RecommendationTopic)),
            ("a".into(), "b".into(), "a".into())
        );
        assert_eq!(settings.brokers().unwrap(), "c:1");
        assert_eq!(settings.get::<usize>("stream.workers").unwrap(), Some(5));
        let said = Settings::load(sources).unwrap().get::<usize>("stream.workers").unwrap_err().to_string();
        assert!(
            said.starts_with("STREAM_WORKERS, as the environment has it, can't be used: invalid digit"),
            "{said}"
        );
    }

    #[test]
    fn what_is_missing_is_named_with_every_place() {
        let said = Settings::load(Sources::at("/no/such/folder")).unwrap().brokers().unwrap_err().to_string();
        for words in [
            "KAFKA_BROKERS is not set",
            "the environment (KAFKA_BROKERS)",
            "config.yaml (kafka_brokers)",
            ".env (KAFKA_BROKERS)",
        ] {
            assert!(said.contains(words), "{said}");
        }
    }

    #[test]
    fn malformed_addresses_are_refused_without_their_passwords() {
        let load = |name: &str, value: &str| {
            Settings::load(Sources::at("/no").environment([(name, value)])).unwrap()
        };
        assert!(
            load("KAFKA_BROKERS", "localhost")
                .brokers()
                .unwrap_err()
                .to_string()
                .contains("'localhost' is not host:port")
        );
        let said = load("SCHEMA_REGISTRY_URL", "ftp://ann:pw@x").registry_url().unwrap_err().to_string();
        assert!(said.contains("SCHEMA_REGISTRY_URL") && !said.contains("pw"), "{said}");
        assert!(
            load("PRODUCT_TOPIC", "a b")
                .topic(Key::ProductTopic)
                .unwrap_err()
                .to_string()
                .contains("'a b' is not a topic name")
        );
    }

    #[test]
    fn librdkafka_properties_come_from_file_and_environment() {
        let folder =
            folder("", "kafka:\n  security.protocol: ssl\n  sasl.username: ann\n  producer.linger.ms: 1");
        let settings =
            Settings::load(Sources::at(folder.path()).environment([("KAFKA_CONFIG_SASL_USERNAME", "bob")]))
                .unwrap();
        let expected = [("producer.linger.ms", "1"), ("sasl.username", "bob"), ("security.protocol", "ssl")];
        assert_eq!(
            settings.kafka_properties(),
            expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
        );
    }
}
