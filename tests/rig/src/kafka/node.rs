//! One broker, which is a controller as well: formatted once, started as often as it is killed.

use super::java::{self, Compilation};
use super::secured;
use super::settings::{Doors, Seat, Settings};
use super::wire;
use crate::RigError;
use crate::deadline::Deadline;
use crate::error::ending;
use crate::guard::{Guard, Process};
use rustix::process::Signal;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const LOGGING: &str = include_str!("log4j2.properties");
/// Starting takes seconds; on a machine that compiles at the same time, many of them.
const START: Duration = Duration::from_secs(60);
/// Stopping hands over what the broker leads, and then takes half a second.
const STOP: Duration = Duration::from_secs(60);
/// For the tool that formats.
const TOOL_MEGABYTES: u32 = 128;

/// What every node of a cluster is run with.
#[derive(Debug)]
pub(crate) struct Equipment {
    pub(crate) java: OsString,
    pub(crate) jars: PathBuf,
    pub(crate) megabytes: u32,
    pub(crate) compilation: Compilation,
}

/// A node with its folder, whether it runs or not.
#[derive(Debug)]
pub(crate) struct Node {
    seat: Seat,
    cluster: String,
    folder: PathBuf,
    process: Option<Process>,
}

impl Node {
    /// Makes the folder with what the node reads when it starts.
    pub(crate) fn prepare(
        folder: PathBuf,
        cluster: &str,
        seat: Seat,
        all: &[Seat],
        settings: &Settings,
        certificates: &Path,
    ) -> Result<Node, RigError> {
        let temporary = folder.join("tmp");
        fs::create_dir_all(&temporary).map_err(RigError::io("making", &temporary))?;
        let node = Node { seat, cluster: cluster.to_owned(), folder, process: None };
        let properties = settings.properties(&seat, all, &node.folder.join("data"), certificates);
        for (name, text) in [("server.properties", properties.as_str()), ("log4j2.properties", LOGGING)] {
            let path = node.folder.join(name);
            fs::write(&path, text).map_err(RigError::io("writing", &path))?;
        }
        Ok(node)
    }

    /// Begins to format the data folder; several nodes do so at a time.
    pub(crate) fn begin_format(&self, equipment: &Equipment, doors: Doors) -> Result<Child, RigError> {
        let mut command = Command::new(&equipment.java);
        command.args(self.arguments(equipment, TOOL_MEGABYTES, Compilation::Quick, "kafka.tools.StorageTool"));
        command.args(["format", "--cluster-id", &self.cluster, "--config"]).arg(self.folder.join("server.properties"));
        if doors == Doors::Secured {
            command.args(secured::users());
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().map_err(RigError::process("starting Kafka's storage tool"))
    }

    /// Waits until the data folder is formatted.
    pub(crate) fn end_format(&self, formatting: Child) -> Result<(), RigError> {
        let output = formatting.wait_with_output().map_err(RigError::process("waiting for Kafka's storage tool"))?;
        if output.status.success() {
            return Ok(());
        }
        let said = ending(&[output.stdout, output.stderr].concat());
        Err(RigError::Format { broker: self.seat.id, status: output.status, said })
    }

    /// Begins to run; nothing happens if it does already.
    pub(crate) fn begin(&mut self, equipment: &Equipment, guard: &Guard) -> Result<(), RigError> {
        if self.process.as_mut().is_some_and(|process| process.ended().is_none()) {
            return Ok(());
        }
        let path = self.log();
        let log = File::options().create(true).append(true).open(&path).map_err(RigError::io("opening", &path))?;
        let mut arguments = self.arguments(equipment, equipment.megabytes, equipment.compilation, "kafka.Kafka");
        arguments.push(self.folder.join("server.properties").into());
        self.process = Some(guard.start(&equipment.java, arguments, &log)?);
        Ok(())
    }

    /// Waits until it knows the brokers that have to be alive, itself among them.
    pub(crate) fn until_ready(&mut self, alive: &[i32]) -> Result<(), RigError> {
        let deadline = Deadline::after(START);
        loop {
            if self.alive().is_some_and(|known| alive.iter().all(|broker| known.contains(broker))) {
                return Ok(());
            }
            if let Some(status) = self.process.as_mut().and_then(Process::ended) {
                return Err(self.failure(format!("ended while it was starting ({status})")));
            }
            if !deadline.pause() {
                return Err(self.failure(format!("was not ready after {} seconds", START.as_secs())));
            }
        }
    }

    /// The brokers it knows to be alive; nothing if it does not answer.
    pub(crate) fn alive(&self) -> Option<Vec<i32>> {
        // If its port was taken, a broker of another cluster may answer there.
        wire::ask(self.address()).ok().filter(|answer| answer.cluster == self.cluster).map(|answer| answer.alive)
    }

    /// Kills it.
    pub(crate) fn kill(&mut self) {
        self.process = None;
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn stop(&mut self) -> Result<(), RigError> {
        let Some(mut process) = self.process.take() else { return Ok(()) };
        process.signal(Signal::TERM);
        // Frozen, it would not notice.
        process.signal(Signal::CONT);
        if process.ends_by(Deadline::after(STOP)) {
            return Ok(());
        }
        Err(self.failure(format!("had not stopped after {} seconds and was killed", STOP.as_secs())))
    }

    /// Stops the clock for it.
    pub(crate) fn freeze(&mut self) {
        if let Some(process) = &mut self.process {
            process.freeze(Deadline::after(STOP));
        }
    }

    /// Lets it go on.
    pub(crate) fn thaw(&mut self) {
        if let Some(process) = &mut self.process {
            process.signal(Signal::CONT);
        }
    }

    /// Where clients find it.
    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.seat.port).into()
    }

    /// The file it logs to.
    pub(crate) fn log(&self) -> PathBuf {
        self.folder.join("server.log")
    }

    /// The number of its process, while it runs.
    pub(crate) fn process(&self) -> Option<u32> {
        self.process.as_ref().map(Process::number)
    }

    /// True if it ended because somebody else has its port.
    pub(crate) fn found_its_port_taken(&self) -> bool {
        let log = fs::read(self.log()).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        log.contains("Address already in use") || log.contains("BindException")
    }

    fn failure(&self, what: String) -> RigError {
        let log = ending(&fs::read(self.log()).unwrap_or_default());
        RigError::Broker { broker: self.seat.id, what, log }
    }

    fn arguments(&self, equipment: &Equipment, megabytes: u32, compilation: Compilation, class: &str) -> Vec<OsString> {
        let logging = self.folder.join("log4j2.properties");
        let mut arguments =
            java::arguments(megabytes, compilation, &equipment.jars, Path::new(&self.folder.join("tmp")));
        arguments.push(java::property("log4j2.configurationFile", OsStr::new(&logging)));
        arguments.push(class.into());
        arguments
    }
}
