//! One installation: its settings, its log, its clock; and the topics it should have.

use crate::cli::Where;
use crate::error::Error;
use crate::settings::{LogSettings, Settings, TopicSettings};
use engine::clock::{SystemClock, WallClock};
use engine::error::LogError;
use engine::log::{CleanupPolicy, Log, TimestampSource, TopicInfo, TopicPartition, TopicSpec};
use std::path::Path;
use std::sync::Arc;
use topics::{Change, Cleanup, Existing};

/// Partitions of a raw topic that nothing says otherwise of.
const RAW_PARTITIONS: u32 = 4;
/// Size at which a raw partition loses its oldest records, bytes. Not age: raw records keep their own time, and a
/// recording older than the limit would be gone before it is read.
const RAW_BYTES: u64 = 2 << 30;

/// An installation with its log open.
pub(crate) struct Site {
    pub(crate) settings: Settings,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) clock: Arc<dyn WallClock>,
}

/// How an embedded log is opened.
type OpenEmbedded = fn(&Path, Arc<dyn WallClock>) -> Result<Arc<dyn Log>, LogError>;

impl Site {
    /// Opens the log, and creates it where there is none.
    pub(crate) fn open(settings: Settings) -> Result<Self, Error> {
        Site::opened(settings, engine::log::embedded::open)
    }

    fn opened(settings: Settings, embedded: OpenEmbedded) -> Result<Self, Error> {
        let clock: Arc<dyn WallClock> = Arc::new(SystemClock::new());
        let log = match &settings.log.kafka {
            Some(kafka) => {
                let cluster = engine::log::kafka::open(kafka.config(), clock.clone())?;
                if kafka.prefix.is_empty() { cluster } else { engine::log::prefixed::open(cluster, &kafka.prefix) }
            }
            None => embedded(&settings.log.embedded, clock.clone())?,
        };
        Ok(Site { settings, log, clock })
    }

    /// Opens the log where there is one, for commands that look. An embedded log is shown as it is at this moment, and
    /// may be another process's.
    pub(crate) fn look(settings: Settings) -> Result<Self, Error> {
        Site::look_with(settings, engine::log::embedded::look)
    }

    /// Opens the log where there is one, for commands that wait for more; an embedded log must not be another process's.
    pub(crate) fn follow(settings: Settings) -> Result<Self, Error> {
        Site::look_with(settings, engine::log::embedded::open)
    }

    fn look_with(settings: Settings, embedded: OpenEmbedded) -> Result<Self, Error> {
        if !has_log(&settings.log) {
            let folder = settings.log.embedded.display();
            return Err(Error::Unwell(format!(
                "there is no log in {folder}; `topics apply`, `produce` and `run` create one, log.embedded says where"
            )));
        }
        Site::opened(settings, embedded)
    }

    /// Where the log is, for people.
    pub(crate) fn place(&self) -> String {
        match &self.settings.log.kafka {
            Some(kafka) => format!("Kafka at {}", kafka.bootstrap),
            None => self.settings.log.embedded.display().to_string(),
        }
    }

    /// The topics that differ from what is wanted.
    pub(crate) fn differences(&self) -> Result<Vec<Difference>, Error> {
        differences(&self.settings, &self.log.topics()?)
    }

    /// Creates the topics that are missing; says which.
    pub(crate) fn create_missing(&self) -> Result<Vec<String>, Error> {
        let mut created = Vec::new();
        for difference in self.differences()? {
            if let Difference { kind: "create", spec: Some(spec), .. } = difference {
                match self.log.create_topic(&spec) {
                    Ok(()) => created.push(spec.name),
                    // Another process was faster.
                    Err(LogError::TopicExists { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(created)
    }

    /// The topic of this name.
    pub(crate) fn topic(&self, name: &str) -> Result<TopicInfo, Error> {
        Ok(self.log.topic(name)?)
    }

    /// The offset of a place in a partition, within what the log has.
    pub(crate) fn offset(&self, partition: &TopicPartition, at: Where) -> Result<i64, Error> {
        let bounds = self.log.bounds(partition)?;
        Ok(match at {
            Where::Earliest => bounds.start,
            Where::Latest => bounds.end,
            Where::Offset(offset) => offset.clamp(bounds.start, bounds.end),
            Where::Time(time) => self.log.offset_at(partition, time)?,
        })
    }
}

/// True where there is a log: a folder that holds one, or a cluster.
pub(crate) fn has_log(log: &LogSettings) -> bool {
    log.kafka.is_some() || log.embedded.join("CURRENT").exists()
}

/// One topic that is not as wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    /// `create`, `alter`, `partitions-differ`, `undeclared`.
    pub(crate) kind: &'static str,
    pub(crate) topic: String,
    pub(crate) text: String,
    pub(crate) removes_records: bool,
    /// What to create or alter; absent where nothing is done about it.
    pub(crate) spec: Option<TopicSpec>,
}

/// What differs between a log's topics and those wanted: ours as declared, and the raw ones that ingest reads.
pub(crate) fn differences(settings: &Settings, existing: &[TopicInfo]) -> Result<Vec<Difference>, Error> {
    let ours: Vec<(&str, u32)> = settings
        .topics
        .iter()
        .filter(|(name, _)| topics::find(name).is_some())
        .filter_map(|(name, topic)| Some((name.as_str(), topic.partitions?)))
        .collect();
    let mut wanted = topics::wanted(&ours)?;
    for wanted in &mut wanted {
        let Some(other) = settings.topics.get(wanted.topic.name) else { continue };
        if let Some(retention) = other.retention {
            wanted.settings.retain(|(name, _)| *name != "retention.ms");
            wanted.settings.push(("retention.ms", retention.millis().to_string()));
        }
        if let Some(size) = other.retention_size {
            wanted.settings.push(("retention.bytes", size.bytes().to_string()));
        }
        wanted.settings.sort();
    }
    let described: Vec<Existing> = existing.iter().map(describe).collect();
    let mut found = Vec::new();
    for change in topics::diff(&described, &wanted) {
        let (kind, topic) = match &change {
            Change::Create(wanted) => ("create", wanted.topic.name.to_owned()),
            Change::Alter { topic, .. } => ("alter", (*topic).to_owned()),
            Change::PartitionsDiffer { topic, .. } => ("partitions-differ", (*topic).to_owned()),
            Change::Undeclared { topic } => ("undeclared", topic.clone()),
            // A kind of change this version does not know is shown and not applied.
            _ => ("other", String::new()),
        };
        let spec = wanted.iter().find(|w| w.topic.name == topic && change.is_applicable());
        let spec = spec.map(|wanted| own_spec(wanted, settings.topics.get(&topic)));
        let (text, removes_records) = (change.to_string(), change.removes_records());
        found.push(Difference { kind, topic, text, removes_records, spec });
    }
    for spec in raw_specs(settings) {
        if !existing.iter().any(|topic| topic.spec.name == spec.name) {
            let text =
                format!("create {} with {} partitions, a raw topic that ingest reads", spec.name, spec.partitions);
            let topic = spec.name.clone();
            found.push(Difference { kind: "create", topic, text, removes_records: false, spec: Some(spec) });
        }
    }
    Ok(found)
}

/// How a raw topic is created: records keep the time their source gave them.
pub(crate) fn raw_spec(name: &str, settings: &Settings) -> TopicSpec {
    let other = settings.topics.get(name);
    TopicSpec {
        name: name.to_owned(),
        partitions: other.and_then(|o| o.partitions).unwrap_or(RAW_PARTITIONS),
        retention_ms: other.and_then(|o| o.retention).map(|span| span.millis()),
        retention_bytes: Some(other.and_then(|o| o.retention_size).map_or(RAW_BYTES, |size| size.bytes())),
        timestamps: TimestampSource::CreateTime,
        cleanup: CleanupPolicy::Delete,
    }
}

/// The raw topics that ingest reads, and others that the settings name.
fn raw_specs(settings: &Settings) -> Vec<TopicSpec> {
    let named = settings.ingest.topics.keys().chain(settings.topics.keys());
    let mut raw: Vec<&String> = named.filter(|name| topics::find(name).is_none()).collect();
    raw.sort();
    raw.dedup();
    raw.into_iter().map(|name| raw_spec(name, settings)).collect()
}

fn own_spec(wanted: &topics::Wanted, other: Option<&TopicSettings>) -> TopicSpec {
    let (retention_ms, cleanup) = match wanted.topic.cleanup {
        Cleanup::Delete { retention } => (i64::try_from(retention.as_millis()).ok(), CleanupPolicy::Delete),
        Cleanup::Compact => (None, CleanupPolicy::Compact),
    };
    TopicSpec {
        name: wanted.topic.name.to_owned(),
        partitions: wanted.partitions,
        retention_ms: other.and_then(|o| o.retention).map(|span| span.millis()).or(retention_ms),
        retention_bytes: other.and_then(|o| o.retention_size).map(|size| size.bytes()),
        timestamps: TimestampSource::LogAppendTime,
        cleanup,
    }
}

/// A topic of the embedded log in Kafka's words.
fn describe(topic: &TopicInfo) -> Existing {
    let TopicSpec { name, partitions, retention_ms, retention_bytes, timestamps, cleanup } = &topic.spec;
    let mut settings = vec![
        (
            "cleanup.policy",
            match cleanup {
                CleanupPolicy::Delete => "delete".to_owned(),
                CleanupPolicy::Compact => "compact".to_owned(),
            },
        ),
        (
            "message.timestamp.type",
            match timestamps {
                TimestampSource::LogAppendTime => "LogAppendTime".to_owned(),
                TimestampSource::CreateTime => "CreateTime".to_owned(),
            },
        ),
        ("retention.ms", retention_ms.unwrap_or(-1).to_string()),
    ];
    settings.extend(retention_bytes.map(|bytes| ("retention.bytes", bytes.to_string())));
    let settings = settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Existing { name: name.clone(), partitions: *partitions, settings }
}
