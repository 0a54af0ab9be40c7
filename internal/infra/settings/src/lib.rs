//! Settings from flags, the environment, `config.yaml` and `.env`.
//!
//! A setting has one name everywhere: `KAFKA_BROKERS` in the environment and in `.env` is `kafka_brokers` in
//! `config.yaml`; `STREAM_WORKERS` is `workers` in its section `stream`. What is told in more than one place counts as the
//! first of flag, environment, `config.yaml`, `.env` says; a value that is empty is as if it were not there. What is
//! missing or malformed is told with the setting's name and every place where it was looked for, and secrets are shown
//! by nothing here.
//!
//! The process's environment is read once, by [`Sources::of_process`], and never written.
//!
//! ```
//! use millstream_settings::{Key, Settings, Sources};
//!
//! let environment = [("KAFKA_BROKERS", "localhost:9092"), ("PRODUCT_TOPIC", "shop_products"), ("STREAM_WORKERS", "4")];
//! let sources = Sources::at("no/such/folder").environment(environment);
//! let settings = Settings::load(sources)?;
//! assert_eq!(settings.brokers()?, "localhost:9092");
//! assert_eq!(settings.topic(Key::ProductTopic)?.as_str(), "shop_products");
//! assert_eq!(settings.get::<usize>("stream.workers")?, Some(4));
//! assert!(settings.registry_url().unwrap_err().to_string().starts_with("SCHEMA_REGISTRY_URL is not set"));
//! # Ok::<(), millstream_settings::SettingsError>(())
//! ```

mod address;
mod env_file;
mod error;
mod key;
mod listen;
mod secret;
mod settings;
mod sources;
mod yaml_file;

pub use error::SettingsError;
pub use key::Key;
pub use listen::Listen;
pub use millstream_model::TopicName;
pub use secret::Secret;
pub use settings::Settings;
pub use sources::Sources;
