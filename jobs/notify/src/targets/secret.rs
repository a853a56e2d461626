//! Secrets: read from files when they are needed, so that one that is changed counts at once, and never told.

use super::Failure;
use std::path::Path;

/// The content of a file without the white space around it.
pub(super) fn read(what: &str, file: &Path) -> Result<String, Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        Failure::later(format!("{what} {}: {error}; whoever runs this must provide it", file.display()))
    })?;
    let secret = text.trim();
    if secret.is_empty() {
        return Err(Failure::later(format!("{what} {}: the file is empty", file.display())));
    }
    Ok(secret.to_owned())
}
