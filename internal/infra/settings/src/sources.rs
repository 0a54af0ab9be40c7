use std::collections::BTreeMap;
use std::env;
use std::fmt;
use std::path::PathBuf;

/// Where settings are looked for: a folder's `.env` and `config.yaml`, an environment, and flags. The environment is
/// handed in, so that nothing here depends on the process. `Debug` shows no value.
#[derive(Clone, Default)]
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

    /// The files in the current folder, and the process's environment as it is now. Variables that are no text are left
    /// out.
    pub fn of_process() -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self::at(env::current_dir().unwrap_or_default()).environment(env::vars_os().filter_map(text))
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

    /// Reads another file than `config.yaml`, if one is named. It must exist then.
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
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources")
            .field("folder", &self.folder)
            .field("config", &self.config)
            .field("flags", &self.flags.keys())
            .finish_non_exhaustive()
    }
}
