use std::path::PathBuf;

use thiserror::Error;

/// Why a program can't have its settings. Each is one sentence; none shows a secret.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// Nobody said it.
    #[error("{name} is not set; it was looked for in {places}")]
    Missing {
        /// The setting's name in the environment.
        name: String,
        /// Every place where it could have been.
        places: String,
    },
    /// It was said, and makes no sense.
    #[error("{name}, as {found} has it, can't be used: {reason}; it was looked for in {places}")]
    Malformed {
        /// The setting's name in the environment.
        name: String,
        /// The place whose value counts.
        found: String,
        /// What is wrong with it, and how it should be.
        reason: String,
        /// Every place where it could have been.
        places: String,
    },
    /// A section of `config.yaml` is not what the program takes.
    #[error("section '{section}' of {path} can't be used: {reason}")]
    Section {
        /// The section's name.
        section: String,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file is there, and can't be read.
    #[error("settings file {path} can't be read: {reason}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and where.
        reason: String,
    },
    /// `config.yaml` has a name at its top that no program knows.
    #[error("settings file {path} has '{name}', which is no setting; there are {known}, and sections")]
    Unknown {
        /// The file.
        path: PathBuf,
        /// The name.
        name: String,
        /// All names that there are.
        known: String,
    },
}
