//! Results: what became of a command, as the actuator tells it.
//!
//! One record is one step of one command. The records of one chain carry each other's hashes, so a missing or
//! altered one is found.

use crate::{Intent, Target, Term, Text};
use serde::{Deserialize, Serialize};

/// One record of the results topic.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CommandResult<'a> {
    /// Whose estate.
    #[serde(borrow)]
    pub tenant: Text<'a>,
    /// Cluster uid or configured name.
    #[serde(borrow)]
    pub cluster: Text<'a>,
    /// Identifier of the command.
    #[serde(borrow)]
    pub command: Text<'a>,
    /// Digest of the command.
    #[serde(borrow)]
    pub command_digest: Text<'a>,
    /// Its attempt.
    pub attempt: i32,
    /// Do it, or undo it.
    pub intent: Intent,
    /// Name of the action.
    #[serde(borrow)]
    pub action: Text<'a>,
    /// The object.
    #[serde(borrow)]
    pub target: Target<'a>,
    /// The command's lock domain.
    #[serde(borrow)]
    pub lock_domain: Text<'a>,
    /// The incident that called for it.
    #[serde(borrow)]
    pub incident: Text<'a>,
    /// Name of the actuator.
    #[serde(borrow)]
    pub actuator: Text<'a>,
    /// Its lease's epoch; recorded for the record, never trusted.
    pub lease_epoch: i64,
    /// What has become of the command.
    pub state: ResultState,
    /// When it became so, milliseconds.
    pub at: i64,
    /// Which rule refused it and with what numbers; null unless rejected.
    #[serde(borrow)]
    pub refusal: Option<Refusal<'a>>,
    /// The API operations done in this step, in order.
    #[serde(borrow)]
    pub operations: Vec<ApiOperation<'a>>,
    /// The consents it was given.
    #[serde(borrow)]
    pub approvals: Vec<ApprovalGiven<'a>>,
    /// What verification saw; null before.
    #[serde(borrow)]
    pub verification: Option<Verification<'a>>,
    /// When it will be undone, milliseconds; 0 for never.
    pub undo_at: i64,
    /// One sentence for a person.
    #[serde(borrow)]
    pub sentence: Text<'a>,
    /// What happens next, one clause; empty at the end.
    #[serde(borrow)]
    pub next_step: Text<'a>,
    /// Paths of fields removed before storing; the names only, never the contents.
    #[serde(borrow)]
    pub redacted: Vec<Text<'a>>,
    /// Which hash chain this record belongs to.
    #[serde(borrow)]
    pub chain: Text<'a>,
    /// Position in the chain, from 0, without gaps.
    pub chain_seq: i64,
    /// `sha256:` and hex of the record before it; empty for the first.
    #[serde(borrow)]
    pub previous_hash: Text<'a>,
    /// `sha256:` and hex over every field above in their Avro encoding.
    #[serde(borrow)]
    pub hash: Text<'a>,
}

/// What may become of a command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ResultState {
    /// Valid, and waiting for its time, its turn or consent.
    #[default]
    Accepted,
    /// Refused.
    Rejected,
    /// Told to people, who may do it themselves.
    Recommended,
    /// The API server would take it.
    DryRunOk,
    /// Under way.
    Executing,
    /// Every operation was done.
    Succeeded,
    /// An operation was refused or failed; nothing or part of it was done.
    Failed,
    /// It cannot be told what was done.
    Unknown,
    /// It helped.
    Verified,
    /// It did not help.
    Ineffective,
    /// It is to be undone.
    RollbackPending,
    /// It was undone.
    RolledBack,
    /// It was not undone, because somebody else has changed the object since.
    RollbackConflict,
    /// Something a later version names.
    Other,
}

/// Why a command was refused.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Refusal<'a> {
    /// The rule.
    pub rule: RefusalRule,
    /// The numbers it compared.
    #[serde(borrow)]
    pub numbers: Vec<Term<'a>>,
    /// One sentence for a person: what was found and what is allowed.
    #[serde(borrow)]
    pub sentence: Text<'a>,
}

/// The rules a command may be refused by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RefusalRule {
    /// Its time is over.
    Expired,
    /// Its time has not come, or lies too far ahead.
    NotYet,
    /// It was carried out before.
    Duplicate,
    /// Not signed by a key that may.
    BadSignature,
    /// Nobody consented in time, or too few did.
    ApprovalMissing,
    /// Somebody refused it.
    ApprovalDenied,
    /// The kill switch is on or cannot be read.
    Killed,
    /// The target is outside what may be touched.
    DeniedScope,
    /// The blast radius is used up.
    Budget,
    /// Too soon after the last one.
    Cooldown,
    /// The object is not as the command says.
    PreconditionFailed,
    /// Another controller would undo it.
    ManagedElsewhere,
    /// It would not isolate what it should.
    ResidualAllow,
    /// The cluster or the action catalogue cannot do it.
    Unsupported,
    /// The API server says no.
    Forbidden,
    /// The API server's dry run says no.
    DryRunFailed,
    /// Too much is anomalous at once.
    Storm,
    /// The evidence is not good enough to act on.
    Quality,
    /// Something a later version names.
    #[default]
    Other,
}

/// One request to the Kubernetes API.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ApiOperation<'a> {
    /// HTTP method.
    #[serde(borrow)]
    pub method: Text<'a>,
    /// Path, without its query.
    #[serde(borrow)]
    pub path: Text<'a>,
    /// True where the API server was asked to change nothing.
    pub dry_run: bool,
    /// HTTP status; 0 where no answer came.
    pub status: i32,
    /// What the API server said was wrong, capped; empty otherwise.
    #[serde(borrow)]
    pub error: Text<'a>,
    /// Resource version before; empty where unknown.
    #[serde(borrow)]
    pub resource_version_before: Text<'a>,
    /// Resource version after; empty where unknown.
    #[serde(borrow)]
    pub resource_version_after: Text<'a>,
    /// `sha256:` and hex of the object before; empty where unknown.
    #[serde(borrow)]
    pub digest_before: Text<'a>,
    /// `sha256:` and hex of the object after; empty where unknown.
    #[serde(borrow)]
    pub digest_after: Text<'a>,
    /// When it was sent, milliseconds.
    pub started_at: i64,
    /// How long it took, milliseconds.
    pub took: i64,
}

/// One consent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalGiven<'a> {
    /// Identifier of the control record.
    #[serde(borrow)]
    pub id: Text<'a>,
    /// Who.
    #[serde(borrow)]
    pub author: Text<'a>,
    /// When, milliseconds.
    pub at: i64,
}

/// What verification saw.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Verification<'a> {
    /// What was watched.
    #[serde(borrow)]
    pub name: Text<'a>,
    /// True where it held.
    pub held: bool,
    /// The numbers seen.
    #[serde(borrow)]
    pub numbers: Vec<Term<'a>>,
}
