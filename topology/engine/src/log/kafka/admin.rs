//! Questions about topics, and changes of them.

use super::answers;
use super::client::{ANSWER, Clients, Quiet};
use super::{TopicInfo, TopicPartition, TopicSpec};
use crate::clock::WallClock;
use crate::error::LogError;
use crate::log::{CleanupPolicy, TimestampSource};
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, ConfigEntry, ConfigResource, ConfigSource, NewTopic,
    OwnedResourceSpecifier, ResourceSpecifier, TopicReplication,
};
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::BaseConsumer;
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::metadata::Metadata;
use rdkafka::types::RDKafkaRespErr;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How long a change may take until it is seen everywhere, and how often it is looked for.
const SETTLES_WITHIN: Duration = Duration::from_secs(60);
const REACHED_WITHIN: Duration = Duration::from_secs(10);
const ALTERED_WITHIN: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How often a topic without settings is described before the permission is missed.
const DESCRIPTIONS: usize = 3;

/// Topics whose names begin so are Kafka's own.
const INTERNAL: &str = "__";

/// One client for questions, and one for offsets.
pub(super) struct Admin {
    pub(super) clients: Arc<Clients>,
    pub(super) admin: AdminClient<Quiet>,
    pub(super) offsets: BaseConsumer<Quiet>,
    /// One that asks for a group's offsets, kept for the next question about the same group.
    pub(super) asking: Mutex<Option<(String, BaseConsumer<Quiet>)>>,
}

impl Admin {
    pub(super) fn open(clients: Arc<Clients>) -> Result<Self, LogError> {
        let admin = AdminClient::from_config_and_context(&clients.asking(), Quiet).map_err(|error| {
            LogError::Refused { what: "the settings of log.kafka".to_owned(), message: error.to_string() }
        })?;
        let offsets = clients.consumer(&clients.asking(), Quiet)?;
        Ok(Admin { clients, admin, offsets, asking: Mutex::new(None) })
    }

    /// Fails unless a broker answers.
    pub(super) fn reach(&self) -> Result<(), LogError> {
        let addresses = &self.clients.config.bootstrap;
        self.admin.inner().fetch_metadata(None, REACHED_WITHIN).map(|_| ()).map_err(|error| LogError::Unavailable {
            message: format!("no broker at {addresses} (log.kafka.bootstrap) lets us in: {error}"),
        })
    }

    /// Number of partitions of a topic.
    pub(super) fn partitions(&self, topic: &str) -> Result<u32, LogError> {
        let unknown = || LogError::UnknownTopic { topic: topic.to_owned() };
        let metadata = self.metadata(Some(topic))?;
        let found = metadata.topics().iter().find(|found| found.name() == topic).ok_or_else(unknown)?;
        match found.error() {
            None => Ok(found.partitions().len() as u32),
            Some(RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) => Err(unknown()),
            Some(code) => {
                let code = Code::from(code);
                Err(answers::by_code(&format!("topic {topic}"), code, &code.to_string()))
            }
        }
    }

    /// Fails unless the partition exists.
    pub(super) fn check(&self, at: &TopicPartition) -> Result<(), LogError> {
        let partitions = self.partitions(&at.topic)?;
        if at.partition < partitions {
            return Ok(());
        }
        Err(LogError::UnknownPartition { topic: at.topic.to_string(), partition: at.partition, partitions })
    }

    pub(super) fn topic(&self, name: &str) -> Result<TopicInfo, LogError> {
        let partitions = self.partitions(name)?;
        let mut described = self.describe(&[name])?;
        described
            .remove(name)
            .map(|entries| info(name, partitions, &entries))
            .ok_or_else(|| LogError::UnknownTopic { topic: name.to_owned() })
    }

    /// Every topic that is not Kafka's own.
    pub(super) fn topics(&self) -> Result<Vec<TopicInfo>, LogError> {
        let metadata = self.metadata(None)?;
        let counts: BTreeMap<&str, u32> = metadata
            .topics()
            .iter()
            .filter(|topic| topic.error().is_none() && !topic.name().starts_with(INTERNAL))
            .map(|topic| (topic.name(), topic.partitions().len() as u32))
            .collect();
        let names: Vec<&str> = counts.keys().copied().collect();
        let described = self.describe(&names)?;
        Ok(described
            .iter()
            .filter_map(|(name, entries)| Some(info(name, *counts.get(name.as_str())?, entries)))
            .collect())
    }

    pub(super) fn create(&self, spec: &TopicSpec, clock: &dyn WallClock) -> Result<(), LogError> {
        let config = &self.clients.config;
        let replication = config.replication.map_or(-1, i32::from);
        let partitions = i32::try_from(spec.partitions).unwrap_or(i32::MAX);
        let mut settings = settings_of(spec);
        settings.extend(config.min_insync.map(|copies| ("min.insync.replicas", copies.to_string())));
        let mut topic = NewTopic::new(&spec.name, partitions, TopicReplication::Fixed(replication));
        for (name, value) in &settings {
            topic = topic.set(name, value);
        }
        let results = wait(self.admin.create_topics([&topic], &options()));
        let what = format!("to create topic {}", spec.name);
        match results.map_err(|error| answers::error(&what, &error))?.into_iter().next() {
            Some(Err((_, Code::TopicAlreadyExists))) => return Err(LogError::TopicExists { topic: spec.name.clone() }),
            Some(Err((_, code))) => return Err(answers::by_code(&what, code, &code.to_string())),
            _ => {}
        }
        settle(clock, &what, || match self.metadata(Some(&spec.name)) {
            Ok(metadata) => {
                let led = |topic: &rdkafka::metadata::MetadataTopic| topic.partitions().iter().all(|p| p.leader() >= 0);
                let known = metadata.topics().iter().find(|topic| topic.error().is_none());
                Ok(known.is_some_and(|topic| topic.partitions().len() == spec.partitions as usize && led(topic)))
            }
            Err(error) => Err(error),
        })
    }

    pub(super) fn alter(&self, spec: &TopicSpec, clock: &dyn WallClock) -> Result<(), LogError> {
        self.partitions(&spec.name)?;
        let described = self.describe(&[&spec.name])?;
        // The call replaces everything that was set: what we do not speak of has to be said again.
        let mut settings: BTreeMap<&str, String> = described
            .values()
            .flatten()
            .filter(|entry| entry.source == ConfigSource::DynamicTopic)
            .filter_map(|entry| Some((entry.name.as_str(), entry.value.clone()?)))
            .collect();
        settings.extend(settings_of(spec));
        if spec.retention_bytes.is_none() {
            settings.remove("retention.bytes");
        }
        let mut change = AlterConfig::new(ResourceSpecifier::Topic(&spec.name));
        for (name, value) in &settings {
            change = change.set(name, value);
        }
        let what = format!("to alter topic {}", spec.name);
        let results = wait(self.admin.alter_configs([&change], &options()));
        if let Some(Err((_, code))) = results.map_err(|error| answers::error(&what, &error))?.into_iter().next() {
            return Err(answers::by_code(&what, code, &code.to_string()));
        }
        // A change that was not allowed is answered as one that was made.
        let seen = || Ok(self.topic(&spec.name)?.spec.retention_ms == spec.retention_ms);
        settle_within(ALTERED_WITHIN, clock, &what, seen).map_err(|_| LogError::Refused {
            what: what.clone(),
            message: "the change is not seen, as without the permission AlterConfigs".to_owned(),
        })
    }

    pub(super) fn delete(&self, topic: &str, clock: &dyn WallClock) -> Result<(), LogError> {
        self.partitions(topic)?;
        let what = format!("to delete topic {topic}");
        let results = wait(self.admin.delete_topics(&[topic], &options()));
        if let Some(Err((_, code))) = results.map_err(|error| answers::error(&what, &error))?.into_iter().next() {
            return Err(answers::by_code(&what, code, &code.to_string()));
        }
        settle(clock, &what, || match self.partitions(topic) {
            Err(LogError::UnknownTopic { .. }) => Ok(true),
            Ok(_) => Ok(false),
            Err(error) => Err(error),
        })
    }

    pub(super) fn metadata(&self, topic: Option<&str>) -> Result<Metadata, LogError> {
        self.admin
            .inner()
            .fetch_metadata(topic, ANSWER)
            .map_err(|error| answers::error("to describe the cluster", &error))
    }

    /// Settings of topics, by topic; one that is gone meanwhile is left out.
    fn describe(&self, names: &[&str]) -> Result<BTreeMap<String, Vec<ConfigEntry>>, LogError> {
        let mut described = BTreeMap::new();
        let mut asked = names.to_vec();
        for attempt in 0..DESCRIPTIONS {
            if attempt > 0 {
                std::thread::sleep(LOOK_EVERY);
            }
            // Of a topic that is made or deleted at this moment nothing is shown, either.
            let mut silent = self.describe_once(&asked, &mut described)?;
            silent.retain(|name| !matches!(self.partitions(name), Err(LogError::UnknownTopic { .. })));
            asked.retain(|name| silent.iter().any(|silent| silent == name));
            if asked.is_empty() {
                return Ok(described);
            }
        }
        let message = "no settings are shown, as without the permission DescribeConfigs".to_owned();
        Err(LogError::Refused { what: format!("to describe topic {}", asked[0]), message })
    }

    /// Adds settings of topics; those of which none are shown are returned.
    fn describe_once(
        &self,
        names: &[&str],
        described: &mut BTreeMap<String, Vec<ConfigEntry>>,
    ) -> Result<Vec<String>, LogError> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let what = "to describe topics";
        let asked: Vec<ResourceSpecifier<'_>> = names.iter().map(|name| ResourceSpecifier::Topic(name)).collect();
        let answered = wait(self.admin.describe_configs(&asked, &options()));
        let mut silent = Vec::new();
        for resource in answered.map_err(|error| answers::error(what, &error))? {
            match resource {
                // The library keeps the reason to itself, and shows an empty answer.
                Ok(ConfigResource { specifier: OwnedResourceSpecifier::Topic(name), entries })
                    if entries.is_empty() =>
                {
                    silent.push(name);
                }
                Ok(ConfigResource { specifier: OwnedResourceSpecifier::Topic(name), entries }) => {
                    described.insert(name, entries);
                }
                Ok(_) | Err(Code::UnknownTopicOrPartition) => {}
                Err(code) => return Err(answers::by_code(what, code, &code.to_string())),
            }
        }
        Ok(silent)
    }
}

/// A topic in Kafka's words.
fn settings_of(spec: &TopicSpec) -> Vec<(&'static str, String)> {
    let cleanup = match spec.cleanup {
        CleanupPolicy::Delete => "delete",
        CleanupPolicy::Compact => "compact",
    };
    let timestamps = match spec.timestamps {
        TimestampSource::LogAppendTime => "LogAppendTime",
        TimestampSource::CreateTime => "CreateTime",
    };
    let mut settings = vec![
        ("cleanup.policy", cleanup.to_owned()),
        ("message.timestamp.type", timestamps.to_owned()),
        ("retention.ms", spec.retention_ms.unwrap_or(-1).to_string()),
    ];
    settings.extend(spec.retention_bytes.map(|bytes| ("retention.bytes", bytes.to_string())));
    settings
}

/// The same, read.
fn info(name: &str, partitions: u32, entries: &[ConfigEntry]) -> TopicInfo {
    let value = |name: &str| entries.iter().find(|entry| entry.name == name).and_then(|entry| entry.value.as_deref());
    let number = |name: &str| value(name).and_then(|text| text.parse::<i64>().ok()).filter(|number| *number >= 0);
    let compacted = value("cleanup.policy").is_some_and(|policy| policy.split(',').any(|part| part == "compact"));
    let appended = value("message.timestamp.type") == Some("LogAppendTime");
    TopicInfo {
        spec: TopicSpec {
            name: name.to_owned(),
            partitions,
            retention_ms: number("retention.ms"),
            retention_bytes: number("retention.bytes").map(i64::unsigned_abs),
            timestamps: if appended { TimestampSource::LogAppendTime } else { TimestampSource::CreateTime },
            cleanup: if compacted { CleanupPolicy::Compact } else { CleanupPolicy::Delete },
        },
        id: 0,
    }
}

pub(super) fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(ANSWER)).operation_timeout(Some(ANSWER))
}

/// Waits for an answer; the client's own thread brings it. The caller's thread may be one that drives futures of its
/// own, so no runtime is entered.
pub(super) fn wait<T>(answer: impl Future<Output = T>) -> T {
    futures_executor::block_on(answer)
}

/// Waits until a change is seen.
pub(super) fn settle(
    clock: &dyn WallClock,
    what: &str,
    done: impl FnMut() -> Result<bool, LogError>,
) -> Result<(), LogError> {
    settle_within(SETTLES_WITHIN, clock, what, done)
}

fn settle_within(
    limit: Duration,
    clock: &dyn WallClock,
    what: &str,
    mut done: impl FnMut() -> Result<bool, LogError>,
) -> Result<(), LogError> {
    let deadline = clock.monotonic() + limit;
    while !done()? {
        if clock.monotonic() > deadline {
            let message = format!("{what}: not done after {} s", limit.as_secs());
            return Err(LogError::Unavailable { message });
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(())
}
