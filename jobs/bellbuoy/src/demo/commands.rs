//! Commands as they are given.

use crate::error::Error;
use engine::log::{Log, TopicReader};
use schemas::{Command, Mode, Record as _};
use serde::Serialize;

/// A command, as far as it is told.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Told {
    pub(super) id: String,
    pub(super) action: String,
    pub(super) target: String,
    /// How far it goes: `recommended`, `awaiting approval`, `ordered`.
    pub(super) state: &'static str,
    pub(super) incident: String,
    pub(super) policy: String,
    pub(super) reason: String,
    /// When it was issued, by the estate's time.
    pub(super) at: i64,
    #[serde(skip)]
    order: (i32, i64),
}

/// Every command so far.
pub(super) struct Commands {
    topic: TopicReader,
    told: Vec<Told>,
}

impl Commands {
    pub(super) fn new() -> Self {
        Commands { topic: TopicReader::new(topics::declared::COMMANDS.name), told: Vec::new() }
    }

    /// The commands that have come since the last call.
    pub(super) fn read(&mut self, log: &dyn Log) -> Result<Vec<Told>, Error> {
        let mut new = Vec::new();
        self.topic.read_on(log, |_, record| {
            let value = record.value.as_deref().unwrap_or_default();
            new.push(told(&Command::decode(value)?));
            Ok::<(), Error>(())
        })?;
        new.sort_by_key(|told| (told.at, told.order));
        self.told.extend_from_slice(&new);
        Ok(new)
    }

    /// All of them, in an order that depends on what was commanded only.
    pub(super) fn into_told(mut self) -> Vec<Told> {
        self.told.sort_by_key(|told| (told.at, told.order));
        self.told
    }
}

fn told(command: &Command<'_>) -> Told {
    let target = &command.target;
    let place = if target.namespace.is_empty() { String::new() } else { format!("{}/", target.namespace) };
    Told {
        id: command.id.to_string(),
        action: command.action.name.to_string(),
        target: format!("{} {place}{}", target.kind, target.name),
        state: match command.mode {
            Mode::Observe | Mode::Other => "counted",
            Mode::Recommend => "recommended",
            Mode::Approve => "awaiting approval",
            Mode::Enforce => "ordered",
        },
        incident: command.incident.to_string(),
        policy: command.policy.id.to_string(),
        reason: command.reason.to_string(),
        at: command.issued_at,
        order: (command.task.partition, command.out_seq),
    }
}
