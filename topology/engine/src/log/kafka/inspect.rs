//! A look at a cluster: what can be seen of it, and which of the calls that a run makes it allows.
//!
//! Everything is plain data; what it means is for the caller to say. Looking disturbs nobody: groups are not joined, no
//! producer of a lane is fenced, and what has to be written is written to a topic that is made for it and removed again.
//!
//! Invariant: a call that fails is a [`Trial`] like those that work. Only a cluster that does not answer is an error.

mod inspection;
mod rehearsal;

use super::admin::{Admin, options, wait};
use super::client::{ANSWER, Clients, Quiet};
use super::watchdog::Watchdog;
use super::{Config, answers};
use crate::clock::WallClock;
use crate::error::LogError;
use rdkafka::admin::{AdminClient, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::Message as _;
use rdkafka::metadata::{Metadata, MetadataTopic};
use rdkafka::{Offset, TopicPartitionList};
use std::sync::Arc;
use std::time::Duration;

pub use inspection::{
    Broker, BrokerClock, Demands, Group, INTERNAL_TOPICS, Inspection, Operation, Outcome, Partition, Resource,
    Settings, Subject, Topic, Trial,
};

/// How long the first fetch of a topic may take.
const FETCH: Duration = Duration::from_secs(10);
const FETCH_STEP: Duration = Duration::from_millis(100);
/// How long a group is waited for before it is looked whether it may be asked at all.
const GROUP_STEP: Duration = Duration::from_secs(2);

/// Looks at a cluster; fails when no broker answers.
pub fn inspect(config: Config, clock: Arc<dyn WallClock>, subject: &Subject) -> Result<Inspection, LogError> {
    let mut look = Look::begin(config, clock)?;
    let metadata = look.metadata(None)?;
    look.seen.demands = look.demands();
    look.brokers(&metadata);
    look.topics(&metadata, subject)?;
    look.groups(subject);
    look.rehearse(subject);
    Ok(look.seen)
}

/// A look under way.
struct Look {
    clients: Arc<Clients>,
    admin: Arc<Admin>,
    client: AdminClient<Quiet>,
    watchdog: Arc<Watchdog>,
    clock: Arc<dyn WallClock>,
    seen: Inspection,
}

impl Look {
    fn begin(config: Config, clock: Arc<dyn WallClock>) -> Result<Self, LogError> {
        let clients = Arc::new(Clients::new(config)?);
        let admin = Arc::new(Admin::open(clients.clone())?);
        let client = AdminClient::from_config_and_context(&clients.asking(), Quiet)
            .map_err(|error| answers::error("to look at the cluster", &error))?;
        let watchdog = Arc::new(Watchdog::start(clock.clone())?);
        Ok(Look { clients, admin, client, watchdog, clock, seen: Inspection::default() })
    }

    fn metadata(&self, topic: Option<&str>) -> Result<Metadata, LogError> {
        let metadata = self.client.inner().fetch_metadata(topic, ANSWER);
        metadata.map_err(|error| answers::error("to describe the cluster", &error))
    }

    fn demands(&self) -> Demands {
        let number = |config: rdkafka::ClientConfig, name: &str| config.get(name).and_then(|text| text.parse().ok());
        Demands {
            transaction_ms: number(self.clients.writing(""), "transaction.timeout.ms").unwrap_or_default(),
            session_ms: number(self.clients.member("", "", &[]), "session.timeout.ms"),
        }
    }

    fn brokers(&mut self, metadata: &Metadata) {
        for broker in metadata.brokers() {
            let described = self.describe(ResourceSpecifier::Broker(broker.id()));
            let outcome = described.as_ref().err().cloned().unwrap_or(Outcome::Worked);
            self.note(Operation::DescribeConfigs, Resource::Cluster, outcome);
            let address = format!("{}:{}", broker.host(), broker.port());
            self.seen.brokers.push(Broker { id: broker.id(), address, settings: described.unwrap_or_default() });
        }
        self.seen.brokers.sort_by_key(|broker| broker.id);
    }

    fn topics(&mut self, metadata: &Metadata, subject: &Subject) -> Result<(), LogError> {
        let listed =
            |name: &str| metadata.topics().iter().find(|topic| topic.name() == name && topic.error().is_none());
        for name in INTERNAL_TOPICS {
            self.seen.topics.extend(listed(name).map(|found| topic(found, Settings::new())));
        }
        let consumer = self.reader(&subject.spare_group)?;
        for name in &subject.topics {
            let resource = Resource::Topic(name.clone());
            let Some(found) = listed(name) else {
                // What may not be seen is left out of the list like what is not there. Asked by name, they differ.
                match self.admin.partitions(name) {
                    Err(LogError::UnknownTopic { .. }) => {
                        let allowed = self.try_to_create(name);
                        self.tried(Operation::Create, resource, &allowed);
                    }
                    answer => self.tried(Operation::Describe, resource, &answer),
                }
                continue;
            };
            self.tried(Operation::Describe, resource.clone(), &Ok(()));
            let described = self.describe(ResourceSpecifier::Topic(name));
            let outcome = described.as_ref().err().cloned().unwrap_or(Outcome::Worked);
            self.note(Operation::DescribeConfigs, resource, outcome);
            self.seen.topics.push(topic(found, described.unwrap_or_default()));
            let read = self.fetch(&consumer, name, 0, Offset::End);
            self.tried_reading(name, &subject.spare_group, &read);
        }
        Ok(())
    }

    /// Asks whether a topic could be made, and makes none.
    fn try_to_create(&self, name: &str) -> Result<(), LogError> {
        let what = format!("to create topic {name}");
        let replication = self.clients.config.replication.map_or(-1, i32::from);
        let topic = NewTopic::new(name, 1, TopicReplication::Fixed(replication));
        let answer = wait(self.client.create_topics([&topic], &options().validate_only(true)));
        match answer.map_err(|error| answers::error(&what, &error))?.into_iter().next() {
            Some(Err((_, code))) if code != Code::TopicAlreadyExists => {
                Err(answers::by_code(&what, code, &code.to_string()))
            }
            _ => Ok(()),
        }
    }

    fn groups(&mut self, subject: &Subject) {
        let ours = self.seen.topics.iter().find(|topic| !INTERNAL_TOPICS.contains(&topic.name.as_str()));
        let topic = ours.map(|topic| topic.name.clone());
        for name in &subject.groups {
            if let Some(topic) = &topic {
                let asked = self.ask_group(name, topic);
                self.tried(Operation::Describe, Resource::Group(name.clone()), &asked);
            }
            // One that is not there, or may not be seen, is left out.
            let Ok(listed) = self.client.inner().fetch_group_list(Some(name), ANSWER) else { continue };
            for group in listed.groups().iter().filter(|group| group.name() == name) {
                let mut members: Vec<String> = group.members().iter().map(|m| m.client_id().to_owned()).collect();
                members.sort();
                self.seen.groups.push(Group { name: name.clone(), state: group.state().to_owned(), members });
            }
        }
    }

    /// Settings; everything has some. Where none are shown they may not be seen: the library keeps to itself what the
    /// cluster says of a single resource.
    fn describe(&self, resource: ResourceSpecifier<'_>) -> Result<Settings, Outcome> {
        let what = format!("to describe {resource:?}");
        let described = wait(self.client.describe_configs([&resource], &options()));
        let mut settings = Settings::new();
        for resource in described.map_err(|error| Outcome::of(&answers::error(&what, &error)))? {
            let resource = resource.map_err(|code| Outcome::of(&answers::by_code(&what, code, &code.to_string())))?;
            let entries = resource.entries.into_iter().filter(|entry| !entry.is_sensitive);
            settings.extend(entries.filter_map(|entry| Some((entry.name, entry.value?))));
        }
        if settings.is_empty() { Err(Outcome::Denied("none are shown".to_owned())) } else { Ok(settings) }
    }

    /// Asks for what a group has committed. Without permission the question is not answered, but told of beside.
    fn ask_group(&self, group: &str, partition: &str) -> Result<(), LogError> {
        let what = format!("to ask group {group}");
        let fault = |error: KafkaError| answers::error(&what, &error);
        let consumer = self.reader(group)?;
        let mut list = TopicPartitionList::new();
        list.add_partition(partition, 0);
        let deadline = self.clock.monotonic() + ANSWER;
        loop {
            let answer = consumer.committed_offsets(list.clone(), GROUP_STEP).map_err(fault);
            let Err(error) = answer else { return Ok(()) };
            let beside = consumer.poll(FETCH_STEP).and_then(Result::err).map(fault);
            match beside {
                Some(refused @ LogError::Refused { .. }) => return Err(refused),
                _ if self.clock.monotonic() > deadline => return Err(error),
                _ => {}
            }
        }
    }

    /// A consumer that names a group and never joins it.
    fn reader(&self, group: &str) -> Result<BaseConsumer<Quiet>, LogError> {
        self.clients.consumer(&self.clients.reading(group, "bellbuoy-inspect"), Quiet)
    }

    /// Fetches at an offset: the time of a record, or none at the end.
    fn fetch(
        &self,
        consumer: &BaseConsumer<Quiet>,
        topic: &str,
        partition: i32,
        from: Offset,
    ) -> Result<Option<i64>, LogError> {
        let what = format!("to read {topic}");
        let fault = |error: KafkaError| answers::error(&what, &error);
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, from).map_err(fault)?;
        consumer.assign(&list).map_err(fault)?;
        let deadline = self.clock.monotonic() + FETCH;
        let mut trouble = None;
        while self.clock.monotonic() < deadline {
            match consumer.poll(FETCH_STEP) {
                Some(Ok(message)) => return Ok(message.timestamp().to_millis()),
                Some(Err(KafkaError::PartitionEOF(_))) => return Ok(None),
                Some(Err(error)) => match fault(error) {
                    refused @ LogError::Refused { .. } => return Err(refused),
                    passing => trouble = Some(passing),
                },
                None => {}
            }
        }
        let nothing = || LogError::Unavailable { message: format!("{what}: nothing came in {} s", FETCH.as_secs()) };
        Err(trouble.unwrap_or_else(nothing))
    }

    /// A consumer looks up its group before anything else, and is refused for that, too.
    fn tried_reading<T>(&mut self, topic: &str, group: &str, result: &Result<T, LogError>) {
        let outcome = result.as_ref().err().map_or(Outcome::Worked, Outcome::of);
        match &outcome {
            Outcome::Denied(said) if said.to_lowercase().contains("group authorization") => {
                self.note(Operation::Describe, Resource::Group(group.to_owned()), outcome);
            }
            _ => self.note(Operation::Read, Resource::Topic(topic.to_owned()), outcome),
        }
    }

    fn tried<T>(&mut self, operation: Operation, resource: Resource, result: &Result<T, LogError>) {
        self.note(operation, resource, result.as_ref().err().map_or(Outcome::Worked, Outcome::of));
    }

    fn note(&mut self, operation: Operation, resource: Resource, outcome: Outcome) {
        self.seen.trials.push(Trial { operation, resource, outcome });
    }
}

fn topic(found: &MetadataTopic, settings: Settings) -> Topic {
    let mut partitions: Vec<Partition> = found
        .partitions()
        .iter()
        .map(|partition| Partition {
            number: partition.id(),
            leader: Some(partition.leader()).filter(|leader| *leader >= 0),
            replicas: partition.replicas().to_vec(),
            insync: partition.isr().to_vec(),
        })
        .collect();
    partitions.sort_by_key(|partition| partition.number);
    Topic { name: found.name().to_owned(), partitions, settings }
}
