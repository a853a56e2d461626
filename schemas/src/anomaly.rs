//! Anomalies: scored departures from a baseline, as `detect` publishes them.
//!
//! Every record carries who produced it and in which order, so that readers can merge several tasks by rounds.

use crate::{Confidence, Entity, OffsetRange, Text};
use serde::{Deserialize, Serialize};

/// One record of the anomalies topic.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AnomalyRecord<'a> {
    /// Producing task.
    #[serde(borrow)]
    pub task: TaskName<'a>,
    /// Number of tasks of the producing job, so that a reader knows whom to wait for.
    pub tasks: i32,
    /// Position in the task's output, from 0, without gaps.
    pub out_seq: i64,
    /// The task's clock on a 250 ms grid when this was produced, milliseconds.
    pub round: i64,
    /// What determined the output besides the log.
    pub logic: Logic,
    /// The content.
    #[serde(borrow)]
    pub body: AnomalyBody<'a>,
}

/// Identity of a task.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TaskName<'a> {
    /// Job name.
    #[serde(borrow)]
    pub job: Text<'a>,
    /// Input topic.
    #[serde(borrow)]
    pub topic: Text<'a>,
    /// Input partition.
    pub partition: i32,
}

/// What determines a task's output besides the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Logic {
    /// Version of the job's semantics; raised when the same input would give other output.
    pub semantics: i32,
    /// Revision of the configuration, as its owner numbers it.
    pub revision: i32,
    /// Hash of the configuration that affects output.
    pub hash: i64,
}

/// What the anomalies topic carries.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all records are anomalies, and none is kept; a box would only cost"
)]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum AnomalyBody<'a> {
    /// A scored departure.
    #[serde(borrow)]
    Anomaly(Anomaly<'a>),
    /// The task has processed everything before this round.
    TaskTick(TaskTick),
    /// The task recovered with another output than it had published: alarms not listed are over.
    #[serde(borrow)]
    Resync(Resync<'a>),
    /// The task continues under another logic.
    Handover(Handover),
    /// A forwarded control record.
    #[serde(borrow)]
    Control(crate::Control<'a>),
}

impl Default for AnomalyBody<'_> {
    fn default() -> Self {
        AnomalyBody::TaskTick(TaskTick::default())
    }
}

/// One scored departure from a baseline.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Anomaly<'a> {
    /// Whose data this is.
    #[serde(borrow)]
    pub tenant: Text<'a>,
    /// Cluster uid or configured name.
    #[serde(borrow)]
    pub cluster: Text<'a>,
    /// What departed.
    #[serde(borrow)]
    pub entity: Entity<'a>,
    /// How sure the entity is.
    pub confidence: Confidence,
    /// Detector that found it.
    #[serde(borrow)]
    pub detector: Text<'a>,
    /// Kind of evidence.
    pub family: Family,
    /// Which part of the entity (container), or empty.
    #[serde(borrow)]
    pub scope: Text<'a>,
    /// What was measured (`container.cpu.time rate`, `list secrets`).
    #[serde(borrow)]
    pub measure: Text<'a>,
    /// Pods it was seen on; empty where it concerns the whole entity.
    #[serde(borrow)]
    pub instances: Vec<Text<'a>>,
    /// Time of the observation that raised it.
    pub event_time: i64,
    /// Time of the first observation of the departure.
    pub onset: i64,
    /// How grave, in three bands.
    pub band: Band,
    /// The detector's own number.
    pub raw: f64,
    /// Probability of something as extreme under the baseline, where the detector is calibrated.
    pub p: Option<f64>,
    /// 0–100, comparable across detectors, never changed afterwards.
    pub score: f64,
    /// One sentence for a person.
    #[serde(borrow)]
    pub sentence: Text<'a>,
    /// The arithmetic behind the score: terms a person can check by hand.
    #[serde(borrow)]
    pub terms: Vec<Term<'a>>,
    /// The signals and raw records behind it.
    #[serde(borrow)]
    pub evidence: Vec<OffsetRange<'a>>,
    /// What the entity has to do with others, capped: correlation looks along these.
    #[serde(borrow, default)]
    pub related: Vec<Related<'a>>,
    /// How many observations the baseline rests on.
    pub baseline_count: i64,
    /// Since when the baseline has been learning.
    pub baseline_since: i64,
}

/// What an entity has to do with another one, as its signals told until then.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Related<'a> {
    /// Which way.
    pub relation: Relation,
    /// The other one.
    #[serde(borrow)]
    pub entity: Entity<'a>,
}

/// Ways to have to do with another entity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Relation {
    /// Opens connections to it: depends on it.
    #[default]
    Calls,
    /// Runs on this node.
    RunsOn,
    /// A principal whose requests come from this workload.
    ActsFrom,
    /// A principal that gave this one rights.
    Grants,
    /// A container or pod of this workload.
    PartOf,
    /// Was changed by this principal.
    ChangedBy,
    /// Something a later version names.
    Other,
}

/// One term of a score.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Term<'a> {
    /// What it is (`observed`, `usual high`, `novelty P`).
    #[serde(borrow)]
    pub name: Text<'a>,
    /// Its value.
    pub value: f64,
    /// Its unit, or empty.
    #[serde(borrow)]
    pub unit: Text<'a>,
}

/// How grave an anomaly is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Band {
    /// Evidence for correlation only.
    #[default]
    Unusual,
    /// Worth a ticket: sharp against local noise as well.
    Sharp,
    /// Worth a page: never seen before, or forbidden.
    Novel,
}

/// Kinds of evidence. Within one family evidence is dependent (take the maximum); across families it adds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Family {
    /// Time taken.
    Latency,
    /// Failures.
    Errors,
    /// CPU, memory, disk, queue: resources and load.
    #[default]
    Saturation,
    /// First-seen behaviour and security findings.
    Novelty,
    /// Network volume and drops.
    Network,
    /// A change made on purpose.
    Change,
    /// Log lines.
    Logs,
    /// Departure from siblings.
    Peers,
    /// A limit that will be hit.
    Forecast,
    /// Data that stopped or is doubtful.
    DataQuality,
}

/// The task has processed everything before a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskTick {
    /// The task's clock, milliseconds.
    pub up_to: i64,
}

/// After a divergence: what is still open.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resync<'a> {
    /// Input offset from which output is to be believed again.
    pub offset: i64,
    /// Identifiers of the alarms that stay open.
    #[serde(borrow)]
    pub open: Vec<Text<'a>>,
}

/// The task continues under another logic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handover {
    /// Logic before.
    pub from: Logic,
    /// Logic from here on.
    pub to: Logic,
    /// Input offset of the change.
    pub offset: i64,
}
