//! Kafka's published jars, fetched once.

use super::VERSION;
use crate::error::ending;
use crate::{RigError, cache};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What Maven is told to fetch.
const POM: &str = include_str!("pom.xml");

/// The folder with the jars, which is filled if it is not there yet.
pub(crate) fn fetched() -> Result<PathBuf, RigError> {
    cache::filled(&name(), fetch)
}

/// The folder of this version's jars, whether it is filled or not.
pub fn folder() -> Result<PathBuf, RigError> {
    cache::place(&name())
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
