use std::path::{Path, PathBuf};

use config::{Config, File, FileFormat, Value, ValueKind};

use crate::{Key, SettingsError};

/// What a `config.yaml` says.
#[derive(Clone)]
pub(crate) struct YamlFile {
    pub(crate) path: PathBuf,
    pub(crate) is_there: bool,
    tree: Config,
}

impl YamlFile {
    /// Reads the file; one that does not exist says nothing, unless it `must_exist`.
    pub(crate) fn read(path: PathBuf, must_exist: bool) -> Result<Self, SettingsError> {
        let is_there = path.exists();
        if must_exist && !is_there {
            return Err(SettingsError::File { path, reason: "there is no such file".to_owned() });
        }
        let tree = if is_there { tree(&path)? } else { Config::default() };
        check_names(&path, &tree)?;
        Ok(Self { path, is_there, tree })
    }

    /// The value at a name such as `kafka_brokers` or `stream.workers`; a null is none.
    pub(crate) fn value(&self, name: &str) -> Option<Value> {
        let value: Value = self.tree.get(name).ok()?;
        (value.kind != ValueKind::Nil).then_some(value)
    }

    /// Everything below `name`: the scalars, each by its names with dots between.
    pub(crate) fn flattened(&self, name: &str) -> Result<Vec<(String, String)>, SettingsError> {
        let mut pairs = Vec::new();
        let Some(value) = self.value(name) else { return Ok(pairs) };
        flatten("", value, &mut pairs).map_err(|below| SettingsError::Section {
            section: name.to_owned(),
            path: self.path.clone(),
            reason: match below.as_str() {
                "" => "it is not a list of names with values".to_owned(),
                below => format!("'{below}' is not one value"),
            },
        })?;
        Ok(pairs)
    }
}

fn tree(path: &Path) -> Result<Config, SettingsError> {
    let file = File::from(path).format(FileFormat::Yaml);
    Config::builder()
        .add_source(file)
        .build()
        .map_err(|error| SettingsError::File { path: path.to_owned(), reason: error.to_string() })
}

/// Refuses a misspelt setting, which would be passed over in silence. Sections are their programs' own.
fn check_names(path: &Path, tree: &Config) -> Result<(), SettingsError> {
    let ValueKind::Table(top) = &tree.cache.kind else { return Ok(()) };
    let is_known = |name: &str| Key::ALL.iter().any(|key| key.name() == name);
    let unknown =
        top.iter().find(|(name, value)| !matches!(value.kind, ValueKind::Table(_)) && !is_known(name));
    unknown.map_or(Ok(()), |(name, _)| {
        let known = Key::ALL.map(Key::name).join(", ");
        Err(SettingsError::Unknown { path: path.to_owned(), name: name.clone(), known })
    })
}

/// Adds the scalars below `value`; the error is the name of what is neither a scalar nor names with values.
fn flatten(name: &str, value: Value, pairs: &mut Vec<(String, String)>) -> Result<(), String> {
    match value.kind {
        ValueKind::Table(table) => table.into_iter().try_for_each(|(below, value)| {
            let below = if name.is_empty() { below } else { format!("{name}.{below}") };
            flatten(&below, value, pairs)
        }),
        ValueKind::Nil => Ok(()),
        ValueKind::Array(_) => Err(name.to_owned()),
        _ if name.is_empty() => Err(String::new()),
        _ => {
            pairs.push((name.to_owned(), value.into_string().map_err(|_| name.to_owned())?));
            Ok(())
        }
    }
}
