//! Why a set could not be measured.

use std::path::{Path, PathBuf};

/// Why a set could not be measured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvaluateError {
    /// The folder given does not hold the set.
    #[error("{root} holds neither the folder {name} nor {name}.tar.xz: give the folder that does", root = root.display())]
    Absent {
        /// Where it was looked for.
        root: PathBuf,
        /// The set.
        name: &'static str,
    },
    /// An archive could not be unpacked.
    #[error("{archive}: {message}; tar and xz must be installed, or unpack it beside itself", archive = archive.display())]
    Unpack {
        /// Which.
        archive: PathBuf,
        /// What went wrong.
        message: String,
    },
    /// A file could not be read.
    #[error("{place}: {error}", place = place.display())]
    Read {
        /// Which.
        place: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// A file is not what the set's page says.
    #[error("{place}:{line}: {message}", place = place.display())]
    Content {
        /// Which.
        place: PathBuf,
        /// Line, from 1; 0 where it concerns the whole file.
        line: usize,
        /// What is wrong and what is allowed.
        message: String,
    },
}

impl EvaluateError {
    /// Something wrong with a file's content.
    pub(super) fn content(place: &Path, line: usize, message: impl Into<String>) -> Self {
        EvaluateError::Content { place: place.to_owned(), line, message: message.into() }
    }
}

/// A file as text.
pub(super) fn read(place: &Path) -> Result<String, EvaluateError> {
    std::fs::read_to_string(place).map_err(|error| EvaluateError::Read { place: place.to_owned(), error })
}

/// A file as JSON of a known shape.
pub(super) fn read_json<T: serde::de::DeserializeOwned>(place: &Path) -> Result<T, EvaluateError> {
    serde_json::from_str(&read(place)?).map_err(|error| EvaluateError::content(place, error.line(), error.to_string()))
}

/// The names of what is in a folder, sorted.
pub(super) fn list(place: &Path) -> Result<Vec<String>, EvaluateError> {
    let wrong = |error| EvaluateError::Read { place: place.to_owned(), error };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(place).map_err(wrong)? {
        names.push(entry.map_err(wrong)?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}
