//! The programs of the control plane, built once from their published modules.

use super::VERSION;
use crate::{RigError, cache, go};
use std::fs;
use std::path::{Path, PathBuf};

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
    go::is_there()?;
    let sources = tempfile::tempdir().map_err(RigError::process("making a folder for Go"))?;
    for (name, text) in SOURCES {
        let path = sources.path().join(name);
        fs::write(&path, text).map_err(RigError::io("writing", &path))?;
    }
    // Clients stumble over a server that does not say its version.
    let version = format!("-s -w -X k8s.io/component-base/version.gitVersion=v{VERSION}");
    let mut kubernetes = go::command(sources.path());
    kubernetes.args(["build", "-trimpath", "-ldflags", &version, "-o"]).arg(into.join("kubernetes")).arg(".");
    go::succeed("Kubernetes", kubernetes)?;
    let mut kwok = go::command(sources.path());
    kwok.env("GOBIN", into).arg("install").arg(format!("sigs.k8s.io/kwok/cmd/kwok@v{KWOK_VERSION}"));
    go::succeed("kwok", kwok)
}
