//! What becomes one incident, what does not, and how incidents live.

use crate::estate::{Cluster, MINUTE, START, anomaly, node, principal, related, states, workload};
use correlate::{Config, Mute};
use schemas::IncidentState::{Close, Merge, Open, Reopen, Update};
use schemas::{Band, Family, Notice, Relation};
use std::collections::BTreeSet;

fn cluster() -> Cluster {
    Cluster::new(Config::default())
}

#[test]
fn cpu_network_and_api_of_one_workload_and_its_principal_are_one_incident() {
    let mut cluster = cluster();
    let cart = || workload("cart");
    let robot = principal("system:serviceaccount:shop:cart");
    let listed = related(anomaly(robot.clone(), Family::Novelty, 90.0, 0), Relation::ActsFrom, cart());
    let mut records = cluster.at(0, vec![listed]);
    records.extend(cluster.at(900, vec![anomaly(cart(), Family::Saturation, 70.0, 15)]));
    records.extend(cluster.at(930, vec![anomaly(cart(), Family::Network, 80.0, 15)]));
    assert_eq!(states(&records), [(Open, 1), (Update, 2), (Update, 3)]);
    let last = records.last().unwrap();
    assert!(records.iter().all(|record| record.id == last.id));
    let entities: BTreeSet<_> = last.members.iter().map(|member| member.entity.clone()).collect();
    assert_eq!(entities, [cart(), robot].into());
    let families: BTreeSet<_> = last.members.iter().map(|member| member.family).collect();
    assert_eq!(families, [Family::Novelty, Family::Saturation, Family::Network].into());
    assert_eq!(last.links[0].relation, "acts_from");
    assert_eq!(last.onset, START);
    assert_eq!(
        &*last.links[0].sentence,
        "principal system:serviceaccount:shop:cart sends its requests from workload shop/cart; it departed 15 min earlier"
    );
}

#[test]
fn the_terms_add_up_to_the_score_and_the_score_gives_the_severity() {
    let mut cluster = cluster();
    let faults = ["a", "b", "c"]
        .map(|name| related(anomaly(workload(name), Family::Errors, 80.0, 0), Relation::Calls, workload("db")));
    let mut anomalies = faults.to_vec();
    anomalies.push(anomaly(workload("db"), Family::Latency, 95.0, 0));
    let incident = cluster.at(0, anomalies).pop().unwrap();
    let sum: f64 = incident.terms.iter().map(|term| term.value).sum();
    assert!((sum - incident.score).abs() < 1e-9, "{:?}", incident.terms);
    assert!((incident.severity - 100.0 / (1.0 + libm::exp(-incident.score / 2.0))).abs() < 0.06);
    // db: 95/12.5 - 2 = 5.6; the others 4.4 each: 4.4/4 + 4.4/6 + 4.4/8; four workloads: 1.
    assert!((incident.score - (-6.0 + 5.6 + 1.1 + 0.733 + 0.55 + 1.0)).abs() < 1e-6, "{}", incident.score);
    assert_eq!(incident.causes[0].entity, workload("db"), "{:?}", incident.causes);
    assert!(incident.explanation.iter().any(|line| line.contains("No change")), "{:?}", incident.explanation);
}

#[test]
fn departures_that_have_nothing_to_do_with_each_other_are_two_incidents() {
    let mut cluster = cluster();
    let both = vec![anomaly(workload("a"), Family::Errors, 80.0, 0), anomaly(workload("b"), Family::Errors, 80.0, 0)];
    assert_eq!(states(&cluster.at(0, both)), [(Open, 1), (Open, 1)]);
}

#[test]
fn a_deploy_alone_is_no_incident_and_one_before_a_fault_is_its_first_suspect() {
    let mut cluster = cluster();
    let deployed = related(anomaly(workload("db"), Family::Change, 30.0, 0), Relation::ChangedBy, principal("ann"));
    assert_eq!(cluster.at(0, vec![deployed]), []);
    let fault = related(anomaly(workload("api"), Family::Errors, 90.0, 5), Relation::Calls, workload("db"));
    let incident = cluster.at(300, vec![fault]).pop().unwrap();
    assert_eq!(incident.links[0].relation, "change");
    let suspects: Vec<_> = incident.causes.iter().map(|cause| cause.entity.name.to_string()).collect();
    assert!(suspects.contains(&"db".to_owned()), "{:?}", incident.causes);
    assert!(incident.terms.iter().any(|term| &*term.name == "changed shortly before"));
}

#[test]
fn a_node_that_fails_is_one_incident_however_much_runs_on_it() {
    let mut cluster = cluster();
    let on_node = |number: i64| {
        let departed = anomaly(workload(&format!("w{number}")), Family::Errors, 75.0, 0);
        related(departed, Relation::RunsOn, node("n1"))
    };
    let records = cluster.at(0, (0..40).map(on_node).collect());
    assert_eq!(states(&records), [(Open, 1)]);
    assert_eq!((records[0].members_total, records[0].blast_radius.workloads), (40, 40));
}

#[test]
fn a_rollout_that_breaks_a_crowd_is_one_incident() {
    let mut cluster = cluster();
    let mut anomalies = Vec::new();
    for name in ["a", "b", "c", "d"] {
        anomalies.push(related(anomaly(workload(name), Family::Change, 30.0, 0), Relation::ChangedBy, principal("ci")));
        anomalies.push(anomaly(workload(name), Family::Errors, 75.0, 3));
    }
    let records = cluster.at(200, anomalies);
    assert_eq!(states(&records), [(Open, 1)]);
    assert_eq!(records[0].links[0].relation, "same_rollout");
}

#[test]
fn when_a_link_shows_the_oldest_takes_the_others_in() {
    let mut cluster = cluster();
    let first = cluster.at(0, vec![anomaly(workload("a"), Family::Errors, 80.0, 0)]).pop().unwrap();
    let second = cluster.at(30, vec![anomaly(workload("b"), Family::Errors, 80.0, 0)]).pop().unwrap();
    let link = related(anomaly(workload("b"), Family::Latency, 80.0, 1), Relation::Calls, workload("a"));
    let records = cluster.at(60, vec![link]);
    assert_eq!(states(&records), [(Merge, 2), (Update, 2)]);
    assert_eq!((&records[0].id, &records[0].superseded_by), (&second.id, &first.id));
    assert_eq!((&records[1].id, &records[1].supersedes), (&first.id, &vec![second.id.clone()]));
    assert_eq!(records[1].members_total, 3);
    let rest = cluster.quiet(61..5000);
    assert!(rest.iter().all(|record| record.id == first.id), "the merged one is never heard of again");
}

#[test]
fn an_incident_closes_when_quiet_opens_again_when_the_same_comes_back_and_is_a_new_one_later() {
    let fault = |minute| anomaly(workload("a"), Family::Errors, 80.0, minute);
    let mut cluster = cluster();
    let id = cluster.at(0, vec![fault(0)]).pop().unwrap().id;
    // Evidence is held for an hour, and an incident closes ten minutes after.
    let closed = cluster.quiet(1..4300);
    assert_eq!(states(&closed), [(Close, 2)]);
    assert_eq!(closed[0].closed_at, START + 70 * MINUTE);
    let again = cluster.at(4400, vec![fault(73)]).pop().unwrap();
    assert_eq!((again.state, again.revision, &again.id), (Reopen, 3, &id));
    let closed = cluster.quiet(4401..8700);
    assert_eq!(states(&closed), [(Close, 4)]);
    assert_eq!(cluster.quiet(8700..11400), []);
    let later = cluster.at(11400, vec![fault(190)]).pop().unwrap();
    assert_eq!((later.state, later.revision), (Open, 1));
    assert_ne!(later.id, id);
}

#[test]
fn what_else_departs_on_the_same_entity_soon_after_a_close_is_a_new_incident() {
    let mut cluster = cluster();
    let id = cluster.at(0, vec![anomaly(workload("a"), Family::Errors, 80.0, 0)]).pop().unwrap().id;
    cluster.quiet(1..4300);
    let other = cluster.at(4400, vec![anomaly(workload("a"), Family::Latency, 80.0, 73)]).pop().unwrap();
    assert_eq!(other.state, Open);
    assert_ne!(other.id, id);
    assert_eq!(other.members_total, 1, "nothing of the closed one");
}

#[test]
fn telling_the_same_again_and_again_publishes_nothing() {
    let mut cluster = cluster();
    let fault = || anomaly(workload("a"), Family::Errors, 80.0, 0);
    let records: Vec<_> = (0..7200).step_by(15).flat_map(|second| cluster.at(second, vec![fault()])).collect();
    assert_eq!(states(&records), [(Open, 1)]);
    assert_eq!(cluster.memory.open(), 1);
}

#[test]
fn output_that_is_not_to_be_believed_is_taken_back() {
    let mut cluster = cluster();
    cluster.at(0, vec![anomaly(workload("a"), Family::Errors, 80.0, 0)]);
    let round = correlate::Round { at: START + 1000, resynced: &[0], ..Default::default() };
    cluster.correlator.round(&mut cluster.memory, &round);
    let records = cluster.quiet(2..700);
    assert_eq!(states(&records), [(Close, 2)]);
    assert_eq!(records[0].closed_at, START + 1000 + 10 * MINUTE);
}

#[test]
fn a_muted_incident_is_published_with_its_reason() {
    let mut cluster = cluster();
    let mute = Mute { selector: "name=a".into(), expires_at: 0, author: "ann".into(), reason: "known".into() };
    cluster.mutes.push(mute);
    let faults = ["a", "b"].map(|name| anomaly(workload(name), Family::Errors, 98.0, 0));
    let records = cluster.at(0, faults.to_vec());
    let mut notices: Vec<_> = records.iter().map(|r| (r.notice, r.notice_reason.to_string())).collect();
    notices.sort();
    assert_eq!(notices, [(Notice::Notify, String::new()), (Notice::Muted, "muted by ann: known".to_owned())]);
}

#[test]
fn a_flood_is_told_up_to_the_budget_and_what_was_never_seen_before_always() {
    let mut cluster = cluster();
    let fault = |number: i64| anomaly(workload(&format!("w{number}")), Family::Errors, 90.0, 0);
    let records = cluster.at(0, (0..20).map(fault).collect());
    let told = records.iter().filter(|record| record.notice == Notice::Notify).count();
    assert_eq!((records.len(), told), (20, 5));
    let novel = schemas::Anomaly { band: Band::Novel, ..anomaly(principal("eve"), Family::Novelty, 90.0, 0) };
    assert_eq!(cluster.at(1, vec![novel])[0].notice, Notice::Notify);
}

#[test]
fn evidence_must_last_where_a_minimum_is_set() {
    let mut config = Config::default();
    config.lifecycle.minimum_duration = 20_000;
    let mut cluster = Cluster::new(config);
    assert_eq!(cluster.at(0, vec![anomaly(workload("a"), Family::Errors, 80.0, 0)]), []);
    let records = cluster.quiet(1..60);
    assert_eq!((states(&records), records[0].opened_at), (vec![(Open, 1)], START + 20_000));
}
