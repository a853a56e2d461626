//! Incidents compared: their members may differ, so the same one is that with which it shares most.

use super::anomalies;
use super::{Change, Facts, Item, Met, Reasons, judge};
use crate::found::{Found, Incident};
use serde_json::json;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// What differs, and which incidents it is of.
pub struct Compared {
    pub items: Vec<Item>,
    /// What became of an incident, by identifier.
    pub changes: BTreeMap<String, Change>,
}

/// Compares incidents; why one came or went may lie in its members.
pub fn compare(before: &Found, after: &Found, anomalies: &anomalies::Compared, reasons: &Reasons) -> Compared {
    let mut compared = Compared { items: Vec::new(), changes: BTreeMap::new() };
    for met in pairs(&before.incidents, &after.incidents) {
        let Some((change, incident, [old, new])) = judge(&met, facts) else { continue };
        compared.changes.insert(incident.id.clone(), change);
        let members = |of: &Incident, set: &std::collections::BTreeSet<_>| of.members.intersection(set).count();
        let reason = match &met {
            Met::Both(before, after) => {
                let (lost, gained) = (members(before, &anomalies.lost), members(after, &anomalies.gained));
                reasons.of_changed_incident(before, after, lost, gained)
            }
            Met::Before(incident) => reasons.of_incident(incident, Change::Lost, members(incident, &anomalies.lost)),
            Met::After(incident) => reasons.of_incident(incident, Change::Gained, members(incident, &anomalies.gained)),
        };
        compared.items.push(Item {
            change,
            at: incident.onset,
            of: format!("{}/{} {}", incident.of.0, incident.of.1, incident.id),
            what: incident.sentence.clone(),
            before: old,
            after: new,
            reason,
        });
    }
    compared
}

/// Pairs incidents that overlap in time and share entities, those that share most first.
fn pairs<'a>(before: &'a [Incident], after: &'a [Incident]) -> Vec<Met<'a, Incident>> {
    let mut candidates = Vec::new();
    for (i, a) in before.iter().enumerate() {
        for (j, b) in after.iter().enumerate() {
            let apart = a.of != b.of || a.onset > b.until || b.onset > a.until;
            let shared = if apart { 0 } else { a.entities().intersection(&b.entities()).count() };
            if shared > 0 {
                let same = a.members.intersection(&b.members).count();
                candidates.push((Reverse(shared), Reverse(same), (a.onset - b.onset).abs(), i, j));
            }
        }
    }
    candidates.sort_unstable();
    let (mut of_before, mut of_after) = (vec![None; before.len()], vec![None; after.len()]);
    for (_, _, _, i, j) in candidates {
        if of_before[i].is_none() && of_after[j].is_none() {
            (of_before[i], of_after[j]) = (Some(j), Some(i));
        }
    }
    let paired = before.iter().zip(&of_before).map(|(incident, other)| match other {
        Some(j) => Met::Both(incident, &after[*j]),
        None => Met::Before(incident),
    });
    let new = after.iter().zip(&of_after).filter(|(_, other)| other.is_none());
    paired.chain(new.map(|(incident, _)| Met::After(incident))).collect()
}

fn facts(incident: &Incident) -> Facts {
    Facts::from([
        ("band", json!(incident.band)),
        ("cause", json!(incident.cause.as_ref().map(schemas::Entity::key))),
        ("members", json!(incident.members_total)),
        ("notice", json!(incident.notice)),
        ("severity", json!(incident.severity)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::{Band, Entity, Notice};

    fn incident(id: &str, onset: i64, until: i64, workloads: &[&str]) -> Incident {
        let entity = |name: &str| Entity { name: name.to_owned().into(), ..Entity::default() };
        Incident {
            of: ("t".to_owned(), "c".to_owned()),
            id: id.to_owned(),
            onset,
            until,
            severity: 50.0,
            score: 1.0,
            terms: Vec::new(),
            band: Band::Sharp,
            notice: Notice::Notify,
            members_total: workloads.len() as i64,
            members: workloads.iter().map(|name| (entity(name), "d".to_owned(), "m".to_owned(), onset)).collect(),
            cause: None,
            sentence: String::new(),
        }
    }

    fn told(before: &[Incident], after: &[Incident]) -> Vec<String> {
        let text = |met: &Met<'_, Incident>| match met {
            Met::Both(a, b) => format!("{}={}", a.id, b.id),
            Met::Before(a) => format!("-{}", a.id),
            Met::After(b) => format!("+{}", b.id),
        };
        pairs(before, after).iter().map(text).collect()
    }

    #[test]
    fn the_same_incident_is_the_one_with_which_most_is_shared() {
        let before = [incident("1", 0, 100, &["a", "b"]), incident("2", 0, 100, &["c"])];
        let after = [incident("3", 10, 90, &["b", "c"]), incident("4", 50, 90, &["a", "b"])];
        assert_eq!(told(&before, &after), ["1=4", "2=3"]);
    }

    #[test]
    fn what_shares_no_entity_or_no_time_is_another_incident() {
        let before = [incident("1", 0, 100, &["a"])];
        assert_eq!(told(&before, &[incident("2", 101, 200, &["a"])]), ["-1", "+2"]);
        assert_eq!(told(&before, &[incident("2", 0, 100, &["b"])]), ["-1", "+2"]);
        let other = Incident { of: ("t".to_owned(), "other".to_owned()), ..incident("2", 0, 100, &["a"]) };
        assert_eq!(told(&before, &[other]), ["-1", "+2"]);
    }
}
