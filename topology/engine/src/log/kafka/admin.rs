//! Questions about topics, offsets and groups, and changes of topics.

use super::answers;
use super::client::{ANSWER, Clients, Quiet};
use super::{Bounds, Committed, TopicInfo, TopicPartition, TopicSpec};
use crate::clock::WallClock;
use crate::error::LogError;
use crate::log::{CleanupPolicy, TimestampSource};
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, ConfigEntry, ConfigResource, ConfigSource, NewTopic,
    OwnedResourceSpecifier, ResourceSpecifier, TopicReplication,
};
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::metadata::Metadata;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How long a change may take until it is seen everywhere, and how often it is looked for.
const SETTLES_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How often, and after what pause, a question is asked again.
const PATIENCE: usize = 20;
const ASK_AGAIN: Duration = Duration::from_millis(250);

/// Topics whose names begin so are Kafka's own.
const INTERNAL: &str = "__";

/// One client for questions, and one for offsets.
pub(super) struct Admin {
    clients: Arc<Clients>,
    admin: AdminClient<Quiet>,
    offsets: BaseConsumer<Quiet>,
}

impl Admin {
    pub(super) fn open(clients: Arc<Clients>) -> Result<Self, LogError> {
        let admin = AdminClient::from_config_and_context(&clients.asking(), Quiet).map_err(|error| {
            LogError::Refused { what: "the settings of log.kafka".to_owned(), message: error.to_string() }
        })?;
        let offsets = clients.consumer(&clients.asking(), Quiet)?;
        Ok(Admin { clients, admin, offsets })
    }

    /// Fails unless a broker answers.
    pub(super) fn reach(&self) -> Result<(), LogError> {
        let addresses = &self.clients.config.bootstrap;
        self.metadata(None).map(|_| ()).map_err(|error| LogError::Unavailable {
            message: format!("no broker answers at {addresses} (log.kafka.bootstrap): {error}"),
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
        let results = wait(self.admin.create_topics([&topic], &options()))?;
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

    pub(super) fn alter(&self, spec: &TopicSpec) -> Result<(), LogError> {
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
        let results = wait(self.admin.alter_configs([&change], &options()))?;
        match results.map_err(|error| answers::error(&what, &error))?.into_iter().next() {
            Some(Err((_, code))) => Err(answers::by_code(&what, code, &code.to_string())),
            _ => Ok(()),
        }
    }

    pub(super) fn delete(&self, topic: &str, clock: &dyn WallClock) -> Result<(), LogError> {
        self.partitions(topic)?;
        let what = format!("to delete topic {topic}");
        let results = wait(self.admin.delete_topics(&[topic], &options()))?;
        match results.map_err(|error| answers::error(&what, &error))?.into_iter().next() {
            Some(Err((_, code))) => return Err(answers::by_code(&what, code, &code.to_string())),
            _ => {}
        }
        settle(clock, &what, || match self.partitions(topic) {
            Err(LogError::UnknownTopic { .. }) => Ok(true),
            Ok(_) => Ok(false),
            Err(error) => Err(error),
        })
    }

    /// First offset and last stable offset.
    pub(super) fn bounds(&self, at: &TopicPartition) -> Result<Bounds, LogError> {
        self.check(at)?;
        patiently(|| {
            let bounds = self.offsets.fetch_watermarks(&at.topic, at.partition as i32, ANSWER);
            let (start, end) = bounds.map_err(|error| answers::error(&format!("bounds of {at}"), &error))?;
            Ok(Bounds { start, end })
        })
    }

    pub(super) fn offset_at(&self, at: &TopicPartition, time: i64) -> Result<i64, LogError> {
        let bounds = self.bounds(at)?;
        let mut asked = TopicPartitionList::new();
        let what = format!("the offset of a time in {at}");
        let fault = |error: KafkaError| answers::error(&what, &error);
        asked.add_partition_offset(&at.topic, at.partition as i32, Offset::Offset(time)).map_err(fault)?;
        let found = patiently(|| self.offsets.offsets_for_times(asked.clone(), ANSWER).map_err(fault))?;
        match found.elements().first().map(|element| element.offset()) {
            Some(Offset::Offset(offset)) => Ok(offset),
            _ => Ok(bounds.end),
        }
    }

    /// What a group has committed, asked from outside of it.
    pub(super) fn committed(&self, group: &str, at: &TopicPartition) -> Result<Option<Committed>, LogError> {
        self.check(at)?;
        let consumer = self.clients.consumer(&self.clients.reading(group, "bellbuoy-admin"), Quiet)?;
        patiently(|| committed(&consumer, at))
    }

    /// Deletes what a stopped group has committed, and commits again what it had of other partitions.
    pub(super) fn forget_committed(
        &self,
        group: &str,
        at: &TopicPartition,
        clock: &dyn WallClock,
    ) -> Result<(), LogError> {
        self.check(at)?;
        let consumer = self.clients.consumer(&self.clients.reading(group, "bellbuoy-admin"), Quiet)?;
        let what = format!("to forget what group {group} has committed");
        let fault = |error: KafkaError| answers::error(&what, &error);
        let mut all = TopicPartitionList::new();
        for topic in self.metadata(None)?.topics() {
            for partition in topic.partitions() {
                all.add_partition(topic.name(), partition.id());
            }
        }
        let all = consumer.committed_offsets(all, ANSWER).map_err(fault)?;
        let mut kept = TopicPartitionList::new();
        for element in all.elements() {
            let forgotten = *element.topic() == *at.topic && element.partition() == at.partition as i32;
            if let (Offset::Offset(_), false) = (element.offset(), forgotten) {
                let mut copy = kept.add_partition(element.topic(), element.partition());
                copy.set_offset(element.offset()).map_err(fault)?;
                copy.set_metadata(element.metadata());
            }
        }
        // A member that was killed counts until its session ends.
        settle(clock, &what, || {
            let results = wait(self.admin.delete_groups(&[group], &options()))?.map_err(fault)?;
            match results.into_iter().next() {
                Some(Err((_, Code::NonEmptyGroup))) => Ok(false),
                Some(Err((_, code))) if code != Code::GroupIdNotFound => {
                    Err(answers::by_code(&what, code, &code.to_string()))
                }
                _ => Ok(true),
            }
        })?;
        if kept.count() > 0 {
            consumer.commit(&kept, CommitMode::Sync).map_err(fault)?;
        }
        Ok(())
    }

    fn metadata(&self, topic: Option<&str>) -> Result<Metadata, LogError> {
        self.admin
            .inner()
            .fetch_metadata(topic, ANSWER)
            .map_err(|error| answers::error("to describe the cluster", &error))
    }

    /// Settings of topics, by topic; one that is gone meanwhile is left out.
    fn describe(&self, names: &[&str]) -> Result<BTreeMap<String, Vec<ConfigEntry>>, LogError> {
        if names.is_empty() {
            return Ok(BTreeMap::new());
        }
        let what = "to describe topics";
        let asked: Vec<ResourceSpecifier<'_>> = names.iter().map(|name| ResourceSpecifier::Topic(name)).collect();
        let answered = wait(self.admin.describe_configs(&asked, &options()))?;
        let mut described = BTreeMap::new();
        for resource in answered.map_err(|error| answers::error(what, &error))? {
            match resource {
                Ok(ConfigResource { specifier: OwnedResourceSpecifier::Topic(name), entries }) => {
                    described.insert(name, entries);
                }
                Ok(_) | Err(Code::UnknownTopicOrPartition) => {}
                Err(code) => return Err(answers::by_code(what, code, &code.to_string())),
            }
        }
        Ok(described)
    }
}

/// What the group of a consumer has committed; waits out a predecessor's open transaction.
pub(super) fn committed<C>(consumer: &BaseConsumer<C>, at: &TopicPartition) -> Result<Option<Committed>, LogError>
where
    C: rdkafka::consumer::ConsumerContext,
{
    let what = format!("the committed offset of {at}");
    let fault = |error: KafkaError| answers::error(&what, &error);
    let mut asked = TopicPartitionList::new();
    asked.add_partition(&at.topic, at.partition as i32);
    let answered = consumer.committed_offsets(asked, ANSWER).map_err(fault)?;
    for element in answered.elements() {
        element.error().map_err(fault)?;
        if let Offset::Offset(offset) = element.offset() {
            return Ok(Some(Committed { offset, metadata: element.metadata().to_owned() }));
        }
    }
    Ok(None)
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

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(ANSWER)).operation_timeout(Some(ANSWER))
}

/// Asks again for a while when the answer is one that passes: leaders move when brokers come and go.
fn patiently<T>(mut ask: impl FnMut() -> Result<T, LogError>) -> Result<T, LogError> {
    for _ in 0..PATIENCE {
        match ask() {
            Err(LogError::Unavailable { message }) => tracing::debug!(message, "asked again"),
            answer => return answer,
        }
        std::thread::sleep(ASK_AGAIN);
    }
    ask()
}

/// Waits for an answer; the client's own thread brings it.
fn wait<T>(answer: impl Future<Output = T>) -> Result<T, LogError> {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.map_err(|error| LogError::Unavailable { message: format!("no runtime: {error}") })?;
    Ok(runtime.block_on(answer))
}

/// Waits until a change is seen.
fn settle(clock: &dyn WallClock, what: &str, mut done: impl FnMut() -> Result<bool, LogError>) -> Result<(), LogError> {
    let deadline = clock.monotonic() + SETTLES_WITHIN;
    while !done()? {
        if clock.monotonic() > deadline {
            let message = format!("{what}: not done after {} s", SETTLES_WITHIN.as_secs());
            return Err(LogError::Unavailable { message });
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(())
}
