//! Incidents: anomalies that belong together, with a lifecycle, as `correlate` publishes them.
//!
//! One record is one change of one incident and carries its whole state, so a reader needs the last one only.
//!
//! Invariant: nothing here depends on the order in which tasks wrote the anomalies topic. A member is named by its
//! task and output sequence, never by its offset, which that order determines.

use crate::{Band, Control, Entity, Family, Handover, Logic, OffsetRange, Resync, TaskName, TaskTick, Term, Text};
use serde::{Deserialize, Serialize};

/// One record of the incidents topic.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct IncidentRecord<'a> {
    /// Producing task.
    #[serde(borrow)]
    pub task: TaskName<'a>,
    /// Number of tasks of the producing job, so that a reader knows whom to wait for.
    pub tasks: i32,
    /// Position in the task's output, from 0, without gaps.
    pub out_seq: i64,
    /// The round that was complete when this was produced, milliseconds.
    pub round: i64,
    /// What determined the output besides the log.
    pub logic: Logic,
    /// The content.
    #[serde(borrow)]
    pub body: IncidentBody<'a>,
}

/// What the incidents topic carries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum IncidentBody<'a> {
    /// One change of one incident. Boxed, because it is many times larger than the others.
    #[serde(borrow)]
    Incident(Box<Incident<'a>>),
    /// The task has processed everything before this round.
    TaskTick(TaskTick),
    /// The task recovered with another output than it had published: incidents not listed are over.
    #[serde(borrow)]
    Resync(Resync<'a>),
    /// The task continues under another logic.
    Handover(Handover),
    /// A forwarded control record.
    #[serde(borrow)]
    Control(Control<'a>),
}

impl Default for IncidentBody<'_> {
    fn default() -> Self {
        IncidentBody::TaskTick(TaskTick::default())
    }
}

/// One incident as it stands after one change.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Incident<'a> {
    /// Whose data this is.
    #[serde(borrow)]
    pub tenant: Text<'a>,
    /// Cluster uid or configured name.
    #[serde(borrow)]
    pub cluster: Text<'a>,
    /// Identifier, the same in every replay: from the earliest onset and its entity.
    #[serde(borrow)]
    pub id: Text<'a>,
    /// What happened to it with this record.
    pub state: IncidentState,
    /// Number of this change within the incident, from 1, without gaps.
    pub revision: i32,
    /// Incidents this one replaces or has taken in.
    #[serde(borrow)]
    pub supersedes: Vec<Text<'a>>,
    /// The incident that has taken this one in; empty unless merged.
    #[serde(borrow)]
    pub superseded_by: Text<'a>,
    /// 0–100.
    pub severity: f64,
    /// Highest severity so far.
    pub peak_severity: f64,
    /// The gravest band among its members.
    pub band: Band,
    /// Log-odds behind the severity.
    pub score: f64,
    /// The arithmetic behind the score: terms a person can check by hand.
    #[serde(borrow)]
    pub terms: Vec<Term<'a>>,
    /// What is wrong, one sentence for a person.
    #[serde(borrow)]
    pub sentence: Text<'a>,
    /// Since when, where it began, why these belong together, which change preceded.
    #[serde(borrow)]
    pub explanation: Vec<Text<'a>>,
    /// Earliest onset among its members.
    pub onset: i64,
    /// When it was opened, on the task's clock.
    pub opened_at: i64,
    /// Event time of the newest evidence.
    pub last_evidence: i64,
    /// When it was closed, on the task's clock; 0 while open.
    pub closed_at: i64,
    /// Why it was closed; empty while open.
    #[serde(borrow)]
    pub closing: Text<'a>,
    /// The anomalies it rests on, strongest first, capped.
    #[serde(borrow)]
    pub members: Vec<Member<'a>>,
    /// Number of members, those beyond the cap included.
    pub members_total: i64,
    /// Why members belong together, strongest first, capped.
    #[serde(borrow)]
    pub links: Vec<Link<'a>>,
    /// Likely causes, most likely first.
    #[serde(borrow)]
    pub causes: Vec<Cause<'a>>,
    /// What happened, in order of time, capped to the newest.
    #[serde(borrow)]
    pub timeline: Vec<TimelineEntry<'a>>,
    /// What it touches.
    #[serde(borrow)]
    pub blast_radius: BlastRadius<'a>,
    /// Whether a person should hear of it.
    pub notice: Notice,
    /// Why it is held back or muted; empty otherwise.
    #[serde(borrow)]
    pub notice_reason: Text<'a>,
    /// Tasks of detect that were not waited for any longer when this was decided.
    #[serde(default)]
    pub unheard: i32,
    /// A person's judgement from control; empty where none.
    #[serde(borrow)]
    pub label: Text<'a>,
}

impl Incident<'_> {
    /// True where it has come to its end.
    pub fn is_over(&self) -> bool {
        matches!(self.state, IncidentState::Close | IncidentState::Merge) || self.closed_at > 0
    }
}

/// What happened to an incident.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum IncidentState {
    /// It begins.
    #[default]
    Open,
    /// It goes on, with other members or another severity.
    Update,
    /// It was taken in by another and ends here.
    Merge,
    /// Part of it goes on as an incident of its own, which supersedes it.
    Split,
    /// It is over.
    Close,
    /// It was closed too early.
    Reopen,
    /// Something a later version names.
    Other,
}

/// Whether a person should hear of an incident.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Notice {
    /// Worth telling.
    #[default]
    Notify,
    /// Kept for the ledger: over the budget or below the threshold.
    HeldBack,
    /// Somebody asked not to hear of it.
    Muted,
    /// Something a later version names.
    Other,
}

/// One anomaly within an incident.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Member<'a> {
    /// The anomaly.
    #[serde(borrow)]
    pub anomaly: AnomalyId<'a>,
    /// What departed.
    #[serde(borrow)]
    pub entity: Entity<'a>,
    /// Kind of evidence.
    pub family: Family,
    /// How grave the anomaly is.
    pub band: Band,
    /// Detector that found it.
    #[serde(borrow)]
    pub detector: Text<'a>,
    /// What was measured.
    #[serde(borrow)]
    pub measure: Text<'a>,
    /// Time of the first observation of the departure.
    pub onset: i64,
    /// Time of the observation that raised it.
    pub event_time: i64,
    /// The anomaly's score, 0–100.
    pub score: f64,
    /// The detector's own number.
    pub raw: f64,
    /// Probability under the baseline, where the detector is calibrated.
    pub p: Option<f64>,
    /// What it adds to the incident's score.
    pub weight: f64,
    /// Pods it was seen on, by uid or name; empty where it concerns the whole entity.
    #[serde(borrow, default)]
    pub instances: Vec<Text<'a>>,
    /// The anomaly's sentence.
    #[serde(borrow)]
    pub sentence: Text<'a>,
    /// The signals and raw records behind it.
    #[serde(borrow)]
    pub evidence: Vec<OffsetRange<'a>>,
}

/// Identity of an anomaly: who produced it and where in its output.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AnomalyId<'a> {
    /// Producing task.
    #[serde(borrow)]
    pub task: TaskName<'a>,
    /// Position in that task's output.
    pub out_seq: i64,
}

/// Why two entities of an incident belong together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Link<'a> {
    /// The relation that found it (`calls`, `same_node`, `same_owner`, `change`).
    #[serde(borrow)]
    pub relation: Text<'a>,
    /// The entity that depends or came later.
    #[serde(borrow)]
    pub from: Entity<'a>,
    /// The entity depended on or earlier.
    #[serde(borrow)]
    pub to: Entity<'a>,
    /// Onset of `from` minus onset of `to`, milliseconds.
    pub lag: i64,
    /// Strength, 0–1.
    pub strength: f64,
    /// One clause for a person.
    #[serde(borrow)]
    pub sentence: Text<'a>,
}

/// One likely cause.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cause<'a> {
    /// From 1, the most likely.
    pub rank: i32,
    /// The suspect.
    #[serde(borrow)]
    pub entity: Entity<'a>,
    /// What about it: a measure, a change, a behaviour.
    #[serde(borrow)]
    pub what: Text<'a>,
    /// When it began there.
    pub onset: i64,
    /// What the ranking compares.
    pub score: f64,
    /// The arithmetic behind the score.
    #[serde(borrow)]
    pub terms: Vec<Term<'a>>,
    /// What speaks against it, a sentence each.
    #[serde(borrow, default)]
    pub against: Vec<Text<'a>>,
    /// One sentence for a person.
    #[serde(borrow)]
    pub sentence: Text<'a>,
}

/// One thing that happened during an incident.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TimelineEntry<'a> {
    /// When.
    pub at: i64,
    /// What sort of thing.
    pub kind: TimelineKind,
    /// To what.
    #[serde(borrow)]
    pub entity: Entity<'a>,
    /// One sentence for a person.
    #[serde(borrow)]
    pub sentence: Text<'a>,
}

/// Sorts of things in a timeline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TimelineKind {
    /// A departure began.
    #[default]
    Onset,
    /// A departure ended.
    Recovery,
    /// A change made on purpose.
    Change,
    /// The incident opened, grew, merged, split, closed or reopened.
    Lifecycle,
    /// An action was proposed or carried out.
    Action,
    /// Something a later version names.
    Other,
}

/// What an incident touches.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BlastRadius<'a> {
    /// Entities touched, most affected first, capped.
    #[serde(borrow)]
    pub entities: Vec<Entity<'a>>,
    /// Number of entities, those beyond the cap included.
    pub entities_total: i64,
    /// Number of namespaces.
    pub namespaces: i32,
    /// Number of workloads.
    pub workloads: i32,
    /// Number of nodes.
    pub nodes: i32,
    /// Number of pods seen.
    pub instances: i32,
    /// Entities that depend on what is touched and show nothing yet, capped.
    #[serde(borrow)]
    pub at_risk: Vec<Entity<'a>>,
}
