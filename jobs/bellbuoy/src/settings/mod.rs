//! The configuration: one typed file, overridden by the environment.
//!
//! Invariant: the file `default.yaml` beside this crate's sources says exactly what [`Settings::default`] is.

mod load;
mod places;
mod size;

pub use load::{SettingsError, load};
pub use size::Size;

use crate::error::Error;
use engine::span::Span;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The commented file with every default.
pub const DEFAULT_FILE: &str = include_str!("../default.yaml");

/// Everything that can be configured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Where the log is.
    pub log: LogSettings,
    /// Where tasks keep their state.
    pub state: StateSettings,
    /// Where checkpoints go.
    pub checkpoints: CheckpointSettings,
    /// The local HTTP interface.
    pub http: HttpSettings,
    /// Memory that all lanes together may use for state.
    pub memory: Size,
    /// Lanes of each job, each a thread.
    pub lanes: Lanes,
    /// Number of this process among those that run the same jobs.
    pub ordinal: usize,
    /// Overrides for topics, by name: partitions and retention.
    pub topics: BTreeMap<String, TopicSettings>,
    /// Number of this configuration, raised by its owner: of two logics the one with the higher number is the newer.
    pub revision: i32,
    /// Which cluster's objects are read.
    pub observe: observe::Config,
    /// What ingest reads and how.
    pub ingest: ingest::Config,
    /// How detect judges.
    pub detect: detect::Config,
    /// What correlate makes an incident of.
    pub correlate: correlate::Config,
    /// What remediate proposes.
    pub remediate: RemediateSettings,
    /// Whom the actuator obeys, where, and how far it may go.
    pub actuate: actuate::Config,
    /// Who is told of incidents.
    pub notify: notify::Config,
}

/// Where the log is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogSettings {
    /// Folder of the embedded log.
    pub embedded: PathBuf,
    /// A Kafka cluster, which is the log where it is named; null for the embedded log.
    pub kafka: Option<KafkaSettings>,
}

/// A Kafka cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KafkaSettings {
    /// Addresses of some brokers, `host:port`, separated by commas.
    pub bootstrap: String,
    /// Settings of librdkafka by their own names, security included.
    pub settings: BTreeMap<String, String>,
    /// Beginning of the names of all topics, groups and transactional ids, for a cluster that others use, too.
    pub prefix: String,
    /// How the members of a job's group share partitions.
    pub protocol: GroupProtocol,
    /// Copies of each partition of a topic that is created; null for the cluster's default.
    pub replication: Option<u16>,
    /// Copies that must have a record before it counts, of a topic that is created; null for the cluster's default.
    pub min_insync: Option<u16>,
}

/// How the members of a group share partitions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GroupProtocol {
    /// Static members that agree among themselves.
    #[default]
    Classic,
    /// The broker decides (KIP-848).
    Consumer,
}

impl KafkaSettings {
    /// As the engine wants it.
    pub fn config(&self) -> engine::log::kafka::Config {
        engine::log::kafka::Config {
            bootstrap: self.bootstrap.clone(),
            settings: self.settings.clone(),
            protocol: match self.protocol {
                GroupProtocol::Classic => engine::log::kafka::Protocol::Classic,
                GroupProtocol::Consumer => engine::log::kafka::Protocol::Consumer,
            },
            replication: self.replication,
            min_insync: self.min_insync,
            reader: format!("{}bellbuoy.reader", self.prefix),
        }
    }
}

/// Where tasks keep their state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StateSettings {
    /// Folder, one database per task below it.
    pub folder: PathBuf,
    /// Time between two flushes of a task.
    pub flush_every: Span,
}

/// Where checkpoints go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CheckpointSettings {
    /// Folder or object store URL; null for none.
    pub address: Option<String>,
    /// Time between two checkpoints of a task.
    pub every: Span,
    /// How many are kept of each task.
    pub keep: usize,
}

/// The local HTTP interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpSettings {
    /// Address and port; null for none.
    pub address: Option<SocketAddr>,
}

/// Lanes of each job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lanes {
    /// Lanes of ingest.
    pub ingest: usize,
    /// Lanes of detect.
    pub detect: usize,
    /// Lanes of correlate.
    pub correlate: usize,
    /// Lanes of remediate.
    pub remediate: usize,
}

/// What remediate proposes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RemediateSettings {
    /// File with the policy; null for the built-in one, which only recommends.
    pub policy: Option<PathBuf>,
}

impl RemediateSettings {
    /// The policy in force.
    pub fn policy(&self) -> Result<remediate::Config, Error> {
        let Some(file) = &self.policy else { return Ok(remediate::Config::default()) };
        let text = std::fs::read_to_string(file).map_err(|error| Error::file(file, error))?;
        let policy = remediate::policy_test::read_policy(&file.display().to_string(), &text);
        policy.map_err(|error| Error::Usage(error.to_string()))
    }
}

/// What is to be different about a topic.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TopicSettings {
    /// Number of partitions; counts when the topic is created.
    pub partitions: Option<u32>,
    /// Age at which records may be deleted.
    pub retention: Option<Span>,
    /// Size of a partition at which its oldest records may be deleted.
    pub retention_size: Option<Size>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            log: LogSettings::default(),
            state: StateSettings::default(),
            checkpoints: CheckpointSettings::default(),
            http: HttpSettings::default(),
            memory: Size::mebibytes(512),
            lanes: Lanes::default(),
            ordinal: 0,
            topics: BTreeMap::new(),
            revision: 0,
            observe: observe::Config::default(),
            ingest: ingest::Config::default(),
            detect: detect::Config::default(),
            correlate: correlate::Config::default(),
            remediate: RemediateSettings::default(),
            actuate: actuate::Config::default(),
            notify: notify::Config::default(),
        }
    }
}

impl Default for LogSettings {
    fn default() -> Self {
        LogSettings { embedded: "bellbuoy-data/log".into(), kafka: None }
    }
}

impl Default for StateSettings {
    fn default() -> Self {
        StateSettings { folder: "bellbuoy-data/state".into(), flush_every: Span::seconds(20) }
    }
}

impl Default for CheckpointSettings {
    fn default() -> Self {
        CheckpointSettings { address: Some("bellbuoy-data/checkpoints".to_owned()), every: Span::seconds(300), keep: 3 }
    }
}

impl Default for HttpSettings {
    fn default() -> Self {
        HttpSettings { address: Some(SocketAddr::from(([127, 0, 0, 1], 9464))) }
    }
}

impl Default for Lanes {
    fn default() -> Self {
        Lanes { ingest: 1, detect: 1, correlate: 1, remediate: 1 }
    }
}

/// Least memory with which a lane makes sense.
const LEAST_MEMORY: Size = Size::mebibytes(64);
/// More lanes than this in one process are a slip of the pen.
const MOST_LANES: usize = 256;

impl Settings {
    /// Checks what the types cannot; the field and what is allowed.
    fn check(&self) -> Result<(), (String, String)> {
        let wrong = |field: &str, message: String| Err((field.to_owned(), message));
        if self.memory < LEAST_MEMORY {
            return wrong("memory", format!("{} is too little; at least {LEAST_MEMORY} is needed", self.memory));
        }
        let Lanes { ingest, detect, correlate, remediate } = self.lanes;
        for (job, lanes) in [("ingest", ingest), ("detect", detect), ("correlate", correlate), ("remediate", remediate)]
        {
            let field = &format!("lanes.{job}");
            if !(1..=MOST_LANES).contains(&lanes) {
                return wrong(field, format!("{lanes} is outside the allowed 1 to {MOST_LANES}"));
            }
        }
        for (field, span) in
            [("state.flush_every", self.state.flush_every), ("checkpoints.every", self.checkpoints.every)]
        {
            if span.millis() < 1_000 {
                return wrong(field, format!("{span} is too short; at least 1s is allowed"));
            }
        }
        if self.checkpoints.keep == 0 {
            return wrong("checkpoints.keep", "0 would keep none; at least 1 is allowed".to_owned());
        }
        if let Some(kafka) = &self.log.kafka {
            if kafka.bootstrap.trim().is_empty() {
                return wrong(
                    "log.kafka.bootstrap",
                    "the address of at least one broker is needed, host:port".to_owned(),
                );
            }
            if let Err((name, message)) = engine::log::kafka::check_settings(&kafka.settings) {
                return wrong(&format!("log.kafka.settings.{name}"), message);
            }
        }
        for (topic, settings) in &self.topics {
            if settings.partitions.is_some_and(|count| !(1..=10_000).contains(&count)) {
                let message = "a topic has 1 to 10000 partitions".to_owned();
                return wrong(&format!("topics.{topic}.partitions"), message);
            }
            if topics::find(topic).is_none() && topic.starts_with("bellbuoy.") {
                let declared: Vec<&str> = topics::ALL.iter().map(|topic| topic.name).collect();
                let message = format!("no topic of that name is declared; declared are {}", declared.join(", "));
                return wrong(&format!("topics.{topic}"), message);
            }
        }
        if let Err((field, message)) = self.correlate.check() {
            return wrong(&format!("correlate.{field}"), message);
        }
        let faults = [
            ("observe", self.observe.check().err().map(|error| error.to_string())),
            ("ingest", self.ingest.check().err().map(|error| error.to_string())),
            ("actuate", self.actuate.check().err().map(|error| error.to_string())),
            ("notify", self.notify.check().err().map(|error| error.to_string())),
        ];
        for (section, fault) in faults {
            let Some(text) = fault else { continue };
            // Its message begins with the field, as everywhere.
            let (field, message) = text.split_once(": ").unwrap_or(("", &text));
            return wrong(&format!("{section}.{field}"), message.to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commented_file_says_the_defaults() {
        let read: Settings = serde_saphyr::from_str(DEFAULT_FILE).unwrap();
        assert_eq!(read, Settings::default());
        assert_eq!(read.check(), Ok(()));
    }

    #[test]
    fn what_is_printed_reads_back_as_the_same() {
        let mut settings = Settings::default();
        settings.topics.insert("otlp_metrics".to_owned(), TopicSettings { partitions: Some(8), ..Default::default() });
        settings.http.address = None;
        let text = serde_saphyr::to_string(&settings).unwrap();
        assert_eq!(serde_saphyr::from_str::<Settings>(&text).unwrap(), settings, "{text}");
    }

    #[test]
    fn what_cannot_work_is_told_with_its_field() {
        let fault = |change: fn(&mut Settings)| {
            let mut settings = Settings::default();
            change(&mut settings);
            settings.check().unwrap_err().0
        };
        assert_eq!(fault(|s| s.memory = Size::mebibytes(1)), "memory");
        assert_eq!(fault(|s| s.lanes.detect = 0), "lanes.detect");
        assert_eq!(fault(|s| s.checkpoints.every = Span::seconds(0)), "checkpoints.every");
        assert_eq!(fault(|s| s.log.kafka = Some(KafkaSettings::default())), "log.kafka.bootstrap");
        let reserved = |s: &mut Settings| {
            let settings = BTreeMap::from([("isolation.level".to_owned(), "read_uncommitted".to_owned())]);
            s.log.kafka = Some(KafkaSettings { bootstrap: "b:9092".to_owned(), settings, ..Default::default() });
        };
        assert_eq!(fault(reserved), "log.kafka.settings.isolation.level");
        assert_eq!(fault(|s| s.ingest.tenant = String::new()), "ingest.tenant");
        assert_eq!(fault(|s| s.actuate.keys = vec!["beef".to_owned()]), "actuate.keys[0]");
        assert_eq!(fault(|s| s.notify.name.clear()), "notify.name");
        assert_eq!(
            fault(|s| s.topics.extend([("bellbuoy.x".to_owned(), TopicSettings::default())])),
            "topics.bellbuoy.x"
        );
    }
}
