use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use config::{Config, File, FileFormat, Value, ValueKind};

use crate::SettingsError;

/// Where settings are looked for: a folder's `.env` and `config.yaml`, an environment, and flags.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    pub(crate) folder: PathBuf,
    pub(crate) config: Option<PathBuf>,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) flags: BTreeMap<String, String>,
}

impl Sources {
    /// The files in `folder`, and an environment in which nothing is set.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), ..Self::default() }
    }

    /// The files in the current folder, and the process's environment as it is now.
    pub fn of_process() -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self::at("").environment(std::env::vars_os().filter_map(text))
    }

    /// Sets variables of the environment.
    #[must_use]
    pub fn environment<N: Into<String>, V: Into<String>>(
        mut self,
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        self.environment.extend(variables.into_iter().map(|(name, value)| (name.into(), value.into())));
        self
    }

    /// Reads another file than `config.yaml`, which must then exist.
    #[must_use]
    pub fn config(mut self, path: Option<PathBuf>) -> Self {
        self.config = path;
        self
    }

    /// Sets what a flag says; `name` is the setting's in `config.yaml`, such as `kafka_brokers` or `stream.workers`.
    #[must_use]
    pub fn flag(mut self, name: &str, value: Option<impl ToString>) -> Self {
        self.flags.extend(value.map(|value| (name.to_owned(), value.to_string())));
        self
    }

    pub(crate) fn env_file(&self) -> Result<BTreeMap<String, String>, SettingsError> {
        let path = self.folder.join(".env");
        if !path.exists() {
            return Ok(BTreeMap::new());
        }
        let failed =
            |error: dotenvy::Error| SettingsError::File { path: path.clone(), reason: error.to_string() };
        dotenvy::from_path_iter(&path).map_err(failed)?.collect::<Result<_, _>>().map_err(failed)
    }

    /// The values of the YAML file by dotted name.
    pub(crate) fn yaml_file(&self) -> Result<BTreeMap<String, String>, SettingsError> {
        let path = self.yaml_path();
        if self.config.is_none() && !path.exists() {
            return Ok(BTreeMap::new());
        }
        let failed = |error: config::ConfigError| SettingsError::File {
            path: path.clone(),
            reason: error.to_string(),
        };
        let file = File::from(path.as_path()).format(FileFormat::Yaml);
        let read = Config::builder().add_source(file).build().map_err(failed)?;
        let mut flat = BTreeMap::new();
        flatten("", read.cache, &mut flat);
        Ok(flat)
    }

    pub(crate) fn yaml_path(&self) -> PathBuf {
        self.config.clone().unwrap_or_else(|| Path::new(&self.folder).join("config.yaml"))
    }
}

fn flatten(prefix: &str, value: Value, flat: &mut BTreeMap<String, String>) {
    match value.kind {
        ValueKind::Table(table) => {
            for (name, value) in table {
                let dotted = if prefix.is_empty() { name } else { format!("{prefix}.{name}") };
                flatten(&dotted, value, flat);
            }
        }
        ValueKind::Nil => {}
        _ => {
            if let Ok(text) = value.into_string() {
                flat.insert(prefix.to_owned(), text);
            }
        }
    }
}
