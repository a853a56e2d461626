//! The contract of a log: what every adapter must do, as checks that run against any of them.
//!
//! A test of an adapter implements [`Subject`] and runs [`ALL`]; each check works in topics of its own, so that the
//! storage behind a subject may be shared and kept.

mod groups;
mod reading;
mod stage;
mod topics;
mod transactions;

use super::Log;
use crate::error::LogError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use stage::Stage;

/// An adapter under test.
pub trait Subject: Sync {
    /// Opens the log; called again on the same storage only after everything opened before has been dropped.
    fn open(&self) -> Result<Arc<dyn Log>, LogError>;
    /// What the log's clock says, milliseconds.
    fn now(&self) -> i64;
    /// Beginning of every name a check gives, so that a log that others use may be a subject.
    fn prefix(&self) -> &str {
        ""
    }
    /// How long a committed transaction may stay unseen: a cluster tells the writer before it tells the readers.
    fn lag(&self) -> Duration {
        Duration::ZERO
    }
    /// True when the adapter can do what a check asks beyond the port.
    fn offers(&self, ability: Ability) -> bool;
}

/// What not every adapter can do on command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ability {
    /// Opening the storage again stands for a restart of the log.
    Restart,
    /// Retention is enforced to the record when asked; Kafka deletes whole segments, in its own time.
    PromptRetention,
    /// A poll looks at all partitions at once; from Kafka each is fetched by itself.
    OneView,
    /// Topics have ids; librdkafka's are not to be had from Rust.
    TopicIds,
}

/// One promise of the port.
#[derive(Clone, Copy)]
pub struct Check {
    /// What is promised.
    pub name: &'static str,
    /// What the adapter must be able to do for it.
    pub needs: Option<Ability>,
    run: fn(Stage<'_>) -> Result<(), Failure>,
}

impl Check {
    /// Runs the check; false when the subject does not offer what it needs.
    pub fn run(&self, subject: &dyn Subject) -> Result<bool, Failure> {
        if self.needs.is_some_and(|ability| !subject.offers(ability)) {
            return Ok(false);
        }
        (self.run)(Stage::open(subject, self.name)?).map(|()| true)
    }
}

/// How a promise was broken.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure(String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<LogError> for Failure {
    fn from(error: LogError) -> Self {
        Failure(format!("the log answered: {error}"))
    }
}

/// Fails unless a condition holds.
fn ensure(condition: bool, otherwise: impl fmt::Display) -> Result<(), Failure> {
    if condition { Ok(()) } else { Err(Failure(otherwise.to_string())) }
}

/// Fails unless two values are the same.
fn same<T: PartialEq + fmt::Debug>(what: &str, found: T, expected: T) -> Result<(), Failure> {
    ensure(found == expected, format_args!("{what}: found {found:?}, expected {expected:?}"))
}

/// Fails unless a call was refused in the expected way.
fn refused<T>(what: &str, result: Result<T, LogError>, expected: fn(&LogError) -> bool) -> Result<(), Failure> {
    match result {
        Ok(_) => Err(Failure(format!("{what}: was not refused"))),
        Err(error) => ensure(expected(&error), format_args!("{what}: was refused for another reason: {error}")),
    }
}

const fn check(name: &'static str, run: fn(Stage<'_>) -> Result<(), Failure>) -> Check {
    Check { name, needs: None, run }
}

const fn check_with(needs: Ability, name: &'static str, run: fn(Stage<'_>) -> Result<(), Failure>) -> Check {
    Check { name, needs: Some(needs), run }
}

/// Every check there is.
pub const ALL: &[Check] = &[
    check("records and offsets of a transaction appear together", transactions::together),
    check("an aborted transaction leaves nothing", transactions::aborted),
    check("a refused transaction leaves nothing", transactions::refused_whole),
    check("every transaction leaves a gap and offsets only grow", transactions::gaps),
    check("a newer producer of the same id fences the older", transactions::fencing),
    check("a replaced member cannot commit", transactions::replaced_member),
    check("a member cannot commit a partition it has lost", transactions::lost_partition),
    check("a live owner commits while the group rebalances", transactions::live_owner),
    check("metadata of 4096 bytes is kept and more is refused", transactions::metadata),
    check("a forgotten offset is gone", transactions::forgotten),
    check("producers on two threads lose nothing", transactions::two_threads),
    check("too large a record is refused", transactions::too_large),
    check("sending needs an open transaction", transactions::wrong_order),
    check("members share partitions by range", groups::range),
    check("a member that returns takes its own partitions back", groups::takeover),
    check("a member that returns with other topics is given them", groups::other_topics),
    check("a partition is revoked before another member has it", groups::no_double_owner),
    check("a member that leaves gives its partitions to the others", groups::leaving),
    check("partitions give nothing until resumed or while paused", groups::pausing),
    check("a member reads over gaps and dropped transactions to the end", groups::over_gaps),
    check_with(Ability::OneView, "a poll sees a transaction in all partitions or in none", groups::one_view),
    check("a failed poll loses no records", groups::failed_poll),
    check("a waiting poll wakes when something is committed", groups::waking),
    check("a deleted topic is revoked", groups::deleted_topic),
    check("records come back in order as they were written", reading::round_trip),
    check("timestamps are the log's or the producer's as declared", reading::timestamps),
    check("an offset is found by its time", reading::offset_by_time),
    check("a read keeps to its limits but gives one large record", reading::limits),
    check("an offset beyond the end is out of range", reading::beyond_end),
    check("an unknown topic or partition is named", topics::unknown),
    check("a topic exists once", topics::exists),
    check("a recreated topic has nothing of the old one", topics::recreated),
    check_with(Ability::TopicIds, "a recreated topic has another id", topics::new_id),
    check("retention of a topic can be altered", topics::altered),
    check("a compacted topic refuses records without a key", topics::keyless),
    check_with(Ability::PromptRetention, "records expire by age", topics::by_age),
    check_with(Ability::PromptRetention, "records expire by size", topics::by_size),
    check_with(Ability::PromptRetention, "compaction keeps the last record of each key", topics::compaction),
    check_with(Ability::PromptRetention, "a reader behind retention is told", topics::behind_retention),
    check_with(Ability::Restart, "a restart keeps everything committed", topics::restart),
];
