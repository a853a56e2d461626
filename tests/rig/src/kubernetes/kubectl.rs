//! `kubectl`, the real one.

use super::programs::Programs;
use crate::RigError;
use crate::error::ending;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// Runs it, and returns what it prints.
pub(super) fn run(programs: &Programs, kubeconfig: &Path, arguments: &[&str], input: &str) -> Result<String, RigError> {
    let failed = || RigError::process("running kubectl");
    let mut command = Command::new(&programs.kubernetes);
    command.arg("kubectl").arg("--kubeconfig").arg(kubeconfig).args(arguments);
    // What it found out about the server last time is kept beside the server, not in the user's home.
    command.env("KUBECACHEDIR", kubeconfig.with_file_name("kubectl-cache"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(failed())?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that ends before it has read everything says why itself.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(failed())?;
    if !output.status.success() {
        let said = ending(&[output.stdout, output.stderr].concat());
        return Err(RigError::Kubectl { arguments: arguments.join(" "), status: output.status, said });
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
