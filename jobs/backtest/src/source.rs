//! A log that can only be read.
//!
//! Invariant: no method changes the log, its topics, its groups or its retention; reading is outside any group.

use engine::error::LogError;
use engine::log::{Batch, Bounds, Limit, Log, TopicInfo, TopicPartition};
use std::sync::Arc;

/// How much one read takes.
const AT_ONCE: Limit = Limit { records: 4_000, bytes: 4 << 20 };

/// The recorded topics.
#[derive(Clone)]
pub struct Source(Arc<dyn Log>);

impl Source {
    /// The reading side of a log, whichever adapter it is.
    pub fn new(log: Arc<dyn Log>) -> Self {
        Source(log)
    }

    /// Every topic there is, by name.
    pub fn topics(&self) -> Result<Vec<TopicInfo>, LogError> {
        self.0.topics()
    }

    /// First offset and end of a partition.
    pub fn bounds(&self, partition: &TopicPartition) -> Result<Bounds, LogError> {
        self.0.bounds(partition)
    }

    /// The offset of the first record at or after a time.
    pub fn offset_at(&self, partition: &TopicPartition, time: i64) -> Result<i64, LogError> {
        self.0.offset_at(partition, time)
    }

    /// Records of one partition.
    pub fn read(&self, partition: &TopicPartition, from: i64, limit: Limit) -> Result<Batch, LogError> {
        self.0.read(partition, from, limit)
    }

    /// Shows every record that a topic has, partition by partition; a topic that is not there has none.
    pub fn each<E: From<LogError>>(
        &self,
        topic: &str,
        mut visit: impl FnMut(u32, &engine::log::Record) -> Result<(), E>,
    ) -> Result<(), E> {
        let Some(info) = self.topics()?.into_iter().find(|info| info.spec.name == topic) else { return Ok(()) };
        for number in 0..info.spec.partitions {
            let partition = TopicPartition::new(topic, number);
            let Bounds { start, end } = self.bounds(&partition)?;
            let mut next = start;
            while next < end {
                let batch = self.read(&partition, next, AT_ONCE)?;
                batch
                    .records
                    .iter()
                    .filter(|record| record.offset < end)
                    .try_for_each(|record| visit(number, record))?;
                // A log whose end lies behind a gap only: nothing more will come of it.
                if batch.next <= next {
                    break;
                }
                next = batch.next;
            }
        }
        Ok(())
    }
}
