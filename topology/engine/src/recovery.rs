//! Where a task continues: the newest state at or before the committed offset, replayed silently up to it.
//!
//! The decision is a pure function of what was found, so every case is a test. What cannot be decided safely is a
//! [`Stop`] with the reason and the way out; `accept_reset` names the ones a person may give up something for.

use crate::output::Digest;
use crate::state::Marker;
use crate::task::TaskId;
use schemas::Logic;
use std::fmt;
use std::str::FromStr;

/// What is committed with an offset: `v1:{out_seq}:{digest}:{clock}:{logic}:{first_offset}:{topic_id}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitMetadata {
    /// Number of outputs published by then.
    pub out_seq: i64,
    /// Digest of those outputs.
    pub digest: Digest,
    /// The task's clock, milliseconds.
    pub clock: i64,
    /// The logic that produced them.
    pub logic: Logic,
    /// Where the task began.
    pub first_offset: i64,
    /// Identity of the input topic's creation.
    pub topic_id: u64,
}

impl fmt::Display for CommitMetadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Logic { semantics, revision, hash } = self.logic;
        let CommitMetadata { out_seq, digest, clock, first_offset, topic_id, .. } = self;
        write!(f, "v1:{out_seq}:{digest}:{clock}:{semantics}.{revision}.{:016x}:{first_offset}:{topic_id}", hash as u64)
    }
}

impl FromStr for CommitMetadata {
    type Err = Stop;

    fn from_str(text: &str) -> Result<Self, Stop> {
        let foreign = || Stop::ForeignMetadata { found: text.chars().take(80).collect() };
        let parts: Vec<&str> = text.split(':').collect();
        let ["v1", out_seq, digest, clock, logic, first_offset, topic_id] = parts[..] else { return Err(foreign()) };
        let logic: Vec<&str> = logic.split('.').collect();
        let [semantics, revision, hash] = logic[..] else { return Err(foreign()) };
        let parse = || -> Option<CommitMetadata> {
            Some(CommitMetadata {
                out_seq: out_seq.parse().ok()?,
                digest: digest.parse().ok()?,
                clock: clock.parse().ok()?,
                logic: Logic {
                    semantics: semantics.parse().ok()?,
                    revision: revision.parse().ok()?,
                    hash: u64::from_str_radix(hash, 16).ok()? as i64,
                },
                first_offset: first_offset.parse().ok()?,
                topic_id: topic_id.parse().ok()?,
            })
        };
        parse().ok_or_else(foreign)
    }
}

/// A state that could be continued from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// What it stands for.
    pub marker: Marker,
    /// Where it is.
    pub place: Place,
}

/// Where a state is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the task's store.
    Local,
    /// In a checkpoint of this name.
    Checkpoint(String),
}

/// Everything recovery looks at.
#[derive(Clone, Debug)]
pub struct Found {
    /// The task.
    pub task: TaskId,
    /// Logic this process runs.
    pub logic: Logic,
    /// Identity of the input topic's creation.
    pub topic_id: u64,
    /// First offset of the log.
    pub log_start: i64,
    /// End of the log.
    pub log_end: i64,
    /// What the group has committed: offset and metadata text.
    pub committed: Option<(i64, String)>,
    /// False for a task without state, which rebuilds nothing and needs no record before the committed offset.
    pub stateful: bool,
    /// The task's store, and every checkpoint, in any order.
    pub candidates: Vec<Candidate>,
    /// True when a person has accepted to lose what a [`Stop`] protects.
    pub accept_reset: bool,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// State to load; `None` starts empty.
    pub from: Option<Candidate>,
    /// First offset to process.
    pub offset: i64,
    /// Output of records before this offset has been published and is suppressed.
    pub committed: i64,
    /// Where the task began.
    pub first_offset: i64,
    /// What to compare when the replay arrives.
    pub verify: Verify,
    /// What was given up because a person accepted it.
    pub given_up: Option<Stop>,
}

/// What to compare when a replay arrives at the committed offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verify {
    /// Nothing has been published.
    Nothing,
    /// Replayed output must be this.
    Published {
        /// Number of outputs.
        out_seq: i64,
        /// Their digest.
        digest: Digest,
    },
    /// Output was published under another logic: nothing to compare, continue its numbering.
    Handover {
        /// Logic before.
        from: Logic,
        /// Number of outputs.
        out_seq: i64,
        /// Their digest.
        digest: Digest,
    },
}

/// Why a task does not start.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stop {
    /// State exists but the group has no committed offset.
    NoCommittedOffset {
        /// Newest offset of the state found.
        state: i64,
    },
    /// The state is ahead of the committed offset, which therefore went back.
    CommittedWentBack {
        /// Offset of the state.
        state: i64,
        /// Committed offset.
        committed: i64,
    },
    /// The committed metadata is not ours.
    ForeignMetadata {
        /// What was found.
        found: String,
    },
    /// The input topic was deleted and created again.
    TopicRecreated {
        /// Identity before.
        before: u64,
        /// Identity now.
        now: u64,
    },
    /// The store holds another task's state.
    ForeignState {
        /// Whose.
        owner: String,
    },
    /// The log no longer reaches back to the newest state, or to the task's beginning.
    LogTruncated {
        /// First offset that would have to be read.
        needed: i64,
        /// First offset there is.
        log_start: i64,
    },
    /// The committed offset lies behind the end of the log.
    BeyondEnd {
        /// Committed offset.
        committed: i64,
        /// End of the log.
        log_end: i64,
    },
    /// What was committed comes from a newer logic than this process knows.
    NewerLogic {
        /// Theirs.
        committed: Logic,
        /// Ours.
        ours: Logic,
    },
}

impl Stop {
    /// True for what a person may accept with `--accept-reset`.
    pub fn can_be_accepted(&self) -> bool {
        !matches!(self, Stop::NewerLogic { .. })
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stop::NoCommittedOffset { state } => write!(
                f,
                "state up to offset {state} exists, but the group has no committed offset; restore the group's offset, \
                 or give up the state and read the log from its start, publishing again, with --accept-reset"
            ),
            Stop::CommittedWentBack { state, committed } => write!(
                f,
                "the state stands at offset {state}, the committed offset at {committed}: somebody moved it back; restore \
                 it, or give up the newer state and publish again from there with --accept-reset"
            ),
            Stop::ForeignMetadata { found } => write!(
                f,
                "the committed metadata {found:?} was not written by this program; is the group shared? Give up its \
                 position and start over with --accept-reset"
            ),
            Stop::TopicRecreated { before, now } => write!(
                f,
                "the input topic was created anew (identity {before}, now {now}); what was learned from the old one is \
                 given up, and the new one read from its start, with --accept-reset"
            ),
            Stop::ForeignState { owner } => write!(
                f,
                "the state belongs to {owner}; point state.folder and checkpoints.address elsewhere, or give it up and \
                 go on from the committed offset without it, with --accept-reset"
            ),
            Stop::LogTruncated { needed, log_start } => write!(
                f,
                "offset {needed} is needed to go on, but the log starts at {log_start}; restore a newer checkpoint, or \
                 give up what lay before, and what was learned from it, with --accept-reset"
            ),
            Stop::BeyondEnd { committed, log_end } => write!(
                f,
                "the committed offset {committed} lies beyond the log's end {log_end}: records were lost or the topic is \
                 another one; start over with --accept-reset"
            ),
            Stop::NewerLogic { committed, ours } => write!(
                f,
                "output was last published by newer logic {}.{} than this program's {}.{}; run the newer program",
                committed.semantics, committed.revision, ours.semantics, ours.revision
            ),
        }
    }
}

/// Decides where a task continues.
pub fn decide(found: &Found) -> Result<Plan, Stop> {
    match continue_from(found) {
        Err(stop) if found.accept_reset && stop.can_be_accepted() => Ok(reset(found, stop)),
        decision => decision,
    }
}

fn continue_from(found: &Found) -> Result<Plan, Stop> {
    for candidate in &found.candidates {
        if candidate.marker.task != found.task {
            return Err(Stop::ForeignState { owner: candidate.marker.task.to_string() });
        }
        if candidate.marker.topic_id != found.topic_id {
            return Err(Stop::TopicRecreated { before: candidate.marker.topic_id, now: found.topic_id });
        }
    }
    let newest = found.candidates.iter().map(|c| c.marker.offset).max();
    let Some((committed, text)) = &found.committed else {
        return match newest {
            Some(state) => Err(Stop::NoCommittedOffset { state }),
            None => Ok(fresh(found)),
        };
    };
    let committed = *committed;
    let metadata: CommitMetadata = text.parse()?;
    if metadata.topic_id != found.topic_id {
        return Err(Stop::TopicRecreated { before: metadata.topic_id, now: found.topic_id });
    }
    if committed > found.log_end {
        return Err(Stop::BeyondEnd { committed, log_end: found.log_end });
    }
    let order = |logic: Logic| (logic.semantics, logic.revision);
    if order(metadata.logic) > order(found.logic) {
        return Err(Stop::NewerLogic { committed: metadata.logic, ours: found.logic });
    }
    if let Some(state) = newest.filter(|&state| state > committed) {
        return Err(Stop::CommittedWentBack { state, committed });
    }
    // State of another semantics version may be stored otherwise; it is read by that version only.
    let readable = found.candidates.iter().filter(|c| c.marker.logic.semantics == found.logic.semantics);
    // Local state wins over a checkpoint of the same offset: nothing has to be fetched.
    let from = readable.max_by_key(|c| (c.marker.offset, c.place == Place::Local)).cloned();
    let oldest = if found.stateful { metadata.first_offset } else { committed };
    let offset = from.as_ref().map_or(oldest, |c| c.marker.offset);
    if offset < found.log_start {
        return Err(Stop::LogTruncated { needed: offset, log_start: found.log_start });
    }
    let (out_seq, digest) = (metadata.out_seq, metadata.digest);
    let verify = if metadata.logic == found.logic {
        Verify::Published { out_seq, digest }
    } else {
        Verify::Handover { from: metadata.logic, out_seq, digest }
    };
    Ok(Plan { from, offset, committed, first_offset: metadata.first_offset, verify, given_up: None })
}

fn fresh(found: &Found) -> Plan {
    let start = found.log_start;
    Plan { from: None, offset: start, committed: start, first_offset: start, verify: Verify::Nothing, given_up: None }
}

/// Starts without state: from the committed offset where that is usable, so that nothing is published twice, and from
/// the log's start otherwise.
fn reset(found: &Found, stop: Stop) -> Plan {
    let usable = match (&stop, &found.committed) {
        (
            Stop::LogTruncated { .. } | Stop::ForeignState { .. } | Stop::CommittedWentBack { .. },
            Some((offset, text)),
        ) => text.parse::<CommitMetadata>().ok().map(|metadata| (*offset, metadata)),
        _ => None,
    };
    match usable {
        Some((committed, metadata)) if (found.log_start..=found.log_end).contains(&committed) => Plan {
            from: None,
            offset: committed,
            committed,
            first_offset: committed,
            // The numbering goes on; nothing is replayed, so there is nothing to compare.
            verify: Verify::Handover { from: metadata.logic, out_seq: metadata.out_seq, digest: metadata.digest },
            given_up: Some(stop),
        },
        _ => Plan { given_up: Some(stop), ..fresh(found) },
    }
}

#[cfg(test)]
#[path = "recovery_tests.rs"]
mod tests;
