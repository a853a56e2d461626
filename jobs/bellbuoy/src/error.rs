//! What may go wrong, and which exit code says so.

use crate::settings::SettingsError;
use engine::error::{CheckpointError, EngineError, LogError, StateError};
use schemas::SchemaError;
use std::path::Path;

/// Exit code for a command line or configuration that cannot work.
pub(crate) const USAGE: u8 = 64;
/// Exit code for everything else that failed.
const FAILED: u8 = 1;

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The command line asks for what there is not.
    #[error("{0}")]
    Usage(String),
    /// The configuration is wrong.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The topics asked for cannot be.
    #[error(transparent)]
    Topics(#[from] topics::TopicError),
    /// The engine stopped.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The observer cannot work.
    #[error(transparent)]
    Observe(#[from] observe::ObserveError),
    /// The actuator cannot work.
    #[error(transparent)]
    Actuate(#[from] actuate::ActuateError),
    /// The notifier cannot work.
    #[error(transparent)]
    Notify(#[from] notify::NotifyError),
    /// A schema does not keep its promise.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// A file, folder or stream cannot be used.
    #[error("{place}: {error}")]
    File {
        /// Which.
        place: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// A line of an input is not what its format says.
    #[error("{place}:{line}: {message}")]
    Line {
        /// File, or standard input.
        place: String,
        /// Line number, from 1.
        line: u64,
        /// What is wrong and what is allowed.
        message: String,
    },
    /// The command looked, and what it found is not well; the findings have been printed.
    #[error("{0}")]
    Unwell(String),
}

impl Error {
    /// Wraps what the system said about a file.
    pub(crate) fn file(place: &Path, error: std::io::Error) -> Self {
        Error::File { place: place.display().to_string(), error }
    }

    /// Wraps what the system said about standard output.
    pub(crate) fn output(error: std::io::Error) -> Self {
        Error::File { place: "standard output".to_owned(), error }
    }

    /// True where the reader of standard output has gone away: it has seen enough.
    pub(crate) fn is_closed_pipe(&self) -> bool {
        matches!(self, Error::File { error, .. } if error.kind() == std::io::ErrorKind::BrokenPipe)
    }

    /// The process's exit code.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Error::Usage(_) | Error::Settings(_) | Error::Topics(_) => USAGE,
            Error::Engine(EngineError::Configuration(_) | EngineError::Checkpoint(CheckpointError::Address { .. })) => {
                USAGE
            }
            _ if self.is_closed_pipe() => 0,
            _ => FAILED,
        }
    }
}

impl From<LogError> for Error {
    fn from(error: LogError) -> Self {
        Error::Engine(error.into())
    }
}

impl From<StateError> for Error {
    fn from(error: StateError) -> Self {
        Error::Engine(error.into())
    }
}

impl From<CheckpointError> for Error {
    fn from(error: CheckpointError) -> Self {
        Error::Engine(error.into())
    }
}
