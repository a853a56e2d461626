//! A log that is read from a range of a source and written to a scratch log.
//!
//! Groups, offsets and transactions are the scratch log's, so lanes share and recover partitions as they do live.
//! Invariant: of the source nothing is seen outside the range, and nothing of it is changed.

use crate::order::Apart;
use crate::source::Source;
use engine::error::LogError;
use engine::log::{
    Batch, Bounds, Committed, Consumer, Limit, Log, Membership, Polled, Producer, TopicInfo, TopicPartition, TopicSpec,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Offsets `[from, to)` of each partition of the first job's input.
pub type Ranges = BTreeMap<TopicPartition, (i64, i64)>;

/// A range of a log, with somewhere to write.
pub struct Recorded {
    range: Range,
    scratch: Arc<dyn Log>,
    /// Where several tasks write one partition, keeps their records apart.
    apart: Option<Apart>,
}

/// What may be read of the source.
#[derive(Clone)]
struct Range {
    source: Source,
    ranges: Arc<Ranges>,
    /// Furthest offset read, as a distance, for progress only.
    read: Arc<AtomicU64>,
}

impl Recorded {
    /// Reads the ranges of a source; the scratch log must have the same topics.
    pub fn new(source: Source, ranges: Ranges, scratch: Arc<dyn Log>) -> Self {
        Recorded { range: Range { source, ranges: Arc::new(ranges), read: Arc::default() }, scratch, apart: None }
    }

    /// Writes the records of each task apart, to be merged later.
    pub(crate) fn writing(self, apart: Option<Apart>) -> Self {
        Recorded { apart, ..self }
    }

    /// Offsets there are to read.
    pub fn span(&self) -> u64 {
        self.range.ranges.values().map(|(from, to)| u64::try_from(to - from).unwrap_or(0)).sum()
    }

    /// Offsets read so far; more than there are where a lane had to read again.
    pub fn read_so_far(&self) -> u64 {
        self.range.read.load(Ordering::Relaxed)
    }

    fn refused<T>(&self) -> Result<T, LogError> {
        Err(LogError::Unavailable { message: "a backtest changes no topic".to_owned() })
    }
}

impl Range {
    fn of(&self, partition: &TopicPartition) -> Option<(i64, i64)> {
        self.ranges.get(partition).copied()
    }

    /// Reads as if the log ended where the range does.
    fn read(&self, partition: &TopicPartition, from: i64, end: i64, limit: Limit) -> Result<Batch, LogError> {
        let mut batch = self.source.read(partition, from, limit)?;
        batch.records.retain(|record| record.offset < end);
        (batch.next, batch.end) = (batch.next.min(end), end);
        Ok(batch)
    }
}

impl Log for Recorded {
    fn consumer(&self, group: &str, member: &str, topics: &[&str]) -> Result<Box<dyn Consumer>, LogError> {
        let member = self.scratch.consumer(group, member, topics)?;
        Ok(Box::new(Reader { range: self.range.clone(), member, positions: BTreeMap::new() }))
    }

    fn producer(&self, transactional_id: &str) -> Result<Box<dyn Producer>, LogError> {
        let producer = self.scratch.producer(transactional_id)?;
        Ok(match &self.apart {
            Some(apart) => apart.producer(producer),
            None => producer,
        })
    }

    fn topics(&self) -> Result<Vec<TopicInfo>, LogError> {
        self.scratch.topics()
    }

    fn create_topic(&self, _spec: &TopicSpec) -> Result<(), LogError> {
        self.refused()
    }

    fn alter_topic(&self, _spec: &TopicSpec) -> Result<(), LogError> {
        self.refused()
    }

    fn delete_topic(&self, _topic: &str) -> Result<(), LogError> {
        self.refused()
    }

    fn bounds(&self, partition: &TopicPartition) -> Result<Bounds, LogError> {
        match self.range.of(partition) {
            Some((start, end)) => Ok(Bounds { start, end }),
            None => self.scratch.bounds(partition),
        }
    }

    fn read(&self, partition: &TopicPartition, from: i64, limit: Limit) -> Result<Batch, LogError> {
        match self.range.of(partition) {
            Some((_, end)) => self.range.read(partition, from, end, limit),
            None => self.scratch.read(partition, from, limit),
        }
    }

    fn offset_at(&self, partition: &TopicPartition, time: i64) -> Result<i64, LogError> {
        match self.range.of(partition) {
            Some((start, end)) => Ok(self.range.source.offset_at(partition, time)?.clamp(start, end)),
            None => self.scratch.offset_at(partition, time),
        }
    }

    fn committed(&self, group: &str, partition: &TopicPartition) -> Result<Option<Committed>, LogError> {
        self.scratch.committed(group, partition)
    }

    fn forget_committed(&self, _group: &str, _partition: &TopicPartition) -> Result<(), LogError> {
        self.refused()
    }

    fn enforce_retention(&self, _now: i64) -> Result<u64, LogError> {
        self.refused()
    }
}

/// A member of the scratch log's group that reads its share from the source.
struct Reader {
    range: Range,
    /// Knows the share; of its own topics it never reads, for no position in them is ever set.
    member: Box<dyn Consumer>,
    /// Where each partition of the share is; `None` while paused.
    positions: BTreeMap<TopicPartition, Option<i64>>,
}

impl Reader {
    fn set(&mut self, partition: &TopicPartition, position: Option<i64>) -> Result<(), LogError> {
        let message = || format!("{partition} is not this lane's part of the backtest");
        *self.positions.get_mut(partition).ok_or_else(|| LogError::Unavailable { message: message() })? = position;
        Ok(())
    }
}

impl Consumer for Reader {
    fn poll(&mut self, limit: Limit, _wait: Duration) -> Result<Polled, LogError> {
        let polled = self.member.poll(limit, Duration::ZERO)?;
        if let Polled::Assignment { revoked, assigned } = &polled {
            self.positions.retain(|partition, _| !revoked.contains(partition));
            self.positions.extend(assigned.iter().map(|partition| (partition.clone(), None)));
            return Ok(polled);
        }
        let mut batches = Vec::new();
        for (partition, position) in &mut self.positions {
            let (Some(from), Some((_, end))) = (*position, self.range.of(partition)) else { continue };
            if from >= end {
                continue;
            }
            let batch = self.range.read(partition, from, end, limit)?;
            self.range.read.fetch_add(u64::try_from(batch.next - from).unwrap_or(0), Ordering::Relaxed);
            *position = Some(batch.next);
            batches.push(batch);
        }
        Ok(Polled::Records(batches))
    }

    fn resume(&mut self, partition: &TopicPartition, from: i64) -> Result<(), LogError> {
        self.set(partition, Some(from))
    }

    fn pause(&mut self, partition: &TopicPartition) -> Result<(), LogError> {
        self.set(partition, None)
    }

    fn committed(&mut self, partition: &TopicPartition) -> Result<Option<Committed>, LogError> {
        self.member.committed(partition)
    }

    fn has_share(&self) -> bool {
        self.member.has_share()
    }

    fn membership(&self) -> Membership {
        self.member.membership()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::clock::ManualClock;
    use engine::log::{CleanupPolicy, Message, TimestampSource, memory};

    fn log_with(records: u8) -> Arc<dyn Log> {
        let log = memory::open(&memory::Disk::default(), Arc::new(ManualClock::new(0, 1))).expect("a log in memory");
        for name in ["in", "out"] {
            let spec = TopicSpec {
                name: name.to_owned(),
                partitions: 2,
                retention_ms: None,
                retention_bytes: None,
                timestamps: TimestampSource::LogAppendTime,
                cleanup: CleanupPolicy::Delete,
            };
            log.create_topic(&spec).expect("it is new");
        }
        let mut producer = log.producer("p").expect("a producer");
        producer.begin().expect("none is open");
        for value in 0..records {
            let message = Message { topic: "in".into(), value: Some(vec![value]), ..Message::default() };
            producer.send(message).expect("the topic is there");
        }
        producer.commit(&[], None).expect("it can be written");
        log
    }

    const LIMIT: Limit = Limit { records: 2, bytes: 1 << 20 };

    #[test]
    fn only_the_range_is_read_and_nothing_reaches_the_source() {
        let (source, scratch) = (log_with(9), log_with(0));
        let [input, output] = ["in", "out"].map(|topic| TopicPartition::new(topic, 0));
        let before = source.bounds(&output).expect("it is there");
        let ranges = Ranges::from([(input.clone(), (2, 5)), (TopicPartition::new("in", 1), (0, 0))]);
        let recorded = Recorded::new(Source::new(source.clone()), ranges, scratch.clone());
        assert_eq!(recorded.bounds(&input).expect("it is there"), Bounds { start: 2, end: 5 });
        let mut reader = recorded.consumer("g", "m", &["in"]).expect("the topic is there");
        let Ok(Polled::Assignment { assigned, .. }) = reader.poll(LIMIT, Duration::ZERO) else { panic!("a share") };
        assert_eq!(assigned.len(), 2);
        reader.resume(&input, 2).expect("it is its own");
        let mut seen = Vec::new();
        while let Ok(Polled::Records(batches)) = reader.poll(LIMIT, Duration::ZERO) {
            if batches.is_empty() {
                break;
            }
            seen.extend(batches.iter().flat_map(|batch| batch.records.iter().map(|record| record.offset)));
        }
        assert_eq!(seen, [2, 3, 4]);
        assert_eq!((recorded.span(), recorded.read_so_far()), (3, 3));

        let mut producer = recorded.producer("p").expect("a producer");
        producer.begin().expect("none is open");
        producer.send(Message { topic: "out".into(), ..Message::default() }).expect("the topic is there");
        producer.commit(&[], Some(&reader.membership())).expect("it can be written");
        assert_eq!(source.bounds(&output).expect("it is there"), before);
        assert!(scratch.bounds(&output).expect("it is there").end > 0);
        assert!(recorded.delete_topic("in").is_err() && recorded.enforce_retention(i64::MAX).is_err());
    }

    #[test]
    fn two_members_share_the_partitions() {
        let (source, scratch) = (log_with(4), log_with(0));
        let ranges: Ranges = (0..2).map(|number| (TopicPartition::new("in", number), (0, 4))).collect();
        let recorded = Recorded::new(Source::new(source), ranges, scratch);
        let mut one = recorded.consumer("g", "one", &["in"]).expect("the topic is there");
        let mut two = recorded.consumer("g", "two", &["in"]).expect("the topic is there");
        let mut shares = [Vec::new(), Vec::new()];
        for _ in 0..8 {
            for (member, share) in [&mut one, &mut two].into_iter().zip(&mut shares) {
                if let Ok(Polled::Assignment { revoked, assigned }) = member.poll(LIMIT, Duration::ZERO) {
                    share.retain(|partition| !revoked.contains(partition));
                    share.extend(assigned);
                }
            }
        }
        assert_eq!(shares.map(|share| share.len()), [1, 1]);
    }
}
