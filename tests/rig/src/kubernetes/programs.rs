//! The programs of the control plane, built once from their published modules.

use super::VERSION;
use crate::error::ending;
use crate::{RigError, cache};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The sources of the one binary that is etcd, API server, controllers, scheduler and kubectl.
const SOURCES: [(&str, &str); 3] = [
    ("main.go", include_str!("../../kube/main.go")),
    ("go.mod", include_str!("../../kube/go.mod")),
    ("go.sum", include_str!("../../kube/go.sum")),
];
/// The program that plays nodes and pods.
const KWOK_VERSION: &str = "0.8.0";
/// Raised when the same versions are to be built anew.
const EDITION: u32 = 1;
/// The oldest Go that knows how to fetch the one that the modules ask for.
const GO: &str = "1.21";

/// Where the programs are.
#[derive(Clone, Debug)]
pub(super) struct Programs {
    pub(super) kubernetes: PathBuf,
    pub(super) kwok: PathBuf,
}

/// The programs, which are built if they are not there yet.
pub(super) fn built() -> Result<Programs, RigError> {
    let folder = cache::filled(&format!("kubernetes-{VERSION}-kwok-{KWOK_VERSION}-{EDITION}"), build)?;
    Ok(Programs { kubernetes: folder.join("kubernetes"), kwok: folder.join("kwok") })
}

fn build(into: &Path) -> Result<(), RigError> {
    has_go()?;
    let sources = tempfile::tempdir().map_err(RigError::process("making a folder for Go"))?;
    for (name, text) in SOURCES {
        let path = sources.path().join(name);
        fs::write(&path, text).map_err(RigError::io("writing", &path))?;
    }
    // Clients stumble over a server that does not say its version.
    let version = format!("-s -w -X k8s.io/component-base/version.gitVersion=v{VERSION}");
    let mut kubernetes = go(sources.path());
    kubernetes.args(["build", "-trimpath", "-ldflags", &version, "-o"]).arg(into.join("kubernetes")).arg(".");
    succeed("Kubernetes", kubernetes)?;
    let mut kwok = go(sources.path());
    kwok.env("GOBIN", into).arg("install").arg(format!("sigs.k8s.io/kwok/cmd/kwok@v{KWOK_VERSION}"));
    succeed("kwok", kwok)
}

/// A call of Go that fetches the version of itself that the modules ask for.
fn go(folder: &Path) -> Command {
    let mut command = Command::new("go");
    command.current_dir(folder).env("GOTOOLCHAIN", "auto").env("GOFLAGS", "-buildvcs=false").env("CGO_ENABLED", "0");
    command.stdin(Stdio::null());
    command
}

fn succeed(what: &'static str, mut command: Command) -> Result<(), RigError> {
    let output = command.output().map_err(RigError::process(format!("building {what}")))?;
    if output.status.success() {
        return Ok(());
    }
    Err(RigError::Build { what, status: output.status, said: ending(&output.stderr) })
}

fn has_go() -> Result<(), RigError> {
    let lacking = |found: String| RigError::Go { wanted: GO, found };
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
