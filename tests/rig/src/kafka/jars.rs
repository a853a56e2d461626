//! Kafka's published jars, fetched once into a cache outside the checkout.
//!
//! Invariant: the folder named after the version is complete whenever it exists. It is filled under another name, by
//! one process at a time, and renamed.

use super::VERSION;
use crate::RigError;
use crate::error::ending;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What Maven is told to fetch.
const POM: &str = include_str!("pom.xml");

/// The folder with the jars, which is filled if it is not there yet.
pub(crate) fn fetched() -> Result<PathBuf, RigError> {
    fetched_into(&cache()?)
}

/// The folder of this version's jars, whether it is filled or not.
pub fn folder() -> Result<PathBuf, RigError> {
    Ok(cache()?.join(name()))
}

fn fetched_into(cache: &Path) -> Result<PathBuf, RigError> {
    let folder = cache.join(name());
    if folder.is_dir() {
        return Ok(folder);
    }
    fs::create_dir_all(cache).map_err(RigError::io("making", cache))?;
    let lock = cache.join(format!("{}.lock", name()));
    let turn = File::create(&lock).map_err(RigError::io("making", &lock))?;
    // Given back when the file is closed, or its process ends.
    turn.lock().map_err(RigError::io("locking", &lock))?;
    if folder.is_dir() {
        return Ok(folder);
    }
    let growing = cache.join(format!("{}.growing", name()));
    if growing.exists() {
        // Somebody was killed while fetching.
        fs::remove_dir_all(&growing).map_err(RigError::io("removing", &growing))?;
    }
    fetch(&growing)?;
    fs::rename(&growing, &folder).map_err(RigError::io("renaming", &growing))?;
    Ok(folder)
}

fn fetch(into: &Path) -> Result<(), RigError> {
    let project = tempfile::tempdir().map_err(RigError::process("making a folder for Maven"))?;
    let pom = project.path().join("pom.xml");
    fs::write(&pom, POM).map_err(RigError::io("writing", &pom))?;
    let mut maven = Command::new("mvn");
    maven.args(["--quiet", "--batch-mode", "--file"]).arg(&pom).arg("dependency:copy-dependencies");
    maven.arg(format!("-Dkafka.version={VERSION}")).arg(format!("-DoutputDirectory={}", into.display()));
    let output = maven.stdin(Stdio::null()).output().map_err(RigError::Maven)?;
    if !output.status.success() {
        // Maven writes what it has to complain about to standard output.
        return Err(RigError::Fetch { status: output.status, said: ending(&output.stdout) });
    }
    Ok(())
}

fn name() -> String {
    format!("kafka-{VERSION}")
}

fn cache() -> Result<PathBuf, RigError> {
    let named = |variable| std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = named("XDG_CACHE_HOME").or_else(|| Some(named("HOME")?.join(".cache"))).ok_or(RigError::NoCache)?;
    Ok(cache.join("bellbuoy"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jars_that_are_there_are_taken_as_they_are() {
        let cache = tempfile::tempdir().expect("a folder can be made");
        let there = cache.path().join(name());
        fs::create_dir(&there).expect("a folder can be made");
        assert_eq!(fetched_into(cache.path()).expect("nothing is fetched"), there);
        assert!(!cache.path().join(format!("{}.lock", name())).exists(), "nothing was locked");
    }
}
