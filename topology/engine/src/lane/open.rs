//! Opening and closing the tasks of a lane: recovery carried out.

use super::Lane;
use crate::error::{CheckpointError, EngineError};
use crate::job::Mode;
use crate::log::TopicPartition;
use crate::output::Digest;
use crate::recovery::{self, Candidate, Found, Place, Plan};
use crate::state::StateStore;
use crate::task::{Outcome, Start, Task, TaskContext, TaskId};

impl Lane {
    /// Finds where the task continues, loads its state, and starts reading there.
    pub(super) fn open_task(&mut self, partition: &TopicPartition) -> Result<(), EngineError> {
        let id = TaskId {
            job: self.job.name().to_owned(),
            topic: partition.topic.to_string(),
            partition: partition.partition,
        };
        let stateful = self.job.mode() == Mode::Stateful;
        let mut store = self.environment.stores.open(&id)?;
        let topic = self.environment.log.topic(&partition.topic)?;
        let mut found = self.look(&id, partition, topic.id, stateful.then_some(&*store))?;
        let (plan, start) = loop {
            let plan = recovery::decide(&found).map_err(|stop| EngineError::Stop { task: id.to_string(), stop })?;
            match self.load(&found, &plan, &mut *store) {
                // Read whole, it is none; an older one or the log may do, or recovery stops and says what it lacks.
                Err(EngineError::Checkpoint(CheckpointError::Damaged { name, message })) => {
                    tracing::warn!(task = %id, "left out: checkpoint {name} is damaged: {message}");
                    found.candidates.retain(|candidate| candidate.place != Place::Checkpoint(name.clone()));
                }
                loaded => break (plan, loaded?),
            }
        };
        let clock = match &plan.from {
            Some(candidate) => candidate.marker.clock.clone(),
            None => Default::default(),
        };
        tracing::info!(task = %id, from = start.offset, committed = start.committed, state = ?plan.from.as_ref().map(|c| &c.place), "task recovered");
        let context = TaskContext::new(id, topic.spec.partitions, self.job.logic(), store, clock);
        let offset = start.offset;
        let task = Task::install(&mut self.worker, &*self.job, context, start);
        self.tasks.insert(partition.clone(), task);
        let now = self.environment.clock.monotonic();
        // Staggered by partition, so that the flushes of a lane do not fall together.
        let stagger = self.config.flush_every.mul_f64(f64::from(partition.partition % 8) / 8.0);
        self.timers.flushed.insert(partition.clone(), now.saturating_sub(stagger));
        self.timers.checkpointed.insert(partition.clone(), now);
        self.consumer.resume(partition, offset)?;
        self.go_live_if_due(partition)
    }

    /// Drops a task with everything it has not committed.
    pub(super) fn close_task(&mut self, partition: &TopicPartition) {
        if let Some(task) = self.tasks.remove(partition) {
            task.close(&mut self.worker);
        }
        self.merge.remove(partition);
        self.ends.remove(partition);
        self.timers.flushed.remove(partition);
        self.timers.checkpointed.remove(partition);
    }

    /// When a replay has arrived: compares, announces, goes live.
    pub(super) fn go_live_if_due(&mut self, partition: &TopicPartition) -> Result<(), EngineError> {
        let Some(task) = self.tasks.get_mut(partition) else { return Ok(()) };
        if task.is_replaying() {
            return Ok(());
        }
        let id = task.context.id.clone();
        match task.go_live(&*self.job) {
            Outcome::Continued => {}
            Outcome::Diverged => {
                self.environment.metrics.divergences.inc();
                tracing::error!(task = %id, offset = task.committed, "replay gave other output than was published; readers are told to resynchronise");
            }
            Outcome::HandedOver { from } => {
                tracing::warn!(task = %id, offset = task.committed, ?from, to = ?task.context.logic, "the task continues under another logic");
            }
        }
        Ok(())
    }

    fn look(
        &mut self,
        id: &TaskId,
        partition: &TopicPartition,
        topic_id: u64,
        store: Option<&dyn StateStore>,
    ) -> Result<Found, EngineError> {
        let committed = self.consumer.committed(partition)?.map(|c| (c.offset, c.metadata));
        let bounds = self.environment.log.bounds(partition)?;
        let mut candidates = Vec::new();
        if let Some(store) = store {
            candidates.extend(store.marker()?.map(|marker| Candidate { marker, place: Place::Local }));
            if let Some(checkpoints) = &self.environment.checkpoints {
                let (found, damaged) = checkpoints.candidates(id)?;
                candidates.extend(found);
                for error in damaged {
                    tracing::warn!(task = %id, "left out: {error}");
                }
            }
        }
        Ok(Found {
            task: id.clone(),
            logic: self.job.logic(),
            topic_id,
            log_start: bounds.start,
            log_end: bounds.end,
            committed,
            stateful: self.job.mode() == Mode::Stateful,
            candidates: usable(candidates, self.job.mode()),
            accept_reset: self.config.accept_reset,
        })
    }

    fn load(&mut self, found: &Found, plan: &Plan, store: &mut dyn StateStore) -> Result<Start, EngineError> {
        let mut start = Start {
            topic_id: found.topic_id,
            first_offset: plan.first_offset,
            offset: plan.offset,
            committed: plan.committed,
            out_seq: 0,
            digest: Digest::default(),
            verify: plan.verify,
        };
        if let Some(given_up) = &plan.given_up {
            tracing::warn!(task = %found.task, offset = plan.offset, "accepted reset, given up: {given_up}");
            // Left where they are, they would stop the next start with the same words.
            if let Some(checkpoints) = &self.environment.checkpoints {
                checkpoints.discard(&found.task)?;
            }
        }
        if self.job.mode() == Mode::Merged {
            // Nothing to rebuild: the task continues where it committed, and so does its numbering.
            start.offset = plan.committed;
            if let Some((_, text)) = &found.committed
                && let Ok(metadata) = text.parse::<recovery::CommitMetadata>()
            {
                (start.out_seq, start.digest) = (metadata.out_seq, metadata.digest);
            }
            start.verify = recovery::Verify::Nothing;
            return Ok(start);
        }
        match &plan.from {
            None => store.clear()?,
            Some(candidate) => {
                (start.out_seq, start.digest) = (candidate.marker.out_seq, candidate.marker.digest);
                if let Place::Checkpoint(name) = &candidate.place {
                    self.restore(name, candidate, store)?;
                }
            }
        }
        Ok(start)
    }

    fn restore(&self, name: &str, candidate: &Candidate, store: &mut dyn StateStore) -> Result<(), EngineError> {
        let Some(checkpoints) = &self.environment.checkpoints else { return Ok(()) };
        // The whole object is checked before anything of it is stored.
        let mut entries = Vec::new();
        let verified = checkpoints.read(name, &mut |key, value| entries.push((key, value)))?;
        if verified.marker != candidate.marker {
            let message = "it changed while it was read".to_owned();
            return Err(CheckpointError::Damaged { name: name.to_owned(), message }.into());
        }
        let mut entries = entries.into_iter();
        store.restore(&mut || entries.next(), &verified.marker)?;
        Ok(())
    }
}

/// A merged job keeps no state: what lies in its folder is nobody's.
fn usable(candidates: Vec<Candidate>, mode: Mode) -> Vec<Candidate> {
    match mode {
        Mode::Stateful => candidates,
        Mode::Merged => Vec::new(),
    }
}
