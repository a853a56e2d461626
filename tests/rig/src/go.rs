//! Programs that are built from their published Go modules.

use crate::RigError;
use crate::error::ending;
use std::path::Path;
use std::process::{Command, Stdio};

/// The oldest Go that knows how to fetch the one that the modules ask for.
const OLDEST: &str = "1.21";

/// A call of Go that fetches the version of itself that the modules ask for.
pub(crate) fn command(folder: &Path) -> Command {
    of(Path::new("go"), folder)
}

/// A call of a program that calls Go.
pub(crate) fn of(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).env("GOTOOLCHAIN", "auto").env("GOFLAGS", "-buildvcs=false").env("CGO_ENABLED", "0");
    command.stdin(Stdio::null());
    command
}

/// Runs a call to its end.
pub(crate) fn succeed(what: &'static str, mut command: Command) -> Result<(), RigError> {
    let output = command.output().map_err(RigError::process(format!("building {what}")))?;
    if output.status.success() {
        return Ok(());
    }
    Err(RigError::Build { what, status: output.status, said: ending(&output.stderr) })
}

/// Whether there is a Go that will do.
pub(crate) fn is_there() -> Result<(), RigError> {
    let lacking = |found: String| RigError::Go { wanted: OLDEST, found };
    let output = Command::new("go").arg("version").stdin(Stdio::null()).output();
    let output = output.map_err(|error| lacking(format!("`go` cannot be started: {error}")))?;
    // go version go1.26.8 linux/amd64
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let minor = said.split_once("go1.").and_then(|(_, rest)| {
        let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
        digits.parse::<u32>().ok()
    });
    if minor.is_some_and(|minor| minor >= 21) { Ok(()) } else { Err(lacking(format!("`{said}` was found"))) }
}
