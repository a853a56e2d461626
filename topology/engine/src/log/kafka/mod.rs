//! Apache Kafka as the log, through librdkafka.
//!
//! A lane has one consumer ([`member`](self)) and one transactional producer. What librdkafka offers and Kafka's
//! exactly-once needs are two things, and the difference is kept here:
//!
//! - librdkafka speaks the first version of the transaction protocol only (librdkafka#5423), where a late answer can hit
//!   the next transaction of the same producer. So a producer that has seen any error is never used again.
//! - A transaction is committed after every record of it was acknowledged, since rust-rdkafka waits in steps of 100 ms
//!   otherwise.
//! - A revocation is acknowledged at the poll *after* the one that told of it, so that a member closes its tasks, and
//!   may commit what they did, while the partitions are still its own.
//!
//! Topic ids are not to be had through this library: [`TopicInfo::id`] is 0. A topic that was deleted and made anew is
//! noticed all the same, since Kafka forgets a group's offsets together with the topic.

mod admin;
mod answers;
mod assignment;
mod client;
mod closing;
pub mod inspect;
mod member;
mod offsets;
mod reader;
mod rebalance;
mod transaction;
mod watchdog;

use super::{Batch, Bounds, Committed, Consumer, Limit, Log, Producer, TopicInfo, TopicPartition, TopicSpec};
use crate::clock::WallClock;
use crate::error::LogError;
use admin::Admin;
use client::Clients;
use reader::Reader;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use watchdog::Watchdog;

pub use client::{Protocol, RESERVED, check_settings};
pub use inspect::inspect;

/// How to reach a cluster, and what our topics are like there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Addresses of some brokers, `host:port`, separated by commas.
    pub bootstrap: String,
    /// Settings of librdkafka by their own names, security included. Those that the guarantees rest on are [`RESERVED`].
    pub settings: BTreeMap<String, String>,
    /// How members share partitions.
    pub protocol: Protocol,
    /// Copies of each partition of a new topic; the cluster's default where absent.
    pub replication: Option<u16>,
    /// Copies that must have a record before it counts, of a new topic; the cluster's default where absent.
    pub min_insync: Option<u16>,
    /// A group that nobody joins: librdkafka wants a name from whoever reads, and permissions may depend on it.
    pub reader: String,
}

impl Config {
    /// A cluster by its address, everything else as usual.
    pub fn new(bootstrap: impl Into<String>) -> Self {
        Config {
            bootstrap: bootstrap.into(),
            settings: BTreeMap::new(),
            protocol: Protocol::default(),
            replication: None,
            min_insync: None,
            reader: "bellbuoy.reader".to_owned(),
        }
    }
}

/// Opens a cluster as a log; fails when none of its brokers answers.
pub fn open(config: Config, clock: Arc<dyn WallClock>) -> Result<Arc<dyn Log>, LogError> {
    let clients = Arc::new(Clients::new(config)?);
    let admin = Arc::new(Admin::open(clients.clone())?);
    admin.reach()?;
    let watchdog = Arc::new(Watchdog::start(clock.clone())?);
    Ok(Arc::new(Cluster { clients, admin, clock, watchdog, reader: Mutex::new(None) }))
}

/// Readers that try in turn before a read is given up.
const READERS: usize = 3;

struct Cluster {
    clients: Arc<Clients>,
    admin: Arc<Admin>,
    clock: Arc<dyn WallClock>,
    watchdog: Arc<Watchdog>,
    /// Kept between reads, so that reading on costs one fetch.
    reader: Mutex<Option<Reader>>,
}

impl Log for Cluster {
    fn consumer(&self, group: &str, member: &str, topics: &[&str]) -> Result<Box<dyn Consumer>, LogError> {
        for topic in topics {
            self.admin.partitions(topic)?;
        }
        let member =
            member::Member::join(&self.clients, self.admin.clone(), self.clock.clone(), group, member, topics)?;
        Ok(Box::new(member))
    }

    fn producer(&self, transactional_id: &str) -> Result<Box<dyn Producer>, LogError> {
        let (clients, watchdog) = (&self.clients, self.watchdog.clone());
        let producer = transaction::Transactions::open(
            clients,
            self.admin.clone(),
            self.clock.clone(),
            watchdog,
            transactional_id,
        )?;
        Ok(Box::new(producer))
    }

    fn topics(&self) -> Result<Vec<TopicInfo>, LogError> {
        self.admin.topics()
    }

    fn topic(&self, name: &str) -> Result<TopicInfo, LogError> {
        self.admin.topic(name)
    }

    fn create_topic(&self, spec: &TopicSpec) -> Result<(), LogError> {
        self.admin.create(spec, &*self.clock)
    }

    fn alter_topic(&self, spec: &TopicSpec) -> Result<(), LogError> {
        self.admin.alter(spec, &*self.clock)
    }

    fn delete_topic(&self, topic: &str) -> Result<(), LogError> {
        *self.reader.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.admin.delete(topic, &*self.clock)
    }

    fn bounds(&self, partition: &TopicPartition) -> Result<Bounds, LogError> {
        self.admin.bounds(partition)
    }

    fn read(&self, partition: &TopicPartition, from: i64, limit: Limit) -> Result<Batch, LogError> {
        let bounds = self.admin.bounds(partition)?;
        if from < bounds.start || from > bounds.end {
            return Err(answers::out_of_range(partition, from, bounds.start));
        }
        let mut slot = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let mut attempt = 0;
        loop {
            attempt += 1;
            let mut reader = match slot.take() {
                Some(reader) => reader,
                None => Reader::open(&self.clients, self.clock.clone())?,
            };
            match reader.read(partition, from, bounds.end, limit) {
                Ok(batch) => {
                    // Put back only when all is well: after an error nobody knows where it stands.
                    *slot = Some(reader);
                    return Ok(batch);
                }
                // One that knew the topic before it was deleted and made anew waits for the old one.
                Err(LogError::Unavailable { message }) if attempt < READERS => tracing::debug!(message, "read again"),
                Err(error) => return Err(error),
            }
        }
    }

    fn offset_at(&self, partition: &TopicPartition, time: i64) -> Result<i64, LogError> {
        self.admin.offset_at(partition, time)
    }

    fn committed(&self, group: &str, partition: &TopicPartition) -> Result<Option<Committed>, LogError> {
        self.admin.committed(group, partition)
    }

    fn forget_committed(&self, group: &str, partition: &TopicPartition) -> Result<(), LogError> {
        self.admin.forget_committed(group, partition, &*self.clock)
    }

    /// Kafka enforces retention by itself.
    fn enforce_retention(&self, _now: i64) -> Result<u64, LogError> {
        Ok(0)
    }
}
