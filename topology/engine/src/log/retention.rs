//! What the broker deletes: by age, by size, and what a later record of the same key replaces.

use super::broker::{Broker, Change, Partition, PartitionId, Storage, Topic, read_batch, record_bytes};
use super::{Limit, TopicPartition};
use crate::error::LogError;
use std::collections::BTreeMap;

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
            let batch = read_batch(&self.shared, &at, id, bounds, start, SCAN)?;
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
        let deleted = vec![(id, bounds.start, start)];
        let freed = bounds.bytes - bytes;
        let applied = self.delete(name, id, deleted, |partition| {
            // Another pass may have been here since the scan.
            let unmoved = partition.start == bounds.start;
            (partition.start, partition.bytes) = (start, partition.bytes.saturating_sub(freed));
            unmoved
        })?;
        Ok(if applied { count } else { 0 })
    }

    /// Deletes every record that a later one of the same key replaces.
    pub(super) fn compact(&self, name: &str, topic: &Topic, number: u32) -> Result<u64, LogError> {
        let id = PartitionId { topic: topic.id, partition: number };
        let bounds = topic.partitions[number as usize];
        let (mut from, mut last, mut replaced) = (bounds.start, BTreeMap::new(), Vec::new());
        let mut freed = 0;
        while from < bounds.end {
            let records = self.shared.storage.read(id, from, bounds.end, SCAN)?;
            let Some(end) = records.last().map(|r| r.offset + 1) else { break };
            for record in records {
                let Some(key) = &record.key else { continue };
                // The key is copied: as a slice it would hold on to the whole record.
                let this = (record.offset, record_bytes(&record));
                if let Some((offset, bytes)) = last.insert(Box::<[u8]>::from(&key[..]), this) {
                    replaced.push((id, offset, offset + 1));
                    freed += bytes;
                }
            }
            from = end;
        }
        let count = replaced.len() as u64;
        if count == 0 {
            return Ok(0);
        }
        let applied = self.delete(name, id, replaced, |partition| {
            let unmoved = partition.bytes >= freed;
            partition.bytes = partition.bytes.saturating_sub(freed);
            unmoved
        })?;
        Ok(if applied { count } else { 0 })
    }

    /// Deletes records of a partition that still is the one scanned, unless `account` finds that it has changed.
    ///
    /// Appends since the scan only added at the end, so they do not matter.
    fn delete(
        &self,
        name: &str,
        id: PartitionId,
        deleted: Vec<(PartitionId, i64, i64)>,
        account: impl FnOnce(&mut Partition) -> bool,
    ) -> Result<bool, LogError> {
        let mut state = self.shared.lock();
        let Some(current) = state.image.topics.get(name).filter(|t| t.id == id.topic) else { return Ok(false) };
        let mut changed = current.clone();
        if !account(&mut changed.partitions[id.partition as usize]) {
            return Ok(false);
        }
        let topics = BTreeMap::from([(name.to_owned(), Some(changed))]);
        self.shared.apply(&mut state, &Change { topics, deleted, ..Change::default() })?;
        Ok(true)
    }
}
