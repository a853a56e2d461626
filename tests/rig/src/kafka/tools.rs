//! Kafka's own command-line tools, for what a test wants done or seen by somebody else than our client.

use super::java::{self, Compilation};
use super::{Kafka, jars};
use crate::RigError;
use crate::error::ending;
use std::io::Write as _;
use std::process::{Command, Stdio};

const MEGABYTES: u32 = 256;

impl Kafka {
    /// Runs a tool, such as `org.apache.kafka.tools.TopicCommand`, with `--bootstrap-server` and these arguments, and
    /// returns what it prints.
    pub fn tool(&self, class: &str, arguments: &[&str]) -> Result<String, RigError> {
        tool_at(&self.bootstrap, class, arguments, "")
    }

    /// The same, with something to read on its standard input.
    pub fn tool_fed(&self, class: &str, arguments: &[&str], input: &str) -> Result<String, RigError> {
        tool_at(&self.bootstrap, class, arguments, input)
    }
}

/// Runs a tool that is told where to begin.
pub fn tool_at(bootstrap: &str, class: &str, arguments: &[&str], input: &str) -> Result<String, RigError> {
    let failed = || RigError::process(format!("running {class}"));
    let temporary = tempfile::tempdir().map_err(failed())?;
    let mut command = Command::new(java::found()?);
    command.args(java::arguments(MEGABYTES, Compilation::Quick, &jars::fetched()?, temporary.path()));
    command.args([class, "--bootstrap-server", bootstrap]).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(failed())?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that ends before it has read everything says why itself.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(failed())?;
    if !output.status.success() {
        let said = ending(&[output.stdout, output.stderr].concat());
        return Err(RigError::Tool { class: class.to_owned(), status: output.status, said });
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
