//! Processes of the program that share the work, each with a folder of its own.

use super::cluster::{Cluster, SESSION_MILLIS};
use anyhow::Context;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

/// The name under which this program is the other one.
pub(crate) const PROGRAM: &str = "bellbuoy";

/// What a lane says when it lost or gained partitions.
const CHANGED: &str = "assignment changed";

/// Processes that share the work.
pub(super) struct Group {
    folder: PathBuf,
    members: Vec<Member>,
}

/// One place in the group, and the process that holds it.
struct Member {
    folder: PathBuf,
    child: Option<Child>,
    lives: usize,
}

/// How a process is asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    Kill,
    Terminate,
    Freeze,
    Thaw,
}

impl Group {
    /// So many places and one more, for a process that joins for a while.
    pub(super) fn new(folder: &Path, cluster: &Cluster, processes: usize) -> anyhow::Result<Self> {
        let mut members = Vec::new();
        for ordinal in 0..=processes {
            let own = folder.join(format!("process-{ordinal}"));
            fs::create_dir_all(&own)?;
            fs::write(own.join("bellbuoy.yaml"), configuration(folder, cluster, ordinal)?)?;
            members.push(Member { folder: own, child: None, lives: 0 });
        }
        Ok(Group { folder: folder.to_owned(), members })
    }

    /// Creates the topics that are missing.
    pub(super) fn apply_topics(&self) -> anyhow::Result<()> {
        let output = self.members[0].command(&["topics", "apply"])?.output()?;
        anyhow::ensure!(output.status.success(), "topics apply: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    /// Starts every process but the one that joins later.
    pub(super) fn start_all(&mut self) -> anyhow::Result<()> {
        (0..self.members.len() - 1).try_for_each(|ordinal| self.start(ordinal))
    }

    pub(super) fn start(&mut self, ordinal: usize) -> anyhow::Result<()> {
        let member = &mut self.members[ordinal];
        anyhow::ensure!(member.child.is_none(), "process {ordinal} runs already");
        let child = member.logged(&["run", "all"])?.spawn()?;
        member.child = Some(child);
        Ok(())
    }

    pub(super) fn is_running(&self, ordinal: usize) -> bool {
        self.members[ordinal].child.is_some()
    }

    /// The place of the process that joins for a while.
    pub(super) fn guest(&self) -> usize {
        self.members.len() - 1
    }

    pub(super) fn signal(&self, ordinal: usize, signal: Signal) -> anyhow::Result<()> {
        let child = self.members[ordinal].child.as_ref().context("the process does not run")?;
        let id = rustix::process::Pid::from_child(child);
        let signal = match signal {
            Signal::Kill => rustix::process::Signal::KILL,
            Signal::Terminate => rustix::process::Signal::TERM,
            Signal::Freeze => rustix::process::Signal::STOP,
            Signal::Thaw => rustix::process::Signal::CONT,
        };
        Ok(rustix::process::kill_process(id, signal)?)
    }

    /// The process's end, if it has come.
    pub(super) fn ended(&mut self, ordinal: usize) -> anyhow::Result<Option<ExitStatus>> {
        let Some(child) = self.members[ordinal].child.as_mut() else { return Ok(None) };
        let status = child.try_wait()?;
        if status.is_some() {
            self.members[ordinal].child = None;
        }
        Ok(status)
    }

    /// Ends a process at once.
    pub(super) fn kill(&mut self, ordinal: usize) -> anyhow::Result<()> {
        self.signal(ordinal, Signal::Kill)?;
        let mut child = self.members[ordinal].child.take().context("the process does not run")?;
        let status = child.wait()?;
        // One that had ended by itself was not killed, and should not have ended.
        anyhow::ensure!(
            status.signal() == Some(rustix::process::Signal::KILL.as_raw()),
            "process {ordinal} ended by itself: {status}: {}",
            self.last_words(ordinal)
        );
        Ok(())
    }

    /// Lets a process end by itself; true when it could publish and store what it had done.
    pub(super) fn stop(&mut self, ordinal: usize) -> anyhow::Result<bool> {
        self.signal(ordinal, Signal::Terminate)?;
        let mut child = self.members[ordinal].child.take().context("the process does not run")?;
        let status = child.wait()?;
        // One that has hardly begun does not listen yet, and has done nothing.
        if status.signal() == Some(rustix::process::Signal::TERM.as_raw()) {
            return Ok(true);
        }
        anyhow::ensure!(status.code().is_some_and(|code| code <= 1), "process {ordinal} asked to end: {status}");
        Ok(status.success())
    }

    /// Lets every process end by itself.
    pub(super) fn stop_all(&mut self) -> anyhow::Result<()> {
        for ordinal in 0..self.members.len() {
            if self.is_running(ordinal) {
                let ended_well = self.stop(ordinal)?;
                anyhow::ensure!(ended_well, "process {ordinal} asked to end: {}", self.last_words(ordinal));
            }
        }
        Ok(())
    }

    /// Removes a process's state folder.
    pub(super) fn wipe(&self, ordinal: usize) -> anyhow::Result<()> {
        remove(&self.members[ordinal].folder.join("state"))
    }

    /// Removes every checkpoint.
    pub(super) fn delete_checkpoints(&self) -> anyhow::Result<()> {
        remove(&self.folder.join("checkpoints"))
    }

    /// Removes all state and every checkpoint.
    pub(super) fn forget_state(&self) -> anyhow::Result<()> {
        (0..self.members.len()).try_for_each(|ordinal| self.wipe(ordinal))?;
        self.delete_checkpoints()
    }

    /// Runs jobs in one process until everything has been read, once the group has missed all others: a static member
    /// keeps its share until its session ends.
    pub(super) fn finish(&mut self, jobs: &[&str]) -> anyhow::Result<()> {
        std::thread::sleep(std::time::Duration::from_millis(SESSION_MILLIS + 2_000));
        let arguments: Vec<&str> = ["run"].iter().chain(jobs).chain(&["--until-complete"]).copied().collect();
        let status = self.members[0].logged(&arguments)?.status()?;
        anyhow::ensure!(status.success(), "{}: {status}: {}", arguments.join(" "), self.last_words(0));
        Ok(())
    }

    /// How often lanes lost or gained partitions, by what the processes said.
    pub(super) fn rebalances(&self) -> anyhow::Result<usize> {
        let mut count = 0;
        for member in &self.members {
            for life in 0..member.lives {
                count += fs::read_to_string(member.log(life))?.matches(CHANGED).count();
            }
        }
        Ok(count)
    }

    /// The end of what a process said.
    pub(super) fn last_words(&self, ordinal: usize) -> String {
        let member = &self.members[ordinal];
        let text = fs::read_to_string(member.log(member.lives.saturating_sub(1))).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(8)..].join("\n")
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for child in self.members.iter_mut().filter_map(|member| member.child.as_mut()) {
            // It may have ended meanwhile, which is as well.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Member {
    fn command(&self, arguments: &[&str]) -> anyhow::Result<Command> {
        let mut command = Command::new(std::env::current_exe().context("this program's own file")?);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("BELLBUOY")) {
            command.env_remove(name);
        }
        command.arg0(PROGRAM).args(arguments).current_dir(&self.folder).stdin(Stdio::null());
        Ok(command)
    }

    /// The same, with what it says in a file of its own.
    fn logged(&mut self, arguments: &[&str]) -> anyhow::Result<Command> {
        let file = File::create(self.log(self.lives))?;
        self.lives += 1;
        let mut command = self.command(arguments)?;
        command.stdout(Stdio::null()).stderr(file);
        Ok(command)
    }

    fn log(&self, life: usize) -> PathBuf {
        self.folder.join(format!("life-{life}.log"))
    }
}

/// An estate that lives for a day would mature no novelty and tell little: more is told, so that more is compared.
const DETECT: &str = "detect:\n  univariate: {tell_from: Unusual}\n  \
                      novelty: {mature_count: 20, mature_age: 3600000}\n";

fn configuration(folder: &Path, cluster: &Cluster, ordinal: usize) -> anyhow::Result<String> {
    let mut text = String::new();
    let checkpoints = folder.join("checkpoints");
    let copies = cluster.replication().map_or("null".to_owned(), |copies| copies.to_string());
    writeln!(text, "log:\n  kafka:\n    bootstrap: \"{}\"\n    prefix: {}", cluster.bootstrap, cluster.prefix)?;
    writeln!(text, "    settings: {{session.timeout.ms: \"{SESSION_MILLIS}\", heartbeat.interval.ms: \"1000\"}}")?;
    writeln!(text, "    replication: {copies}")?;
    writeln!(text, "http: {{address: null}}\nordinal: {ordinal}\nmemory: 128MiB")?;
    writeln!(text, "state: {{folder: state, flush_every: 3s}}")?;
    writeln!(text, "checkpoints: {{address: \"{}\", every: 10s}}", checkpoints.display())?;
    writeln!(text, "lanes: {{ingest: 1, detect: 1}}\n{DETECT}")?;
    Ok(text)
}

fn remove(folder: &Path) -> anyhow::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        // Another process writes there at this very moment; what is left is as good as a partial loss.
        Err(error) if error.kind() == std::io::ErrorKind::DirectoryNotEmpty => Ok(()),
        result => result.with_context(|| format!("to remove {}", folder.display())),
    }
}
