use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::SettingsError;

/// What a `.env` file says. It is read, and put into no environment.
#[derive(Clone)]
pub(crate) struct EnvFile {
    pub(crate) path: PathBuf,
    pub(crate) is_there: bool,
    pub(crate) values: BTreeMap<String, String>,
}

impl EnvFile {
    /// Reads the file; one that does not exist says nothing.
    pub(crate) fn read(path: PathBuf) -> Result<Self, SettingsError> {
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Self { values: parse(&path, &text)?, path, is_there: true }),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Ok(Self { path, is_there: false, values: BTreeMap::new() })
            }
            Err(error) => Err(SettingsError::File { path, reason: error.to_string() }),
        }
    }
}

fn parse(path: &Path, text: &str) -> Result<BTreeMap<String, String>, SettingsError> {
    let pairs = dotenvy::from_read_iter(text.as_bytes());
    pairs.collect::<Result<_, _>>().map_err(|error| {
        let reason = match error {
            // The line itself may hold a password, so only its place is told.
            dotenvy::Error::LineParse(line, _) => place(text, &line),
            other => other.to_string(),
        };
        SettingsError::File { path: path.to_owned(), reason }
    })
}

fn place(text: &str, wrong: &str) -> String {
    let first = wrong.lines().next().unwrap_or_default();
    let number = text.lines().position(|line| line.trim() == first.trim()).map(|index| index + 1);
    let line = number.map_or_else(|| "a line".to_owned(), |number| format!("line {number}"));
    format!("{line} is not NAME=value; put a value that has spaces, quotes or '#' between single quotes")
}
