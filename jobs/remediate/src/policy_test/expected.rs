//! What a policy test expects, and how that differs from what was decided.
//!
//! Invariant: every command is accounted for, once. Refusals and observations are where the test says anything of them;
//! one that is repeated while nothing changes counts once.

use crate::refusal::Refusal;
use crate::state::Decision;
use crate::target;
use engine::span::Span;
use schemas::Command;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// What must come of a test.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Expect {
    /// The commands, all of them.
    pub commands: Vec<ExpectedCommand>,
    /// The refusals, all of them, with those that lowered a command's mode; null where they do not matter.
    pub refusals: Option<Vec<ExpectedRefusal>>,
    /// What was only counted, all of it; null where it does not matter.
    pub observed: Option<Vec<ExpectedObservation>>,
}

/// One command; what is left out does not matter.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedCommand {
    /// The remedy.
    pub remedy: String,
    /// Kind, namespace and name (or uid) of the object.
    pub target: String,
    /// How far the actuator may go.
    pub mode: String,
    /// Id of the rule of policy.
    pub policy: Option<String>,
    /// The attempt.
    pub attempt: Option<i32>,
    /// When it was issued.
    pub at: Option<Span>,
    /// The incident.
    pub incident: Option<String>,
}

/// One refusal; what is left out does not matter.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedRefusal {
    /// The remedy.
    pub remedy: String,
    /// The rule that refused it.
    pub rule: String,
    /// The object, or the entity where no object could be named.
    pub target: Option<String>,
    /// Numbers it must have named.
    #[serde(default)]
    pub numbers: BTreeMap<String, f64>,
}

/// Something that was only counted.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedObservation {
    /// The remedy.
    pub remedy: String,
    /// The object.
    pub target: String,
}

/// What differs, a line each.
pub(super) fn differences(expect: &Expect, decisions: &[(i64, Decision)]) -> Vec<String> {
    let mut commands: Vec<(i64, &Command<'_>)> = Vec::new();
    let mut refusals: Vec<(&str, String, &Refusal)> = Vec::new();
    let mut observed: Vec<(&str, &str)> = Vec::new();
    for (at, decision) in decisions {
        match decision {
            Decision::Ordered { command, lowered } => {
                commands.push((*at, command));
                refusals.extend(
                    lowered.iter().map(|refusal| (&*command.action.name, target::key(&command.target), refusal)),
                );
            }
            Decision::Refused(proposed, refusal) => refusals.push((proposed.remedy, proposed.target.clone(), refusal)),
            Decision::Observed(proposed) => observed.push((proposed.remedy, &proposed.target)),
            Decision::StormBegan { .. } | Decision::StormOver { .. } => {}
        }
    }
    let mut seen = BTreeSet::new();
    refusals.retain(|(remedy, target, refusal)| seen.insert((*remedy, target.clone(), refusal.rule)));
    let mut lines = Vec::new();
    compare(
        &mut lines,
        "command",
        &expect.commands,
        &commands,
        ExpectedCommand::is,
        ExpectedCommand::text,
        command_text,
    );
    if let Some(expected) = &expect.refusals {
        compare(&mut lines, "refusal", expected, &refusals, ExpectedRefusal::is, ExpectedRefusal::text, refusal_text);
    }
    if let Some(expected) = &expect.observed {
        let is = |expected: &ExpectedObservation, (remedy, target): &(&str, &str)| {
            expected.remedy == *remedy && expected.target == *target
        };
        let text = |expected: &ExpectedObservation| format!("{} of {}", expected.remedy, expected.target);
        compare(&mut lines, "observation", expected, &observed, is, text, |(remedy, target)| {
            format!("{remedy} of {target}")
        });
    }
    lines
}

/// Pairs what was expected with what was found, each used once, and tells what is left over.
fn compare<E, F>(
    lines: &mut Vec<String>,
    what: &str,
    expected: &[E],
    found: &[F],
    is: impl Fn(&E, &F) -> bool,
    expected_text: impl Fn(&E) -> String,
    found_text: impl Fn(&F) -> String,
) {
    let mut left: Vec<&F> = found.iter().collect();
    for wanted in expected {
        match left.iter().position(|found| is(wanted, found)) {
            Some(place) => {
                left.remove(place);
            }
            None => lines.push(format!("missing    {what} {}", expected_text(wanted))),
        }
    }
    lines.extend(left.into_iter().map(|found| format!("unexpected {what} {}", found_text(found))));
}

impl ExpectedCommand {
    fn is(&self, (at, command): &(i64, &Command<'_>)) -> bool {
        self.remedy == command.action.name.as_str()
            && self.target == target::key(&command.target)
            && self.mode == mode(command)
            && self.policy.as_ref().is_none_or(|policy| *policy == command.policy.id.as_str())
            && self.attempt.is_none_or(|attempt| attempt == command.attempt)
            && self.at.is_none_or(|span| span.millis() == *at)
            && self.incident.as_ref().is_none_or(|incident| *incident == command.incident.as_str())
    }

    fn text(&self) -> String {
        let mut text = format!("{} of {}, mode {}", self.remedy, self.target, self.mode);
        // Writing to a text cannot fail.
        let _ = self.policy.as_ref().map(|policy| write!(text, ", policy {policy}"));
        let _ = self.attempt.map(|attempt| write!(text, ", attempt {attempt}"));
        let _ = self.at.map(|at| write!(text, ", at {at}"));
        let _ = self.incident.as_ref().map(|incident| write!(text, ", incident {incident}"));
        text
    }
}

fn command_text((at, command): &(i64, &Command<'_>)) -> String {
    let at = if at % 1_000 == 0 { format!("{}s", at / 1_000) } else { format!("{at}ms") };
    format!(
        "{} of {}, mode {}, policy {}, attempt {}, at {at}",
        command.action.name,
        target::key(&command.target),
        mode(command),
        command.policy.id,
        command.attempt
    )
}

fn mode(command: &Command<'_>) -> String {
    format!("{:?}", command.mode).to_lowercase()
}

impl ExpectedRefusal {
    fn is(&self, (remedy, target, refusal): &(&str, String, &Refusal)) -> bool {
        self.remedy == *remedy
            && self.rule == refusal.rule.as_str()
            && self.target.as_ref().is_none_or(|wanted| wanted == target)
            && self.numbers.iter().all(|(name, value)| {
                refusal.numbers.iter().any(|number| number.name == name.as_str() && number.value == *value)
            })
    }

    fn text(&self) -> String {
        let mut text = format!("{} by {}", self.remedy, self.rule);
        if let Some(target) = &self.target {
            text.push_str(&format!(" of {target}"));
        }
        text + &numbers(self.numbers.iter().map(|(name, value)| (name.as_str(), *value)))
    }
}

fn refusal_text((remedy, target, refusal): &(&str, String, &Refusal)) -> String {
    let numbers = numbers(refusal.numbers.iter().map(|number| (number.name.as_str(), number.value)));
    format!("{remedy} by {} of {target}{numbers}: {}", refusal.rule.as_str(), refusal.sentence)
}

fn numbers<'a>(numbers: impl Iterator<Item = (&'a str, f64)>) -> String {
    let listed: Vec<String> = numbers.map(|(name, value)| format!("{name} = {value}")).collect();
    if listed.is_empty() { String::new() } else { format!(", numbers {}", listed.join(", ")) }
}
