//! A member of a consumer group.
//!
//! Invariant: the cluster is told that partitions are given up only by the poll after the one that told their owner, and
//! nothing is fetched of a partition before its owner has said from where.

use super::admin::Admin;
use super::assignment::{Assignment, Resumption};
use super::client::{ANSWER, Clients, Protocol};
use super::closing::Closing;
use super::rebalance::{Change, Rebalances};
use super::{answers, offsets, reader};
use crate::clock::WallClock;
use crate::error::LogError;
use crate::log::{Committed, Consumer, Limit, Membership, Polled, TopicPartition};
use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::{Offset, TopicPartitionList};
use std::sync::Arc;
use std::time::Duration;

/// How often a partition that cannot be sent to an offset yet is tried again.
const SEEK_AGAIN: Duration = Duration::from_millis(5);

/// A member's handle.
pub(super) struct Member {
    consumer: Closing,
    admin: Arc<Admin>,
    clock: Arc<dyn WallClock>,
    name: String,
    protocol: Protocol,
    assignment: Assignment,
    /// Whether the cluster has said what the member's share is, if only that it is empty.
    has_share: bool,
    /// Told to the owner and not yet acknowledged to the cluster.
    revoked: Vec<TopicPartition>,
    /// Assigned by the cluster and not yet taken: the owner is first to say from where.
    assigned: Vec<TopicPartition>,
}

impl Member {
    pub(super) fn join(
        clients: &Clients,
        admin: Arc<Admin>,
        clock: Arc<dyn WallClock>,
        group: &str,
        member: &str,
        topics: &[&str],
    ) -> Result<Self, LogError> {
        let consumer = clients.consumer(&clients.member(group, member, topics), Rebalances::default())?;
        let consumer = Closing::new(consumer);
        let name = format!("{member} in group {group}");
        consumer.subscribe(topics).map_err(|error| answers::error(&format!("{name} to join"), &error))?;
        Ok(Member {
            consumer,
            admin,
            clock,
            name,
            protocol: clients.config.protocol,
            assignment: Assignment::default(),
            has_share: false,
            revoked: Vec::new(),
            assigned: Vec::new(),
        })
    }

    /// Tells the cluster what the owner has done since the last poll: given up, or said from where.
    fn acknowledge(&mut self) -> Result<(), LogError> {
        let revoked = std::mem::take(&mut self.revoked);
        if !revoked.is_empty() {
            let places: Vec<_> = revoked.iter().map(|partition| (partition, Offset::Invalid)).collect();
            self.answer(Answer::GivenUp, &places)?;
        }
        let assigned = std::mem::take(&mut self.assigned);
        if !assigned.is_empty() {
            self.take_up(&assigned)?;
        }
        Ok(())
    }

    /// Begins to fetch where the owner has said. What is not to be fetched stands at 0, an offset that nobody has to be
    /// asked for: an answer that comes late would overrule where it is sent meanwhile.
    fn take_up(&mut self, assigned: &[TopicPartition]) -> Result<(), LogError> {
        let (mut places, mut unwanted) = (Vec::new(), Vec::new());
        for partition in assigned {
            let Some(held) = self.assignment.get_mut(partition) else { continue };
            held.fetching = held.is_in_range();
            if !held.fetching {
                unwanted.push(partition);
            }
            let from = held.next_fetch().filter(|_| held.fetching).unwrap_or(0);
            places.push((partition, Offset::Offset(from)));
        }
        self.answer(Answer::TakenUp, &places)?;
        self.stop_fetching(unwanted.into_iter())
    }

    /// Answers a change of the assignment, as each protocol wants it.
    fn answer(&self, answer: Answer, places: &[(&TopicPartition, Offset)]) -> Result<(), LogError> {
        let list = list(places.iter().copied())?;
        let answered = match (self.protocol, answer) {
            (Protocol::Classic, Answer::GivenUp) => self.consumer.unassign(),
            (Protocol::Classic, Answer::TakenUp) => self.consumer.assign(&list),
            (Protocol::Consumer, Answer::GivenUp) => self.consumer.incremental_unassign(&list),
            (Protocol::Consumer, Answer::TakenUp) => self.consumer.incremental_assign(&list),
        };
        answered.map_err(|error| answers::error(&format!("{}, {answer:?}", self.name), &error))
    }

    /// What rebalances have brought, oldest first.
    fn change(&mut self) -> Result<Option<Polled>, LogError> {
        loop {
            match self.consumer.context().next() {
                None => return Ok(None),
                // Answered here: there is nothing to tell.
                Some(Change::Revoked(partitions)) if partitions.is_empty() => self.answer(Answer::GivenUp, &[])?,
                Some(Change::Assigned(partitions)) if partitions.is_empty() => {
                    self.has_share = true;
                    self.answer(Answer::TakenUp, &[])?;
                }
                Some(Change::Revoked(revoked)) => {
                    // Under the classic protocol all is given up before a new share is known.
                    self.has_share = self.protocol == Protocol::Consumer;
                    self.assignment.remove(&revoked);
                    self.revoked.clone_from(&revoked);
                    return Ok(Some(Polled::Assignment { revoked, assigned: Vec::new() }));
                }
                Some(Change::Assigned(assigned)) => {
                    self.has_share = true;
                    self.assignment.add(&assigned);
                    self.assigned.clone_from(&assigned);
                    return Ok(Some(Polled::Assignment { revoked: Vec::new(), assigned }));
                }
            }
        }
    }

    /// Fetches until something has come and nothing more is there at once; waits for the first.
    fn fetch(&mut self, limit: Limit, wait: Duration) -> Result<(), LogError> {
        let mut wait = if self.assignment.is_ready() { Duration::ZERO } else { wait };
        while !self.assignment.is_full(limit) {
            match self.consumer.poll(wait) {
                // Nothing, or a rebalance.
                None => return Ok(()),
                Some(Ok(message)) => {
                    let (partition, record) = reader::record(&message);
                    self.assignment.fetched(&partition, record);
                    wait = Duration::ZERO;
                }
                Some(Err(KafkaError::PartitionEOF(number))) => {
                    self.ended(number)?;
                    wait = Duration::ZERO;
                }
                Some(Err(error)) => self.judge(&error)?,
            }
        }
        Ok(())
    }

    /// The end of some partition of this number was met; the library does not say of which topic.
    fn ended(&mut self, number: i32) -> Result<(), LogError> {
        let candidates = self.assignment.may_be_at_end(u32::try_from(number).unwrap_or_default());
        let positions = self.consumer.position().map_err(|error| answers::error("positions", &error))?;
        let position = |at: &TopicPartition| match positions.find_partition(&at.topic, number)?.offset() {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        };
        let single = candidates.len() == 1;
        for partition in candidates {
            let position = position(&partition);
            let next = self.assignment.get_mut(&partition).and_then(|held| held.next_fetch());
            let here = position.max(next);
            if single || here.is_some_and(|here| self.admin.bounds(&partition).is_ok_and(|bounds| here >= bounds.end)) {
                self.assignment.ended(&partition, position);
            }
        }
        Ok(())
    }

    /// What an error on the way means: most pass by themselves.
    fn judge(&mut self, error: &KafkaError) -> Result<(), LogError> {
        let stale = |message: String| LogError::StaleMembership { member: self.name.clone(), message };
        match error {
            KafkaError::MessageConsumptionFatal(code) => Err(stale(code.to_string())),
            KafkaError::MessageConsumption(code) if answers::is_stale(*code) => Err(stale(code.to_string())),
            KafkaError::MessageConsumption(Code::AutoOffsetReset | Code::OffsetOutOfRange) => self.out_of_range(),
            other => {
                let code = other.rdkafka_error_code().unwrap_or(Code::Fail);
                match answers::by_code(&self.name, code, &other.to_string()) {
                    refused @ LogError::Refused { .. } => Err(refused),
                    // Brokers come back, leaders move, topics vanish and are revoked: the client looks after that.
                    _ => {
                        tracing::debug!(member = self.name, %error, "passing trouble");
                        Ok(())
                    }
                }
            }
        }
    }

    /// Finds the partition whose position is not in the log; none when the trouble has passed.
    fn out_of_range(&self) -> Result<(), LogError> {
        for (partition, position) in self.assignment.positions() {
            let bounds = self.admin.bounds(partition)?;
            if position < bounds.start || position > bounds.end {
                return Err(answers::out_of_range(partition, position, bounds.start));
            }
        }
        Ok(())
    }

    /// Sends fetching of a partition to the offset where it is to go on. One that has just been taken up may not have
    /// begun to fetch yet, and is tried again.
    fn seek(&self, partition: &TopicPartition, from: i64) -> Result<(), LogError> {
        let deadline = self.clock.monotonic() + ANSWER;
        loop {
            let place = list([(partition, Offset::Offset(from))].into_iter())?;
            let sought = self.consumer.seek_partitions(place, ANSWER);
            match sought.and_then(|list| list.elements().iter().try_for_each(|element| element.error())) {
                Ok(()) => return Ok(()),
                Err(error) if self.clock.monotonic() > deadline => {
                    return Err(answers::error(&format!("{} to read {partition} from {from}", self.name), &error));
                }
                Err(_) => std::thread::sleep(SEEK_AGAIN),
            }
        }
    }

    fn stop_fetching<'a>(&self, partitions: impl Iterator<Item = &'a TopicPartition>) -> Result<(), LogError> {
        let list = list(partitions.map(|partition| (partition, Offset::Invalid)))?;
        if list.count() == 0 {
            return Ok(());
        }
        self.consumer.pause(&list).map_err(|error| answers::error(&format!("{} to pause", self.name), &error))
    }

    fn go_on_fetching(&self, partition: &TopicPartition) -> Result<(), LogError> {
        let list = list([(partition, Offset::Invalid)].into_iter())?;
        self.consumer.resume(&list).map_err(|error| answers::error(&format!("{} to resume", self.name), &error))
    }

    fn not_assigned(&self, partition: &TopicPartition) -> LogError {
        LogError::Unavailable { message: format!("{partition} is not assigned to {}", self.name) }
    }
}

impl Consumer for Member {
    fn poll(&mut self, limit: Limit, wait: Duration) -> Result<Polled, LogError> {
        self.acknowledge()?;
        if let Some((partition, offset, start)) = self.assignment.out_of_range() {
            return Err(answers::out_of_range(partition, offset, start));
        }
        self.fetch(limit, wait)?;
        if let Some(change) = self.change()? {
            return Ok(change);
        }
        let overflowing = self.assignment.overflowing();
        self.stop_fetching(overflowing.iter())?;
        for partition in &overflowing {
            if let Some(held) = self.assignment.get_mut(partition) {
                held.fetching = false;
            }
        }
        let context = self.consumer.context();
        Ok(Polled::Records(self.assignment.take(limit, |partition| context.end(partition))))
    }

    fn resume(&mut self, partition: &TopicPartition, from: i64) -> Result<(), LogError> {
        let resumption = self.assignment.resume(partition, from).ok_or_else(|| self.not_assigned(partition))?;
        if resumption == Resumption::Seek {
            // Asked here and told at the next poll: a partition that librdkafka has sent out of range is lost to it.
            let bounds = self.admin.bounds(partition)?;
            let outside = from < bounds.start || from > bounds.end;
            self.assignment.judge(partition, outside.then_some(bounds.start));
            if outside {
                return Ok(());
            }
        }
        if self.assigned.contains(partition) {
            // Taken up at the next poll, from there.
            return Ok(());
        }
        let stopped =
            self.assignment.get_mut(partition).is_some_and(|held| !std::mem::replace(&mut held.fetching, true));
        if resumption == Resumption::Seek {
            self.seek(partition, from)?;
        }
        if stopped { self.go_on_fetching(partition) } else { Ok(()) }
    }

    fn pause(&mut self, partition: &TopicPartition) -> Result<(), LogError> {
        if self.assignment.pause(partition) { Ok(()) } else { Err(self.not_assigned(partition)) }
    }

    fn committed(&mut self, partition: &TopicPartition) -> Result<Option<Committed>, LogError> {
        offsets::committed(&self.consumer, partition)
    }

    fn has_share(&self) -> bool {
        self.has_share
    }

    fn membership(&self) -> Membership {
        // None only before the client has a group, which it has from its creation.
        Membership::new(self.consumer.group_metadata())
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.consumer.context().leave();
        // A client that waits for an answer to a change would never close: what nobody has answered is answered here.
        // Nothing is answered that nobody asked: the question would still come when the group has ended, which never says
        // a word again.
        let mut open = vec![(Answer::GivenUp, std::mem::take(&mut self.revoked))];
        open.push((Answer::TakenUp, std::mem::take(&mut self.assigned)));
        open.retain(|(_, partitions)| !partitions.is_empty());
        while let Some(change) = self.consumer.context().next() {
            open.push(match change {
                Change::Assigned(partitions) => (Answer::TakenUp, partitions),
                Change::Revoked(partitions) => (Answer::GivenUp, partitions),
            });
        }
        for (answer, partitions) in open {
            let places: Vec<_> = partitions.iter().map(|partition| (partition, Offset::Invalid)).collect();
            let given_up = if self.protocol == Protocol::Classic { Answer::GivenUp } else { answer };
            self.consumer.context().answered();
            if let Err(error) = self.answer(given_up, &places) {
                tracing::debug!(member = self.name, %error, "while leaving a group");
            }
        }
    }
}

/// What the cluster is told about a change of the assignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    GivenUp,
    TakenUp,
}

fn list<'a>(partitions: impl Iterator<Item = (&'a TopicPartition, Offset)>) -> Result<TopicPartitionList, LogError> {
    let mut list = TopicPartitionList::new();
    for (at, offset) in partitions {
        list.add_partition_offset(&at.topic, at.partition as i32, offset)
            .map_err(|error| answers::error(&format!("offset of {at}"), &error))?;
    }
    Ok(list)
}
