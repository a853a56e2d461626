//! What the broker deletes: by age, by size, and what a later record of the same key replaces.

use super::broker::{Broker, Change, PartitionId, Storage, Topic, read_batch, record_bytes};
use super::{Limit, TopicPartition};
use crate::error::LogError;
use std::collections::{BTreeMap, BTreeSet};

/// How much a scan reads at a time.
pub(super) const SCAN: Limit = Limit { records: 1000, bytes: 4 << 20 };

impl<S: Storage> Broker<S> {
    /// Deletes the oldest records beyond the topic's age or size.
    pub(super) fn expire(&self, name: &str, topic: &Topic, number: u32, now: i64) -> Result<u64, LogError> {
        let id = PartitionId { topic: topic.id, partition: number };
        let at = TopicPartition::new(name, number);
        let bounds = topic.partitions[number as usize];
        let (mut start, mut bytes, mut count) = (bounds.start, bounds.bytes, 0);
        'scan: while start < bounds.end {
            let batch = read_batch(&self.shared.storage, &at, id, bounds, start, SCAN)?;
            for record in &batch.records {
                let old = topic.retention_ms.is_some_and(|age| record.timestamp < now - age);
                let large = topic.retention_bytes.is_some_and(|limit| bytes > limit);
                if !old && !large {
                    start = record.offset;
                    break 'scan;
                }
                bytes = bytes.saturating_sub(record_bytes(record));
                count += 1;
            }
            start = batch.next;
        }
        if count == 0 {
            return Ok(0);
        }
        let mut state = self.shared.lock();
        let Some(current) = state.image.topics.get(name).filter(|t| t.id == topic.id) else { return Ok(0) };
        let mut changed = current.clone();
        let partition = &mut changed.partitions[number as usize];
        // Appends since the scan only added at the end.
        partition.bytes = partition.bytes.saturating_sub(bounds.bytes - bytes);
        partition.start = start.min(partition.end);
        let change = Change {
            topics: BTreeMap::from([(name.to_owned(), Some(changed))]),
            deleted: vec![(id, bounds.start, start)],
            ..Change::default()
        };
        self.shared.apply(&mut state, &change)?;
        Ok(count)
    }

    /// Deletes every record that a later one of the same key replaces.
    pub(super) fn compact(&self, topic: &Topic, number: u32) -> Result<u64, LogError> {
        let id = PartitionId { topic: topic.id, partition: number };
        let bounds = topic.partitions[number as usize];
        let (mut from, mut last, mut replaced) = (bounds.start, BTreeMap::new(), BTreeSet::new());
        while from < bounds.end {
            let records = self.shared.storage.read(id, from, bounds.end, SCAN)?;
            let Some(end) = records.last().map(|r| r.offset + 1) else { break };
            for record in records {
                if let Some(earlier) = record.key.and_then(|key| last.insert(key, record.offset)) {
                    replaced.insert(earlier);
                }
            }
            from = end;
        }
        let deleted = replaced.iter().map(|&offset| (id, offset, offset + 1)).collect();
        self.shared.storage.apply(&Change { deleted, ..Change::default() })?;
        Ok(replaced.len() as u64)
    }
}
