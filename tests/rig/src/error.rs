//! What can go wrong before a test has the part it asked for.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

/// Says which step did not work, and what to type where a person has to act.
#[derive(Debug, thiserror::Error)]
pub enum RigError {
    /// There is no Java, or it is too old.
    #[error("Java {wanted} or newer is needed, {found}; type: .ci/prepare test")]
    Java {
        /// The oldest version that will do.
        wanted: u32,
        /// What was found instead.
        found: String,
    },
    /// The jars are not there yet, and what fetches them is missing.
    #[error("Maven is needed to fetch Kafka's jars, and `mvn` cannot be started: {0}; type: .ci/prepare test")]
    Maven(io::Error),
    /// There is no place for what is fetched once.
    #[error("nowhere to keep what is fetched or built once: set HOME or XDG_CACHE_HOME")]
    NoCache,
    /// Fetching was tried and failed.
    #[error(
        "fetching Kafka's jars did not work ({status}); is the network there, and a mirror set? Maven says:\n{said}"
    )]
    Fetch {
        /// How Maven ended.
        status: ExitStatus,
        /// Its last lines.
        said: String,
    },
    /// Kafka refused to prepare a broker's folder, which is mostly about its settings.
    #[error("formatting the folder of broker {broker} did not work ({status}); Kafka says:\n{said}")]
    Format {
        /// The broker.
        broker: i32,
        /// How the tool ended.
        status: ExitStatus,
        /// Its last lines.
        said: String,
    },
    /// A broker ended, or did not become ready in time.
    #[error("broker {broker} {what}; its log ends with:\n{log}")]
    Broker {
        /// The broker.
        broker: i32,
        /// What it did, or did not do.
        what: String,
        /// The last lines of its log.
        log: String,
    },
    /// A command-line tool of Kafka did not succeed.
    #[error("{class} did not work ({status}); it says:\n{said}")]
    Tool {
        /// The tool.
        class: String,
        /// How it ended.
        status: ExitStatus,
        /// Its last lines.
        said: String,
    },
    /// There is no broker of that number.
    #[error("the cluster has no broker {0}")]
    NoBroker(i32),
    /// Nobody answers.
    #[error("no broker of {0} answers")]
    Silent(String),
    /// Faults are for clusters that the test started itself.
    #[error("the cluster that KAFKA_BOOTSTRAP names belongs to somebody else: its brokers are left alone")]
    NotOwned,
    /// The cluster was started without what is asked for.
    #[error("this cluster has no secured listeners: start it with `Settings::secured`")]
    NotSecured,
    /// There is no Go, or it is too old.
    #[error("Go {wanted} or newer is needed to build the control plane, {found}; type: .ci/prepare test")]
    Go {
        /// The oldest version that will do.
        wanted: &'static str,
        /// What was found instead.
        found: String,
    },
    /// There is no Alertmanager.
    #[error("no Alertmanager is installed; type: .ci/prepare test")]
    NoAlertmanager,
    /// Building was tried and failed.
    #[error("building {what} did not work ({status}); is the Go module proxy there? Go says:\n{said}")]
    Build {
        /// Which program.
        what: &'static str,
        /// How Go ended.
        status: ExitStatus,
        /// Its last lines.
        said: String,
    },
    /// A program of the control plane ended, or did not become ready in time.
    #[error("{program} {what}; its log ends with:\n{log}")]
    ControlPlane {
        /// The program.
        program: &'static str,
        /// What it did, or did not do.
        what: String,
        /// The last lines of its log.
        log: String,
    },
    /// `kubectl` did not succeed.
    #[error("kubectl {arguments} did not work ({status}); it says:\n{said}")]
    Kubectl {
        /// What it was asked.
        arguments: String,
        /// How it ended.
        status: ExitStatus,
        /// Its last lines.
        said: String,
    },
    /// A certificate could not be made.
    #[error("making a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// A folder, file or process could not be worked with.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it did not work.
        source: io::Error,
    },
}

impl RigError {
    /// For `map_err`: what was tried with which file.
    pub(crate) fn io(what: &str, path: &Path) -> impl FnOnce(io::Error) -> RigError {
        let (what, path): (String, PathBuf) = (what.to_owned(), path.to_owned());
        move |source| RigError::Io { what: format!("{what} {}", path.display()), source }
    }

    /// For `map_err`: what was tried.
    pub(crate) fn process(what: impl Into<String>) -> impl FnOnce(io::Error) -> RigError {
        let what = what.into();
        move |source| RigError::Io { what, source }
    }
}

/// The last lines of what a program said.
pub(crate) fn ending(said: &[u8]) -> String {
    const LINES: usize = 30;
    let text = String::from_utf8_lossy(said);
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(LINES);
    lines[from..].iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}
