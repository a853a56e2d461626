//! What a job is to the engine: inputs, logic, and a dataflow for each partition.
//!
//! Adding a job means implementing [`Job`]; the engine drives it live, in catch-up, in backtests and in tests by the
//! same code.

use crate::error::EngineError;
use crate::log::{Message, Record, TopicPartition};
use crate::output::Output;
use crate::task::TaskContext;
use schemas::Logic;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::operator::Operator as _;
use timely::dataflow::{Stream, StreamVec};

/// Counts the feeds of a dataflow. Nothing visible may depend on where an epoch ends.
pub type Epoch = u64;

/// A record on its way into a dataflow.
#[derive(Clone, Debug)]
pub struct Fed {
    /// Its position: the offset, or the lane's running number where several partitions are merged.
    pub at: i64,
    /// The record.
    pub record: Record,
}

/// Records, or outputs, on their way through a task's dataflow.
pub type Flow<'scope, D> = StreamVec<'scope, Epoch, D>;

/// One job: what happens to data between two topics.
pub trait Job: Send + Sync {
    /// Its name, part of group, member and folder names.
    fn name(&self) -> &'static str;

    /// Topics it reads.
    fn inputs(&self) -> Vec<String>;

    /// Topics it reads whole beside them, to their end before it takes in a record; none by default, and none with state.
    fn beside(&self) -> Vec<String> {
        Vec::new()
    }

    /// Takes in a record of such a topic; every lane of the job offers each.
    fn learn(&self, _from: &TopicPartition, _record: &Record) -> Result<(), EngineError> {
        Ok(())
    }

    /// What determines its output besides the log.
    fn logic(&self) -> Logic;

    /// Whether tasks keep state, or read several partitions as one merged stream.
    fn mode(&self) -> Mode;

    /// A new operator for a task; its state comes from the context's store.
    fn operator(&self, task: &TaskContext) -> Box<dyn Operator>;

    /// The task's dataflow; by default the operator, record by record.
    fn dataflow<'scope>(&self, task: &TaskContext, records: Flow<'scope, Fed>) -> Flow<'scope, Output> {
        let mut operator = self.operator(task);
        let task = task.clone();
        let stream: Stream<'scope, Epoch, Vec<Output>> =
            records.unary::<timely::container::CapacityContainerBuilder<Vec<Output>>, _, _, _>(
                Pipeline,
                "record by record",
                move |_, _| {
                    let mut outputs = Vec::new();
                    move |input, output| {
                        input.for_each_stamp(|capability, batches| {
                            for fed in batches.flat_map(|batch| batch.drain(..)) {
                                if task.failed() {
                                    continue;
                                }
                                if let Err(error) = operator.process(&fed, &mut outputs) {
                                    task.fail(error);
                                }
                            }
                            output.session(&capability).give_iterator(outputs.drain(..));
                        });
                    }
                },
            );
        stream
    }

    /// What to publish when a task continues under other circumstances; nothing by default.
    fn announce(&self, _task: &TaskContext, _announcement: Announcement) -> Vec<Output> {
        Vec::new()
    }

    /// Messages that say how far the raw partitions have been read; nothing by default.
    fn ticks(&self, _positions: &[ReadPosition]) -> Result<Vec<Message>, EngineError> {
        Ok(Vec::new())
    }
}

/// How a job reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// One partition at a time, with state that is a function of its log.
    Stateful,
    /// Without state; the lane's partitions are merged by record timestamp, lowest first.
    Merged,
}

/// Code of a job for one task.
pub trait Operator {
    /// Takes in the next record.
    fn process(&mut self, fed: &Fed, out: &mut Vec<Output>) -> Result<(), EngineError>;
}

/// Circumstances a task's readers must know of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Announcement {
    /// Replay gave other output than had been published before this offset.
    Resync {
        /// From where output is to be believed again.
        offset: i64,
    },
    /// The logic has changed at this offset.
    Handover {
        /// Logic before.
        from: Logic,
        /// Logic from here on.
        to: Logic,
        /// Where.
        offset: i64,
    },
}

/// How far a partition has been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadPosition {
    /// The partition.
    pub partition: TopicPartition,
    /// Everything before this time has been read, milliseconds.
    pub up_to: i64,
    /// True when it is no longer read by anyone.
    pub retired: bool,
}
