//! A transactional producer's handle on the broker.

use super::broker::{Change, PartitionId, Shared, State, Storage, record_bytes};
use super::group::Ticket;
use super::{CleanupPolicy, Membership, Message, OffsetCommit, Producer, Record, TimestampSource, TopicPartition};
use crate::error::LogError;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Records larger than this are refused, as Kafka's default does.
const MAX_RECORD_BYTES: usize = 1 << 20;

/// Registers larger than this are refused, as Kafka's default does.
const MAX_METADATA_BYTES: usize = 4096;

/// A transactional producer's handle.
pub(super) struct Transactions<S: Storage> {
    pub(super) shared: Arc<Shared<S>>,
    pub(super) id: String,
    pub(super) epoch: u64,
    pub(super) open: Option<Vec<Message>>,
}

impl<S: Storage> Producer for Transactions<S> {
    fn begin(&mut self) -> Result<(), LogError> {
        self.open = Some(Vec::new());
        Ok(())
    }

    fn send(&mut self, message: Message) -> Result<(), LogError> {
        let headers: usize = message.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        let bytes = message.value.as_ref().map_or(0, Vec::len) + message.key.as_ref().map_or(0, Vec::len) + headers;
        if bytes > MAX_RECORD_BYTES {
            let topic = message.topic.to_string();
            return Err(LogError::TooLarge { topic, bytes, limit: MAX_RECORD_BYTES });
        }
        self.open.as_mut().ok_or(LogError::NoTransaction { call: "send" })?.push(message);
        Ok(())
    }

    fn commit(&mut self, offsets: &[OffsetCommit], membership: Option<&Membership>) -> Result<(), LogError> {
        let messages = self.open.take().ok_or(LogError::NoTransaction { call: "commit" })?;
        let shared = self.shared.clone();
        let mut state = shared.lock();
        // Asked under the lock, so that append times ascend as offsets do.
        let now = self.shared.clock.now_millis();
        if state.producers.get(&self.id) != Some(&self.epoch) {
            return Err(LogError::Fenced { transactional_id: self.id.clone() });
        }
        let ticket = membership.map(Membership::read::<Ticket>).transpose()?;
        if let Some(ticket) = ticket {
            check_ticket(&state, ticket, offsets)?;
        }
        let mut change = Change::default();
        for message in messages {
            append(&state, &mut change, message, now)?;
        }
        // The gap a transaction marker leaves on Kafka: nobody may rely on consecutive offsets.
        let touched: BTreeSet<PartitionId> = change.records.iter().map(|(id, _)| *id).collect();
        for topic in change.topics.values_mut().flatten() {
            for (number, partition) in (0..).zip(&mut topic.partitions) {
                if touched.contains(&PartitionId { topic: topic.id, partition: number }) {
                    partition.end += 1;
                }
            }
        }
        let group = ticket.map_or("", |ticket| ticket.group.as_str());
        for commit in offsets {
            let (bytes, limit) = (commit.metadata.len(), MAX_METADATA_BYTES);
            if bytes > limit {
                return Err(LogError::MetadataTooLarge { partition: commit.partition.to_string(), bytes, limit });
            }
            let key = state.offset_key(group, &commit.partition)?;
            change.offsets.insert(key, Some((commit.offset, commit.metadata.clone())));
        }
        shared.apply(&mut state, &change)
    }

    fn abort(&mut self) -> Result<(), LogError> {
        self.open = None;
        Ok(())
    }
}

fn check_ticket(state: &State, ticket: &Ticket, offsets: &[OffsetCommit]) -> Result<(), LogError> {
    let found = state.groups.get(&ticket.group);
    let now = found.and_then(|group| group.epoch_of(&ticket.member));
    let owns = |commit: &OffsetCommit| found.is_some_and(|group| group.owns(&ticket.member, &commit.partition));
    if now != Some(ticket.epoch) || !offsets.iter().all(owns) {
        return Err(ticket.stale(now));
    }
    Ok(())
}

/// Gives a message its offset and timestamp within the change.
fn append(state: &State, change: &mut Change, message: Message, now: i64) -> Result<(), LogError> {
    let at = TopicPartition { topic: message.topic.clone(), partition: message.partition };
    let (id, _) = state.partition(&at)?;
    if !change.topics.contains_key(&*at.topic) {
        change.topics.insert(at.topic.to_string(), Some(state.topic(&at.topic)?.clone()));
    }
    let topic = change.topics.get_mut(&*at.topic).and_then(Option::as_mut);
    let topic = topic.ok_or_else(|| LogError::UnknownTopic { topic: at.topic.to_string() })?;
    if topic.cleanup == CleanupPolicy::Compact && message.key.is_none() {
        return Err(LogError::KeyMissing { topic: at.topic.to_string() });
    }
    let timestamp = match (topic.timestamps, message.timestamp) {
        (TimestampSource::CreateTime, Some(timestamp)) => timestamp,
        _ => now,
    };
    let partition = &mut topic.partitions[at.partition as usize];
    let record = Record {
        offset: partition.end,
        timestamp,
        key: message.key.map(Into::into),
        headers: message.headers,
        value: message.value.map(Into::into),
    };
    partition.end += 1;
    partition.bytes += record_bytes(&record);
    change.records.push((id, record));
    Ok(())
}
