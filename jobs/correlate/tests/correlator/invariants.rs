//! What must hold for any story: lives of incidents without gaps, sums that add up, and restarts nobody notices.

use crate::estate::{Cluster, anomaly, node, principal, related, workload};
use correlate::Config;
use proptest::prelude::*;
use schemas::{Anomaly, Family, Incident, IncidentState, Relation};
use std::collections::BTreeMap;

const FAMILIES: [Family; 6] =
    [Family::Latency, Family::Errors, Family::Saturation, Family::Novelty, Family::Network, Family::Change];

fn entity(number: usize) -> schemas::Entity<'static> {
    match number {
        0..6 => workload(&format!("w{number}")),
        6 => principal("system:serviceaccount:shop:w0"),
        _ => node("n1"),
    }
}

fn departure() -> impl Strategy<Value = Anomaly<'static>> {
    (0usize..8, 0usize..6, 20f64..100.0, 0i64..90, 0usize..7, 0usize..8).prop_map(
        |(who, family, score, minute, relation, other)| {
            let departed = anomaly(entity(who), FAMILIES[family], score, minute);
            let relations = [
                Relation::Calls,
                Relation::RunsOn,
                Relation::ActsFrom,
                Relation::Grants,
                Relation::PartOf,
                Relation::ChangedBy,
                Relation::Other,
            ];
            related(departed, relations[relation], entity(other))
        },
    )
}

/// Seconds between rounds, and what comes in each.
fn story() -> impl Strategy<Value = Vec<(i64, Vec<Anomaly<'static>>)>> {
    prop::collection::vec((1i64..700, prop::collection::vec(departure(), 0..5)), 1..25)
}

fn tell(story: &[(i64, Vec<Anomaly<'static>>)], restart_after: Option<usize>) -> Vec<Vec<Incident<'static>>> {
    let mut cluster = Cluster::new(Config::default());
    let mut second = 0;
    let mut records = Vec::new();
    for (number, (pause, anomalies)) in story.iter().enumerate() {
        second += pause;
        records.push(cluster.at(second, anomalies.clone()));
        if restart_after == Some(number) {
            cluster.restart();
        }
    }
    records.push(cluster.quiet(second + 1..second + 5));
    records
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_restart_anywhere_changes_nothing(story in story(), at in 0usize..25) {
        prop_assert_eq!(tell(&story, None), tell(&story, Some(at)));
    }

    #[test]
    fn incidents_live_by_the_rules_and_their_sums_add_up(story in story()) {
        let mut lives: BTreeMap<String, Incident<'static>> = BTreeMap::new();
        for incident in tell(&story, None).into_iter().flatten() {
            let before = lives.get(&*incident.id);
            prop_assert_eq!(incident.revision, before.map_or(1, |before| before.revision + 1));
            prop_assert_eq!(incident.state == IncidentState::Open, before.is_none());
            if let Some(before) = before {
                prop_assert!(before.state != IncidentState::Merge, "a merged incident is over");
                let over = before.state == IncidentState::Close;
                prop_assert_eq!(over, incident.state == IncidentState::Reopen);
                prop_assert!(incident.onset <= before.onset);
            }
            let sum: f64 = incident.terms.iter().map(|term| term.value).sum();
            prop_assert!((sum - incident.score).abs() < 1e-9);
            prop_assert!((0.0..=100.0).contains(&incident.severity) && incident.peak_severity >= incident.severity);
            for cause in &incident.causes {
                let sum: f64 = cause.terms.iter().map(|term| term.value).sum();
                prop_assert!((sum - cause.score).abs() < 1e-9);
            }
            prop_assert!(incident.members_total >= incident.members.len() as i64 && !incident.members.is_empty());
            lives.insert(incident.id.to_string(), incident);
        }
    }
}
