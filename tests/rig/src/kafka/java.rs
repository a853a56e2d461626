//! The Java that runs Kafka.

use crate::RigError;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::{Command, Stdio};

/// The oldest Java that Kafka's brokers run on.
const OLDEST: u32 = 17;

/// How much a virtual machine compiles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compilation {
    /// Simple machine code at once: starting takes half the processor time, which is left to the test.
    #[default]
    Quick,
    /// Everything Java can do, for measurements.
    Thorough,
}

/// The program, once it is known to be new enough.
pub(crate) fn found() -> Result<OsString, RigError> {
    let named = std::env::var_os("JAVA_HOME").map(|home| Path::new(&home).join("bin").join("java"));
    let java = named.filter(|java| java.is_file()).map_or_else(|| OsString::from("java"), OsString::from);
    let wrong = |found: String| RigError::Java { wanted: OLDEST, found };
    let output = Command::new(&java)
        .arg("-version")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| wrong(format!("and `{}` cannot be started: {error}", java.display())))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    match version(&said) {
        Some(version) if version >= OLDEST => Ok(java),
        Some(version) => Err(wrong(format!("and this is {version}"))),
        None => Err(wrong(format!("and `{}` does not say its version", java.display()))),
    }
}

/// The feature version in what `java -version` says; until Java 8 it was the second number.
fn version(said: &str) -> Option<u32> {
    // Variables that Java obeys are reported before.
    let (_, number) = said.split_once("version \"")?;
    let mut parts = number.split(['.', '-', '+', '_', '"']).map(|part| part.parse().ok());
    match parts.next()?? {
        1 => parts.next()?,
        version => Some(version),
    }
}

/// Arguments up to the class: memory, compilation, and no trace outside the folder.
pub(crate) fn arguments(megabytes: u32, compilation: Compilation, jars: &Path, temporary: &Path) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec![
        format!("-Xmx{megabytes}m").into(),
        "-XX:+UseSerialGC".into(),
        "-XX:-UsePerfData".into(),
        property("java.io.tmpdir", temporary.as_os_str()),
    ];
    if compilation == Compilation::Quick {
        arguments.push("-XX:TieredStopAtLevel=1".into());
    }
    arguments.push("-cp".into());
    arguments.push(jars.join("*").into());
    arguments
}

/// A property of the virtual machine.
pub(crate) fn property(name: &str, value: &OsStr) -> OsString {
    let mut argument = OsString::from(format!("-D{name}="));
    argument.push(value);
    argument
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_all_makers_say() {
        for (said, expected) in [
            ("openjdk version \"17.0.15\" 2025-04-15\nOpenJDK Runtime Environment", Some(17)),
            ("openjdk version \"21\" 2023-09-19", Some(21)),
            ("openjdk version \"25-ea\" 2025-09-16", Some(25)),
            ("java version \"1.8.0_412\"", Some(8)),
            ("Picked up JAVA_TOOL_OPTIONS: -Da=\"1\"\nopenjdk version \"17.0.15\" 2025-04-15", Some(17)),
            ("sh: java: not found", None),
        ] {
            assert_eq!(version(said), expected, "{said}");
        }
    }
}
