//! Changes of an assignment as librdkafka brings them, kept until the member can act on them.
//!
//! librdkafka waits for an answer to each; the default of its wrapper answers at once, before anybody has closed a task.

use super::client::log;
use crate::log::TopicPartition;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext, RebalanceProtocol};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Statistics, TopicPartitionList};
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long a group is given to end by itself: a look after the other. Between its own threads it takes microseconds.
const LOOKS: u32 = 50;
/// The same where nothing says that it will.
const FEW_LOOKS: u32 = 10;
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A change of the assignment, as the cluster decided it.
#[derive(Debug)]
pub(super) enum Change {
    Assigned(Vec<TopicPartition>),
    Revoked(Vec<TopicPartition>),
}

/// Keeps changes until the member asks for them.
#[derive(Default)]
pub(super) struct Rebalances {
    changes: Mutex<VecDeque<Change>>,
    /// Last stable offset of partitions, as of the library's last figures.
    ends: Mutex<BTreeMap<TopicPartition, i64>>,
    leaving: AtomicBool,
    /// Whether anything was answered since.
    answered: AtomicBool,
}

impl Rebalances {
    pub(super) fn next(&self) -> Option<Change> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// End of a partition as last seen; it may have moved on.
    pub(super) fn end(&self, partition: &TopicPartition) -> Option<i64> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner).get(partition).copied()
    }

    pub(super) fn leave(&self) {
        self.leaving.store(true, Ordering::SeqCst);
    }

    /// Says that the owner, who leaves, has answered what it had been asked.
    pub(super) fn answered(&self) {
        self.answered.store(true, Ordering::SeqCst);
    }
}

impl ClientContext for Rebalances {
    fn stats(&self, statistics: Statistics) {
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        for (topic, figures) in statistics.topics {
            for (number, partition) in figures.partitions {
                // The library counts what has no partition under -1.
                if let (Ok(number), 0..) = (u32::try_from(number), partition.ls_offset) {
                    ends.insert(TopicPartition::new(topic.as_str(), number), partition.ls_offset);
                }
            }
        }
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if !matches!(error, KafkaError::PartitionEOF(_)) {
            tracing::debug!(%error, reason, "kafka consumer");
        }
    }
}

impl ConsumerContext for Rebalances {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, error: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let assigned = error == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        if self.leaving.load(Ordering::SeqCst) {
            // A member whose place was taken (a fatal error) ends without an answer, and so may a group that had one.
            let alone = self.answered.swap(true, Ordering::SeqCst) || consumer.client().fatal_error().is_some();
            if ends(consumer, if alone { LOOKS } else { FEW_LOOKS }) {
                return;
            }
            // The owner is gone; a client that waits for it would never close.
            let given_up = match consumer.rebalance_protocol() {
                RebalanceProtocol::Cooperative if assigned => consumer.incremental_assign(list),
                RebalanceProtocol::Cooperative => consumer.incremental_unassign(list),
                _ => consumer.unassign(),
            };
            if let Err(error) = given_up {
                tracing::debug!(%error, "while leaving a group");
            }
            return;
        }
        let partition =
            |topic: &str, number: i32| TopicPartition::new(topic, u32::try_from(number).unwrap_or_default());
        let partitions = list.elements().iter().map(|at| partition(at.topic(), at.partition())).collect();
        let change = if assigned { Change::Assigned(partitions) } else { Change::Revoked(partitions) };
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).push_back(change);
    }
}

/// True if the group ends by itself. One answer may end it while another question is still queued, a member that was
/// fenced gives up its share unasked, and a group that has ended drops what it is told without a word: whoever answers
/// that question waits for ever.
fn ends(consumer: &BaseConsumer<Rebalances>, looks: u32) -> bool {
    for _ in 0..looks {
        if consumer.closed() {
            return true;
        }
        std::thread::sleep(LOOK_EVERY);
    }
    false
}
