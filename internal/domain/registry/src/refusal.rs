use thiserror::Error;

use crate::{Subject, Version};

/// Why a request is refused. [`Refusal::code`] and [`Refusal::status`] are those of Confluent's API reference.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// No version of the subject is there, or none that is not deleted.
    #[error("Subject '{0}' not found.")]
    SubjectNotFound(Subject),
    /// The subject has no such version.
    #[error("Version {0} not found.")]
    VersionNotFound(i64),
    /// No schema with this id.
    #[error("Schema {0} not found")]
    IdNotFound(u32),
    /// The subject has other schemas, but not this one.
    #[error("Schema not found")]
    SchemaNotFound,
    /// All its versions are deleted softly, and are to be once more.
    #[error("Subject '{0}' was soft deleted. Set permanent=true to delete permanently")]
    SubjectSoftDeleted(Subject),
    /// Only what is deleted softly can be deleted for good.
    #[error("Subject '{0}' was not deleted first before being permanently deleted")]
    SubjectNotSoftDeleted(Subject),
    /// The version is deleted softly, and is to be once more.
    #[error("Subject '{0}' Version {1} was soft deleted. Set permanent=true to delete permanently")]
    VersionSoftDeleted(Subject, Version),
    /// Only what is deleted softly can be deleted for good.
    #[error("Subject '{0}' Version {1} was not deleted first before being permanently deleted")]
    VersionNotSoftDeleted(Subject, Version),
    /// The subject has no compatibility of its own.
    #[error("Subject '{0}' does not have subject-level compatibility configured")]
    NoConfig(Subject),
    /// The subject has no mode of its own.
    #[error("Subject '{0}' does not have subject-level mode configured")]
    NoMode(Subject),
    /// The schema does not go with earlier ones.
    #[error(
        "Schema being registered is incompatible with an earlier schema for subject \"{0}\", details: [{1}]"
    )]
    Incompatible(Subject, String),
    /// The schema is none.
    #[error("{0}")]
    InvalidSchema(String),
    /// The version is no number from 1, nor `latest`.
    #[error(
        "The specified version '{0}' is not a valid version id. Allowed values are between [1, 2^31-1] and the string \"latest\""
    )]
    InvalidVersion(String),
    /// There is no such level of compatibility.
    #[error(
        "Invalid compatibility level. Valid values are none, backward, forward, full, backward_transitive, forward_transitive, and full_transitive"
    )]
    InvalidLevel,
    /// There is no such mode.
    #[error("Invalid mode. Valid values are READWRITE, READONLY, READONLY_OVERRIDE, and IMPORT")]
    InvalidMode,
    /// The mode, or what this registry can do, does not allow it.
    #[error("{0}")]
    NotPermitted(String),
    /// Another schema takes types from this version.
    #[error("One or more references exist to the schema {{subject={0},version={1}}}")]
    Referenced(Subject, Version),
    /// A subject can't be called so.
    #[error(
        "'{0}' is not a subject that this registry can keep: it is empty, reserved, of a context, or has control characters"
    )]
    InvalidSubject(String),
}

impl Refusal {
    /// The error code, of which the first three digits are a status.
    pub fn code(&self) -> u32 {
        match self {
            Self::SubjectNotFound(_) => 40401,
            Self::VersionNotFound(_) => 40402,
            Self::IdNotFound(_) | Self::SchemaNotFound => 40403,
            Self::SubjectSoftDeleted(_) => 40404,
            Self::SubjectNotSoftDeleted(_) => 40405,
            Self::VersionSoftDeleted(..) => 40406,
            Self::VersionNotSoftDeleted(..) => 40407,
            Self::NoConfig(_) => 40408,
            Self::NoMode(_) => 40409,
            Self::Incompatible(..) => 409,
            Self::InvalidSchema(_) => 42201,
            Self::InvalidVersion(_) => 42202,
            Self::InvalidLevel => 42203,
            Self::InvalidMode => 42204,
            Self::NotPermitted(_) => 42205,
            Self::Referenced(..) => 42206,
            Self::InvalidSubject(_) => 42208,
        }
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        let code = self.code();
        u16::try_from(if code < 1000 { code } else { code / 100 }).unwrap_or(500)
    }

    /// Whether something was not found. It may be there in truth, where the log goes on beyond the state.
    pub fn is_absence(&self) -> bool {
        self.status() == 404
    }
}
