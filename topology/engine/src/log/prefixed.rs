//! A log under a prefix: names of topics, groups and transactional ids that others use, too.
//!
//! On a shared cluster an installation has names of its own, and permissions that end with them. Whoever uses the log
//! sees the names without the prefix, and topics that have it only.

use super::{
    Batch, Bounds, Committed, Consumer, Limit, Log, Membership, Message, OffsetCommit, Polled, Producer, TopicInfo,
    TopicPartition, TopicSpec,
};
use crate::error::LogError;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// The part of a log whose names begin so.
pub fn open(log: Arc<dyn Log>, prefix: impl Into<String>) -> Arc<dyn Log> {
    Arc::new(Prefixed { log, prefix: prefix.into() })
}

struct Prefixed {
    log: Arc<dyn Log>,
    prefix: String,
}

impl Prefixed {
    fn outer(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn at(&self, partition: &TopicPartition) -> TopicPartition {
        TopicPartition::new(self.outer(&partition.topic), partition.partition)
    }

    fn spec(&self, spec: &TopicSpec) -> TopicSpec {
        TopicSpec { name: self.outer(&spec.name), ..spec.clone() }
    }

    fn inner(&self, mut info: TopicInfo) -> Option<TopicInfo> {
        info.spec.name = info.spec.name.strip_prefix(&self.prefix)?.to_owned();
        Some(info)
    }
}

impl Log for Prefixed {
    fn consumer(&self, group: &str, member: &str, topics: &[&str]) -> Result<Box<dyn Consumer>, LogError> {
        let topics: Vec<String> = topics.iter().map(|topic| self.outer(topic)).collect();
        let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
        let consumer = self.log.consumer(&self.outer(group), &self.outer(member), &topics)?;
        Ok(Box::new(PrefixedConsumer { consumer, names: Names::new(&self.prefix) }))
    }

    fn producer(&self, transactional_id: &str) -> Result<Box<dyn Producer>, LogError> {
        let producer = self.log.producer(&self.outer(transactional_id))?;
        Ok(Box::new(PrefixedProducer { producer, names: Names::new(&self.prefix) }))
    }

    fn topics(&self) -> Result<Vec<TopicInfo>, LogError> {
        Ok(self.log.topics()?.into_iter().filter_map(|info| self.inner(info)).collect())
    }

    fn topic(&self, name: &str) -> Result<TopicInfo, LogError> {
        let info = self.log.topic(&self.outer(name))?;
        self.inner(info).ok_or_else(|| LogError::UnknownTopic { topic: name.to_owned() })
    }

    fn create_topic(&self, spec: &TopicSpec) -> Result<(), LogError> {
        self.log.create_topic(&self.spec(spec))
    }

    fn alter_topic(&self, spec: &TopicSpec) -> Result<(), LogError> {
        self.log.alter_topic(&self.spec(spec))
    }

    fn delete_topic(&self, topic: &str) -> Result<(), LogError> {
        self.log.delete_topic(&self.outer(topic))
    }

    fn bounds(&self, partition: &TopicPartition) -> Result<Bounds, LogError> {
        self.log.bounds(&self.at(partition))
    }

    fn read(&self, partition: &TopicPartition, from: i64, limit: Limit) -> Result<Batch, LogError> {
        Ok(Batch { partition: partition.clone(), ..self.log.read(&self.at(partition), from, limit)? })
    }

    fn offset_at(&self, partition: &TopicPartition, time: i64) -> Result<i64, LogError> {
        self.log.offset_at(&self.at(partition), time)
    }

    fn committed(&self, group: &str, partition: &TopicPartition) -> Result<Option<Committed>, LogError> {
        self.log.committed(&self.outer(group), &self.at(partition))
    }

    fn forget_committed(&self, group: &str, partition: &TopicPartition) -> Result<(), LogError> {
        self.log.forget_committed(&self.outer(group), &self.at(partition))
    }

    fn enforce_retention(&self, now: i64) -> Result<u64, LogError> {
        self.log.enforce_retention(now)
    }
}

/// Names with and without the prefix, each made once: they pass with every batch.
struct Names {
    prefix: String,
    outer: HashMap<Arc<str>, Arc<str>>,
    inner: HashMap<Arc<str>, Arc<str>>,
}

impl Names {
    fn new(prefix: &str) -> Self {
        Names { prefix: prefix.to_owned(), outer: HashMap::new(), inner: HashMap::new() }
    }

    fn outer(&mut self, topic: &Arc<str>) -> Arc<str> {
        let prefix = &self.prefix;
        self.outer.entry(topic.clone()).or_insert_with(|| format!("{prefix}{topic}").into()).clone()
    }

    fn inner(&mut self, topic: &Arc<str>) -> Arc<str> {
        let prefix = &self.prefix;
        let without = || topic.strip_prefix(prefix.as_str()).unwrap_or(topic).into();
        self.inner.entry(topic.clone()).or_insert_with(without).clone()
    }

    fn enter(&mut self, at: &TopicPartition) -> TopicPartition {
        TopicPartition { topic: self.outer(&at.topic), partition: at.partition }
    }

    fn leave(&mut self, at: &TopicPartition) -> TopicPartition {
        TopicPartition { topic: self.inner(&at.topic), partition: at.partition }
    }
}

struct PrefixedConsumer {
    consumer: Box<dyn Consumer>,
    names: Names,
}

impl Consumer for PrefixedConsumer {
    fn poll(&mut self, limit: Limit, wait: Duration) -> Result<Polled, LogError> {
        let names = &mut self.names;
        Ok(match self.consumer.poll(limit, wait)? {
            Polled::Assignment { revoked, assigned } => Polled::Assignment {
                revoked: revoked.iter().map(|at| names.leave(at)).collect(),
                assigned: assigned.iter().map(|at| names.leave(at)).collect(),
            },
            Polled::Records(mut batches) => {
                for batch in &mut batches {
                    batch.partition = names.leave(&batch.partition);
                }
                Polled::Records(batches)
            }
        })
    }

    fn resume(&mut self, partition: &TopicPartition, from: i64) -> Result<(), LogError> {
        self.consumer.resume(&self.names.enter(partition), from)
    }

    fn pause(&mut self, partition: &TopicPartition) -> Result<(), LogError> {
        self.consumer.pause(&self.names.enter(partition))
    }

    fn committed(&mut self, partition: &TopicPartition) -> Result<Option<Committed>, LogError> {
        self.consumer.committed(&self.names.enter(partition))
    }

    fn has_share(&self) -> bool {
        self.consumer.has_share()
    }

    fn membership(&self) -> Membership {
        self.consumer.membership()
    }
}

struct PrefixedProducer {
    producer: Box<dyn Producer>,
    names: Names,
}

impl Producer for PrefixedProducer {
    fn begin(&mut self) -> Result<(), LogError> {
        self.producer.begin()
    }

    fn send(&mut self, mut message: Message) -> Result<(), LogError> {
        message.topic = self.names.outer(&message.topic);
        self.producer.send(message)
    }

    fn commit(&mut self, offsets: &[OffsetCommit], membership: Option<&Membership>) -> Result<(), LogError> {
        let names = &mut self.names;
        let offsets: Vec<OffsetCommit> = offsets
            .iter()
            .map(|commit| OffsetCommit { partition: names.enter(&commit.partition), ..commit.clone() })
            .collect();
        self.producer.commit(&offsets, membership)
    }

    fn abort(&mut self) -> Result<(), LogError> {
        self.producer.abort()
    }
}
