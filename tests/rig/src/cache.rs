//! What is fetched or built once, and kept outside the checkout.
//!
//! Invariant: an entry is complete whenever it exists. It is filled under another name, by one process at a time, and
//! renamed.

use crate::RigError;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// The folder of an entry, whether it is filled or not.
pub(crate) fn place(name: &str) -> Result<PathBuf, RigError> {
    Ok(folder()?.join(name))
}

/// The folder of an entry, which is filled if it is not there yet.
pub(crate) fn filled(name: &str, fill: impl FnOnce(&Path) -> Result<(), RigError>) -> Result<PathBuf, RigError> {
    filled_within(&folder()?, name, fill)
}

fn filled_within(
    cache: &Path,
    name: &str,
    fill: impl FnOnce(&Path) -> Result<(), RigError>,
) -> Result<PathBuf, RigError> {
    let entry = cache.join(name);
    if entry.is_dir() {
        return Ok(entry);
    }
    fs::create_dir_all(cache).map_err(RigError::io("making", cache))?;
    let lock = cache.join(format!("{name}.lock"));
    let turn = File::create(&lock).map_err(RigError::io("making", &lock))?;
    // Given back when the file is closed, or its process ends.
    turn.lock().map_err(RigError::io("locking", &lock))?;
    if entry.is_dir() {
        return Ok(entry);
    }
    let growing = cache.join(format!("{name}.growing"));
    if growing.exists() {
        // Somebody was killed while filling it.
        fs::remove_dir_all(&growing).map_err(RigError::io("removing", &growing))?;
    }
    fs::create_dir(&growing).map_err(RigError::io("making", &growing))?;
    fill(&growing)?;
    fs::rename(&growing, &entry).map_err(RigError::io("renaming", &growing))?;
    Ok(entry)
}

fn folder() -> Result<PathBuf, RigError> {
    let named = |variable| std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = named("XDG_CACHE_HOME").or_else(|| Some(named("HOME")?.join(".cache"))).ok_or(RigError::NoCache)?;
    Ok(cache.join("bellbuoy"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_taken_as_it_is() {
        let cache = tempfile::tempdir().expect("a folder can be made");
        let there = cache.path().join("part-1");
        fs::create_dir(&there).expect("a folder can be made");
        let found = filled_within(cache.path(), "part-1", |_| panic!("nothing is to be filled"));
        assert_eq!(found.expect("it is there"), there);
        assert!(!cache.path().join("part-1.lock").exists(), "nothing was locked");
    }

    #[test]
    fn what_was_begun_and_not_ended_is_begun_again() {
        let cache = tempfile::tempdir().expect("a folder can be made");
        let fail = |into: &Path| {
            fs::write(into.join("half"), "").expect("a file can be written");
            Err(RigError::NoCache)
        };
        assert!(filled_within(cache.path(), "part-1", fail).is_err());
        let found = filled_within(cache.path(), "part-1", |_| Ok(())).expect("it can be filled");
        assert_eq!(fs::read_dir(found).expect("it is there").count(), 0);
    }
}
