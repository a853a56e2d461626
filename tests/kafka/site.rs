//! Installations on one cluster: a prefix of their own, and processes with folders of their own.

use crate::installation::{Life, message, records};
use engine::clock::{SystemClock, WallClock};
use engine::lane::group_of;
use engine::log::kafka::Config;
use engine::log::{Log, TopicPartition};
use estate::{Estate, Plan};
use schemas::{AnomalyBody, AnomalyRecord, Record as _};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use topics::declared::{ANOMALIES, SIGNALS};

/// How long anything that must come may take.
const PATIENCE: Duration = Duration::from_secs(90);

/// An installation.
pub struct Site {
    folder: TempDir,
    bootstrap: String,
    prefix: String,
    pub log: Arc<dyn Log>,
    pub clock: SystemClock,
}

/// What is configured of one process, where it is not as usual.
#[derive(Clone, Copy, Debug)]
pub struct Process {
    pub ordinal: usize,
    pub revision: i32,
    pub protocol: &'static str,
}

impl Site {
    /// An empty one.
    pub fn new(bootstrap: &str) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let clock = SystemClock::new();
        let prefix = format!("test-{}-{}.", clock.now_millis(), NUMBER.fetch_add(1, Ordering::SeqCst));
        let whole = engine::log::kafka::open(Config::new(bootstrap), Arc::new(SystemClock::new()));
        let log = engine::log::prefixed::open(whole.expect("the cluster answers"), prefix.clone());
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        Site { folder, bootstrap: bootstrap.to_owned(), prefix, log, clock }
    }

    /// One whose signals topic holds what an estate's day became.
    pub fn with_signals(bootstrap: &str, records: usize) -> Self {
        let site = Site::new(bootstrap);
        let first = Process { ordinal: 0, revision: 0, protocol: "classic" };
        site.done(first, &["topics", "apply"]);
        site.write(records);
        site.done(first, &["run", "ingest", "--until-complete"]);
        site
    }

    /// Writes raw records of an estate.
    pub fn write(&self, records: usize) {
        let plan = Plan { days: 1, workloads: 8, scrape_interval: Duration::from_secs(120), ..Plan::default() };
        let estate = Estate::new(plan).expect("the plan is within its limits");
        let mut producer = self.log.producer("beside").expect("a producer can be opened");
        let all: Vec<_> = estate.records().take(records).map(message).collect();
        for chunk in all.chunks(2_000) {
            producer.begin().expect("no transaction is open");
            chunk.iter().for_each(|message| producer.send(message.clone()).expect("the topic is there"));
            producer.commit(&[], None).expect("the log can be written");
        }
    }

    /// The program as one of the processes.
    pub fn command(&self, process: Process, arguments: &[&str]) -> Command {
        let folder = self.process_folder(process.ordinal);
        fs::create_dir_all(&folder).expect("a folder can be made");
        fs::write(folder.join("bellbuoy.yaml"), self.configuration(process)).expect("the configuration can be written");
        let mut command = Command::new(crate::installation::binary());
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("BELLBUOY")) {
            command.env_remove(name);
        }
        command.current_dir(folder).args(arguments).stdin(Stdio::null());
        command
    }

    pub fn start(&self, process: Process, arguments: &[&str]) -> Life {
        Life::start(self.command(process, arguments))
    }

    /// Runs what must succeed, and gives what it said.
    pub fn done(&self, process: Process, arguments: &[&str]) -> String {
        let output = self.command(process, arguments).output().expect("the program can be started");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?} gave {}: {error}", output.status);
        error
    }

    /// Runs what must stop with exit code 1, and gives what it said last.
    pub fn stopped(&self, process: Process, arguments: &[&str]) -> String {
        let output = self.command(process, arguments).output().expect("the program can be started");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {error}");
        error.lines().rev().find(|line| line.starts_with("bellbuoy: ")).unwrap_or_default().to_owned()
    }

    /// Offsets of the signals topic that detect has not committed yet.
    pub fn lag(&self) -> i64 {
        let partitions = self.log.topic(SIGNALS.name).expect("the topic is there").spec.partitions;
        let lag = |number| {
            let at = TopicPartition::new(SIGNALS.name, number);
            let end = self.log.bounds(&at).expect("the topic is there").end;
            let committed = self.log.committed(&group_of("detect"), &at).expect("the group can be asked");
            end - committed.map_or(0, |committed| committed.offset)
        };
        (0..partitions).map(lag).sum()
    }

    /// Waits until something is so.
    pub fn until(&self, what: &str, so: impl Fn() -> bool) {
        let began = self.clock.monotonic();
        while !so() {
            assert!(self.clock.monotonic() - began < PATIENCE, "not within {PATIENCE:?}: {what}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// What each task of detect has published, by number.
    pub fn published(&self) -> BTreeMap<i32, Vec<(i64, Vec<u8>)>> {
        let mut published: BTreeMap<i32, Vec<(i64, Vec<u8>)>> = BTreeMap::new();
        for record in records(&*self.log, ANOMALIES.name).into_iter().flatten() {
            let value = record.value.expect("detect writes no tombstones").to_vec();
            let decoded = AnomalyRecord::decode(&value).expect("detect writes anomaly records");
            published.entry(decoded.task.partition).or_default().push((decoded.out_seq, value));
        }
        for (task, outputs) in &mut published {
            outputs.sort();
            let numbers = outputs.iter().map(|(number, _)| *number);
            assert!(numbers.eq(0..outputs.len() as i64), "task {task}: its output has a gap or a repetition");
        }
        published
    }

    /// Handovers that each task has announced: from and to which revision.
    pub fn handovers(&self) -> BTreeMap<i32, Vec<(i32, i32)>> {
        let mut handovers: BTreeMap<i32, Vec<(i32, i32)>> = BTreeMap::new();
        for (task, outputs) in self.published() {
            for (_, value) in outputs {
                let decoded = AnomalyRecord::decode(&value).expect("decoded before");
                if let AnomalyBody::Handover(handover) = decoded.body {
                    handovers.entry(task).or_default().push((handover.from.revision, handover.to.revision));
                }
            }
        }
        handovers
    }

    pub fn process_folder(&self, ordinal: usize) -> PathBuf {
        self.path().join(format!("process-{ordinal}"))
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    fn configuration(&self, process: Process) -> String {
        let Process { ordinal, revision, protocol } = process;
        let session = match protocol {
            "classic" => "{session.timeout.ms: \"6000\", heartbeat.interval.ms: \"500\"}",
            _ => "{}",
        };
        format!(
            "log:\n  kafka: {{bootstrap: \"{}\", prefix: {}, protocol: {protocol}, settings: {session}}}\n\
             http: {{address: null}}\nordinal: {ordinal}\nrevision: {revision}\nmemory: 128MiB\n\
             state: {{folder: state, flush_every: 2s}}\n\
             checkpoints: {{address: \"{}\", every: 5s}}\n\
             detect:\n  univariate: {{tell_from: Unusual}}\n  novelty: {{mature_count: 20, mature_age: 3600000}}\n\
             topics:\n  {}: {{partitions: 6}}\n",
            self.bootstrap,
            self.prefix,
            self.path().join("checkpoints").display(),
            SIGNALS.name,
        )
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        for topic in self.log.topics().expect("topics can be listed") {
            self.log.delete_topic(&topic.spec.name).expect("a topic of the test can be deleted");
        }
    }
}
