//! Anomalies compared.

use super::{Change, Facts, Item, Reasons, judge, meet};
use crate::found::Anomaly;
use schemas::Entity;
use serde_json::json;
use std::collections::BTreeSet;

/// Onsets up to which two anomalies are the same one, milliseconds.
const CLOSE: i64 = 60_000;

/// What differs, and who has it: members of incidents are found here.
pub struct Compared {
    pub items: Vec<Item>,
    /// Entity, detector, measure and onset of those that only one run has.
    pub gained: BTreeSet<(Entity<'static>, String, String, i64)>,
    pub lost: BTreeSet<(Entity<'static>, String, String, i64)>,
}

/// Compares anomalies, both in the order of what they are of and their onset.
pub fn compare(before: &[Anomaly], after: &[Anomaly], reasons: &Reasons) -> Compared {
    let mut compared = Compared { items: Vec::new(), gained: BTreeSet::new(), lost: BTreeSet::new() };
    for met in meet(before, after, |anomaly| &anomaly.of, |anomaly| anomaly.onset, CLOSE) {
        let Some((change, anomaly, [old, new])) = judge(&met, facts) else { continue };
        let of = &anomaly.of;
        let place = (of.entity.clone(), of.detector.clone(), of.measure.clone(), anomaly.onset);
        match change {
            Change::Gained => compared.gained.extend([place]),
            Change::Lost => compared.lost.extend([place]),
            Change::Changed => {}
        }
        let reason = match &met {
            super::Met::Both(before, after) => reasons.of_changed_anomaly(before, after),
            _ => reasons.of_anomaly(anomaly),
        };
        let scope = if of.scope.is_empty() { String::new() } else { format!(" [{}]", of.scope) };
        compared.items.push(Item {
            change,
            at: anomaly.onset,
            of: format!("{}/{} {}{scope}", of.tenant, of.cluster, of.entity.key()),
            what: format!("{}: {}", of.detector, of.measure),
            before: old,
            after: new,
            reason,
        });
    }
    compared
}

fn facts(anomaly: &Anomaly) -> Facts {
    Facts::from([
        ("band", json!(anomaly.band)),
        ("p", json!(anomaly.p)),
        ("raw", json!(anomaly.raw)),
        ("score", json!(anomaly.score)),
    ])
}
