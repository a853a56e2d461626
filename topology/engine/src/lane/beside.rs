//! Topics that a job reads whole beside its input: to their end before its first record, and on from there from time to
//! time.
//!
//! What they say may be in an output of a job without state only: it is written once and never replayed, so it does not
//! matter that it would be different later. A job with state has one input, so that its output is a function of that.

use super::Environment;
use crate::error::EngineError;
use crate::job::{Job, Mode};
use crate::log::{Limit, TopicPartition};
use std::collections::BTreeMap;
use std::time::Duration;

/// How much is read at a time.
const READ: Limit = Limit { records: 2000, bytes: 8 << 20 };
/// Time between two looks whether there is more.
const EVERY: Duration = Duration::from_secs(1);

/// Where reading of such topics goes on.
#[derive(Debug, Default)]
pub(super) struct Beside {
    next: BTreeMap<TopicPartition, i64>,
    read_at: Option<Duration>,
}

impl Beside {
    /// Reads on to the end, if it is time.
    pub(super) fn read_on(&mut self, job: &dyn Job, environment: &Environment) -> Result<(), EngineError> {
        let topics = job.beside();
        let now = environment.clock.monotonic();
        if topics.is_empty() || self.read_at.is_some_and(|last| now.saturating_sub(last) < EVERY) {
            return Ok(());
        }
        debug_assert_eq!(job.mode(), Mode::Merged, "what is replayed must not depend on another topic");
        if self.next.is_empty() {
            for topic in topics {
                for partition in 0..environment.log.topic(&topic)?.spec.partitions {
                    self.next.insert(TopicPartition::new(topic.as_str(), partition), 0);
                }
            }
        }
        for (partition, next) in &mut self.next {
            *next = (*next).max(environment.log.bounds(partition)?.start);
            loop {
                let batch = environment.log.read(partition, *next, READ)?;
                for record in &batch.records {
                    job.learn(partition, record)?;
                }
                *next = batch.next;
                if batch.next >= batch.end {
                    break;
                }
            }
        }
        self.read_at = Some(now);
        Ok(())
    }
}
