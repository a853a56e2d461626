//! Commands compared.

use super::{Facts, Item, Met, Reasons, incidents, judge, meet};
use crate::found::{intent, mode};
use schemas::{Action, Command};
use serde_json::json;

/// Times up to which two commands of one action and target are the same one, milliseconds.
const CLOSE: i64 = 3_600_000;

/// Compares commands by action and target.
pub fn compare(
    before: &[Command<'static>],
    after: &[Command<'static>],
    incidents: &incidents::Compared,
    reasons: &Reasons,
) -> Vec<Item> {
    let (before, after) = (ordered(before), ordered(after));
    let mut items = Vec::new();
    for met in meet(&before, &after, of, |command| command.issued_at, CLOSE) {
        let Some((change, command, [old, new])) = judge(&met, facts) else { continue };
        let incident = incidents.changes.get(&*command.incident).copied();
        let reason = match &met {
            Met::Both(before, after) => reasons.of_changed_command(before, after, incident),
            _ => reasons.of_command(incident),
        };
        items.push(Item {
            change,
            at: command.issued_at,
            of: place(command),
            what: format!("{} {}", intent(command.intent), command.action.name),
            before: old,
            after: new,
            reason,
        });
    }
    items
}

fn ordered(commands: &[Command<'static>]) -> Vec<Command<'static>> {
    let mut commands = commands.to_vec();
    commands.sort_by(|a, b| (of(a), a.issued_at).cmp(&(of(b), b.issued_at)));
    commands
}

fn of<'c>(command: &'c Command<'static>) -> (String, &'c str, &'static str) {
    let Action { name, .. } = &command.action;
    (place(command), name.as_str(), intent(command.intent))
}

fn place(command: &Command<'_>) -> String {
    let target = &command.target;
    let parts = [target.kind.as_str(), &target.namespace, &target.name];
    let shown: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    format!("{}/{} {}", command.tenant, command.cluster, shown.join("/"))
}

fn facts(command: &Command<'static>) -> Facts {
    Facts::from([
        ("attempt", json!(command.attempt)),
        ("mode", json!(mode(command.mode))),
        ("policy", json!(command.policy.id.as_str())),
        ("risk", json!(command.risk)),
    ])
}
