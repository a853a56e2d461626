//! Reading a topic as it grows.

use crate::error::Error;
use engine::log::{Limit, Log, TopicPartition};

/// How much is read at a time.
const READ: Limit = Limit { records: 1000, bytes: 4 << 20 };

/// A reader of every partition of a topic.
pub(super) struct Tail {
    positions: Vec<(TopicPartition, i64)>,
}

impl Tail {
    /// From the beginning.
    pub(super) fn new(log: &dyn Log, topic: &topics::Topic) -> Result<Self, Error> {
        let partitions = 0..log.topic(topic.name)?.spec.partitions;
        Ok(Tail { positions: partitions.map(|number| (TopicPartition::new(topic.name, number), 0)).collect() })
    }

    /// Gives the values that have come since the last call, partition by partition.
    pub(super) fn read(
        &mut self,
        log: &dyn Log,
        mut give: impl FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        for (partition, from) in &mut self.positions {
            loop {
                let batch = log.read(partition, *from, READ)?;
                *from = batch.next;
                for value in batch.records.iter().filter_map(|record| record.value.as_deref()) {
                    give(value)?;
                }
                if batch.next >= batch.end {
                    break;
                }
            }
        }
        Ok(())
    }
}
