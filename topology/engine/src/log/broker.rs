//! The broker inside the process: transactions, groups, fencing and retention over a [`Storage`].

use super::group::{Group, Ticket};
use super::member::Member;
use super::retention::SCAN;
use super::transaction::Transactions;
use super::{
    Batch, Bounds, CleanupPolicy, Committed, Consumer, Limit, Log, Producer, Record, TimestampSource, TopicInfo,
    TopicPartition, TopicSpec,
};
use crate::clock::WallClock;
use crate::error::LogError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// What a broker needs of its storage.
pub(super) trait Storage: Send + Sync + 'static {
    /// Everything but the records, as stored.
    fn load(&self) -> Result<Image, LogError>;
    /// Applies a change durably, as a whole or not at all.
    fn apply(&self, change: &Change) -> Result<(), LogError>;
    /// Reads records with offsets in `[from, to)`.
    fn read(&self, partition: PartitionId, from: i64, to: i64, limit: Limit) -> Result<Vec<Record>, LogError>;
}

/// Identity of a partition in storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PartitionId {
    /// Topic id: a recreated topic never meets its predecessor's records.
    pub(super) topic: u64,
    pub(super) partition: u32,
}

/// Everything but the records.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Image {
    pub(super) topics: BTreeMap<String, Topic>,
    /// group → topic → partition → committed
    pub(super) offsets: BTreeMap<OffsetKey, (i64, String)>,
    pub(super) last_topic_id: u64,
}

/// Group, topic id, partition.
pub(super) type OffsetKey = (String, u64, u32);

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Topic {
    pub(super) id: u64,
    pub(super) retention_ms: Option<i64>,
    pub(super) retention_bytes: Option<u64>,
    pub(super) timestamps: TimestampSource,
    pub(super) cleanup: CleanupPolicy,
    pub(super) partitions: Vec<Partition>,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Partition {
    pub(super) start: i64,
    pub(super) end: i64,
    pub(super) bytes: u64,
}

/// A change that storage applies as a whole.
#[derive(Debug, Default)]
pub(super) struct Change {
    pub(super) records: Vec<(PartitionId, Record)>,
    pub(super) topics: BTreeMap<String, Option<Topic>>,
    pub(super) offsets: BTreeMap<OffsetKey, Option<(i64, String)>>,
    /// Offsets `[from, to)` to delete.
    pub(super) deleted: Vec<(PartitionId, i64, i64)>,
    pub(super) last_topic_id: Option<u64>,
}

impl Image {
    /// Takes in everything of a change but its records.
    pub(super) fn apply(&mut self, change: &Change) {
        for (name, topic) in &change.topics {
            match topic {
                Some(topic) => self.topics.insert(name.clone(), topic.clone()),
                None => self.topics.remove(name),
            };
        }
        for (key, committed) in &change.offsets {
            match committed {
                Some(committed) => self.offsets.insert(key.clone(), committed.clone()),
                None => self.offsets.remove(key),
            };
        }
        self.last_topic_id = change.last_topic_id.unwrap_or(self.last_topic_id);
    }
}

/// A broker over some storage.
pub(super) struct Broker<S: Storage> {
    pub(super) shared: Arc<Shared<S>>,
}

pub(super) struct Shared<S> {
    pub(super) storage: S,
    pub(super) clock: Arc<dyn WallClock>,
    state: Mutex<State>,
    pub(super) changed: Condvar,
}

pub(super) struct State {
    pub(super) image: Image,
    pub(super) groups: BTreeMap<String, Group>,
    pub(super) producers: BTreeMap<String, u64>,
    /// Grows with every append and every change of a group: what a waiting poll looks at.
    pub(super) version: u64,
}

impl<S: Storage> Broker<S> {
    /// Opens the broker on what its storage holds.
    pub(super) fn open(storage: S, clock: Arc<dyn WallClock>) -> Result<Self, LogError> {
        let image = storage.load()?;
        let state = State { image, groups: BTreeMap::new(), producers: BTreeMap::new(), version: 0 };
        Ok(Broker { shared: Arc::new(Shared { storage, clock, state: Mutex::new(state), changed: Condvar::new() }) })
    }
}

impl<S> Shared<S> {
    /// The state; a panic in another thread does not make it unusable, since every change is applied whole.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a change durable, then visible.
    pub(super) fn apply(&self, state: &mut State, change: &Change) -> Result<(), LogError>
    where
        S: Storage,
    {
        self.storage.apply(change)?;
        state.image.apply(change);
        self.announce(state);
        Ok(())
    }

    pub(super) fn announce(&self, state: &mut State) {
        state.version += 1;
        self.changed.notify_all();
    }
}

impl State {
    pub(super) fn topic(&self, topic: &str) -> Result<&Topic, LogError> {
        self.image.topics.get(topic).ok_or_else(|| LogError::UnknownTopic { topic: topic.to_owned() })
    }

    pub(super) fn partition(&self, at: &TopicPartition) -> Result<(PartitionId, Partition), LogError> {
        let topic = self.topic(&at.topic)?;
        match topic.partitions.get(at.partition as usize) {
            Some(partition) => Ok((PartitionId { topic: topic.id, partition: at.partition }, *partition)),
            None => Err(LogError::UnknownPartition {
                topic: at.topic.to_string(),
                partition: at.partition,
                partitions: topic.partitions.len() as u32,
            }),
        }
    }

    pub(super) fn offset_key(&self, group: &str, at: &TopicPartition) -> Result<OffsetKey, LogError> {
        let (id, _) = self.partition(at)?;
        Ok((group.to_owned(), id.topic, id.partition))
    }

    pub(super) fn committed(&self, group: &str, at: &TopicPartition) -> Result<Option<Committed>, LogError> {
        let key = self.offset_key(group, at)?;
        Ok(self
            .image
            .offsets
            .get(&key)
            .map(|(offset, metadata)| Committed { offset: *offset, metadata: metadata.clone() }))
    }

    pub(super) fn partition_counts(&self) -> BTreeMap<String, u32> {
        self.image.topics.iter().map(|(name, t)| (name.clone(), t.partitions.len() as u32)).collect()
    }
}

impl<S: Storage> Log for Broker<S> {
    fn consumer(&self, group: &str, member: &str, topics: &[&str]) -> Result<Box<dyn Consumer>, LogError> {
        let mut state = self.shared.lock();
        for topic in topics {
            state.topic(topic)?;
        }
        let epoch = state.groups.entry(group.to_owned()).or_default().join(member, topics);
        self.shared.announce(&mut state);
        drop(state);
        let ticket = Ticket { group: group.to_owned(), member: member.to_owned(), epoch };
        Ok(Box::new(Member { shared: self.shared.clone(), ticket, positions: BTreeMap::new() }))
    }

    fn producer(&self, transactional_id: &str) -> Result<Box<dyn Producer>, LogError> {
        let mut state = self.shared.lock();
        let epoch = state.producers.entry(transactional_id.to_owned()).or_insert(0);
        *epoch += 1;
        let epoch = *epoch;
        drop(state);
        let id = transactional_id.to_owned();
        Ok(Box::new(Transactions { shared: self.shared.clone(), id, epoch, open: None }))
    }

    fn topics(&self) -> Result<Vec<TopicInfo>, LogError> {
        let state = self.shared.lock();
        Ok(state
            .image
            .topics
            .iter()
            .map(|(name, topic)| TopicInfo {
                spec: TopicSpec {
                    name: name.clone(),
                    partitions: topic.partitions.len() as u32,
                    retention_ms: topic.retention_ms,
                    retention_bytes: topic.retention_bytes,
                    timestamps: topic.timestamps,
                    cleanup: topic.cleanup,
                },
                id: topic.id,
            })
            .collect())
    }

    fn create_topic(&self, spec: &TopicSpec) -> Result<(), LogError> {
        let mut state = self.shared.lock();
        if state.image.topics.contains_key(&spec.name) {
            return Err(LogError::TopicExists { topic: spec.name.clone() });
        }
        if spec.partitions == 0 {
            let message = "a topic needs at least one partition".to_owned();
            return Err(LogError::Storage { place: format!("topic {}", spec.name), message });
        }
        let id = state.image.last_topic_id + 1;
        let topic = Topic {
            id,
            retention_ms: spec.retention_ms,
            retention_bytes: spec.retention_bytes,
            timestamps: spec.timestamps,
            cleanup: spec.cleanup,
            partitions: vec![Partition::default(); spec.partitions as usize],
        };
        let change = Change {
            topics: BTreeMap::from([(spec.name.clone(), Some(topic))]),
            last_topic_id: Some(id),
            ..Change::default()
        };
        self.shared.apply(&mut state, &change)
    }

    fn alter_topic(&self, spec: &TopicSpec) -> Result<(), LogError> {
        let mut state = self.shared.lock();
        let mut topic = state.topic(&spec.name)?.clone();
        topic.retention_ms = spec.retention_ms;
        topic.retention_bytes = spec.retention_bytes;
        let topics = BTreeMap::from([(spec.name.clone(), Some(topic))]);
        self.shared.apply(&mut state, &Change { topics, ..Change::default() })
    }

    fn delete_topic(&self, name: &str) -> Result<(), LogError> {
        let mut state = self.shared.lock();
        let topic = state.topic(name)?.clone();
        let mut change = Change { topics: BTreeMap::from([(name.to_owned(), None)]), ..Change::default() };
        for (number, partition) in (0..).zip(&topic.partitions) {
            change.deleted.push((PartitionId { topic: topic.id, partition: number }, 0, partition.end));
        }
        let forgotten: Vec<_> = state.image.offsets.keys().filter(|key| key.1 == topic.id).cloned().collect();
        change.offsets.extend(forgotten.into_iter().map(|key| (key, None)));
        self.shared.apply(&mut state, &change)
    }

    fn bounds(&self, partition: &TopicPartition) -> Result<Bounds, LogError> {
        let (_, p) = self.shared.lock().partition(partition)?;
        Ok(Bounds { start: p.start, end: p.end })
    }

    fn read(&self, partition: &TopicPartition, from: i64, limit: Limit) -> Result<Batch, LogError> {
        let (id, bounds) = self.shared.lock().partition(partition)?;
        read_batch(&self.shared, partition, id, bounds, from, limit)
    }

    fn offset_at(&self, partition: &TopicPartition, time: i64) -> Result<i64, LogError> {
        let (id, bounds) = self.shared.lock().partition(partition)?;
        let mut from = bounds.start;
        while from < bounds.end {
            let batch = read_batch(&self.shared, partition, id, bounds, from, SCAN)?;
            if let Some(record) = batch.records.iter().find(|r| r.timestamp >= time) {
                return Ok(record.offset);
            }
            from = batch.next;
        }
        Ok(bounds.end)
    }

    fn committed(&self, group: &str, partition: &TopicPartition) -> Result<Option<Committed>, LogError> {
        self.shared.lock().committed(group, partition)
    }

    fn forget_committed(&self, group: &str, partition: &TopicPartition) -> Result<(), LogError> {
        let mut state = self.shared.lock();
        let key = state.offset_key(group, partition)?;
        let offsets = BTreeMap::from([(key, None)]);
        self.shared.apply(&mut state, &Change { offsets, ..Change::default() })
    }

    fn enforce_retention(&self, now: i64) -> Result<u64, LogError> {
        let topics: Vec<(String, Topic)> =
            self.shared.lock().image.topics.iter().map(|(name, topic)| (name.clone(), topic.clone())).collect();
        let mut deleted = 0;
        for (name, topic) in topics {
            for partition in 0..topic.partitions.len() as u32 {
                deleted += match topic.cleanup {
                    CleanupPolicy::Delete => self.expire(&name, &topic, partition, now)?,
                    CleanupPolicy::Compact => self.compact(&name, &topic, partition)?,
                };
            }
        }
        Ok(deleted)
    }
}

/// What a record counts for in size retention.
pub(super) fn record_bytes(record: &Record) -> u64 {
    let headers: usize = record.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    (record.key.as_ref().map_or(0, |k| k.len()) + record.value.as_ref().map_or(0, |v| v.len()) + headers + 20) as u64
}

/// Reads from a view of a partition; retention that has overtaken the reader is an error, not a silent gap.
pub(super) fn read_batch<S: Storage>(
    shared: &Shared<S>,
    partition: &TopicPartition,
    id: PartitionId,
    bounds: Partition,
    from: i64,
    limit: Limit,
) -> Result<Batch, LogError> {
    let out_of_range = |start| LogError::OutOfRange {
        topic: partition.topic.to_string(),
        partition: partition.partition,
        offset: from,
        start,
    };
    if from < bounds.start || from > bounds.end {
        return Err(out_of_range(bounds.start));
    }
    let records = shared.storage.read(id, from, bounds.end, limit)?;
    // The view was taken before the records were read; what has been deleted since may be missing from them.
    let (id_now, now) = shared.lock().partition(partition)?;
    if id_now != id {
        return Err(LogError::UnknownTopic { topic: partition.topic.to_string() });
    }
    if from < now.start {
        return Err(out_of_range(now.start));
    }
    let bytes: usize = records.iter().map(|r| r.value.as_ref().map_or(0, |v| v.len())).sum();
    let full = records.len() >= limit.records || bytes >= limit.bytes;
    let next = match records.last() {
        Some(last) if full => last.offset + 1,
        _ => bounds.end,
    };
    Ok(Batch { partition: partition.clone(), records, next, end: bounds.end })
}
