//! An installation as a person has one: a folder with a configuration, a log, state and checkpoints, and the program.
//!
//! The program is the one a user runs, in a process of its own; what it left behind is read through the engine's log.
#![allow(dead_code, unused_imports, reason = "every suite compiles this module and uses a part of it")]

mod log;
mod program;
mod recording;
mod web;

pub use log::{Published, message, partitions, records};
pub use program::{Life, binary, built};
pub use recording::{capture, collected};
pub use web::{figures, free_port, get, post};

use estate::{Estate, Plan};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// An estate that lives for a day would mature no novelty and tell little: more is told, so that more is compared.
const DETECT: &str = "detect:\n  univariate: {tell_from: Unusual}\n  \
                      novelty: {mature_count: 20, mature_age: 3600000}\n";

/// What is configured, where it is not as usual.
#[derive(Clone, Debug)]
pub struct Configured {
    pub lanes: usize,
    pub flush_every: &'static str,
    pub checkpoint_every: &'static str,
    pub memory: &'static str,
    pub revision: i32,
    /// Port of the HTTP interface; none without.
    pub port: Option<u16>,
}

impl Default for Configured {
    fn default() -> Self {
        Configured { lanes: 1, flush_every: "20s", checkpoint_every: "5m", memory: "512MiB", revision: 0, port: None }
    }
}

/// A folder with everything one installation has.
pub struct Installation {
    folder: TempDir,
}

impl Installation {
    /// An empty one, configured as usual, with few partitions.
    pub fn new() -> Self {
        let made = Installation { folder: tempfile::tempdir().expect("a temporary folder can be made") };
        made.configure(&Configured::default());
        made
    }

    /// One whose raw topics hold the first records that an estate wrote.
    pub fn of_estate(plan: &Plan, records: usize) -> Self {
        let made = Installation::new();
        made.done(&["topics", "apply"]);
        let estate = Estate::new(plan.clone()).expect("the plan is within its limits");
        made.append(estate.records().take(records).map(log::message));
        made
    }

    /// Another one with the same content.
    pub fn copy(&self) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        copy_folder(self.path(), folder.path());
        Installation { folder }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The folder of the log, `state` or `checkpoints`.
    pub fn place(&self, name: &str) -> PathBuf {
        self.path().join("bellbuoy-data").join(name)
    }

    /// Removes a folder below the data, if it is there.
    pub fn wipe(&self, name: &str) {
        let place = self.place(name);
        if place.exists() {
            fs::remove_dir_all(place).expect("the folder can be removed");
        }
    }

    /// Writes the configuration.
    pub fn configure(&self, configured: &Configured) {
        let Configured { lanes, flush_every, checkpoint_every, memory, revision, port } = configured;
        let address = port.map_or("null".to_owned(), |port| format!("\"127.0.0.1:{port}\""));
        let mut text = format!(
            "http: {{address: {address}}}\nstate: {{flush_every: {flush_every}}}\n\
             checkpoints: {{every: {checkpoint_every}}}\nlanes: {{ingest: {lanes}, detect: {lanes}}}\n\
             memory: {memory}\nrevision: {revision}\n{DETECT}topics:\n"
        );
        for topic in topics::declared::ALL.iter().filter(|topic| topic.partitions > 1) {
            writeln!(text, "  {}: {{partitions: 4}}", topic.name).expect("text grows");
        }
        fs::write(self.path().join("bellbuoy.yaml"), text).expect("the configuration can be written");
    }

    /// The program with these arguments, in this installation, untouched by the environment of the test.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("BELLBUOY")) {
            command.env_remove(name);
        }
        command.current_dir(self.path()).args(arguments).stdin(Stdio::null());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the program can be started")
    }

    /// Runs what must succeed, and gives its standard output and standard error.
    pub fn done(&self, arguments: &[&str]) -> (String, String) {
        let output = self.run(arguments);
        let (out, error) = texts(&output);
        assert!(output.status.success(), "{arguments:?} gave {}: {error}", output.status);
        (out, error)
    }

    /// Runs what must fail with exit code 1, and gives what it said at its end.
    pub fn stopped(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let (_, error) = texts(&output);
        assert_eq!(output.status.code(), Some(1), "{arguments:?} gave {}: {error}", output.status);
        let last = error.lines().rev().find(|line| line.starts_with("bellbuoy: "));
        last.unwrap_or_else(|| panic!("{arguments:?} did not say why: {error}")).to_owned()
    }

    /// Starts the program and leaves it running.
    pub fn start(&self, arguments: &[&str]) -> Life {
        Life::start(self.command(arguments))
    }

    /// Runs to the end of the input, and says how long that took.
    pub fn timed(&self, arguments: &[&str]) -> Duration {
        let life = self.start(arguments);
        let (taken, output) = life.wait();
        assert!(output.status.success(), "{arguments:?}: {}", texts(&output).1);
        taken
    }
}

/// Standard output and standard error as text.
pub fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// Copies a folder with everything in it.
pub fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder can be made");
    for entry in fs::read_dir(from).expect("the folder can be read") {
        let entry = entry.expect("the folder can be read");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("an entry has a kind").is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a file can be copied");
        }
    }
}

/// Numbers that look random and are the same for every run.
pub struct Seeded(u64);

impl Seeded {
    pub fn new(seed: u64) -> Self {
        Seeded(seed)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound.max(1)
    }

    pub fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }
}
