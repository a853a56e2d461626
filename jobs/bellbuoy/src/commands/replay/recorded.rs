//! A log that is a range of another one: it is read, and what is written to it is counted and forgotten.

use engine::clock::WallClock;
use engine::error::LogError;
use engine::log::{
    Batch, Bounds, Committed, Consumer, Limit, Log, Membership, Message, OffsetCommit, Polled, Producer, TopicInfo,
    TopicPartition, TopicSpec, memory,
};
use engine::output::Digest;
use schemas::{AnomalyBody, AnomalyRecord, Record as _};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Offsets `[from, to)` of each partition.
type Ranges = BTreeMap<TopicPartition, (i64, i64)>;

/// A range of a log.
pub(super) struct Recorded {
    source: Arc<dyn Log>,
    ranges: Arc<Ranges>,
    /// An empty log with the same topics, which knows what a membership is.
    blank: Arc<dyn Log>,
    tally: Arc<Mutex<Tally>>,
    read: Arc<AtomicU64>,
}

/// What was written.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    /// Messages by topic.
    pub(super) topics: BTreeMap<String, u64>,
    /// Anomalies by detector.
    pub(super) detectors: BTreeMap<String, u64>,
    /// Digest of each partition's messages.
    pub(super) partitions: BTreeMap<(String, u32), Digest>,
}

impl Recorded {
    pub(super) fn new(source: Arc<dyn Log>, ranges: Ranges, clock: Arc<dyn WallClock>) -> Result<Self, LogError> {
        let blank = memory::open(&memory::Disk::default(), clock)?;
        for topic in source.topics()? {
            blank.create_topic(&topic.spec)?;
        }
        Ok(Recorded { source, ranges: Arc::new(ranges), blank, tally: Arc::default(), read: Arc::default() })
    }

    /// Offsets there are to read.
    pub(super) fn span(&self) -> u64 {
        self.ranges.values().map(|(from, to)| u64::try_from(to - from).unwrap_or(0)).sum()
    }

    /// Offsets read so far.
    pub(super) fn read_so_far(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    pub(super) fn tally(&self) -> Tally {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn refused<T>(&self) -> Result<T, LogError> {
        Err(LogError::Unavailable { message: "a replay changes nothing".to_owned() })
    }
}

impl Log for Recorded {
    fn consumer(&self, group: &str, member: &str, topics: &[&str]) -> Result<Box<dyn Consumer>, LogError> {
        let membership = self.blank.consumer(group, member, topics)?.membership();
        let (source, ranges, read) = (self.source.clone(), self.ranges.clone(), self.read.clone());
        Ok(Box::new(Reader { source, ranges, read, membership, positions: None }))
    }

    fn producer(&self, _transactional_id: &str) -> Result<Box<dyn Producer>, LogError> {
        Ok(Box::new(Sink { tally: self.tally.clone(), open: Vec::new() }))
    }

    fn topics(&self) -> Result<Vec<TopicInfo>, LogError> {
        self.source.topics()
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
        match self.ranges.get(partition) {
            Some(&(start, end)) => Ok(Bounds { start, end }),
            None => self.source.bounds(partition),
        }
    }

    fn read(&self, partition: &TopicPartition, from: i64, limit: Limit) -> Result<Batch, LogError> {
        within(&*self.source, &self.ranges, partition, from, limit)
    }

    fn offset_at(&self, partition: &TopicPartition, time: i64) -> Result<i64, LogError> {
        let bounds = self.bounds(partition)?;
        Ok(self.source.offset_at(partition, time)?.clamp(bounds.start, bounds.end))
    }

    fn committed(&self, _group: &str, _partition: &TopicPartition) -> Result<Option<Committed>, LogError> {
        Ok(None)
    }

    fn forget_committed(&self, _group: &str, _partition: &TopicPartition) -> Result<(), LogError> {
        self.refused()
    }

    fn enforce_retention(&self, _now: i64) -> Result<u64, LogError> {
        self.refused()
    }
}

/// Reads every partition of the range; the one member there is.
struct Reader {
    source: Arc<dyn Log>,
    ranges: Arc<Ranges>,
    read: Arc<AtomicU64>,
    membership: Membership,
    /// Where each partition is, `None` while paused; absent before the assignment was told.
    positions: Option<BTreeMap<TopicPartition, Option<i64>>>,
}

impl Reader {
    fn set(&mut self, partition: &TopicPartition, position: Option<i64>) -> Result<(), LogError> {
        let known = self.positions.as_mut().and_then(|positions| positions.get_mut(partition));
        let message = format!("{partition} is not part of the replay");
        *known.ok_or(LogError::Unavailable { message })? = position;
        Ok(())
    }
}

impl Consumer for Reader {
    fn poll(&mut self, limit: Limit, _wait: Duration) -> Result<Polled, LogError> {
        let Some(positions) = &mut self.positions else {
            let assigned: Vec<_> = self.ranges.keys().cloned().collect();
            self.positions = Some(assigned.iter().map(|partition| (partition.clone(), None)).collect());
            return Ok(Polled::Assignment { revoked: Vec::new(), assigned });
        };
        let mut batches = Vec::new();
        for (partition, position) in positions {
            let (Some(from), Some(&(_, end))) = (*position, self.ranges.get(partition)) else { continue };
            if from >= end {
                continue;
            }
            let batch = within(&*self.source, &self.ranges, partition, from, limit)?;
            self.read.fetch_add(u64::try_from(batch.next - from).unwrap_or(0), Ordering::Relaxed);
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

    fn committed(&mut self, _partition: &TopicPartition) -> Result<Option<Committed>, LogError> {
        Ok(None)
    }

    fn membership(&self) -> Membership {
        self.membership.clone()
    }
}

/// Reads as if the log ended where the range does.
fn within(
    source: &dyn Log,
    ranges: &Ranges,
    partition: &TopicPartition,
    from: i64,
    limit: Limit,
) -> Result<Batch, LogError> {
    let mut batch = source.read(partition, from, limit)?;
    if let Some(&(_, end)) = ranges.get(partition) {
        batch.records.retain(|record| record.offset < end);
        (batch.next, batch.end) = (batch.next.min(end), end);
    }
    Ok(batch)
}

/// Counts what is committed.
struct Sink {
    tally: Arc<Mutex<Tally>>,
    open: Vec<Message>,
}

impl Producer for Sink {
    fn begin(&mut self) -> Result<(), LogError> {
        self.open.clear();
        Ok(())
    }

    fn send(&mut self, message: Message) -> Result<(), LogError> {
        self.open.push(message);
        Ok(())
    }

    fn commit(&mut self, _offsets: &[OffsetCommit], _membership: Option<&Membership>) -> Result<(), LogError> {
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        for message in self.open.drain(..) {
            *tally.topics.entry(message.topic.to_string()).or_default() += 1;
            tally.partitions.entry((message.topic.to_string(), message.partition)).or_default().update(&message);
            let Some(value) = message.value.filter(|_| *message.topic == *topics::declared::ANOMALIES.name) else {
                continue;
            };
            if let Ok(AnomalyRecord { body: AnomalyBody::Anomaly(anomaly), .. }) = AnomalyRecord::decode(&value) {
                *tally.detectors.entry(anomaly.detector.to_string()).or_default() += 1;
            }
        }
        Ok(())
    }

    fn abort(&mut self) -> Result<(), LogError> {
        self.open.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::clock::ManualClock;
    use engine::log::{CleanupPolicy, TimestampSource};

    fn source(records: u8) -> (Arc<dyn Log>, Arc<dyn WallClock>) {
        let clock: Arc<dyn WallClock> = Arc::new(ManualClock::new(0, 1));
        let log = memory::open(&memory::Disk::default(), clock.clone()).unwrap();
        let spec = TopicSpec {
            name: "in".to_owned(),
            partitions: 1,
            retention_ms: None,
            retention_bytes: None,
            timestamps: TimestampSource::LogAppendTime,
            cleanup: CleanupPolicy::Delete,
        };
        log.create_topic(&spec).unwrap();
        let mut producer = log.producer("p").unwrap();
        producer.begin().unwrap();
        for value in 0..records {
            producer.send(Message { topic: "in".into(), value: Some(vec![value]), ..Message::default() }).unwrap();
        }
        producer.commit(&[], None).unwrap();
        drop(producer);
        (log, clock)
    }

    #[test]
    fn only_the_range_is_read_and_nothing_reaches_the_source() {
        let (log, clock) = source(9);
        let partition = TopicPartition::new("in", 0);
        let end = log.bounds(&partition).unwrap();
        let recorded = Recorded::new(log.clone(), Ranges::from([(partition.clone(), (2, 5))]), clock).unwrap();
        let mut reader = recorded.consumer("g", "m", &["in"]).unwrap();
        let limit = Limit { records: 2, bytes: 1 << 20 };
        assert!(matches!(reader.poll(limit, Duration::ZERO), Ok(Polled::Assignment { .. })));
        reader.resume(&partition, 2).unwrap();
        let mut seen = Vec::new();
        while let Ok(Polled::Records(batches)) = reader.poll(limit, Duration::ZERO) {
            if batches.is_empty() {
                break;
            }
            seen.extend(batches.iter().flat_map(|batch| batch.records.iter().map(|record| record.offset)));
        }
        assert_eq!(seen, [2, 3, 4]);

        let mut producer = recorded.producer("p").unwrap();
        producer.begin().unwrap();
        producer.send(Message { topic: "in".into(), ..Message::default() }).unwrap();
        producer.commit(&[], None).unwrap();
        assert_eq!(recorded.tally().topics["in"], 1);
        assert!(recorded.delete_topic("in").is_err());
        assert_eq!(log.bounds(&partition).unwrap(), end, "the source is as it was");
    }
}
