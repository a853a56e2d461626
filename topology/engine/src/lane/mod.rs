//! A lane: one thread, one consumer, one transactional producer, one timely worker, any number of tasks.
//!
//! One step polls, processes, publishes, and from time to time flushes and checkpoints. The consumer is never polled
//! with a transaction open, so losing a partition only drops its task.
//!
//! Invariant: nothing is stored that is not committed, and nothing visible depends on how steps cut the log.

mod beside;
mod figures;
mod merge;
mod open;
mod publish;

use crate::checkpoint::Checkpoints;
use crate::clock::WallClock;
use crate::error::EngineError;
use crate::job::{Fed, Job, Mode};
use crate::log::{Batch, Consumer, Limit, Log, Message, Polled, Producer, Record, TopicPartition};
use crate::metrics::Metrics;
use crate::state::StateStores;
use crate::task::Task;
use beside::Beside;
use merge::Merge;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use timely::communication::Allocator;
use timely::communication::allocator::thread::Thread;
use timely::worker::{Config as WorkerConfig, Worker};

/// The ports a lane works on.
#[derive(Clone)]
pub struct Environment {
    /// The log.
    pub log: Arc<dyn Log>,
    /// Stores of task state.
    pub stores: Arc<dyn StateStores>,
    /// Where checkpoints go, if anywhere.
    pub checkpoints: Option<Arc<dyn Checkpoints>>,
    /// The machine's time, for cadences only.
    pub clock: Arc<dyn WallClock>,
    /// Where figures go.
    pub metrics: Metrics,
}

/// How a lane works. None of it may be visible in output, except where it says so.
#[derive(Clone, Debug)]
pub struct LaneConfig {
    /// How much one poll takes of each partition.
    pub poll: Limit,
    /// How long a poll waits for records.
    pub wait: Duration,
    /// Records fed to a dataflow at once: one epoch.
    pub epoch_records: usize,
    /// Longest time between two commits while there is progress.
    pub publish_every: Duration,
    /// Time between two flushes of a task.
    pub flush_every: Duration,
    /// Changed state at which the lane flushes early, bytes.
    pub dirty_bytes: usize,
    /// Decoded state the lane may hold, bytes.
    pub cache_bytes: usize,
    /// Time between two checkpoints of a task.
    pub checkpoint_every: Duration,
    /// How a merged job says how far it has read.
    pub ticks: Ticks,
    /// True when a person has accepted to give up what recovery would protect.
    pub accept_reset: bool,
}

/// How a merged job says how far it has read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ticks {
    /// By the machine's clock, every so many milliseconds: for live data.
    Wall {
        /// Time between two ticks, milliseconds.
        every: i64,
    },
    /// By the records' timestamps, and with transactions of a fixed number of records: for recorded data, so that the
    /// same records give the same log, offsets included.
    Recorded {
        /// Record time between two ticks, milliseconds.
        every: i64,
        /// Records of one transaction.
        transaction_records: usize,
    },
}

impl Default for LaneConfig {
    fn default() -> Self {
        LaneConfig {
            poll: Limit { records: 4000, bytes: 4 << 20 },
            wait: Duration::from_millis(50),
            epoch_records: 1000,
            publish_every: Duration::from_secs(1),
            flush_every: Duration::from_secs(20),
            dirty_bytes: 128 << 20,
            cache_bytes: 512 << 20,
            checkpoint_every: Duration::from_secs(300),
            ticks: Ticks::Wall { every: crate::clock::ROUND_MS },
            accept_reset: false,
        }
    }
}

/// What a step did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Records processed.
    pub records: usize,
    /// True when everything that was there has been processed and published.
    pub at_end: bool,
}

/// One lane of a job.
pub struct Lane {
    job: Arc<dyn Job>,
    environment: Environment,
    config: LaneConfig,
    /// `{job}-{ordinal}-{lane}`: group member and transactional id.
    member: String,
    consumer: Box<dyn Consumer>,
    producer: Box<dyn Producer>,
    worker: Worker,
    tasks: BTreeMap<TopicPartition, Task>,
    /// End of each partition as last seen.
    ends: BTreeMap<TopicPartition, i64>,
    beside: Beside,
    merge: Merge,
    /// Timestamp of the last record processed of each partition of a merged lane.
    read_up_to: BTreeMap<TopicPartition, i64>,
    /// Ticks and their place among the records of a merged lane.
    ticks: Vec<(i64, Message)>,
    /// Running number of merged records.
    sequence: i64,
    since_commit: usize,
    timers: Timers,
}

#[derive(Debug, Default)]
struct Timers {
    published: Duration,
    ticked: i64,
    flushed: BTreeMap<TopicPartition, Duration>,
    checkpointed: BTreeMap<TopicPartition, Duration>,
}

impl Lane {
    /// Joins the job's group and opens the producer; the first steps recover the tasks.
    pub fn open(
        job: Arc<dyn Job>,
        environment: Environment,
        config: LaneConfig,
        ordinal: usize,
        lane: usize,
    ) -> Result<Self, EngineError> {
        let member = format!("{}-{ordinal}-{lane}", job.name());
        // The producer first: opening it ends a predecessor's transaction, which committed offsets would wait for.
        let producer = environment.log.producer(&member)?;
        let consumer = join(&*job, &environment, &member)?;
        // No timer: the worker is stepped by this lane only and must not ask the machine's clock.
        let worker = Worker::new(WorkerConfig::default(), Allocator::Thread(Thread::default()), None);
        Ok(Lane {
            job,
            environment,
            config,
            member,
            consumer,
            producer,
            worker,
            tasks: BTreeMap::new(),
            ends: BTreeMap::new(),
            beside: Beside::default(),
            merge: Merge::default(),
            read_up_to: BTreeMap::new(),
            ticks: Vec::new(),
            sequence: 0,
            since_commit: 0,
            timers: Timers::default(),
        })
    }

    /// Polls, processes, publishes, flushes.
    pub fn step(&mut self) -> Result<Progress, EngineError> {
        let mut progress = Progress::default();
        self.beside.read_on(&*self.job, &self.environment)?;
        match self.poll()? {
            Polled::Assignment { revoked, assigned } => {
                self.environment.metrics.rebalances.inc();
                tracing::info!(lane = self.member, lost = revoked.len(), gained = assigned.len(), "assignment changed");
                self.give_up(&revoked)?;
                for partition in assigned {
                    self.open_task(&partition)?;
                }
            }
            Polled::Records(batches) => {
                let empty = batches.is_empty();
                for batch in batches {
                    self.ends.insert(batch.partition.clone(), batch.end);
                    match self.job.mode() {
                        Mode::Stateful => progress.records += self.process(batch)?,
                        Mode::Merged => {
                            // Nothing but a gap: there is no record that would carry the position over it.
                            if batch.records.is_empty() && self.merge.is_empty(&batch.partition) {
                                self.process(batch.clone())?;
                            }
                            self.merge.add(batch);
                        }
                    }
                }
                if self.job.mode() == Mode::Merged {
                    progress.records += self.process_merged()?;
                }
                progress.at_end = self.consumer.has_share() && empty && progress.records == 0 && self.merge.at_end();
            }
        }
        self.publish_if_due(progress.at_end)?;
        self.store_if_due()?;
        self.observe();
        progress.at_end &= self.tasks.values().all(|task| !task.has_progress());
        Ok(progress)
    }

    /// Closes the tasks of partitions that are the lane's until it polls again: what they have done is still published
    /// and stored, so that whoever goes on with them, here or elsewhere, has little to replay.
    fn give_up(&mut self, revoked: &[TopicPartition]) -> Result<(), EngineError> {
        // Of recorded data transactions have a fixed size, whoever makes them.
        let fixed = matches!((self.job.mode(), self.config.ticks), (Mode::Merged, Ticks::Recorded { .. }));
        if !fixed && revoked.iter().any(|partition| self.tasks.contains_key(partition)) {
            self.publish()?;
        }
        for partition in revoked {
            self.flush(partition)?;
            self.close_task(partition);
        }
        Ok(())
    }

    /// Publishes and stores everything processed, for a graceful end.
    pub fn drain(&mut self) -> Result<(), EngineError> {
        self.publish()?;
        for partition in self.partitions() {
            self.flush(&partition)?;
        }
        if let Some(checkpoints) = &self.environment.checkpoints {
            checkpoints.finish();
        }
        Ok(())
    }

    /// After an error that spoils the producer or the membership: everything uncommitted is dropped and recovered.
    pub fn rebuild(&mut self) -> Result<(), EngineError> {
        for partition in self.partitions() {
            self.close_task(&partition);
        }
        (self.merge, self.since_commit) = (Merge::default(), 0);
        self.ticks.clear();
        self.producer = self.environment.log.producer(&self.member)?;
        self.consumer = join(&*self.job, &self.environment, &self.member)?;
        Ok(())
    }

    /// True when every assigned task has caught up with its committed output.
    pub fn is_live(&self) -> bool {
        self.tasks.values().all(|task| !task.is_replaying())
    }

    /// Digest of what each task has published so far, by task.
    pub fn digests(&self) -> Vec<(crate::task::TaskId, i64, crate::output::Digest)> {
        let digest = |task: &Task| {
            let metadata = task.metadata();
            (task.context.id.clone(), metadata.out_seq, metadata.digest)
        };
        self.tasks.values().map(digest).collect()
    }

    /// The member's name.
    pub fn name(&self) -> &str {
        &self.member
    }

    fn partitions(&self) -> Vec<TopicPartition> {
        self.tasks.keys().cloned().collect()
    }

    fn poll(&mut self) -> Result<Polled, EngineError> {
        let mut wait = self.config.wait;
        if self.job.mode() == Mode::Merged {
            // Only what the merge waits for is read, so that what is buffered stays bounded.
            for (partition, task) in &self.tasks {
                if self.merge.is_empty(partition) {
                    let from = task.processed;
                    self.consumer.resume(partition, from)?;
                } else {
                    self.consumer.pause(partition)?;
                    wait = Duration::ZERO;
                }
            }
        }
        Ok(self.consumer.poll(self.config.poll, wait)?)
    }

    fn process(&mut self, batch: Batch) -> Result<usize, EngineError> {
        let Batch { partition, mut records, next, .. } = batch;
        let count = records.len();
        let mut position = self.tasks.get(&partition).map_or(next, |task| task.processed);
        while position < next {
            let Some(task) = self.tasks.get_mut(&partition) else { return Ok(0) };
            // An epoch ends at the committed offset: what comes before has been published, what follows has not.
            let committed = task.committed;
            let boundary = if task.is_replaying() { committed } else { i64::MAX };
            let fit = records.iter().take(self.config.epoch_records).take_while(|r| r.offset < boundary).count();
            let rest = records.split_off(fit);
            let upto = rest.first().map_or(next, |r| r.offset);
            let fed = records.into_iter().map(|record| Fed { at: record.offset, record }).collect();
            task.feed(&mut self.worker, fed, upto)?;
            (records, position) = (rest, upto);
            self.go_live_if_due(&partition)?;
            self.bound_memory(&partition)?;
        }
        Ok(count)
    }

    fn process_merged(&mut self) -> Result<usize, EngineError> {
        let limit = match self.config.ticks {
            Ticks::Recorded { transaction_records, .. } => transaction_records.saturating_sub(self.since_commit),
            Ticks::Wall { .. } => self.config.poll.records,
        };
        let mut fed: BTreeMap<TopicPartition, (Vec<Fed>, i64)> = BTreeMap::new();
        let mut count = 0;
        while count < limit {
            let Some(taken) = self.merge.take() else { break };
            self.tick_by_record(&taken.record)?;
            let at = self.sequence;
            self.sequence += 1;
            count += 1;
            let read = self.read_up_to.entry(taken.partition.clone()).or_insert(i64::MIN);
            *read = taken.record.timestamp.max(*read);
            let entry = fed.entry(taken.partition).or_default();
            entry.0.push(Fed { at, record: taken.record });
            entry.1 = taken.next;
        }
        for (partition, (records, next)) in fed {
            if let Some(task) = self.tasks.get_mut(&partition) {
                task.feed(&mut self.worker, records, next)?;
            }
        }
        self.since_commit += count;
        Ok(count)
    }

    fn tick_by_record(&mut self, record: &Record) -> Result<(), EngineError> {
        let Ticks::Recorded { every, .. } = self.config.ticks else { return Ok(()) };
        if record.timestamp - self.timers.ticked < every {
            return Ok(());
        }
        self.timers.ticked = record.timestamp - record.timestamp.rem_euclid(every);
        // Lowest first: whatever comes later is not older than this record.
        let position = |partition: &TopicPartition| crate::job::ReadPosition {
            partition: partition.clone(),
            up_to: self.timers.ticked,
            retired: false,
        };
        let positions: Vec<_> = self.tasks.keys().map(position).collect();
        let ticks = self.job.ticks(&positions)?;
        self.ticks.extend(ticks.into_iter().map(|message| (self.sequence, message)));
        Ok(())
    }

    /// Publishes, stores and evicts when the caches hold more than they may.
    fn bound_memory(&mut self, partition: &TopicPartition) -> Result<(), EngineError> {
        let share = self.config.cache_bytes / self.tasks.len().max(1);
        let Some(task) = self.tasks.get(partition) else { return Ok(()) };
        if task.context.cache_bytes() <= share && task.dirty_bytes() <= self.config.dirty_bytes {
            return Ok(());
        }
        if !task.is_replaying() {
            self.publish()?;
        }
        self.flush(partition)?;
        if let Some(task) = self.tasks.get_mut(partition) {
            // Below the bound by a quarter, so that the next epoch does not come back here at once.
            task.evict(share - share / 4);
        }
        Ok(())
    }
}

fn join(job: &dyn Job, environment: &Environment, member: &str) -> Result<Box<dyn Consumer>, EngineError> {
    let inputs = job.inputs();
    let topics: BTreeSet<&str> = inputs.iter().map(String::as_str).collect();
    let topics: Vec<&str> = topics.into_iter().collect();
    Ok(environment.log.consumer(&group_of(job.name()), member, &topics)?)
}

/// Consumer group of a job.
pub fn group_of(job: &str) -> String {
    format!("bellbuoy.{job}")
}
