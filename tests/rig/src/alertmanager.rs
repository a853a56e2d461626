//! Prometheus' Alertmanager, the real one, as the system's package manager brings it.

use crate::RigError;
use crate::deadline::Deadline;
use crate::error::ending;
use crate::guard::{Guard, Process};
use crate::ports;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// Its names: Debian's package has its own.
const PROGRAMS: [&str; 2] = ["prometheus-alertmanager", "alertmanager"];
/// Starting takes about a second.
const START: Duration = Duration::from_secs(60);

/// Whether one can be started here; if not, what is missing.
pub fn available() -> Result<(), String> {
    program().map(drop).map_err(|error| error.to_string())
}

/// An Alertmanager that tells a webhook of every group of alerts, by incident and grade. Dropping it kills it.
#[derive(Debug)]
pub struct Alertmanager {
    // In this order: the program ends before the folder goes, which the guard removes, too.
    process: Process,
    _guard: Guard,
    _folder: TempDir,
    port: u16,
}

impl Alertmanager {
    /// Starts one that tells this address, and waits until it is ready.
    pub fn start(webhook: &str) -> Result<Alertmanager, RigError> {
        let program = program()?;
        let folder = tempfile::Builder::new().prefix("bellbuoy-alertmanager-").tempdir();
        let folder = folder.map_err(RigError::process("making a folder for the Alertmanager"))?;
        let guard = Guard::over(folder.path())?;
        let settings = folder.path().join("alertmanager.yaml");
        fs::write(&settings, self::settings(webhook)).map_err(RigError::io("writing", &settings))?;
        let log = folder.path().join("alertmanager.log");
        let file = File::create(&log).map_err(RigError::io("making", &log))?;
        let port = ports::free(1)?[0];
        let arguments = [
            format!("--config.file={}", settings.display()),
            format!("--storage.path={}", folder.path().join("data").display()),
            format!("--web.listen-address=127.0.0.1:{port}"),
            // Alone: no gossip, no port for it.
            "--cluster.listen-address=".to_owned(),
        ];
        let process = guard.start(program.as_ref(), arguments, &file)?;
        let mut alertmanager = Alertmanager { process, _guard: guard, _folder: folder, port };
        alertmanager.until_ready(&log)?;
        Ok(alertmanager)
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn until_ready(&mut self, log: &Path) -> Result<(), RigError> {
        let deadline = Deadline::after(START);
        while !is_ready(self.port) {
            let ended = self.process.ended();
            if ended.is_some() || !deadline.pause() {
                let what =
                    ended.map_or("did not become ready in time".to_owned(), |status| format!("ended ({status})"));
                let log = ending(&fs::read(log).unwrap_or_default());
                return Err(RigError::ControlPlane { program: "alertmanager", what, log });
            }
        }
        Ok(())
    }
}

/// Groups are told at once, and again only when they change.
fn settings(webhook: &str) -> String {
    format!(
        "route:\n  receiver: webhook\n  group_by: [incident_id, severity]\n  group_wait: 100ms\n  group_interval: 1s\n  \
         repeat_interval: 24h\nreceivers:\n- name: webhook\n  webhook_configs:\n  - url: {webhook}\n    \
         send_resolved: true\n"
    )
}

fn is_ready(port: u16) -> bool {
    let asked = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.write_all(b"GET /-/ready HTTP/1.0\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).map(|_| answer)
    };
    asked().is_ok_and(|answer| answer.split(' ').nth(1) == Some("200"))
}

fn program() -> Result<&'static str, RigError> {
    let runs = |program: &&str| {
        let mut asked = Command::new(OsStr::new(program));
        asked.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        asked.status().is_ok_and(|status| status.success())
    };
    PROGRAMS.into_iter().find(runs).ok_or(RigError::NoAlertmanager)
}
