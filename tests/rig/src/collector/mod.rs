//! OpenTelemetry's Collector, the real one, with the receivers and the exporter that users of Kubernetes have.
//!
//! Building it takes minutes, so it is for those who ask: where `BELLBUOY_ALL` is set.

use crate::deadline::Deadline;
use crate::error::ending;
use crate::guard::{Guard, Process};
use crate::kubernetes::Kubernetes;
use crate::{RigError, cache, go};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// The version that is built.
pub const VERSION: &str = "0.149.0";
/// Set by whoever wants the parts that take long to build, too.
pub const WANTED: &str = "BELLBUOY_ALL";

/// The parts it is built of.
const BUILDER: &str = include_str!("builder.yaml");
/// Raised when the same version is to be built anew.
const EDITION: u32 = 1;
/// Starting takes about a second.
const START: Duration = Duration::from_secs(60);
/// What it says when everything of it runs.
const READY: &str = "Everything is ready";

/// Whether a Collector can be started here; if not, why. Builds it when it is not there yet.
pub fn available() -> Result<(), String> {
    built().map(drop).map_err(|error| error.to_string())
}

/// True where the parts that take long to build are wanted.
pub fn is_wanted() -> bool {
    std::env::var_os(WANTED).is_some_and(|value| !value.is_empty() && value != "0")
}

/// A Collector that sends metrics of this machine and of a control plane's objects, and the control plane's audit log,
/// to Kafka. Dropping it kills it.
#[derive(Debug)]
pub struct Collector {
    // In this order: the program ends before the folder goes, which the guard removes, too.
    process: Process,
    _guard: Guard,
    folder: TempDir,
}

impl Collector {
    /// Starts one beside a control plane, and waits until all of it runs.
    pub fn start(kubernetes: &Kubernetes, bootstrap: &str) -> Result<Collector, RigError> {
        let program = built()?;
        let folder = tempfile::Builder::new().prefix("bellbuoy-collector-").tempdir();
        let folder = folder.map_err(RigError::process("making a folder for the Collector"))?;
        let guard = Guard::over(folder.path())?;
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).map_err(RigError::io("writing", &path)).map(|()| path)
        };
        let settings = write("collector.yaml", &settings(bootstrap, &kubernetes.audit_log()))?;
        let log = folder.path().join("collector.log");
        let file = File::create(&log).map_err(RigError::io("making", &log))?;
        let kubeconfig = format!("KUBECONFIG={}", kubernetes.kubeconfig().display());
        let arguments = [kubeconfig.as_ref(), program.as_os_str(), "--config".as_ref(), settings.as_os_str()];
        let process = guard.start("env".as_ref(), arguments, &file)?;
        let mut collector = Collector { process, _guard: guard, folder };
        collector.until_ready(&log)?;
        Ok(collector)
    }

    /// The folder with everything it writes.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn until_ready(&mut self, log: &Path) -> Result<(), RigError> {
        let deadline = Deadline::after(START);
        loop {
            let said = fs::read(log).unwrap_or_default();
            if String::from_utf8_lossy(&said).contains(READY) {
                return Ok(());
            }
            let ended = self.process.ended();
            if ended.is_some() || !deadline.pause() {
                let what =
                    ended.map_or("did not become ready in time".to_owned(), |status| format!("ended ({status})"));
                return Err(RigError::ControlPlane { program: "collector", what, log: ending(&said) });
            }
        }
    }
}

/// What it reads, and where it sends it: metrics in its usual encoding, audit events as they stand in the log.
fn settings(bootstrap: &str, audit_log: &Path) -> String {
    format!(
        "receivers:\n  hostmetrics: {{collection_interval: 5s, scrapers: {{cpu: {{}}, memory: {{}}, network: {{}}}}}}\n  \
         k8s_cluster: {{auth_type: kubeConfig, collection_interval: 5s}}\n  \
         filelog/audit: {{include: [\"{}\"], start_at: end}}\n\
         exporters:\n  kafka/metrics: {{brokers: [\"{bootstrap}\"], metrics: {{topic: otlp_metrics, encoding: otlp_proto}}}}\n  \
         kafka/audit: {{brokers: [\"{bootstrap}\"], logs: {{topic: k8s-audit, encoding: raw}}}}\n\
         service:\n  telemetry: {{metrics: {{level: none}}}}\n  pipelines:\n    \
         metrics: {{receivers: [hostmetrics, k8s_cluster], exporters: [kafka/metrics]}}\n    \
         logs: {{receivers: [filelog/audit], exporters: [kafka/audit]}}\n",
        audit_log.display()
    )
}

/// The program, which is built if it is not there yet.
fn built() -> Result<PathBuf, RigError> {
    Ok(cache::filled(&format!("collector-{VERSION}-{EDITION}"), build)?.join("collector"))
}

fn build(into: &Path) -> Result<(), RigError> {
    go::is_there()?;
    let sources = tempfile::tempdir().map_err(RigError::process("making a folder for Go"))?;
    let manifest = sources.path().join("builder.yaml");
    fs::write(&manifest, BUILDER).map_err(RigError::io("writing", &manifest))?;
    let mut builder = go::command(sources.path());
    builder.env("GOBIN", sources.path()).arg("install");
    builder.arg(format!("go.opentelemetry.io/collector/cmd/builder@v{VERSION}"));
    go::succeed("the Collector's builder", builder)?;
    let mut collector = go::of(&sources.path().join("builder"), sources.path());
    collector.args(["--config", "builder.yaml"]);
    go::succeed("the Collector", collector)?;
    let (made, wanted) = (sources.path().join("out/collector"), into.join("collector"));
    // Another file system may be between.
    fs::copy(&made, &wanted).map(drop).map_err(RigError::io("copying", &made))
}
