//! What two runs found differently: gained, lost, changed, each with its reason.
//!
//! Invariant: every finding of either run is in a pair, gained or lost; none is told twice.

mod anomalies;
mod commands;
mod incidents;
mod reasons;

pub use reasons::{Reasons, Versus};

use crate::found::Found;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// What became of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// Only the configuration that is tried finds it.
    Gained,
    /// Only the one compared with finds it.
    Lost,
    /// Both find it, and say something else of it.
    Changed,
}

impl Change {
    /// The word for people.
    pub fn word(self) -> &'static str {
        match self {
            Change::Gained => "gained",
            Change::Lost => "lost",
            Change::Changed => "changed",
        }
    }
}

/// What is compared of a finding, by name.
pub type Facts = BTreeMap<&'static str, Value>;

/// One difference.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Item {
    /// What became of it.
    pub change: Change,
    /// Onset, or when a command was issued, milliseconds.
    pub at: i64,
    /// Entity, or target.
    pub of: String,
    /// Detector and measure, sentence, or action.
    pub what: String,
    /// What the configuration compared with says of it; null where it does not find it.
    pub before: Option<Facts>,
    /// What the one that is tried says of it; null where it does not find it.
    pub after: Option<Facts>,
    /// Why.
    pub reason: String,
}

/// The differences of one kind of finding.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Section {
    /// Found by the configuration compared with.
    pub before: usize,
    /// Found by the one that is tried.
    pub after: usize,
    /// The differences, by time.
    pub items: Vec<Item>,
}

impl Section {
    fn new(before: usize, after: usize, mut items: Vec<Item>) -> Self {
        items.sort_by(|a, b| (a.at, &a.of, &a.what, a.change).cmp(&(b.at, &b.of, &b.what, b.change)));
        Section { before, after, items }
    }

    /// How many there are of a change.
    pub fn count(&self, change: Change) -> usize {
        self.items.iter().filter(|item| item.change == change).count()
    }
}

/// Everything that differs.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Difference {
    /// Of anomalies: the same are those of one entity, detector and measure whose onset is within a minute.
    pub anomalies: Section,
    /// Of incidents: the same are those that share most entities while they last.
    pub incidents: Section,
    /// Of commands: the same are those of one action and target within an hour.
    pub commands: Section,
}

/// Compares what two runs found.
pub fn between(before: &Found, after: &Found, reasons: &Reasons) -> Difference {
    let anomalies = anomalies::compare(&before.anomalies, &after.anomalies, reasons);
    let incidents = incidents::compare(before, after, &anomalies, reasons);
    let commands = commands::compare(&before.commands, &after.commands, &incidents, reasons);
    Difference {
        anomalies: Section::new(before.anomalies.len(), after.anomalies.len(), anomalies.items),
        incidents: Section::new(before.incidents.len(), after.incidents.len(), incidents.items),
        commands: Section::new(before.commands.len(), after.commands.len(), commands),
    }
}

/// Two findings that may be the same.
enum Met<'a, T> {
    Both(&'a T, &'a T),
    Before(&'a T),
    After(&'a T),
}

/// Pairs findings of the same key whose times are close; both lists are in the order of key and time.
fn meet<'a, T, K: Ord>(
    before: &'a [T],
    after: &'a [T],
    key: impl Fn(&'a T) -> K,
    time: impl Fn(&'a T) -> i64,
    close: i64,
) -> Vec<Met<'a, T>> {
    let (mut met, mut i, mut j) = (Vec::new(), 0, 0);
    loop {
        let order = match (before.get(i), after.get(j)) {
            (None, None) => return met,
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some(a), Some(b)) => match key(a).cmp(&key(b)) {
                std::cmp::Ordering::Equal if (time(a) - time(b)).abs() <= close => std::cmp::Ordering::Equal,
                std::cmp::Ordering::Equal => time(a).cmp(&time(b)),
                other => other,
            },
        };
        match order {
            std::cmp::Ordering::Equal => met.push(Met::Both(&before[i], &after[j])),
            std::cmp::Ordering::Less => met.push(Met::Before(&before[i])),
            std::cmp::Ordering::Greater => met.push(Met::After(&after[j])),
        }
        i += usize::from(order.is_le());
        j += usize::from(order.is_ge());
    }
}

/// The change and facts of what met, and none where both say the same.
fn judge<'a, T>(met: &Met<'a, T>, facts: impl Fn(&T) -> Facts) -> Option<(Change, &'a T, [Option<Facts>; 2])> {
    match met {
        Met::Both(before, after) => {
            let told = [facts(before), facts(after)];
            let same = told[0] == told[1];
            (!same).then(|| (Change::Changed, *after, told.map(Some)))
        }
        Met::Before(before) => Some((Change::Lost, *before, [Some(facts(before)), None])),
        Met::After(after) => Some((Change::Gained, *after, [None, Some(facts(after))])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_meet_by_key_and_time_and_none_is_told_twice() {
        let before = [("a", 0), ("a", 100), ("b", 0), ("c", 5)];
        let after = [("a", 30), ("a", 300), ("b", 61), ("d", 5)];
        let met = meet(&before, &after, |one| one.0, |one| one.1, 60);
        let told: Vec<String> = met
            .iter()
            .map(|met| match met {
                Met::Both(a, b) => format!("{}{}={}", a.0, a.1, b.1),
                Met::Before(a) => format!("-{}{}", a.0, a.1),
                Met::After(b) => format!("+{}{}", b.0, b.1),
            })
            .collect();
        assert_eq!(told, ["a0=30", "-a100", "+a300", "-b0", "+b61", "-c5", "+d5"]);
    }
}
