//! The ledger: one `RemediationAction` in the cluster for each command that was taken up.
//!
//! Making it is the claim: the API server makes one of a name, whoever asks first. It holds the command itself and how
//! far it got, so that what was begun is ended, and what expires undone, without the log.
//!
//! Invariant: a request that changes something is sent only while the record says `Executing` or `Undoing`.

use crate::actions::Request;
use crate::api::{Answer, Api, Dry, NoAnswer, Refused};
use schemas::{ApprovalGiven, Command, Record as _};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// API group and version of the records.
pub const API_VERSION: &str = "bellbuoy.dev/v1alpha1";
/// Their kind.
pub const KIND: &str = "RemediationAction";
/// Their plural.
pub const PLURAL: &str = "remediationactions";

/// How far a command got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub enum Phase {
    /// Taken up; nothing was sent.
    Claimed,
    /// Requests are being sent.
    Executing,
    /// All were done.
    Succeeded,
    /// It helped.
    Verified,
    /// It did not help.
    Ineffective,
    /// Refused when it was to be done.
    Rejected,
    /// A request was refused, or it cannot be told what was done.
    Failed,
    /// The inverse is being sent.
    Undoing,
    /// Undone.
    RolledBack,
    /// Left to people, because somebody has changed the object since.
    RollbackConflict,
}

impl Phase {
    /// True while something we did is in force.
    pub fn in_force(self) -> bool {
        matches!(self, Phase::Executing | Phase::Succeeded | Phase::Verified | Phase::Ineffective | Phase::Undoing)
    }

    /// True where the cluster may have been changed.
    pub fn counts(self) -> bool {
        !matches!(self, Phase::Claimed | Phase::Rejected)
    }
}

/// One record, as last read or written.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The object.
    object: Value,
    /// The command's record.
    pub bytes: Vec<u8>,
    /// How far it got.
    pub phase: Phase,
    /// Who works on it.
    pub actuator: String,
    /// Since when it has been in this phase, milliseconds.
    pub at: i64,
    /// When it was taken up, milliseconds.
    pub claimed_at: i64,
    /// When it will be undone, milliseconds; 0 for never.
    pub undo_at: i64,
    /// What the plan wrote down.
    pub recorded: BTreeMap<String, String>,
    /// Who consented.
    pub approvals: Vec<ApprovalGiven<'static>>,
    /// Whether it helped; none while nobody knows. It stays when the order is undone.
    pub helped: Option<bool>,
    /// What happened last, one sentence.
    pub sentence: String,
    /// The phase that was last told on the results topic; none before the first.
    pub told: Option<Phase>,
}

/// How a claim ended.
pub enum Claim {
    /// It is ours now.
    Made(Entry),
    /// Somebody has made it before.
    Exists(Entry),
}

/// The records of one namespace.
pub struct Ledger {
    api: Api,
    collection: String,
    namespace: String,
}

impl Ledger {
    /// The records of a namespace.
    pub fn new(api: Api, namespace: &str) -> Self {
        let collection = format!("/apis/{API_VERSION}/namespaces/{namespace}/{PLURAL}");
        Ledger { api, collection, namespace: namespace.to_owned() }
    }

    /// Every record.
    pub async fn entries(&self) -> Result<Vec<Entry>, Refused> {
        let listed = self.api.list(&self.collection).await?;
        let read = |object: Value| {
            let entry = Entry::read(object.clone());
            if entry.is_none() {
                tracing::warn!(name = %object["metadata"]["name"], "a record of the ledger cannot be read");
            }
            entry
        };
        Ok(listed.into_iter().filter_map(read).collect())
    }

    /// Takes a command up, if nobody has.
    pub async fn claim(
        &self,
        command: &Command<'_>,
        bytes: &[u8],
        approvals: &[ApprovalGiven<'static>],
        actuator: &str,
        now: i64,
    ) -> Result<Claim, Refused> {
        let object = record(command, bytes, approvals, actuator, &self.namespace, now);
        let request = Request::new("POST", &self.collection, "application/json", Some(object));
        // A claim whose answer was lost is found by its name, as anybody else's.
        let answer = match self.api.call(&request, Dry::No).await {
            Err(NoAnswer(_)) => return self.existing(command).await,
            Ok(answer) => answer,
        };
        match answer.status {
            201 => Entry::read(answer.body.clone()).map(Claim::Made).ok_or_else(|| Refused::of(&answer)),
            409 => self.existing(command).await,
            _ => Err(Refused::of(&answer)),
        }
    }

    async fn existing(&self, command: &Command<'_>) -> Result<Claim, Refused> {
        let path = format!("{}/{}", self.collection, name(command));
        let found = self.api.get(&path).await?.and_then(Entry::read);
        found.map(Claim::Exists).ok_or_else(|| Refused::NoAnswer(NoAnswer("the claim cannot be read back".to_owned())))
    }

    /// Writes a record's new state; fails where somebody else has written it since.
    pub async fn write(&self, entry: &mut Entry) -> Result<(), Refused> {
        let metadata = &entry.object["metadata"];
        let path = format!("{}/{}", self.collection, metadata["name"].as_str().unwrap_or_default());
        let request = Request::merge(&path, &entry.object, json!({"metadata": {}, "status": entry.status()}));
        let answer: Answer = self.api.call(&request, Dry::No).await?;
        if !answer.is_success() {
            return Err(Refused::of(&answer));
        }
        entry.object = answer.body;
        Ok(())
    }
}

impl Entry {
    fn read(object: Value) -> Option<Self> {
        let status = &object["status"];
        let number = |field: &str| status[field].as_i64().unwrap_or(0);
        let bytes = object["spec"]["command"].as_str().and_then(from_hex)?;
        Command::decode(&bytes).ok()?;
        let approvals = status["approvals"].as_array().cloned().unwrap_or_default();
        let approval = |one: &Value| ApprovalGiven {
            id: one["id"].as_str().unwrap_or_default().to_owned().into(),
            author: one["author"].as_str().unwrap_or_default().to_owned().into(),
            at: one["at"].as_i64().unwrap_or(0),
        };
        Some(Entry {
            bytes,
            phase: serde_json::from_value(status["phase"].clone()).ok()?,
            actuator: status["actuator"].as_str()?.to_owned(),
            at: number("at"),
            claimed_at: number("claimedAt"),
            undo_at: number("undoAt"),
            recorded: serde_json::from_value(status["recorded"].clone()).unwrap_or_default(),
            approvals: approvals.iter().map(approval).collect(),
            helped: status["helped"].as_bool(),
            sentence: status["sentence"].as_str().unwrap_or_default().to_owned(),
            told: serde_json::from_value(status["told"].clone()).ok(),
            object,
        })
    }

    /// The command.
    pub fn command(&self) -> Command<'_> {
        Command::decode(&self.bytes).expect("an entry is read only with a command that can be")
    }

    fn status(&self) -> Value {
        let approvals: Vec<Value> =
            self.approvals.iter().map(|one| json!({"id": one.id, "author": one.author, "at": one.at})).collect();
        json!({
            "phase": self.phase,
            "actuator": self.actuator,
            "at": self.at,
            "claimedAt": self.claimed_at,
            "undoAt": self.undo_at,
            "undone": if self.undo_at > 0 { timestamp(self.undo_at) } else { String::new() },
            "recorded": self.recorded,
            "approvals": approvals,
            "helped": self.helped,
            "sentence": self.sentence,
            "told": self.told,
        })
    }
}

fn record(
    command: &Command<'_>,
    bytes: &[u8],
    approvals: &[ApprovalGiven<'static>],
    actuator: &str,
    namespace: &str,
    now: i64,
) -> Value {
    let target = &command.target;
    let entry = Entry {
        object: Value::Null,
        bytes: Vec::new(),
        phase: Phase::Claimed,
        actuator: actuator.to_owned(),
        at: now,
        claimed_at: now,
        undo_at: if command.undo_after > 0 { now + command.undo_after } else { 0 },
        recorded: BTreeMap::new(),
        approvals: approvals.to_vec(),
        helped: None,
        sentence: "taken up".to_owned(),
        told: None,
    };
    json!({
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {
            "name": name(command),
            "namespace": namespace,
            "labels": {"app.kubernetes.io/managed-by": "bellbuoy"},
        },
        "spec": {
            "action": command.action.name,
            "target": format!("{} {}/{}", target.kind, target.namespace, if target.name.is_empty() { &target.uid } else { &target.name }),
            "uid": target.uid,
            "incident": command.incident,
            "reason": command.reason,
            "digest": command.digest,
            "command": schemas::signing::hex(bytes),
        },
        "status": entry.status(),
    })
}

fn name(command: &Command<'_>) -> String {
    // Only what a name may hold: the id is signed, but nobody promised its form.
    let fits = |c: char| if c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' { c } else { 'x' };
    let id: String = command.id.chars().take(60).map(fits).collect();
    format!("command-{}", id.trim_end_matches('-'))
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().chunks(2);
    digits.map(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok()).collect()
}

/// A moment as Kubernetes writes it.
fn timestamp(millis: i64) -> String {
    jiff::Timestamp::from_millisecond(millis).map(|moment| moment.to_string()).unwrap_or_default()
}

/// The milliseconds of a moment as Kubernetes writes it.
pub(crate) fn millis(text: &str) -> Option<i64> {
    text.parse::<jiff::Timestamp>().ok().map(|moment| moment.as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_kubernetes_writes_them_and_read_back() {
        assert_eq!(timestamp(0), "1970-01-01T00:00:00Z");
        assert_eq!(timestamp(1_772_460_301_000), "2026-03-02T14:05:01Z");
        assert_eq!(millis(&timestamp(1_772_460_301_000)), Some(1_772_460_301_000));
        assert_eq!(millis("yesterday"), None);
    }

    #[test]
    fn the_name_of_a_record_is_one_that_kubernetes_allows() {
        let named = |id: &'static str| name(&Command { id: id.into(), ..Command::default() });
        assert_eq!(named("1abc00c3-3a54-582a-a4e8-4a2244d57922"), "command-1abc00c3-3a54-582a-a4e8-4a2244d57922");
        assert_eq!(named("../Secret?"), "command-xxxxecretx");
    }
}
