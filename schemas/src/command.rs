//! Commands: orders to the actuator. A command is a fact with a precondition, an expiry, an inverse and a signature.
//!
//! Invariant: a command names one object by uid and resource version, as it was seen when the command was decided.

use crate::{AnomalyId, Blob, Entity, Logic, TaskName, Term, Text};
use serde::{Deserialize, Serialize};

/// One record of the commands topic, keyed by its lock domain.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Command<'a> {
    /// Whose estate.
    #[serde(borrow)]
    pub tenant: Text<'a>,
    /// Cluster uid or configured name.
    #[serde(borrow)]
    pub cluster: Text<'a>,
    /// Producing task.
    #[serde(borrow)]
    pub task: TaskName<'a>,
    /// Number of tasks of the producing job.
    pub tasks: i32,
    /// Position in the task's output, from 0, without gaps.
    pub out_seq: i64,
    /// The task's round when this was produced, milliseconds.
    pub round: i64,
    /// What determined the output besides the log.
    pub logic: Logic,
    /// UUIDv5 of cluster, incident, action, target uid, parameters and attempt.
    #[serde(borrow)]
    pub id: Text<'a>,
    /// From 1; raised for a new order after an earlier one failed or expired.
    pub attempt: i32,
    /// Do it, or undo it.
    pub intent: Intent,
    /// The command this one undoes; empty unless `intent` says so.
    #[serde(borrow)]
    pub undoes: Text<'a>,
    /// How far the actuator may go by itself.
    pub mode: Mode,
    /// How much can go wrong.
    pub risk: RiskClass,
    /// What to do.
    #[serde(borrow)]
    pub action: Action<'a>,
    /// What to do it to.
    #[serde(borrow)]
    pub target: Target<'a>,
    /// Commands of one domain run one after the other (`cluster/namespace/workload`, `cluster/node`).
    #[serde(borrow)]
    pub lock_domain: Text<'a>,
    /// One sentence for a person.
    #[serde(borrow)]
    pub reason: Text<'a>,
    /// The incident that called for it.
    #[serde(borrow)]
    pub incident: Text<'a>,
    /// Revision of the incident it was decided on.
    pub incident_revision: i32,
    /// The anomalies that decided.
    #[serde(borrow)]
    pub anomalies: Vec<AnomalyId<'a>>,
    /// The numbers the decision rests on.
    #[serde(borrow)]
    pub terms: Vec<Term<'a>>,
    /// When it was decided, on the task's clock, milliseconds.
    pub issued_at: i64,
    /// Not to be started before.
    pub not_before: i64,
    /// Not to be started at or after.
    pub expires_at: i64,
    /// What must hold at execution, checked against the live object.
    #[serde(borrow)]
    pub preconditions: Vec<Precondition<'a>>,
    /// How to tell that it helped.
    #[serde(borrow)]
    pub verify: Option<VerifyPredicate<'a>>,
    /// How to undo it; null where it cannot be undone.
    #[serde(borrow)]
    pub inverse: Option<Action<'a>>,
    /// Who undoes it.
    pub rollback: Rollback,
    /// Undone after this long, milliseconds; 0 for never.
    pub undo_after: i64,
    /// How many different people must consent in mode approve.
    pub approvals: i32,
    /// The policy that proposed it.
    #[serde(borrow)]
    pub policy: Policy<'a>,
    /// `sha256:` and hex, over every field above in their Avro encoding; what approvals are bound to.
    #[serde(borrow)]
    pub digest: Text<'a>,
    /// Over the digest.
    #[serde(borrow)]
    pub signature: Signature<'a>,
}

/// Whether a command does or undoes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Intent {
    /// Carry the action out.
    #[default]
    Execute,
    /// Undo an earlier command.
    Rollback,
    /// Something a later version names; never obeyed.
    Other,
}

/// How far the actuator may go by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Mode {
    /// Say nothing, count only.
    Observe,
    /// Tell people what one would do.
    #[default]
    Recommend,
    /// Wait for consent.
    Approve,
    /// Act.
    Enforce,
    /// Something a later version names; treated as observe.
    Other,
}

/// How much can go wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RiskClass {
    /// Reads only.
    R0,
    /// Metadata only.
    R1,
    /// Reversible, one pod.
    R2,
    /// Reversible, a workload or node.
    R3,
    /// Irreversible, or of cluster scope.
    #[default]
    R4,
}

/// What to do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Action<'a> {
    /// Name in the action catalogue (`quarantine_pod`).
    #[serde(borrow)]
    pub name: Text<'a>,
    /// Its parameters, sorted by name.
    #[serde(borrow)]
    pub parameters: Vec<Parameter<'a>>,
}

/// One parameter of an action.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Parameter<'a> {
    /// Its name.
    #[serde(borrow)]
    pub name: Text<'a>,
    /// Its value as text; the catalogue knows its type.
    #[serde(borrow)]
    pub value: Text<'a>,
}

/// One object of a cluster, as it was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target<'a> {
    /// The entity it belongs to.
    #[serde(borrow)]
    pub entity: Entity<'a>,
    /// API group and version (`apps/v1`).
    #[serde(borrow)]
    pub api_version: Text<'a>,
    /// Kubernetes kind.
    #[serde(borrow)]
    pub kind: Text<'a>,
    /// Namespace; empty for what has none.
    #[serde(borrow)]
    pub namespace: Text<'a>,
    /// Name.
    #[serde(borrow)]
    pub name: Text<'a>,
    /// Uid: another object of the same name is not the target.
    #[serde(borrow)]
    pub uid: Text<'a>,
    /// Resource version seen.
    #[serde(borrow)]
    pub resource_version: Text<'a>,
    /// The workload a pod belongs to; null where it is the target itself or there is none.
    #[serde(borrow)]
    pub workload: Option<TargetWorkload<'a>>,
}

/// The workload a target belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetWorkload<'a> {
    /// Kubernetes kind.
    #[serde(borrow)]
    pub kind: Text<'a>,
    /// Name.
    #[serde(borrow)]
    pub name: Text<'a>,
    /// Uid.
    #[serde(borrow)]
    pub uid: Text<'a>,
    /// Revision seen (the pod template's hash).
    #[serde(borrow)]
    pub revision: Text<'a>,
}

/// One thing that must hold at execution.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Precondition<'a> {
    /// Which check (`min_ready`, `max_workload_unavailable`, `pdb`, `not_changed_since`).
    #[serde(borrow)]
    pub name: Text<'a>,
    /// What it must be.
    #[serde(borrow)]
    pub value: Text<'a>,
}

/// How to tell that an action helped.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct VerifyPredicate<'a> {
    /// What is watched (`incident_closed`, `flows_from_target`, a measure).
    #[serde(borrow)]
    pub name: Text<'a>,
    /// `<`, `<=`, `=`, `>=`, `>`.
    #[serde(borrow)]
    pub comparison: Text<'a>,
    /// What it is compared with.
    pub value: f64,
    /// How long it may take, milliseconds.
    pub within: i64,
}

/// Who undoes a command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Rollback {
    /// The actuator, when it expires or made things worse.
    Automatic,
    /// A person.
    #[default]
    Manual,
    /// Nobody: it cannot be undone.
    Never,
}

/// The policy behind a command.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy<'a> {
    /// Its name.
    #[serde(borrow)]
    pub id: Text<'a>,
    /// Its version, as its owner numbers it.
    #[serde(borrow)]
    pub version: Text<'a>,
    /// `sha256:` and hex of its text.
    #[serde(borrow)]
    pub hash: Text<'a>,
}

/// A signature.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature<'a> {
    /// `ed25519` or `hmac-sha256`.
    #[serde(borrow)]
    pub algorithm: Text<'a>,
    /// Which key.
    #[serde(borrow)]
    pub key_id: Text<'a>,
    /// The signature itself.
    #[serde(borrow)]
    pub signature: Blob<'a>,
}
