//! A task: one partition's dataflow, its state, and the numbering of its output.
//!
//! Invariant: `committed <= processed`; stored state is never ahead of `committed`.

use crate::clock::TaskClock;
use crate::error::{EngineError, StateError};
use crate::job::{Announcement, Epoch, Fed, Job};
use crate::log::{Message, TopicPartition};
use crate::output::{Digest, Output, Stamp};
use crate::recovery::{CommitMetadata, Verify};
use crate::state::{Cache, CacheControl, Marker, StateStore, Value};
use schemas::Logic;
use serde::{Deserialize, Serialize};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use timely::dataflow::operators::{Inspect, Probe};
use timely::dataflow::{InputHandle, ProbeHandle};
use timely::worker::Worker;

/// Identity of a task.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TaskId {
    /// Job name.
    pub job: String,
    /// Input topic.
    pub topic: String,
    /// Input partition.
    pub partition: u32,
}

impl TaskId {
    /// The partition it reads.
    pub fn input(&self) -> TopicPartition {
        TopicPartition::new(self.topic.as_str(), self.partition)
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}/{}", self.job, self.topic, self.partition)
    }
}

/// What a job's code may use of its task.
#[derive(Clone)]
pub struct TaskContext {
    /// Who it is.
    pub id: TaskId,
    /// Number of tasks of the job: the partitions of its input topic.
    pub tasks: u32,
    /// Its logic.
    pub logic: Logic,
    /// Its clock; the job shows it the ticks it meets.
    pub clock: Rc<RefCell<TaskClock>>,
    shared: Rc<Shared>,
}

struct Shared {
    store: Rc<RefCell<Box<dyn StateStore>>>,
    caches: RefCell<Vec<Rc<RefCell<dyn CacheControl>>>>,
    failure: RefCell<Option<EngineError>>,
    live: Cell<bool>,
}

impl TaskContext {
    pub(crate) fn new(id: TaskId, tasks: u32, logic: Logic, store: Box<dyn StateStore>, clock: TaskClock) -> Self {
        let shared = Shared {
            store: Rc::new(RefCell::new(store)),
            caches: RefCell::default(),
            failure: RefCell::default(),
            live: Cell::new(false),
        };
        TaskContext { id, tasks, logic, clock: Rc::new(RefCell::new(clock)), shared: Rc::new(shared) }
    }

    /// A cache of decoded values over the task's store, flushed and bounded by the engine. Keys of all caches of a task
    /// share one space.
    pub fn cache<V: Value>(&self) -> Rc<RefCell<Cache<V>>> {
        let cache = Rc::new(RefCell::new(Cache::new(self.shared.store.clone())));
        self.shared.caches.borrow_mut().push(cache.clone());
        cache
    }

    /// False while records are replayed whose output has been published: counters and logs must then be silent.
    pub fn is_live(&self) -> bool {
        self.shared.live.get()
    }

    /// Stops the task with an error; the first one counts.
    pub fn fail(&self, error: EngineError) {
        self.shared.failure.borrow_mut().get_or_insert(error);
    }

    /// True after [`TaskContext::fail`].
    pub fn failed(&self) -> bool {
        self.shared.failure.borrow().is_some()
    }

    /// Bytes held by the task's caches.
    pub(crate) fn cache_bytes(&self) -> usize {
        self.shared.caches.borrow().iter().map(|c| c.borrow().bytes()).sum()
    }

    fn dirty_bytes(&self) -> usize {
        self.shared.caches.borrow().iter().map(|c| c.borrow().dirty_bytes()).sum()
    }

    fn cached_values(&self) -> usize {
        self.shared.caches.borrow().iter().map(|c| c.borrow().len()).sum()
    }
}

/// Where a task starts from, as recovery decided.
pub(crate) struct Start {
    pub(crate) topic_id: u64,
    pub(crate) first_offset: i64,
    pub(crate) offset: i64,
    pub(crate) committed: i64,
    pub(crate) out_seq: i64,
    pub(crate) digest: Digest,
    pub(crate) verify: Verify,
}

/// A running task.
pub(crate) struct Task {
    pub(crate) context: TaskContext,
    /// Next offset to process.
    pub(crate) processed: i64,
    /// Next offset as committed.
    pub(crate) committed: i64,
    /// Offset of the last flush.
    pub(crate) flushed: i64,
    /// Offset of the last checkpoint.
    pub(crate) checkpointed: i64,
    /// Numbered output that waits for its transaction.
    pub(crate) pending: Vec<(i64, Message)>,
    input: Option<InputHandle<Epoch, timely::container::CapacityContainerBuilder<Vec<Fed>>>>,
    probe: ProbeHandle<Epoch>,
    dataflow: usize,
    given: Rc<RefCell<Vec<Output>>>,
    epoch: Epoch,
    topic_id: u64,
    first_offset: i64,
    out_seq: i64,
    digest: Digest,
    digesting: bool,
    verify: Verify,
}

impl Task {
    /// Installs the job's dataflow for a task.
    pub(crate) fn install(worker: &mut Worker, job: &dyn Job, context: TaskContext, start: Start) -> Self {
        let dataflow = worker.next_dataflow_index();
        let given = Rc::new(RefCell::new(Vec::new()));
        let mut input = InputHandle::new();
        let probe = ProbeHandle::new();
        let collected = given.clone();
        let installed = context.clone();
        worker.dataflow::<Epoch, _, _>(|scope| {
            let records = input.to_stream(scope);
            job.dataflow(&installed, records)
                .inspect_core(move |event| {
                    if let Ok((_, outputs)) = event {
                        collected.borrow_mut().extend_from_slice(outputs);
                    }
                })
                .probe_with(&probe);
        });
        let task = Task {
            context,
            processed: start.offset,
            committed: start.committed,
            flushed: start.offset,
            checkpointed: start.offset,
            pending: Vec::new(),
            input: Some(input),
            probe,
            dataflow,
            given,
            epoch: 0,
            topic_id: start.topic_id,
            first_offset: start.first_offset,
            out_seq: start.out_seq,
            digest: start.digest,
            digesting: job.mode() == crate::job::Mode::Stateful,
            verify: start.verify,
        };
        task.context.shared.live.set(!task.is_replaying());
        task
    }

    /// True while records are read whose output has been published.
    pub(crate) fn is_replaying(&self) -> bool {
        self.processed < self.committed
    }

    /// Processes records and keeps their output; `next` is where reading continues behind them.
    pub(crate) fn feed(&mut self, worker: &mut Worker, mut records: Vec<Fed>, next: i64) -> Result<(), EngineError> {
        debug_assert!(self.committed >= self.flushed, "stored state is ahead of committed output");
        self.epoch += 1;
        let input = self.input.as_mut().expect("the input is open until the task is closed");
        input.send_batch(&mut records);
        input.advance_to(self.epoch);
        while self.probe.less_than(&self.epoch) {
            worker.step();
        }
        if let Some(error) = self.context.shared.failure.borrow_mut().take() {
            return Err(error);
        }
        let silent = self.is_replaying();
        let mut outputs = std::mem::take(&mut *self.given.borrow_mut());
        // A stable sort: outputs of one operator for one input keep their order.
        outputs.sort_by_key(|output| (output.at, output.operator));
        for output in outputs {
            let at = output.at;
            let message = self.number(output);
            if !silent {
                self.pending.push((at, message));
            }
        }
        self.processed = next;
        Ok(())
    }

    /// At the end of a replay: compares with what was published, and tells readers what they must know.
    pub(crate) fn go_live(&mut self, job: &dyn Job) -> Outcome {
        debug_assert!(!self.is_replaying());
        self.context.shared.live.set(true);
        let offset = self.committed;
        let (announcement, outcome) = match std::mem::replace(&mut self.verify, Verify::Nothing) {
            Verify::Nothing => return Outcome::Continued,
            Verify::Published { out_seq, digest } if (out_seq, digest) == (self.out_seq, self.digest) => {
                return Outcome::Continued;
            }
            Verify::Published { out_seq, digest } => {
                (self.out_seq, self.digest) = (out_seq, digest);
                (Announcement::Resync { offset }, Outcome::Diverged)
            }
            Verify::Handover { from, out_seq, digest } => {
                (self.out_seq, self.digest) = (out_seq, digest);
                (Announcement::Handover { from, to: self.context.logic, offset }, Outcome::HandedOver { from })
            }
        };
        for output in job.announce(&self.context, announcement) {
            let message = self.number(output);
            self.pending.push((offset, message));
        }
        outcome
    }

    fn number(&mut self, output: Output) -> Message {
        let stamp = Stamp {
            task: self.context.id.clone(),
            tasks: self.context.tasks,
            out_seq: self.out_seq,
            logic: self.context.logic,
        };
        let message = output.stamp(&stamp);
        self.out_seq += 1;
        if self.digesting {
            self.digest.update(&message);
        }
        message
    }

    /// What is committed beside the offset.
    pub(crate) fn metadata(&self) -> CommitMetadata {
        CommitMetadata {
            out_seq: self.out_seq,
            digest: self.digest,
            clock: self.context.clock.borrow().now(),
            logic: self.context.logic,
            first_offset: self.first_offset,
            topic_id: self.topic_id,
        }
    }

    /// True when there is something to publish: output, or progress.
    pub(crate) fn has_progress(&self) -> bool {
        !self.pending.is_empty() || self.processed > self.committed
    }

    /// Bytes of state changed since the last flush.
    pub(crate) fn dirty_bytes(&self) -> usize {
        self.context.dirty_bytes()
    }

    /// Number of values in the task's caches.
    pub(crate) fn cached_values(&self) -> usize {
        self.context.cached_values()
    }

    /// What the state stands for now; only true between feeds.
    pub(crate) fn marker(&self) -> Marker {
        Marker {
            task: self.context.id.clone(),
            topic_id: self.topic_id,
            offset: self.processed,
            first_offset: self.first_offset,
            out_seq: self.out_seq,
            digest: self.digest,
            clock: self.context.clock.borrow().clone(),
            logic: self.context.logic,
        }
    }

    /// Stores every changed value and the marker; only what is committed may be stored.
    pub(crate) fn flush(&mut self) -> Result<(), StateError> {
        assert!(self.processed <= self.committed, "local state must never be ahead of committed output");
        let marker = self.marker();
        let caches = self.context.shared.caches.borrow();
        let mut fill = |put: &mut crate::state::Put<'_>| {
            for cache in caches.iter() {
                cache.borrow().write_dirty(put);
            }
        };
        self.context.shared.store.borrow_mut().flush(&mut fill, &marker)?;
        for cache in caches.iter() {
            cache.borrow_mut().mark_clean();
        }
        self.flushed = self.processed;
        Ok(())
    }

    /// Drops clean values until the caches hold at most `target` bytes.
    pub(crate) fn evict(&mut self, target: usize) {
        for cache in self.context.shared.caches.borrow().iter() {
            cache.borrow_mut().evict(target);
        }
    }

    /// A consistent view of what the last flush stored.
    pub(crate) fn snapshot(&self) -> Result<Box<dyn crate::state::Snapshot>, StateError> {
        self.context.shared.store.borrow().snapshot()
    }

    /// Removes the dataflow and everything it holds; uncommitted work is dropped.
    pub(crate) fn close(mut self, worker: &mut Worker) {
        self.input = None;
        worker.step();
        worker.drop_dataflow(self.dataflow);
    }
}

/// How a task came out of recovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// With the output that was published, or nothing to compare.
    Continued,
    /// With other output than was published.
    Diverged,
    /// Under another logic.
    HandedOver {
        /// Logic before.
        from: Logic,
    },
}
