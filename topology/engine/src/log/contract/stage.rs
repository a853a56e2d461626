//! What checks have in common: a log with topics of their own, and short ways to write and read.

use super::super::{
    Batch, CleanupPolicy, Consumer, Limit, Log, Message, OffsetCommit, Polled, Record, TimestampSource, TopicPartition,
    TopicSpec,
};
use super::{Failure, Subject};
use crate::error::LogError;
use std::collections::{BTreeMap, BTreeSet};
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
        Ok(Stage {
            subject,
            log: subject.open()?,
            prefix: format!("{}{}", subject.prefix(), check.replace(|c: char| !c.is_alphanumeric(), "-")),
        })
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

    /// Everything in a partition, once no more of it appears.
    pub(super) fn records(&self, at: &TopicPartition) -> Result<Vec<Record>, LogError> {
        let mut records = self.records_now(at)?;
        while !self.subject.lag().is_zero() {
            std::thread::sleep(self.subject.lag());
            let again = self.records_now(at)?;
            if again == records {
                break;
            }
            records = again;
        }
        Ok(records)
    }

    /// Everything in a partition, read to its end.
    fn records_now(&self, at: &TopicPartition) -> Result<Vec<Record>, LogError> {
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
    consumer.poll(ALL_OF_IT, Duration::ZERO)?;
    Ok(revoked)
}

/// A member that reads on where it was whenever it is given a partition, and remembers what it holds.
pub(super) struct Holder {
    pub(super) consumer: Box<dyn Consumer>,
    pub(super) held: BTreeSet<TopicPartition>,
    positions: BTreeMap<TopicPartition, i64>,
}

impl Holder {
    pub(super) fn new(consumer: Box<dyn Consumer>) -> Self {
        Holder { consumer, held: BTreeSet::new(), positions: BTreeMap::new() }
    }

    /// Polls once; gives what came.
    pub(super) fn poll(&mut self) -> Result<Vec<String>, Failure> {
        let mut values = Vec::new();
        match self.consumer.poll(ALL_OF_IT, WAIT / 4)? {
            Polled::Assignment { revoked, assigned } => {
                self.held.retain(|partition| !revoked.contains(partition));
                for partition in assigned {
                    let from = self.positions.get(&partition).copied().unwrap_or(0);
                    self.consumer.resume(&partition, from)?;
                    self.held.insert(partition);
                }
            }
            Polled::Records(batches) => {
                for batch in batches {
                    values.extend(batch.records.iter().map(text));
                    self.positions.insert(batch.partition, batch.next);
                }
            }
        }
        Ok(values)
    }
}

/// Polls members in turn until they hold so many partitions each, in any order; none may ever be held by two.
pub(super) fn share(members: &mut [&mut Holder], counts: &[usize]) -> Result<(), Failure> {
    let sorted = |mut counts: Vec<usize>| {
        counts.sort_unstable();
        counts
    };
    let wanted = sorted(counts.to_vec());
    for _ in 0..4 * POLLS {
        for member in members.iter_mut() {
            member.poll()?;
        }
        let all: Vec<&TopicPartition> = members.iter().flat_map(|member| &member.held).collect();
        let different: BTreeSet<&TopicPartition> = all.iter().copied().collect();
        super::ensure(all.len() == different.len(), format_args!("a partition has two owners: {all:?}"))?;
        if sorted(members.iter().map(|member| member.held.len()).collect()) == wanted {
            return Ok(());
        }
    }
    let held: Vec<_> = members.iter().map(|member| &member.held).collect();
    Err(Failure(format!("the members hold {held:?}, expected {counts:?}")))
}

/// Polls until the poll is refused in the expected way; gives what came before.
pub(super) fn refused_at_last(
    what: &str,
    consumer: &mut dyn Consumer,
    expected: fn(&LogError) -> bool,
) -> Result<Vec<String>, Failure> {
    let mut values = Vec::new();
    for _ in 0..POLLS {
        match consumer.poll(ALL_OF_IT, WAIT) {
            Ok(Polled::Records(batches)) => values.extend(batches.iter().flat_map(|b| &b.records).map(text)),
            Ok(Polled::Assignment { .. }) => {}
            Err(error) => return super::refused(what, Err::<(), _>(error), expected).map(|()| values),
        }
    }
    Err(Failure(format!("{what}: was not refused")))
}

/// Polls until records come; gives the sizes of the batches.
pub(super) fn sizes_polled(consumer: &mut dyn Consumer, limit: Limit) -> Result<Vec<usize>, Failure> {
    for _ in 0..POLLS {
        if let Polled::Records(batches) = consumer.poll(limit, WAIT)? {
            let sizes: Vec<usize> = batches.iter().map(|b| b.records.len()).filter(|size| *size > 0).collect();
            if !sizes.is_empty() {
                return Ok(sizes);
            }
        }
    }
    Err(Failure("no record came".to_owned()))
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
