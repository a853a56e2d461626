//! `commands`: the orders to the actuator, what became of each, and a person's consent or refusal.

mod found;
mod shown;

use super::said::Voice;
use crate::control;
use crate::error::Error;
use crate::listing;
use crate::settings::Settings;
use crate::site::Site;
use clap::{Args, Subcommand};
use found::{Found, Order, Records};
use schemas::{Control, ControlKind, Mode, ResultState};
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
    /// Consent to an order; it counts for exactly this order, and only until it expires. Where two people must agree, two
    /// names are needed
    Approve(Answer),
    /// Refuse an order
    Reject(Answer),
    /// Take back an order that was carried out: it is undone now, and not only when its time is over
    Undo(Answer),
}

/// A person's answer.
#[derive(Debug, Args)]
pub struct Answer {
    /// Its id, or the beginning of it
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    voice: Voice,
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
        Commands::Approve(answer) => {
            let order = waiting(&found, answer)?;
            say(&settings, found.now, order, answer, ControlKind::Approval, "approved")
        }
        Commands::Reject(answer) => {
            let order = waiting(&found, answer)?;
            say(&settings, found.now, order, answer, ControlKind::Rejection, "rejected")
        }
        Commands::Undo(answer) => {
            let order = in_force(&found, answer)?;
            say(&settings, found.now, order, answer, ControlKind::Rejection, "taken back")
        }
    }
}

/// The order that an answer is about, if it was carried out and can be undone.
fn in_force<'f, 'a>(found: &'f Found<'a>, answer: &Answer) -> Result<&'f Order<'a>, Error> {
    let order = found.by_id(&answer.id)?;
    let command = &order.command;
    let state = order.state();
    if !matches!(state, Some(ResultState::Succeeded | ResultState::Verified | ResultState::Ineffective)) {
        let is = state.map_or("open".to_owned(), |state| shown::state(state).to_owned());
        return Err(Error::Unwell(format!("{} is not in force: it is {is}", command.id)));
    }
    if command.inverse.is_none() {
        let said = format!("{} has no inverse; what it did people must undo themselves", command.id);
        return Err(Error::Unwell(said));
    }
    Ok(order)
}

/// The order that an answer is about, if it still waits for one.
fn waiting<'f, 'a>(found: &'f Found<'a>, answer: &Answer) -> Result<&'f Order<'a>, Error> {
    let order = found.by_id(&answer.id)?;
    let command = &order.command;
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
    Ok(order)
}

/// Says a person's answer to exactly this order.
fn say(
    settings: &Settings,
    now: i64,
    order: &Order<'_>,
    answer: &Answer,
    kind: ControlKind,
    said: &str,
) -> Result<(), Error> {
    let command = &order.command;
    answer.voice.check()?;
    let control = Control {
        tenant: command.tenant.clone(),
        kind,
        // One a person: consents of several people must not replace each other.
        id: format!("{}/{}", command.id, answer.voice.by).into(),
        value: command.digest.clone(),
        author: answer.voice.by.clone().into(),
        reason: answer.voice.reason.clone().into(),
        at: now,
        expires_at: command.expires_at,
        ..Control::default()
    };
    control::say(settings, &control)?;
    listing::text(&format!("{said}: {} {}\n", command.id, shown::what(command)))
}
