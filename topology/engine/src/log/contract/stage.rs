//! What checks have in common: a log with topics of their own, and short ways to write and read.

use super::super::{
    Batch, CleanupPolicy, Consumer, Limit, Log, Message, OffsetCommit, Polled, Record, TimestampSource, TopicPartition,
    TopicSpec,
};
use super::{Failure, Subject};
use crate::error::LogError;
use std::sync::Arc;
use std::time::Duration;

/// More than any check writes.
pub(super) const ALL_OF_IT: Limit = Limit { records: 1_000_000, bytes: 1 << 30 };

/// How long a poll may wait where something must come, and how often it may come back with nothing.
const WAIT: Duration = Duration::from_millis(200);
const POLLS: usize = 150;

/// Where a check plays.
pub struct Stage<'a> {
    pub(super) subject: &'a dyn Subject,
    pub(super) log: Arc<dyn Log>,
    prefix: String,
}

impl<'a> Stage<'a> {
    pub(super) fn open(subject: &'a dyn Subject, check: &str) -> Result<Self, LogError> {
        Ok(Stage { subject, log: subject.open()?, prefix: check.replace(' ', "-") })
    }

    /// Closes the log and opens it again.
    pub(super) fn restart(self) -> Result<Self, LogError> {
        let Stage { subject, log, prefix } = self;
        drop(log);
        Ok(Stage { subject, log: subject.open()?, prefix })
    }

    /// A name that no other check uses.
    pub(super) fn name(&self, name: &str) -> String {
        format!("{}.{name}", self.prefix)
    }

    /// A topic as checks need it, kept for ever and stamped by its producers.
    pub(super) fn spec(&self, name: &str, partitions: u32) -> TopicSpec {
        TopicSpec {
            name: self.name(name),
            partitions,
            retention_ms: None,
            retention_bytes: None,
            timestamps: TimestampSource::CreateTime,
            cleanup: CleanupPolicy::Delete,
        }
    }

    /// Creates a topic and names its first partition.
    pub(super) fn topic(&self, name: &str, partitions: u32) -> Result<TopicPartition, LogError> {
        let spec = self.spec(name, partitions);
        self.log.create_topic(&spec)?;
        Ok(TopicPartition::new(spec.name, 0))
    }

    /// Writes values in one transaction.
    pub(super) fn write(&self, at: &TopicPartition, values: &[&str]) -> Result<(), LogError> {
        self.commit(values.iter().map(|value| message(at, value)), &[])
    }

    /// Writes messages and offsets in one transaction.
    pub(super) fn commit(
        &self,
        messages: impl IntoIterator<Item = Message>,
        offsets: &[OffsetCommit],
    ) -> Result<(), LogError> {
        let mut producer = self.log.producer(&self.name("writer"))?;
        producer.begin()?;
        for message in messages {
            producer.send(message)?;
        }
        producer.commit(offsets, None)
    }

    /// Everything in a partition, read to its end.
    pub(super) fn records(&self, at: &TopicPartition) -> Result<Vec<Record>, LogError> {
        let (mut records, mut from) = (Vec::new(), self.log.bounds(at)?.start);
        loop {
            let Batch { records: more, next, end, .. } = self.log.read(at, from, ALL_OF_IT)?;
            records.extend(more);
            if next >= end {
                return Ok(records);
            }
            from = next;
        }
    }

    /// The values in a partition, as text.
    pub(super) fn values(&self, at: &TopicPartition) -> Result<Vec<String>, LogError> {
        Ok(self.records(at)?.iter().map(text).collect())
    }

    /// Joins a group of this check.
    pub(super) fn member(&self, member: &str, topics: &[&str]) -> Result<Box<dyn Consumer>, LogError> {
        self.log.consumer(&self.name("group"), member, topics)
    }
}

/// A message without a key.
pub(super) fn message(at: &TopicPartition, value: &str) -> Message {
    let value = Some(value.as_bytes().to_vec());
    Message { topic: at.topic.clone(), partition: at.partition, value, ..Message::default() }
}

/// The same partition number of the next index.
pub(super) fn sibling(at: &TopicPartition, partition: u32) -> TopicPartition {
    TopicPartition { topic: at.topic.clone(), partition }
}

/// An offset to commit without metadata.
pub(super) fn offset(at: &TopicPartition, offset: i64) -> OffsetCommit {
    OffsetCommit { partition: at.clone(), offset, metadata: String::new() }
}

/// A value as text.
pub(super) fn text(record: &Record) -> String {
    record.value.as_ref().map_or_else(|| "tombstone".to_owned(), |v| String::from_utf8_lossy(v).into_owned())
}

/// Polls until the assignment changes; gives partitions revoked and assigned.
pub(super) fn changed(consumer: &mut dyn Consumer) -> Result<(Vec<TopicPartition>, Vec<TopicPartition>), Failure> {
    for _ in 0..POLLS {
        if let Polled::Assignment { mut revoked, mut assigned } = consumer.poll(ALL_OF_IT, WAIT)? {
            revoked.sort();
            assigned.sort();
            return Ok((revoked, assigned));
        }
    }
    Err(Failure("the assignment did not change".to_owned()))
}

/// Polls until partitions are revoked, and once more, which says that they are closed; gives the partitions.
pub(super) fn gives_up(consumer: &mut dyn Consumer) -> Result<Vec<TopicPartition>, Failure> {
    let (revoked, _) = changed(consumer)?;
    polled(consumer, ALL_OF_IT)?;
    Ok(revoked)
}

/// Polls until the member owns exactly so many partitions, and resumes each from the start.
pub(super) fn settled(consumer: &mut dyn Consumer, count: usize) -> Result<Vec<TopicPartition>, Failure> {
    let mut owned: Vec<TopicPartition> = Vec::new();
    while owned.len() != count {
        let (revoked, assigned) = changed(consumer)?;
        owned.retain(|p| !revoked.contains(p));
        for partition in assigned {
            consumer.resume(&partition, 0)?;
            owned.push(partition);
        }
    }
    owned.sort();
    Ok(owned)
}

/// Polls once for records, without waiting long; a change of assignment is a failure.
pub(super) fn polled(consumer: &mut dyn Consumer, limit: Limit) -> Result<Vec<Batch>, Failure> {
    match consumer.poll(limit, Duration::ZERO)? {
        Polled::Records(batches) => Ok(batches),
        change @ Polled::Assignment { .. } => Err(Failure(format!("unexpected {change:?}"))),
    }
}

/// Polls until so many records have come.
pub(super) fn values_polled(consumer: &mut dyn Consumer, count: usize) -> Result<Vec<String>, Failure> {
    let mut values = Vec::new();
    for _ in 0..POLLS {
        if values.len() >= count {
            break;
        }
        if let Polled::Records(batches) = consumer.poll(ALL_OF_IT, WAIT)? {
            values.extend(batches.iter().flat_map(|b| &b.records).map(text));
        }
    }
    Ok(values)
}
