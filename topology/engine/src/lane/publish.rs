//! Publishing and storing: transactions, flushes, checkpoints, each rarer than the one before.

use super::{Lane, Ticks};
use crate::error::EngineError;
use crate::job::{Mode, ReadPosition};
use crate::log::{Message, OffsetCommit, TopicPartition};
use crate::task::Task;

impl Lane {
    /// Publishes when there is output, when progress has waited long enough, or when a fixed transaction is full.
    pub(super) fn publish_if_due(&mut self, at_end: bool) -> Result<(), EngineError> {
        self.tick_by_wall()?;
        let due = match (self.job.mode(), self.config.ticks) {
            (Mode::Merged, Ticks::Recorded { transaction_records, .. }) => {
                self.since_commit >= transaction_records || (at_end && self.since_commit > 0)
            }
            _ => {
                let waited = self.environment.clock.monotonic().saturating_sub(self.timers.published);
                let output = !self.ticks.is_empty() || self.tasks.values().any(|task| !task.pending.is_empty());
                let progress = self.tasks.values().any(Task::has_progress);
                output || (progress && (waited >= self.config.publish_every || at_end))
            }
        };
        if due { self.publish() } else { Ok(()) }
    }

    /// One transaction of everything processed: outputs, offsets and their metadata.
    pub(super) fn publish(&mut self) -> Result<(), EngineError> {
        let mut messages = std::mem::take(&mut self.ticks);
        let mut offsets = Vec::new();
        for (partition, task) in &mut self.tasks {
            if task.is_replaying() || !task.has_progress() {
                continue;
            }
            messages.append(&mut task.pending);
            let metadata = task.metadata().to_string();
            offsets.push(OffsetCommit { partition: partition.clone(), offset: task.processed, metadata });
        }
        if messages.is_empty() && offsets.is_empty() {
            return Ok(());
        }
        if self.job.mode() == Mode::Merged {
            // Stable: a tick stands before the record that caused it, outputs of one record keep their order.
            messages.sort_by_key(|(at, _)| *at);
        }
        self.environment.metrics.sent.inc_by(messages.len() as u64);
        self.producer.begin()?;
        for (_, message) in messages {
            self.producer.send(message)?;
        }
        let membership = self.consumer.membership();
        self.producer.commit(&offsets, Some(&membership))?;
        for commit in offsets {
            if let Some(task) = self.tasks.get_mut(&commit.partition) {
                task.committed = commit.offset;
            }
        }
        self.since_commit = 0;
        self.timers.published = self.environment.clock.monotonic();
        Ok(())
    }

    fn tick_by_wall(&mut self) -> Result<(), EngineError> {
        let Ticks::Wall { every } = self.config.ticks else { return Ok(()) };
        if self.job.mode() == Mode::Stateful || self.tasks.is_empty() {
            return Ok(());
        }
        let now = self.environment.clock.now_millis();
        if now - self.timers.ticked < every {
            return Ok(());
        }
        self.timers.ticked = now;
        let positions: Vec<ReadPosition> = self
            .tasks
            .iter()
            .filter_map(|(partition, task)| {
                let end = self.ends.get(partition).copied().unwrap_or(i64::MIN);
                let caught_up = task.processed >= end && self.merge.at_end_of(partition);
                let up_to = if caught_up { now } else { self.read_up_to.get(partition).copied()?.min(now) };
                Some(ReadPosition { partition: partition.clone(), up_to, retired: false })
            })
            .collect();
        let ticks: Vec<Message> = self.job.ticks(&positions)?;
        self.ticks.extend(ticks.into_iter().map(|message| (i64::MAX, message)));
        Ok(())
    }

    /// Flushes and checkpoints the tasks whose time has come.
    pub(super) fn store_if_due(&mut self) -> Result<(), EngineError> {
        if self.job.mode() == Mode::Merged {
            return Ok(());
        }
        let now = self.environment.clock.monotonic();
        for partition in self.partitions() {
            let Some(task) = self.tasks.get(&partition) else { continue };
            let since = |timer: Option<&std::time::Duration>| now.saturating_sub(timer.copied().unwrap_or_default());
            let flush = since(self.timers.flushed.get(&partition)) >= self.config.flush_every;
            let checkpoint = self.environment.checkpoints.is_some()
                && since(self.timers.checkpointed.get(&partition)) >= self.config.checkpoint_every;
            if (!flush && !checkpoint) || task.processed > task.committed || task.processed == task.flushed {
                continue;
            }
            self.flush(&partition)?;
            if checkpoint {
                self.checkpoint(&partition)?;
            }
        }
        Ok(())
    }

    /// Stores a task's changed state at its committed offset.
    pub(super) fn flush(&mut self, partition: &TopicPartition) -> Result<(), EngineError> {
        let now = self.environment.clock.monotonic();
        if let Some(task) = self.tasks.get_mut(partition)
            && self.job.mode() == Mode::Stateful
            && task.processed != task.flushed
        {
            task.flush()?;
            self.environment.metrics.flushes.inc();
            self.timers.flushed.insert(partition.clone(), now);
        }
        Ok(())
    }

    fn checkpoint(&mut self, partition: &TopicPartition) -> Result<(), EngineError> {
        let (Some(task), Some(checkpoints)) = (self.tasks.get_mut(partition), &self.environment.checkpoints) else {
            return Ok(());
        };
        if task.flushed != task.checkpointed {
            checkpoints.start(task.marker(), task.snapshot()?)?;
            task.checkpointed = task.flushed;
        }
        self.timers.checkpointed.insert(partition.clone(), self.environment.clock.monotonic());
        Ok(())
    }
}
