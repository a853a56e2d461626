//! The orders that stand on the log, each with the steps of what became of it.

use crate::commands::beginning;
use crate::error::Error;
use crate::site::Site;
use crate::whole;
use bytes::Bytes;
use schemas::{Command, CommandResult, Mode, Record as _, ResultState};
use std::collections::BTreeMap;
use topics::declared::{COMMANDS, RESULTS};

/// The records that orders are read from.
pub(super) struct Records {
    commands: Vec<Bytes>,
    results: Vec<Bytes>,
    now: i64,
}

/// Every order there is.
pub(super) struct Found<'a> {
    orders: BTreeMap<(i64, String), Order<'a>>,
    /// The time of looking, milliseconds.
    pub(super) now: i64,
}

/// One order.
pub(super) struct Order<'a> {
    pub(super) command: Command<'a>,
    /// In the order of the chain.
    pub(super) steps: Vec<CommandResult<'a>>,
}

impl Records {
    pub(super) fn read(site: &Site) -> Result<Self, Error> {
        let (commands, results) = (whole::values(site, &COMMANDS)?, whole::values(site, &RESULTS)?);
        Ok(Records { commands, results, now: site.clock.now_millis() })
    }
}

impl<'a> Found<'a> {
    pub(super) fn of(records: &'a Records) -> Result<Self, Error> {
        let mut commands: BTreeMap<String, Order<'a>> = BTreeMap::new();
        for bytes in &records.commands {
            let command = Command::decode(bytes)?;
            commands.insert(command.id.to_string(), Order { command, steps: Vec::new() });
        }
        for bytes in &records.results {
            let result = CommandResult::decode(bytes)?;
            if let Some(order) = commands.get_mut(result.command.as_str()) {
                order.steps.push(result);
            }
        }
        let orders = commands.into_iter().map(|(id, mut order)| {
            order.steps.sort_by_key(|step| (step.at, step.chain_seq));
            ((order.command.issued_at, id), order)
        });
        Ok(Found { orders: orders.collect(), now: records.now })
    }

    /// The oldest first.
    pub(super) fn orders(&self) -> impl Iterator<Item = &Order<'a>> {
        self.orders.values()
    }

    /// The one order whose id begins so.
    pub(super) fn by_id(&self, beginning: &str) -> Result<&Order<'a>, Error> {
        let orders = self.orders.iter().map(|((_, id), order)| (id.as_str(), order));
        beginning::one(orders, beginning, ("order", "commands list"))
    }
}

impl Order<'_> {
    /// What has become of it so far; none where the actuator has not said a word.
    pub(super) fn state(&self) -> Option<ResultState> {
        self.steps.last().map(|step| step.state)
    }

    /// True while a person's answer counts.
    pub(super) fn waits(&self, now: i64) -> bool {
        self.command.mode == Mode::Approve
            && now < self.command.expires_at
            && matches!(self.state(), None | Some(ResultState::Accepted))
    }
}
