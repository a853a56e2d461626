//! What a member holds: its partitions, what has been fetched of them, and what its owner has been told.
//!
//! Fetched records wait here, partition by partition, since librdkafka forgets what it has fetched of a partition that is
//! paused, and a lane that merges partitions pauses one or the other at every poll.
//!
//! Invariant: records of a partition are given in order, each once between two resumptions.

use crate::log::{Batch, Limit, Record, TopicPartition};
use std::collections::{BTreeMap, VecDeque};

/// Bytes and records of a partition that is not wanted, at which fetching of it stops.
const UNWANTED_BYTES: usize = 8 << 20;
const UNWANTED_RECORDS: usize = 50_000;

/// The partitions of a member.
#[derive(Debug, Default)]
pub(super) struct Assignment {
    partitions: BTreeMap<TopicPartition, Held>,
}

/// One partition.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// Whether its records are asked for.
    wanted: bool,
    /// Whether librdkafka fetches it.
    pub(super) fetching: bool,
    /// Next offset to fetch: behind the buffered records and any gap known behind them. None before it is resumed first.
    fetched: Option<i64>,
    /// Whether `fetched` is the partition's end.
    at_end: bool,
    /// First offset of the log, where the position is outside of it.
    outside: Option<i64>,
    buffer: VecDeque<Record>,
    bytes: usize,
    /// Where the owner was told that reading goes on, and whether that was the end.
    told: Option<(i64, bool)>,
}

/// What a resumption asks of the fetching side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resumption {
    /// It is where it should be.
    GoOn,
    /// It has to be sent to the offset.
    Seek,
}

impl Assignment {
    /// Takes partitions in; nothing of them is wanted yet.
    pub(super) fn add(&mut self, partitions: &[TopicPartition]) {
        self.partitions.extend(partitions.iter().map(|partition| (partition.clone(), Held::default())));
    }

    /// Gives partitions up, with everything fetched of them.
    pub(super) fn remove(&mut self, partitions: &[TopicPartition]) {
        self.partitions.retain(|partition, _| !partitions.contains(partition));
    }

    /// Where each wanted partition is to be read next.
    pub(super) fn positions(&self) -> impl Iterator<Item = (&TopicPartition, i64)> {
        self.partitions.iter().filter(|(_, held)| held.wanted).filter_map(|(p, held)| Some((p, held.position()?)))
    }

    /// Records are wanted from an offset on; none when the partition is not held.
    pub(super) fn resume(&mut self, partition: &TopicPartition, from: i64) -> Option<Resumption> {
        let held = self.partitions.get_mut(partition)?;
        held.wanted = true;
        if held.position() == Some(from) {
            return Some(Resumption::GoOn);
        }
        held.start_over(from);
        Some(Resumption::Seek)
    }

    /// Notes whether the position is in the log; if not, where that starts.
    pub(super) fn judge(&mut self, partition: &TopicPartition, outside: Option<i64>) {
        if let Some(held) = self.partitions.get_mut(partition) {
            held.outside = outside;
        }
    }

    /// A wanted partition whose position is not in the log, that position, and where the log starts.
    pub(super) fn out_of_range(&self) -> Option<(&TopicPartition, i64, i64)> {
        let wanted = self.partitions.iter().filter(|(_, held)| held.wanted);
        wanted.filter_map(|(partition, held)| Some((partition, held.position()?, held.outside?))).next()
    }

    /// Records are not wanted until resumed.
    pub(super) fn pause(&mut self, partition: &TopicPartition) -> bool {
        self.partitions.get_mut(partition).map(|held| held.wanted = false).is_some()
    }

    /// True when the owner can be given something that was fetched.
    pub(super) fn is_ready(&self) -> bool {
        self.partitions.values().any(|held| held.wanted && !held.buffer.is_empty())
    }

    /// True when nothing more is to be fetched before something has been taken.
    pub(super) fn is_full(&self, limit: Limit) -> bool {
        let mut wanted = self.partitions.values().filter(|held| held.wanted && !held.at_end).peekable();
        wanted.peek().is_some() && wanted.all(|held| held.buffer.len() >= limit.records || held.bytes >= limit.bytes)
    }

    /// Takes in a fetched record.
    pub(super) fn fetched(&mut self, partition: &TopicPartition, record: Record) {
        let Some(held) = self.partitions.get_mut(partition) else { return };
        // Left over from before a seek.
        if held.fetched.is_none_or(|next| record.offset < next) {
            return;
        }
        held.fetched = Some(record.offset + 1);
        held.at_end = false;
        held.bytes += size(&record);
        held.buffer.push_back(record);
    }

    /// Partitions of a number that may be the one whose end was met.
    pub(super) fn may_be_at_end(&self, number: u32) -> Vec<TopicPartition> {
        let open = self.partitions.iter().filter(|(at, held)| at.partition == number && held.fetching && !held.at_end);
        open.map(|(at, _)| at.clone()).collect()
    }

    /// The end of a partition was met; `position` is behind everything there, gaps included.
    pub(super) fn ended(&mut self, partition: &TopicPartition, position: Option<i64>) {
        if let Some(held) = self.partitions.get_mut(partition) {
            held.fetched = held.fetched.map(|next| position.map_or(next, |position| position.max(next)));
            held.at_end = true;
        }
    }

    /// Gives the owner what was fetched, within the limit of each partition; and where there is nothing, word of whether
    /// more is to come. `seen` is the end of a partition as last seen.
    pub(super) fn take(&mut self, limit: Limit, seen: impl Fn(&TopicPartition) -> Option<i64>) -> Vec<Batch> {
        let wanted = self.partitions.iter_mut().filter(|(_, held)| held.wanted);
        wanted.filter_map(|(partition, held)| held.take(partition, limit, seen(partition))).collect()
    }

    /// Partitions that hold more than they should of what nobody wants.
    pub(super) fn overflowing(&self) -> Vec<TopicPartition> {
        let full = |held: &Held| held.bytes > UNWANTED_BYTES || held.buffer.len() > UNWANTED_RECORDS;
        let held = self.partitions.iter().filter(|(_, held)| !held.wanted && held.fetching && full(held));
        held.map(|(partition, _)| partition.clone()).collect()
    }

    pub(super) fn get_mut(&mut self, partition: &TopicPartition) -> Option<&mut Held> {
        self.partitions.get_mut(partition)
    }
}

impl Held {
    /// Next offset to give.
    fn position(&self) -> Option<i64> {
        self.buffer.front().map(|record| record.offset).or(self.fetched)
    }

    /// True when it is known from where to fetch, and that is in the log.
    pub(super) fn is_in_range(&self) -> bool {
        self.fetched.is_some() && self.outside.is_none()
    }

    /// Next offset to fetch.
    pub(super) fn next_fetch(&self) -> Option<i64> {
        self.fetched
    }

    fn start_over(&mut self, from: i64) {
        self.buffer.clear();
        (self.bytes, self.at_end, self.told, self.fetched) = (0, false, None, Some(from));
        self.outside = None;
    }

    fn take(&mut self, partition: &TopicPartition, limit: Limit, seen: Option<i64>) -> Option<Batch> {
        let fetched = self.fetched?;
        let (mut records, mut bytes) = (Vec::new(), 0);
        while let Some(record) = self.buffer.front() {
            let size = size(record);
            if records.len() >= limit.records || (!records.is_empty() && bytes + size > limit.bytes) {
                break;
            }
            bytes += size;
            records.extend(self.buffer.pop_front());
        }
        self.bytes -= bytes;
        let next = self.buffer.front().map_or(fetched, |record| record.offset);
        let ended = self.at_end && self.buffer.is_empty();
        // One who has been told of the end need not be told again; one who waits for more must not take silence for it.
        if records.is_empty() && ended && self.told == Some((next, true)) {
            return None;
        }
        self.told = Some((next, ended));
        let end = if ended { next } else { seen.unwrap_or(0).max(next + 1) };
        Some(Batch { partition: partition.clone(), records, next, end })
    }
}

fn size(record: &Record) -> usize {
    let headers: usize = record.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    record.value.as_ref().map_or(0, |v| v.len()) + record.key.as_ref().map_or(0, |k| k.len()) + headers
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Limit = Limit { records: 100, bytes: 1 << 20 };

    fn at() -> TopicPartition {
        TopicPartition::new("t", 0)
    }

    fn record(offset: i64) -> Record {
        Record { offset, timestamp: 0, key: None, headers: vec![], value: Some(vec![0; 10].into()) }
    }

    fn resumed(from: i64) -> Assignment {
        let mut assignment = Assignment::default();
        assignment.add(&[at()]);
        assert_eq!(assignment.resume(&at(), from), Some(Resumption::Seek));
        assignment.get_mut(&at()).unwrap().fetching = true;
        assignment
    }

    fn given(assignment: &mut Assignment, limit: Limit) -> (Vec<i64>, i64, bool) {
        let batch = assignment.take(limit, |_| None).remove(0);
        (batch.records.iter().map(|r| r.offset).collect(), batch.next, batch.next == batch.end)
    }

    #[test]
    fn records_are_given_in_order_within_the_limit_and_the_rest_waits() {
        let mut assignment = resumed(5);
        [5, 6, 9].into_iter().for_each(|offset| assignment.fetched(&at(), record(offset)));
        assert_eq!(given(&mut assignment, Limit { records: 2, bytes: 1 << 20 }), (vec![5, 6], 9, false));
        assert_eq!(given(&mut assignment, Limit { records: 2, bytes: 1 }), (vec![9], 10, false), "one is always given");
        assert_eq!(given(&mut assignment, ALL), (vec![], 10, false), "more may come, and silence would deny it");
    }

    #[test]
    fn the_end_is_told_once_with_the_gap_behind_the_last_record() {
        let mut assignment = resumed(5);
        assignment.fetched(&at(), record(5));
        assignment.ended(&at(), Some(7));
        assert_eq!(given(&mut assignment, ALL), (vec![5], 7, true));
        assert!(assignment.take(ALL, |_| None).is_empty());
        assignment.fetched(&at(), record(7));
        assert_eq!(given(&mut assignment, ALL), (vec![7], 8, false));
    }

    #[test]
    fn pausing_keeps_what_was_fetched_and_going_back_drops_it() {
        let mut assignment = resumed(5);
        assignment.fetched(&at(), record(5));
        assignment.pause(&at());
        assert!(assignment.take(ALL, |_| None).is_empty());
        assert_eq!(assignment.resume(&at(), 5), Some(Resumption::GoOn));
        assert_eq!(given(&mut assignment, ALL), (vec![5], 6, false));
        assert_eq!(assignment.resume(&at(), 2), Some(Resumption::Seek));
        assignment.fetched(&at(), record(1));
        assert_eq!(given(&mut assignment, ALL), (vec![], 2, false), "what was fetched before the seek is not given");
    }
}
