//! What can go wrong, and who must act.

use std::fmt;
use std::path::Path;

/// Everything that can go wrong in the engine.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The log said no.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Local state could not be read or written.
    #[error(transparent)]
    State(#[from] StateError),
    /// A checkpoint could not be read or written.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// What is stored cannot be continued from without a person's decision.
    #[error("{task}: {stop}")]
    Stop {
        /// The task that stopped.
        task: String,
        /// Why, and what would let it go on.
        stop: crate::recovery::Stop,
    },
    /// A job met something it cannot go on from.
    #[error("{task} at offset {offset}: {message}")]
    Job {
        /// The task.
        task: String,
        /// Input offset.
        offset: i64,
        /// What happened.
        message: String,
    },
    /// The configuration cannot work.
    #[error("{0}")]
    Configuration(String),
}

/// What to do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Try the same call again.
    Retry,
    /// Drop the task and its producer, and recover them.
    RebuildTask,
    /// Stop the process; a person must act.
    Stop,
}

impl EngineError {
    /// Who must act: the lane (retry, rebuild) or a person (stop).
    pub fn remedy(&self) -> Remedy {
        match self {
            EngineError::Log(error) => error.remedy(),
            EngineError::Checkpoint(CheckpointError::Store { .. }) => Remedy::Retry,
            _ => Remedy::Stop,
        }
    }
}

/// What the log may answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// No such topic.
    #[error("topic {topic} does not exist; create it with `bellbuoy topics apply`")]
    UnknownTopic {
        /// The topic asked for.
        topic: String,
    },
    /// No such partition.
    #[error("topic {topic} has {partitions} partitions, there is no partition {partition}")]
    UnknownPartition {
        /// The topic asked for.
        topic: String,
        /// The partition asked for.
        partition: u32,
        /// How many there are.
        partitions: u32,
    },
    /// The topic is there already.
    #[error("topic {topic} exists; change its retention with `bellbuoy topics apply`, or delete it first")]
    TopicExists {
        /// The topic to be created.
        topic: String,
    },
    /// The offset was removed by retention before it was read, or was never written.
    #[error("{topic}/{partition}: offset {offset} is not in the log, which starts at {start}")]
    OutOfRange {
        /// Topic.
        topic: String,
        /// Partition.
        partition: u32,
        /// The offset asked for.
        offset: i64,
        /// First offset there is.
        start: i64,
    },
    /// Another producer with the same transactional id has taken over.
    #[error("producer {transactional_id} was fenced by a newer one")]
    Fenced {
        /// The shared id.
        transactional_id: String,
    },
    /// The group has moved on since the membership was read.
    #[error("membership of {member} is stale: {message}")]
    StaleMembership {
        /// Member and group.
        member: String,
        /// What was seen.
        message: String,
    },
    /// A call came in the wrong order.
    #[error("{call} without an open transaction")]
    NoTransaction {
        /// The call.
        call: &'static str,
    },
    /// The record is larger than the log takes.
    #[error("a record of {bytes} bytes for {topic} is over the limit of {limit}")]
    TooLarge {
        /// Topic.
        topic: String,
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// A compacted topic keeps the last record of each key, so each record needs one.
    #[error("a record for the compacted topic {topic} has no key")]
    KeyMissing {
        /// Topic.
        topic: String,
    },
    /// The register beside a committed offset is larger than the log takes.
    #[error("metadata of {bytes} bytes for {partition} is over the limit of {limit}")]
    MetadataTooLarge {
        /// Partition whose offset was to be committed.
        partition: String,
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The disk is full, or the log's files cannot be used.
    #[error("log storage at {place}: {message}")]
    Storage {
        /// Folder or backend.
        place: String,
        /// What the storage said.
        message: String,
    },
    /// The log refused what was asked and would refuse it again.
    #[error("the log refuses {what}: {message}")]
    Refused {
        /// A record by its place, or a call.
        what: String,
        /// What the log said.
        message: String,
    },
    /// The log does not answer at the moment.
    #[error("log does not answer: {message}")]
    Unavailable {
        /// What was seen.
        message: String,
    },
    /// A crash injected by a test.
    #[error("injected crash at {point}")]
    InjectedCrash {
        /// Which port call.
        point: String,
    },
}

/// What the state store may answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// The folder or disk cannot be used.
    #[error("state in {place}: {message}")]
    Storage {
        /// Folder or backend.
        place: String,
        /// What the storage said.
        message: String,
    },
    /// What is stored cannot be decoded.
    #[error("state in {place} is damaged: {message}; remove the folder to recover from a checkpoint or the log")]
    Damaged {
        /// Folder or backend.
        place: String,
        /// What is wrong.
        message: String,
    },
    /// A crash injected by a test.
    #[error("injected crash at {point}")]
    InjectedCrash {
        /// Which port call.
        point: String,
    },
}

/// What the checkpoint store may answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The store cannot be used.
    #[error("checkpoint store {url}: {message}")]
    Store {
        /// Where.
        url: String,
        /// What the store said.
        message: String,
    },
    /// The object is not a snapshot, or not a whole one.
    #[error("checkpoint {name} is damaged: {message}")]
    Damaged {
        /// Object name.
        name: String,
        /// What is wrong.
        message: String,
    },
    /// The address cannot be read.
    #[error("checkpoint address {url}: {message}; allowed are a folder, or a URL such as s3://bucket/path")]
    Address {
        /// The address given.
        url: String,
        /// What is wrong.
        message: String,
    },
    /// A crash injected by a test.
    #[error("injected crash at {point}")]
    InjectedCrash {
        /// Which port call.
        point: String,
    },
}

impl StateError {
    /// Wraps what a storage backend said.
    pub fn storage(place: impl fmt::Display, error: impl fmt::Display) -> Self {
        StateError::Storage { place: place.to_string(), message: error.to_string() }
    }
}

impl LogError {
    /// Wraps what a storage backend said.
    pub fn storage(place: &Path, error: impl fmt::Display) -> Self {
        LogError::Storage { place: place.display().to_string(), message: error.to_string() }
    }

    /// Who must act: the lane (retry, rebuild) or a person (stop).
    pub fn remedy(&self) -> Remedy {
        match self {
            LogError::Fenced { .. } | LogError::StaleMembership { .. } => Remedy::RebuildTask,
            LogError::Unavailable { .. } => Remedy::Retry,
            _ => Remedy::Stop,
        }
    }

    /// True for a crash injected by a test.
    pub fn is_injected(&self) -> bool {
        matches!(self, LogError::InjectedCrash { .. })
    }
}

impl EngineError {
    /// True for a crash injected by a test.
    pub fn is_injected(&self) -> bool {
        matches!(
            self,
            EngineError::Log(LogError::InjectedCrash { .. })
                | EngineError::State(StateError::InjectedCrash { .. })
                | EngineError::Checkpoint(CheckpointError::InjectedCrash { .. })
        )
    }
}
