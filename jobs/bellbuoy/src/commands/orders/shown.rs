//! Orders as people and programs read them.

use super::found::Order;
use crate::error::Error;
use crate::{listing, moment};
use schemas::{Command, CommandResult, Mode, ResultState};
use serde_json::{Value, json};
use std::fmt::Write;

/// Characters of an id in a table; more than anybody needs to tell two apart.
const SHORT: usize = 8;

pub(super) fn table(orders: &[&Order<'_>], now: i64) -> Result<(), Error> {
    let rows: Vec<Vec<String>> = orders
        .iter()
        .map(|order| {
            let command = &order.command;
            vec![
                command.id.chars().take(SHORT).collect(),
                moment::format(command.issued_at),
                mode(command.mode).to_owned(),
                standing(order, now),
                what(command),
                left(command, now),
            ]
        })
        .collect();
    listing::table(&["ID", "ISSUED", "MODE", "STATE", "WHAT", "EXPIRES IN"], &[], &rows)
}

pub(super) fn summaries(orders: &[&Order<'_>], now: i64) -> Vec<Value> {
    let summary = |order: &&Order<'_>| {
        let command = &order.command;
        json!({
            "id": command.id,
            "issued_at": command.issued_at,
            "expires_at": command.expires_at,
            "mode": mode(command.mode),
            "state": order.state().map_or("issued", state),
            "waiting": order.waits(now),
            "approvals_needed": command.approvals,
            "action": command.action.name,
            "target": target(command),
            "incident": command.incident,
            "digest": command.digest,
        })
    };
    orders.iter().map(summary).collect()
}

/// An order with all its fields, and its steps.
pub(super) fn whole(order: &Order<'_>, now: i64) -> Value {
    json!({"command": order.command, "state": order.state().map_or("issued", state), "waiting": order.waits(now),
           "steps": order.steps})
}

pub(super) fn text(order: &Order<'_>, now: i64) -> String {
    let mut out = fields(order, now);
    for step in &order.steps {
        out.push('\n');
        tell(&mut out, step);
    }
    out
}

fn fields(order: &Order<'_>, now: i64) -> String {
    let command = &order.command;
    let mut out = String::new();
    let mut line = |name: &str, value: &str| {
        if !value.is_empty() {
            // Writing to a text cannot fail.
            let _ = writeln!(out, "{name:<14}{value}");
        }
    };
    line("order", &command.id);
    line("what", &what(command));
    line("why", &command.reason);
    line("incident", &format!("{}, revision {}", command.incident, command.incident_revision));
    line("mode", &consent(command));
    line("state", &standing(order, now));
    line("issued", &moment::format(command.issued_at));
    line("expires", &format!("{} ({})", moment::format(command.expires_at), left(command, now)));
    line("uid", &command.target.uid);
    for condition in &command.preconditions {
        line("only if", &format!("{} = {}", condition.name, condition.value));
    }
    if let Some(verify) = &command.verify {
        let within = listing::span(verify.within);
        line("helped if", &format!("{} {} {} within {within}", verify.name, verify.comparison, verify.value));
    }
    line("undone by", &undone(command));
    line("policy", &format!("{} version {}", command.policy.id, command.policy.version));
    line("signed by", &command.signature.key_id);
    line("digest", &command.digest);
    out
}

fn tell(out: &mut String, step: &CommandResult<'_>) {
    let mut line = |text: String| {
        // Writing to a text cannot fail.
        let _ = writeln!(out, "{text}");
    };
    line(format!("{}  {:<18}{}", moment::format(step.at), state(step.state), step.sentence));
    if let Some(refusal) = &step.refusal {
        let numbers: Vec<String> =
            refusal.numbers.iter().map(|term| format!("{} {}{}", term.name, term.value, term.unit)).collect();
        line(format!("    rule {:?}: {} ({})", refusal.rule, refusal.sentence, numbers.join(", ")));
    }
    for approval in &step.approvals {
        line(format!("    consent of {} at {}", approval.author, moment::format(approval.at)));
    }
    for operation in &step.operations {
        let dry = if operation.dry_run { " (dry run)" } else { "" };
        line(format!("    {} {}{dry} → {} {}", operation.method, operation.path, operation.status, operation.error));
    }
    if let Some(seen) = &step.verification {
        line(format!("    {}: {}", seen.name, if seen.held { "held" } else { "did not hold" }));
    }
    if !step.next_step.is_empty() {
        line(format!("    next: {}", step.next_step));
    }
}

/// What an order does to what.
pub(in super::super) fn what(command: &Command<'_>) -> String {
    format!("{} {}", command.action.name, target(command))
}

fn target(command: &Command<'_>) -> String {
    let target = &command.target;
    let name = if target.name.is_empty() { &target.uid } else { &target.name };
    let owner = target.workload.as_ref().map(|workload| format!(" of {}", workload.name)).unwrap_or_default();
    let name = format!("{} {}/{name}{owner}", target.kind, target.namespace);
    name.replace(" /", " ")
}

fn consent(command: &Command<'_>) -> String {
    match command.mode {
        Mode::Approve => format!("approve, by {} of the people who may", command.approvals),
        other => mode(other).to_owned(),
    }
}

fn undone(command: &Command<'_>) -> String {
    let Some(inverse) = &command.inverse else { return "nothing: it cannot be undone".to_owned() };
    match command.undo_after {
        0 => format!("{}, by a person", inverse.name),
        after => format!("{} after {}", inverse.name, listing::span(after)),
    }
}

fn standing(order: &Order<'_>, now: i64) -> String {
    match order.state() {
        _ if order.waits(now) => "waits for consent".to_owned(),
        Some(known) => state(known).to_owned(),
        None if order.command.expires_at <= now => "expired unheard".to_owned(),
        None => "issued".to_owned(),
    }
}

fn left(command: &Command<'_>, now: i64) -> String {
    let left = (command.expires_at - now) / 1_000 * 1_000;
    if left > 0 { listing::span(left) } else { "over".to_owned() }
}

/// The word of a mode.
pub(super) fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Observe => "observe",
        Mode::Recommend => "recommend",
        Mode::Approve => "approve",
        Mode::Enforce => "enforce",
        Mode::Other => "other",
    }
}

/// The words of a state.
pub(super) fn state(state: ResultState) -> &'static str {
    match state {
        ResultState::Accepted => "accepted",
        ResultState::Rejected => "rejected",
        ResultState::Recommended => "recommended",
        ResultState::DryRunOk => "dry run ok",
        ResultState::Executing => "executing",
        ResultState::Succeeded => "succeeded",
        ResultState::Failed => "failed",
        ResultState::Unknown => "unknown",
        ResultState::Verified => "verified",
        ResultState::Ineffective => "ineffective",
        ResultState::RollbackPending => "to be undone",
        ResultState::RolledBack => "rolled back",
        ResultState::RollbackConflict => "rollback conflict",
        ResultState::Other => "other",
    }
}
