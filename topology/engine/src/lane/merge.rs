//! Merging a lane's partitions by record timestamp, lowest first.
//!
//! A partition known to have more records than were read is waited for; one at its end is not. Over a log that is
//! complete the merge is therefore total: the same records in the same order, however they were polled.

use crate::log::{Batch, Record, TopicPartition};
use std::collections::{BTreeMap, VecDeque};

/// Records read and not yet taken.
#[derive(Debug, Default)]
pub(super) struct Merge {
    partitions: BTreeMap<TopicPartition, Buffer>,
}

#[derive(Debug, Default)]
struct Buffer {
    records: VecDeque<Record>,
    /// Where reading continues behind the buffered records.
    next: i64,
    /// Whether the partition had more than was read.
    more: bool,
}

/// One record taken from the merge.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) partition: TopicPartition,
    pub(super) record: Record,
    /// Where its partition continues.
    pub(super) next: i64,
}

impl Merge {
    /// Adds what a poll gave.
    pub(super) fn add(&mut self, batch: Batch) {
        let buffer = self.partitions.entry(batch.partition).or_default();
        buffer.records.extend(batch.records);
        (buffer.next, buffer.more) = (batch.next, batch.next < batch.end);
    }

    /// Forgets a partition.
    pub(super) fn remove(&mut self, partition: &TopicPartition) {
        self.partitions.remove(partition);
    }

    /// True when nothing of the partition is buffered.
    pub(super) fn is_empty(&self, partition: &TopicPartition) -> bool {
        self.partitions.get(partition).is_none_or(|b| b.records.is_empty())
    }

    /// True when everything there was has been taken.
    pub(super) fn at_end(&self) -> bool {
        self.partitions.values().all(|b| b.records.is_empty() && !b.more)
    }

    /// True when everything there was of one partition has been taken.
    pub(super) fn at_end_of(&self, partition: &TopicPartition) -> bool {
        self.partitions.get(partition).is_none_or(|b| b.records.is_empty() && !b.more)
    }

    /// The next record in order, unless a partition with more to come has to be read first.
    pub(super) fn take(&mut self) -> Option<Taken> {
        if self.partitions.values().any(|b| b.records.is_empty() && b.more) {
            return None;
        }
        let heads = self.partitions.iter().filter_map(|(p, b)| Some((b.records.front()?.timestamp, p)));
        let partition = heads.min()?.1.clone();
        let buffer = self.partitions.get_mut(&partition)?;
        let record = buffer.records.pop_front()?;
        let next = if buffer.records.is_empty() { buffer.next } else { record.offset + 1 };
        Some(Taken { partition, record, next })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn batch(partition: u32, first: usize, timestamps: &[i64], end: usize) -> Batch {
        let record = |(i, &timestamp): (usize, &i64)| Record {
            offset: (first + i) as i64,
            timestamp,
            key: None,
            headers: vec![],
            value: None,
        };
        Batch {
            partition: TopicPartition::new("t", partition),
            records: timestamps.iter().enumerate().map(record).collect(),
            next: (first + timestamps.len()) as i64,
            end: end as i64,
        }
    }

    #[test]
    fn a_partition_with_more_to_come_is_waited_for_and_one_at_its_end_is_not() {
        let mut merge = Merge::default();
        merge.add(batch(0, 0, &[5], 2));
        merge.add(batch(1, 0, &[3, 9], 2));
        let times: Vec<i64> = std::iter::from_fn(|| merge.take()).map(|t| t.record.timestamp).collect();
        assert_eq!(times, [3, 5], "9 waits for what follows 5");
        merge.add(batch(0, 1, &[7], 2));
        let times: Vec<i64> = std::iter::from_fn(|| merge.take()).map(|t| t.record.timestamp).collect();
        assert_eq!(times, [7, 9]);
        assert!(merge.at_end());
    }

    proptest! {
        #[test]
        fn the_order_does_not_depend_on_how_the_log_was_polled(
            logs in prop::collection::vec(prop::collection::vec(0i64..50, 0..20), 1..4),
            sizes in prop::collection::vec(1usize..7, 1..30),
        ) {
            let merged = |sizes: &[usize]| {
                let (mut merge, mut read, mut order) = (Merge::default(), vec![0; logs.len()], Vec::new());
                for size in sizes.iter().cycle() {
                    for (p, log) in logs.iter().enumerate() {
                        if merge.is_empty(&TopicPartition::new("t", p as u32)) && (read[p] < log.len() || read[p] == 0) {
                            let to = log.len().min(read[p] + size);
                            merge.add(batch(p as u32, read[p], &log[read[p]..to], log.len()));
                            read[p] = to;
                        }
                    }
                    while let Some(taken) = merge.take() {
                        order.push((taken.partition.partition, taken.record.offset));
                    }
                    if merge.at_end() {
                        break;
                    }
                }
                order
            };
            let all = merged(&[1000]);
            prop_assert_eq!(all.len(), logs.iter().map(Vec::len).sum::<usize>());
            prop_assert_eq!(merged(&sizes), all);
        }
    }
}
