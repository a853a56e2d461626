//! A group member's handle on the broker.

use super::broker::{Shared, State, Storage, read_batch};
use super::group::{Group, Ticket};
use super::{Committed, Consumer, Limit, Membership, Polled, TopicPartition};
use crate::error::LogError;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// A group member's handle.
pub(super) struct Member<S: Storage> {
    pub(super) shared: Arc<Shared<S>>,
    pub(super) ticket: Ticket,
    /// Owned partitions; `None` while paused.
    pub(super) positions: BTreeMap<TopicPartition, Option<i64>>,
}

impl<S: Storage> Member<S> {
    fn group<'a>(&self, state: &'a mut State) -> Result<&'a mut Group, LogError> {
        let found = state.groups.entry(self.ticket.group.clone()).or_default();
        match found.epoch_of(&self.ticket.member) {
            Some(now) if now == self.ticket.epoch => Ok(found),
            now => Err(self.ticket.stale(now)),
        }
    }

    fn position(&mut self, partition: &TopicPartition) -> Result<&mut Option<i64>, LogError> {
        self.positions.get_mut(partition).ok_or_else(|| LogError::Unavailable {
            message: format!("{partition} is not assigned to {}", self.ticket.member),
        })
    }
}

impl<S: Storage> Consumer for Member<S> {
    fn poll(&mut self, limit: Limit, wait: Duration) -> Result<Polled, LogError> {
        let mut waited = wait.is_zero();
        loop {
            let shared = self.shared.clone();
            let mut state = shared.lock();
            let counts = state.partition_counts();
            let member = self.ticket.member.clone();
            let (revoked, assigned) = self.group(&mut state)?.settle(&member, &counts);
            if !revoked.is_empty() || !assigned.is_empty() {
                shared.announce(&mut state);
                drop(state);
                self.positions.retain(|p, _| !revoked.contains(p));
                self.positions.extend(assigned.iter().map(|p| (p.clone(), None)));
                return Ok(Polled::Assignment { revoked, assigned });
            }
            // One look at all ends, so that what one transaction wrote is seen in all partitions or in none.
            let mut views = Vec::new();
            for (partition, position) in &self.positions {
                let Some(from) = position else { continue };
                let (id, bounds) = state.partition(partition)?;
                if *from != bounds.end {
                    views.push((partition.clone(), id, bounds, *from));
                }
            }
            if views.is_empty() && !waited {
                waited = true;
                let seen = state.version;
                let (state, _) = shared
                    .changed
                    .wait_timeout_while(state, wait, |state| state.version == seen)
                    .unwrap_or_else(PoisonError::into_inner);
                drop(state);
                continue;
            }
            drop(state);
            let batches: Vec<_> = views
                .into_iter()
                .map(|(partition, id, bounds, from)| read_batch(&shared, &partition, id, bounds, from, limit))
                .collect::<Result<_, _>>()?;
            // Only now: a poll that fails for one partition must not pass over what was read of another.
            for batch in &batches {
                self.positions.insert(batch.partition.clone(), Some(batch.next));
            }
            return Ok(Polled::Records(batches));
        }
    }

    fn resume(&mut self, partition: &TopicPartition, from: i64) -> Result<(), LogError> {
        *self.position(partition)? = Some(from);
        Ok(())
    }

    fn pause(&mut self, partition: &TopicPartition) -> Result<(), LogError> {
        *self.position(partition)? = None;
        Ok(())
    }

    fn committed(&mut self, partition: &TopicPartition) -> Result<Option<Committed>, LogError> {
        self.shared.lock().committed(&self.ticket.group, partition)
    }

    fn membership(&self) -> Membership {
        Membership::new(self.ticket.clone())
    }
}

impl<S: Storage> Drop for Member<S> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        if let Some(group) = state.groups.get_mut(&self.ticket.group) {
            group.leave(&self.ticket.member, self.ticket.epoch);
        }
        self.shared.announce(&mut state);
    }
}
