//! `commands`: the orders to the actuator, what became of each, and a person's consent or refusal.

mod found;
mod shown;

use crate::control;
use crate::error::Error;
use crate::listing;
use crate::settings::Settings;
use crate::site::Site;
use clap::{Args, Subcommand};
use found::{Found, Order, Records};
use schemas::{Control, ControlKind, Mode};
pub(super) use shown::what;

/// Commands about orders to the actuator.
#[derive(Debug, Subcommand)]
pub enum Commands {
    /// The orders of the last day, the newest last, and what became of each
    List {
        /// Only those that wait for consent
        #[arg(long)]
        waiting: bool,
        /// JSON instead of a table
        #[arg(long)]
        json: bool,
    },
    /// One order whole: why, what exactly, under which conditions, and each step of what became of it
    Show {
        /// Its id, or the beginning of it
        #[arg(value_name = "ID")]
        id: String,
        /// JSON instead of text
        #[arg(long)]
        json: bool,
    },
    /// Consent to an order; it counts for exactly this order, and only until it expires
    Approve(Answer),
    /// Refuse an order
    Reject(Answer),
}

/// A person's answer.
#[derive(Debug, Args)]
pub struct Answer {
    /// Its id, or the beginning of it
    #[arg(value_name = "ID")]
    id: String,
    /// Who says so; an order that needs two consents needs two names
    #[arg(long, env = "USER", value_name = "NAME")]
    by: String,
    /// Why
    #[arg(long, default_value = "", value_name = "TEXT")]
    reason: String,
}

pub(super) fn execute(settings: Settings, command: &Commands) -> Result<(), Error> {
    let records = Records::read(&Site::look(settings.clone())?)?;
    let found = Found::of(&records)?;
    match command {
        Commands::List { waiting, json } => {
            let orders: Vec<&Order<'_>> = found.orders().filter(|order| !waiting || order.waits(found.now)).collect();
            if *json { listing::json(&shown::summaries(&orders, found.now)) } else { shown::table(&orders, found.now) }
        }
        Commands::Show { id, json } => {
            let order = found.by_id(id)?;
            if *json {
                listing::json(&shown::whole(order, found.now))
            } else {
                listing::text(&shown::text(order, found.now))
            }
        }
        Commands::Approve(answer) => say(&settings, &found, answer, ControlKind::Approval),
        Commands::Reject(answer) => say(&settings, &found, answer, ControlKind::Rejection),
    }
}

/// Says consent or refusal of an order that still waits for it.
fn say(settings: &Settings, found: &Found<'_>, answer: &Answer, kind: ControlKind) -> Result<(), Error> {
    let order = found.by_id(&answer.id)?;
    let command = &order.command;
    if answer.by.trim().is_empty() {
        return Err(Error::Usage("say who: --by NAME".to_owned()));
    }
    if command.mode != Mode::Approve {
        let mode = shown::mode(command.mode);
        return Err(Error::Unwell(format!("{} is in mode {mode}; only orders in mode approve wait", command.id)));
    }
    if command.expires_at <= found.now {
        let past = listing::span((found.now - command.expires_at) / 1_000 * 1_000);
        return Err(Error::Unwell(format!("{} expired {past} ago; a new attempt has another id", command.id)));
    }
    if let Some(state) = order.state().filter(|_| !order.waits(found.now)) {
        return Err(Error::Unwell(format!("{} no longer waits: it is {}", command.id, shown::state(state))));
    }
    let control = Control {
        tenant: command.tenant.clone(),
        kind,
        // One a person: consents of several people must not replace each other.
        id: format!("{}/{}", command.id, answer.by).into(),
        value: command.digest.clone(),
        author: answer.by.clone().into(),
        reason: answer.reason.clone().into(),
        at: found.now,
        expires_at: command.expires_at,
        ..Control::default()
    };
    control::say(settings, &control)?;
    let said = if kind == ControlKind::Approval { "approved" } else { "rejected" };
    listing::text(&format!("{said}: {} {}\n", command.id, shown::what(command)))
}
