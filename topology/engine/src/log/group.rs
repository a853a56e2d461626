//! Consumer groups of one process: static members, range assignment, hand-over without overlap.
//!
//! Invariant: a partition has at most one owner. It moves only when its owner has been told, has polled again and so
//! has closed what it had of it, or has left; a live member's commit is never refused, and a replaced one's always is.

use super::TopicPartition;
use crate::error::LogError;
use std::collections::{BTreeMap, BTreeSet};

/// What a member shows to prove that it is one.
#[derive(Clone, Debug)]
pub(super) struct Ticket {
    pub(super) group: String,
    pub(super) member: String,
    pub(super) epoch: u64,
}

impl Ticket {
    /// Why the ticket no longer counts.
    pub(super) fn stale(&self, now: Option<u64>) -> LogError {
        let member = format!("{} in group {}", self.member, self.group);
        let message = match now {
            Some(now) => format!("generation {} was shown, it is now {now}", self.epoch),
            None => "it has left".to_owned(),
        };
        LogError::StaleMembership { member, message }
    }
}

/// One consumer group.
#[derive(Debug, Default)]
pub(super) struct Group {
    members: BTreeMap<String, Member>,
    owners: BTreeMap<TopicPartition, String>,
    /// Told to give up, still owned until the member polls again.
    revoking: BTreeMap<String, Vec<TopicPartition>>,
    next_epoch: u64,
}

#[derive(Debug)]
struct Member {
    epoch: u64,
    topics: Vec<String>,
}

impl Group {
    /// Adds a member; one of the same id is replaced and loses its partitions.
    pub(super) fn join(&mut self, member: &str, topics: &[&str]) -> u64 {
        self.release_all(member);
        self.next_epoch += 1;
        let topics = topics.iter().map(|t| (*t).to_owned()).collect();
        self.members.insert(member.to_owned(), Member { epoch: self.next_epoch, topics });
        self.next_epoch
    }

    /// Removes a member, unless it has been replaced meanwhile.
    pub(super) fn leave(&mut self, member: &str, epoch: u64) {
        if self.epoch_of(member) == Some(epoch) {
            self.members.remove(member);
            self.release_all(member);
        }
    }

    /// Epoch of the current holder of a member id.
    pub(super) fn epoch_of(&self, member: &str) -> Option<u64> {
        self.members.get(member).map(|m| m.epoch)
    }

    /// True when the member owns the partition.
    pub(super) fn owns(&self, member: &str, partition: &TopicPartition) -> bool {
        self.owners.get(partition).is_some_and(|owner| owner == member)
    }

    /// Moves a member towards its share: gives up what is no longer its own, takes what is free.
    pub(super) fn settle(
        &mut self,
        member: &str,
        partitions: &BTreeMap<String, u32>,
    ) -> (Vec<TopicPartition>, Vec<TopicPartition>) {
        // What was revoked at the last poll has been closed by now: a member acts on a revocation before it polls again.
        for partition in self.revoking.remove(member).unwrap_or_default() {
            self.owners.remove(&partition);
        }
        let target = self.share_of(member, partitions);
        let owned: BTreeSet<TopicPartition> =
            self.owners.iter().filter(|(_, owner)| *owner == member).map(|(p, _)| p.clone()).collect();
        let revoked: Vec<_> = owned.difference(&target).cloned().collect();
        if !revoked.is_empty() {
            self.revoking.insert(member.to_owned(), revoked.clone());
        }
        let assigned: Vec<_> = target.into_iter().filter(|p| !self.owners.contains_key(p)).collect();
        for partition in &assigned {
            self.owners.insert(partition.clone(), member.to_owned());
        }
        (revoked, assigned)
    }

    /// Range assignment: of each topic, a contiguous run of partitions, members in order of their ids.
    fn share_of(&self, member: &str, partitions: &BTreeMap<String, u32>) -> BTreeSet<TopicPartition> {
        let mut share = BTreeSet::new();
        let Some(me) = self.members.get(member) else { return share };
        for topic in &me.topics {
            let Some(&count) = partitions.get(topic) else { continue };
            let readers: Vec<&String> =
                self.members.iter().filter(|(_, m)| m.topics.contains(topic)).map(|(id, _)| id).collect();
            let position = readers.iter().position(|id| *id == member).unwrap_or(0) as u32;
            let (base, extra) = (count / readers.len() as u32, count % readers.len() as u32);
            let first = position * base + position.min(extra);
            let length = base + u32::from(position < extra);
            share.extend((first..first + length).map(|p| TopicPartition::new(topic.as_str(), p)));
        }
        share
    }

    fn release_all(&mut self, member: &str) {
        self.owners.retain(|_, owner| owner != member);
        self.revoking.remove(member);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(partitions: &[TopicPartition]) -> Vec<u32> {
        partitions.iter().map(|p| p.partition).collect()
    }

    #[test]
    fn a_partition_moves_only_after_its_owner_was_told() {
        let topics = BTreeMap::from([("t".to_owned(), 3)]);
        let mut group = Group::default();
        group.join("a", &["t"]);
        assert_eq!(numbers(&group.settle("a", &topics).1), [0, 1, 2]);
        group.join("b", &["t"]);
        assert!(group.settle("b", &topics).1.is_empty(), "still owned by a");
        assert_eq!(numbers(&group.settle("a", &topics).0), [2]);
        assert!(group.settle("b", &topics).1.is_empty(), "a has been told, and may still be closing it");
        assert!(group.settle("a", &topics).0.is_empty());
        assert_eq!(numbers(&group.settle("b", &topics).1), [2]);
    }

    #[test]
    fn a_replaced_member_owns_nothing() {
        let topics = BTreeMap::from([("t".to_owned(), 1)]);
        let mut group = Group::default();
        let old = group.join("a", &["t"]);
        group.settle("a", &topics);
        let new = group.join("a", &["t"]);
        assert_ne!(old, new);
        assert!(!group.owns("a", &TopicPartition::new("t", 0)));
        group.leave("a", old);
        assert_eq!(group.epoch_of("a"), Some(new), "the old handle cannot remove the new member");
    }
}
