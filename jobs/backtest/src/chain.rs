//! Running a chain of jobs, each over what the one before wrote, each to its end before the next begins.
//!
//! Invariant: what a stage reads is complete when it starts, so nothing depends on which lane was faster.

use crate::error::BacktestError;
use crate::order::{Apart, message};
use crate::recorded::{Ranges, Recorded};
use crate::scratch::Scratch;
use crate::source::Source;
use engine::clock::WallClock;
use engine::job::{Job, Mode};
use engine::lane::{Environment, LaneConfig};
use engine::log::{Bounds, TopicPartition};
use engine::metrics::Metrics;
use engine::output::Digest;
use engine::runtime::{Assignment, Status, Stopping, Until, start};
use engine::task::TaskId;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// How often the lanes are looked after.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// One job of the chain.
pub struct Stage {
    /// The job, built on the scratch log.
    pub job: Arc<dyn Job>,
    /// How its lanes work.
    pub config: LaneConfig,
    /// Number of lanes.
    pub lanes: usize,
}

/// What a chain runs on.
pub struct Ports<'a> {
    /// The machine's time, for cadences only.
    pub clock: Arc<dyn WallClock>,
    /// Memory of the state stores, bytes.
    pub memory: usize,
    /// Ends the chain early.
    pub stopping: Stopping,
    /// Is told job, offsets read, and how many there are.
    pub progress: &'a mut dyn FnMut(&str, u64, u64),
}

/// What one job of a chain gave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// The job.
    pub job: String,
    /// Messages by topic.
    pub outputs: BTreeMap<String, u64>,
    /// Digest of everything it wrote.
    pub digest: Digest,
}

/// Runs the stages over the ranges of a source, which are those of the first job's input.
pub fn run(
    source: &Source,
    ranges: Ranges,
    scratch: &Scratch,
    stages: &[Stage],
    ports: Ports<'_>,
) -> Result<Vec<Outcome>, BacktestError> {
    if stages.is_empty() {
        return Err(BacktestError::NoJob);
    }
    let stores = scratch.stores(ports.memory);
    let mut outcomes = Vec::new();
    for stage in stages {
        let input = match outcomes.is_empty() {
            true => Recorded::new(source.clone(), ranges.clone(), scratch.log().clone()),
            // What the one before wrote is now as much a recording as what the first has read.
            false => Recorded::new(scratch.written(), whole(stage, scratch)?, scratch.log().clone()),
        };
        let merged = stage.job.mode() == Mode::Merged;
        let apart = (!merged).then(|| Apart::begin(scratch, tasks_of(stage, scratch)?)).transpose()?;
        let log = Arc::new(input.writing(apart));
        let before = ends(scratch)?;
        let assignment = Assignment {
            job: stage.job.clone(),
            environment: Environment {
                log: log.clone(),
                stores: stores.clone(),
                checkpoints: None,
                clock: ports.clock.clone(),
                metrics: Metrics::new("backtest"),
            },
            config: stage.config.clone(),
            lanes: stage.lanes.max(1),
            ordinal: 0,
            until: Until::Complete(Arc::new(AtomicBool::new(true))),
        };
        let status = Status::default();
        let running = start(&[assignment], &ports.stopping, &status)?;
        let total = log.span();
        while !running.is_finished() {
            (ports.progress)(stage.job.name(), log.read_so_far().min(total), total);
            std::thread::sleep(LOOK_EVERY);
        }
        running.join()?;
        if ports.stopping.is_stopping() {
            return Err(BacktestError::Stopped);
        }
        if let Some(apart) = apart {
            apart.end(scratch)?;
        }
        outcomes.push(outcome(stage, scratch, &before, &status)?);
    }
    Ok(outcomes)
}

/// Tasks of a stage: one for each partition of its input.
fn tasks_of(stage: &Stage, scratch: &Scratch) -> Result<u32, BacktestError> {
    let mut tasks = 0;
    for topic in stage.job.inputs() {
        tasks = tasks.max(scratch.log().topic(&topic)?.spec.partitions);
    }
    Ok(tasks.max(1))
}

/// Everything that the scratch log has of a stage's input.
fn whole(stage: &Stage, scratch: &Scratch) -> Result<Ranges, BacktestError> {
    let mut ranges = Ranges::new();
    for topic in stage.job.inputs() {
        for number in 0..scratch.log().topic(&topic)?.spec.partitions {
            let partition = TopicPartition::new(topic.as_str(), number);
            let Bounds { start, end } = scratch.log().bounds(&partition)?;
            ranges.insert(partition, (start, end));
        }
    }
    Ok(ranges)
}

/// The end of every partition of the scratch log.
fn ends(scratch: &Scratch) -> Result<BTreeMap<TopicPartition, i64>, BacktestError> {
    let mut ends = BTreeMap::new();
    for topic in scratch.log().topics()? {
        for number in 0..topic.spec.partitions {
            let partition = TopicPartition::new(topic.spec.name.as_str(), number);
            let end = scratch.log().bounds(&partition)?.end;
            ends.insert(partition, end);
        }
    }
    Ok(ends)
}

fn outcome(
    stage: &Stage,
    scratch: &Scratch,
    before: &BTreeMap<TopicPartition, i64>,
    status: &Status,
) -> Result<Outcome, BacktestError> {
    // Tasks of a merged job have no digest of their own: what they wrote stands for them.
    let merged = stage.job.mode() == Mode::Merged;
    let mut outputs: BTreeMap<String, u64> = BTreeMap::new();
    let mut partitions: BTreeMap<TopicPartition, Digest> = BTreeMap::new();
    let written = ends(scratch)?.into_iter().filter(|(partition, end)| before.get(partition) != Some(end));
    let topics: BTreeSet<Arc<str>> = written.map(|(partition, _)| partition.topic).collect();
    for topic in topics {
        scratch.written().each::<BacktestError>(&topic, |partition, record| {
            *outputs.entry(topic.to_string()).or_default() += 1;
            if merged {
                let place = TopicPartition::new(topic.clone(), partition);
                partitions.entry(place).or_default().update(&message(&topic, partition, record));
            }
            Ok(())
        })?;
    }
    let mut digest = Digest::default();
    if merged {
        partitions.values().for_each(|of_partition| digest.combine(of_partition));
    } else {
        tasks(status).values().for_each(|(_, of_task)| digest.combine(of_task));
    }
    Ok(Outcome { job: stage.job.name().to_owned(), outputs, digest })
}

/// The digest of each task. One that moved between lanes is told by several; the one that wrote most is right.
fn tasks(status: &Status) -> BTreeMap<TaskId, (i64, Digest)> {
    let mut tasks: BTreeMap<TaskId, (i64, Digest)> = BTreeMap::new();
    for (task, outputs, digest) in status.lanes().into_values().flat_map(|lane| lane.digests) {
        let known = tasks.entry(task).or_insert((outputs, digest));
        if outputs > known.0 {
            *known = (outputs, digest);
        }
    }
    tasks
}
