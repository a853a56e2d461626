//! Questions about offsets: where a partition begins and ends, and what a group has committed.

use super::admin::{Admin, options, settle, wait};
use super::answers;
use super::client::{ANSWER, Quiet};
use super::{Bounds, Committed, TopicPartition};
use crate::clock::WallClock;
use crate::error::LogError;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::{Offset, TopicPartitionList};
use std::sync::PoisonError;
use std::time::Duration;

/// How often, and after what pause, a question is asked again.
const PATIENCE: usize = 20;
const ASK_AGAIN: Duration = Duration::from_millis(250);

impl Admin {
    /// First offset and last stable offset.
    pub(super) fn bounds(&self, at: &TopicPartition) -> Result<Bounds, LogError> {
        self.check(at)?;
        patiently(|| {
            let bounds = self.offsets.fetch_watermarks(&at.topic, at.partition as i32, ANSWER);
            let (start, end) = bounds.map_err(|error| answers::error(&format!("bounds of {at}"), &error))?;
            Ok(Bounds { start, end })
        })
    }

    pub(super) fn offset_at(&self, at: &TopicPartition, time: i64) -> Result<i64, LogError> {
        let bounds = self.bounds(at)?;
        let mut asked = TopicPartitionList::new();
        let what = format!("the offset of a time in {at}");
        let fault = |error: KafkaError| answers::error(&what, &error);
        asked.add_partition_offset(&at.topic, at.partition as i32, Offset::Offset(time)).map_err(fault)?;
        let found = patiently(|| self.offsets.offsets_for_times(asked.clone(), ANSWER).map_err(fault))?;
        match found.elements().first().map(|element| element.offset()) {
            Some(Offset::Offset(offset)) => Ok(offset),
            _ => Ok(bounds.end),
        }
    }

    /// What a group has committed, asked from outside of it.
    pub(super) fn committed(&self, group: &str, at: &TopicPartition) -> Result<Option<Committed>, LogError> {
        self.check(at)?;
        let mut asking = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        if asking.as_ref().is_none_or(|(known, _)| known != group) {
            let consumer = self.clients.consumer(&self.clients.reading(group, "bellbuoy-admin"), Quiet)?;
            *asking = Some((group.to_owned(), consumer));
        }
        match asking.as_ref() {
            Some((_, consumer)) => patiently(|| committed(consumer, at)),
            None => Ok(None),
        }
    }

    /// Deletes what a stopped group has committed, and commits again what it had of other partitions.
    pub(super) fn forget_committed(
        &self,
        group: &str,
        at: &TopicPartition,
        clock: &dyn WallClock,
    ) -> Result<(), LogError> {
        self.check(at)?;
        let consumer = self.clients.consumer(&self.clients.reading(group, "bellbuoy-admin"), Quiet)?;
        let what = format!("to forget what group {group} has committed");
        let fault = |error: KafkaError| answers::error(&what, &error);
        let mut all = TopicPartitionList::new();
        for topic in self.metadata(None)?.topics() {
            for partition in topic.partitions() {
                all.add_partition(topic.name(), partition.id());
            }
        }
        let all = consumer.committed_offsets(all, ANSWER).map_err(fault)?;
        let mut kept = TopicPartitionList::new();
        for element in all.elements() {
            let forgotten = *element.topic() == *at.topic && element.partition() == at.partition as i32;
            if let (Offset::Offset(_), false) = (element.offset(), forgotten) {
                let mut copy = kept.add_partition(element.topic(), element.partition());
                copy.set_offset(element.offset()).map_err(fault)?;
                copy.set_metadata(element.metadata());
            }
        }
        // A member that was killed counts until its session ends.
        settle(clock, &what, || {
            let results = wait(self.admin.delete_groups(&[group], &options())).map_err(fault)?;
            match results.into_iter().next() {
                Some(Err((_, Code::NonEmptyGroup))) => Ok(false),
                Some(Err((_, code))) if code != Code::GroupIdNotFound => {
                    Err(answers::by_code(&what, code, &code.to_string()))
                }
                _ => Ok(true),
            }
        })?;
        if kept.count() > 0 {
            consumer.commit(&kept, CommitMode::Sync).map_err(fault)?;
        }
        Ok(())
    }
}

/// What the group of a consumer has committed; waits out a predecessor's open transaction.
pub(super) fn committed<C>(consumer: &BaseConsumer<C>, at: &TopicPartition) -> Result<Option<Committed>, LogError>
where
    C: ConsumerContext,
{
    let what = format!("the committed offset of {at}");
    let fault = |error: KafkaError| answers::error(&what, &error);
    let mut asked = TopicPartitionList::new();
    asked.add_partition(&at.topic, at.partition as i32);
    let answered = consumer.committed_offsets(asked, ANSWER).map_err(|error| match consumer.poll(Duration::ZERO) {
        // Why nothing was answered is told by the side.
        Some(Err(reason)) => fault(reason),
        _ => fault(error),
    })?;
    for element in answered.elements() {
        element.error().map_err(fault)?;
        if let Offset::Offset(offset) = element.offset() {
            return Ok(Some(Committed { offset, metadata: element.metadata().to_owned() }));
        }
    }
    Ok(None)
}

/// Asks again for a while when the answer is one that passes: leaders move when brokers come and go.
fn patiently<T>(mut ask: impl FnMut() -> Result<T, LogError>) -> Result<T, LogError> {
    for _ in 0..PATIENCE {
        match ask() {
            Err(LogError::Unavailable { message }) => tracing::debug!(message, "asked again"),
            answer => return answer,
        }
        std::thread::sleep(ASK_AGAIN);
    }
    ask()
}
