//! The log as a port: ordered, partitioned, transactional, with consumer groups.
//!
//! Two adapters implement it, [`embedded`] (RocksDB, one process) and [`kafka`]; [`contract`] is the suite both must
//! pass. [`memory`] is the embedded broker on volatile storage, for tests that crash thousands of times.
//!
//! Invariant: what a committed transaction wrote and the offsets it committed become visible together, or not at all.
//! Invariant: offsets only grow; after every transaction each partition it wrote has a gap, as on Kafka, so nobody may
//! count records by subtracting offsets.

mod broker;
pub mod contract;
pub mod embedded;
mod group;
pub mod kafka;
mod member;
pub mod memory;
pub mod prefixed;
mod reader;
mod retention;
mod transaction;

pub use reader::TopicReader;

use crate::error::LogError;
use bytes::Bytes;
use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A log that jobs read from and write to.
pub trait Log: Send + Sync {
    /// Joins a consumer group. The member id is stable across restarts, so that a member takes its own partitions back.
    fn consumer(&self, group: &str, member: &str, topics: &[&str]) -> Result<Box<dyn Consumer>, LogError>;
    /// Opens a transactional producer and fences every earlier one of the same id.
    fn producer(&self, transactional_id: &str) -> Result<Box<dyn Producer>, LogError>;
    /// Every topic there is, by name.
    fn topics(&self) -> Result<Vec<TopicInfo>, LogError>;
    /// One topic.
    fn topic(&self, name: &str) -> Result<TopicInfo, LogError> {
        let found = self.topics()?.into_iter().find(|topic| topic.spec.name == name);
        found.ok_or_else(|| LogError::UnknownTopic { topic: name.to_owned() })
    }
    /// Creates a topic; an existing one of the same name is an error.
    fn create_topic(&self, spec: &TopicSpec) -> Result<(), LogError>;
    /// Changes retention of an existing topic; partitions are never changed.
    fn alter_topic(&self, spec: &TopicSpec) -> Result<(), LogError>;
    /// Deletes a topic with everything in it.
    fn delete_topic(&self, topic: &str) -> Result<(), LogError>;
    /// First offset and end of a partition.
    fn bounds(&self, partition: &TopicPartition) -> Result<Bounds, LogError>;
    /// Reads committed records of one partition outside any group.
    fn read(&self, partition: &TopicPartition, from: i64, limit: Limit) -> Result<Batch, LogError>;
    /// An offset from which on no record at or after a time is missed where times ascend; the latest the log can tell.
    fn offset_at(&self, partition: &TopicPartition, time: i64) -> Result<i64, LogError>;
    /// What a group has committed for a partition.
    fn committed(&self, group: &str, partition: &TopicPartition) -> Result<Option<Committed>, LogError>;
    /// Forgets what a group has committed for a partition.
    fn forget_committed(&self, group: &str, partition: &TopicPartition) -> Result<(), LogError>;
    /// Deletes what retention no longer keeps, as of `now` (milliseconds); returns the number of records deleted.
    fn enforce_retention(&self, now: i64) -> Result<u64, LogError>;
}

/// A member of a consumer group. Dropping it leaves the group.
pub trait Consumer {
    /// Waits for records or a change of assignment, at most `wait`.
    ///
    /// Newly assigned partitions give no records until [`Consumer::resume`] says from where. Revoked partitions give
    /// none from the moment their revocation is returned, but are the member's until it polls again: until then it may
    /// commit what it has of them. A partition may be revoked and assigned anew to the same member.
    fn poll(&mut self, limit: Limit, wait: Duration) -> Result<Polled, LogError>;
    /// Starts, or continues, reading a partition at an offset.
    fn resume(&mut self, partition: &TopicPartition, from: i64) -> Result<(), LogError>;
    /// Stops giving records of a partition until it is resumed.
    fn pause(&mut self, partition: &TopicPartition) -> Result<(), LogError>;
    /// What the group has committed for a partition; waits out a predecessor's open commit.
    fn committed(&mut self, partition: &TopicPartition) -> Result<Option<Committed>, LogError>;
    /// Whether the group has said what the member's share is, if only that it is empty: nothing to read is no end before.
    fn has_share(&self) -> bool {
        true
    }
    /// Proof of membership, to be fetched anew for every commit.
    fn membership(&self) -> Membership;
}

/// A transactional producer.
pub trait Producer {
    /// Opens a transaction.
    fn begin(&mut self) -> Result<(), LogError>;
    /// Adds a record to the open transaction.
    fn send(&mut self, message: Message) -> Result<(), LogError>;
    /// Makes the records and the offsets visible and durable, together.
    fn commit(&mut self, offsets: &[OffsetCommit], membership: Option<&Membership>) -> Result<(), LogError>;
    /// Drops the open transaction.
    fn abort(&mut self) -> Result<(), LogError>;
}

/// Proof of membership in a group, as of the call that fetched it; only the log that gave it can read it.
#[derive(Clone, Debug)]
pub struct Membership(Arc<dyn Any + Send + Sync>);

impl Membership {
    fn new(proof: impl Any + Send + Sync) -> Self {
        Membership(Arc::new(proof))
    }

    fn read<T: Any>(&self) -> Result<&T, LogError> {
        self.0.downcast_ref().ok_or_else(|| LogError::StaleMembership {
            member: "a member".to_owned(),
            message: "its proof of membership is of another log".to_owned(),
        })
    }
}

/// One partition of one topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// Topic name.
    pub topic: Arc<str>,
    /// Partition number, from 0.
    pub partition: u32,
}

impl TopicPartition {
    /// Names a partition.
    pub fn new(topic: impl Into<Arc<str>>, partition: u32) -> Self {
        TopicPartition { topic: topic.into(), partition }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic, self.partition)
    }
}

/// Headers of a record, in order; names may repeat.
pub type Headers = Vec<(String, Bytes)>;

/// One record as read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its offset.
    pub offset: i64,
    /// Milliseconds since the Unix epoch: append time, or the producer's where the topic says so.
    pub timestamp: i64,
    /// Key, absent or not.
    pub key: Option<Bytes>,
    /// Headers.
    pub headers: Headers,
    /// Value; absent for a tombstone.
    pub value: Option<Bytes>,
}

/// One record to write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// Topic name.
    pub topic: Arc<str>,
    /// Partition number.
    pub partition: u32,
    /// Key, absent or not.
    pub key: Option<Vec<u8>>,
    /// Headers.
    pub headers: Headers,
    /// Value; absent for a tombstone.
    pub value: Option<Vec<u8>>,
    /// The producer's timestamp, milliseconds; used where the topic keeps it.
    pub timestamp: Option<i64>,
}

/// Records of one partition, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Where they are from.
    pub partition: TopicPartition,
    /// The records.
    pub records: Vec<Record>,
    /// Where reading continues: past the last record and any gap known behind it.
    pub next: i64,
    /// End of the partition when it was read; `next == end` means nothing more was there.
    pub end: i64,
}

/// What a poll gave.
#[derive(Debug)]
pub enum Polled {
    /// Membership has changed. Revocations take effect first.
    Assignment {
        /// Partitions lost.
        revoked: Vec<TopicPartition>,
        /// Partitions gained, paused.
        assigned: Vec<TopicPartition>,
    },
    /// Records of resumed partitions, read from one consistent view of all of them; possibly none.
    Records(Vec<Batch>),
}

/// How much one poll may give of each partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Records of one partition.
    pub records: usize,
    /// Bytes of one partition; a single larger record is still given.
    pub bytes: usize,
}

/// Offsets of a partition: records lie in `[start, end)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// First offset that may be read.
    pub start: i64,
    /// One past the last.
    pub end: i64,
}

/// A committed offset with its metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Next offset to read.
    pub offset: i64,
    /// The committer's register, at most 4096 bytes.
    pub metadata: String,
}

/// An offset to commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetCommit {
    /// Partition read.
    pub partition: TopicPartition,
    /// Next offset to read.
    pub offset: i64,
    /// The committer's register.
    pub metadata: String,
}

/// How a topic is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSpec {
    /// Name.
    pub name: String,
    /// Number of partitions.
    pub partitions: u32,
    /// Age at which records may be deleted, milliseconds; `None` keeps them.
    pub retention_ms: Option<i64>,
    /// Size of a partition at which its oldest records may be deleted, bytes; `None` keeps them.
    pub retention_bytes: Option<u64>,
    /// Whose clock stamps the records.
    pub timestamps: TimestampSource,
    /// What happens to old records of the same key.
    pub cleanup: CleanupPolicy,
}

/// Whose clock stamps records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum TimestampSource {
    /// The log's, when the record is committed.
    LogAppendTime,
    /// The producer's.
    CreateTime,
}

/// What happens to old records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum CleanupPolicy {
    /// Deleted by age and size.
    Delete,
    /// The last record of each key is kept.
    Compact,
}

/// A topic as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicInfo {
    /// How it was declared.
    pub spec: TopicSpec,
    /// Differs for every creation, so that a deleted and recreated topic is noticed.
    pub id: u64,
}
