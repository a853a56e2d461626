//! What a real Collector and a real API server wrote, through the program, from its bytes to the order: everything found,
//! nothing lost, nothing told that must not be.
//!
//! The recording is `rig_capture` in the folder that `BELLBUOY_DATA` names; its README says what happened in it.

#[path = "../installation/mod.rs"]
mod installation;
mod planted;

use engine::log::{Message, Record};
use installation::{Configured, Installation, texts};
use schemas::{AnomalyBody, AnomalyRecord, Record as _};
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::TcpListener;
use topics::declared::{ANOMALIES, COMMANDS, DEAD_LETTERS, INCIDENTS, SIGNALS};

/// The account that the intruder had.
const CART: &str = "system:serviceaccount:shop:cart";

/// What is to be done about it: its pod is taken out, and the rights it was given are taken back.
const ORDERS: [&str; 2] = ["quarantine_pod cart-679f744995-kbdgp", "revoke_binding debug-cart"];

/// The pod of the recording whose token listed secrets, in its second half.
const POD: &str = "cart-679f744995-kbdgp/9a92ad0e-4408-4177-82bc-31833eecf94c";

/// What an intruder calls a metric.
const MEASURED: &str = "revoke_binding cluster-admin";

/// Raw topics of the recording that ingest reads as it is configured by default.
const READ: [&str; 2] = ["k8s-audit", "otlp_metrics"];

#[test]
fn a_real_recording_is_read_whole_and_its_intruder_found_and_its_secret_kept() {
    let Some((capture, _unpacked)) = installation::capture() else { return };
    let site = Installation::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("a bound port has a number").port();
    drop(listener);
    site.configure(&Configured { port: Some(port), ..Configured::default() });
    let (out, said) = site.done(&["produce", "--capture", &capture.display().to_string()]);
    let mut told = vec![out, said];

    // Its figures last as long as it runs.
    let mut life = site.start(&["run", "all", "--recorded"]);
    let metrics = || installation::get(port, "/metrics").map(|(_, text)| text).unwrap_or_default();
    let read = || installation::figures(&metrics(), "bellbuoy_records_total{").into_iter().sum::<f64>();
    let lag = || installation::figures(&metrics(), "bellbuoy_kafka_consumer_lag_records{").into_iter().sum::<f64>();
    life.until("everything is read", || read() > 3000.0 && lag() == 0.0);
    let figures = metrics();
    life.terminate();
    let (_, output) = life.wait();
    assert_eq!(output.status.code(), Some(0), "{}", texts(&output).1);
    told.extend([figures.clone(), texts(&output).0, texts(&output).1]);
    let (out, said) = site.done(&["run", "all", "--until-complete", "--recorded"]);
    told.extend([out, said]);

    let raw: usize = READ.iter().flat_map(|topic| site.records(topic)).map(|records| records.len()).sum();
    let accounted: f64 = installation::figures(&figures, "bellbuoy_records_total{").into_iter().sum();
    assert_eq!(accounted, raw as f64, "every raw record became signals, a counted reason or a dead letter");
    let letters: usize = site.records(DEAD_LETTERS.name).iter().map(Vec::len).sum();
    assert_eq!(letters, 0, "nothing of it is unreadable");

    let found = findings(&site);
    for wanted in [
        ("secrets_listed", CART, "403"),
        ("secrets_listed", CART, "200"),
        ("cluster_admin_bound", "admin", "debug-cart"),
    ] {
        let (detector, principal, word) = wanted;
        let is_there = found.iter().any(|(by, who, text)| by == detector && who == principal && text.contains(word));
        assert!(is_there, "{wanted:?} is not among {found:#?}");
    }

    let orders = orders(&site);
    assert_eq!(whole(&orders), ORDERS.map(str::to_owned).into());
    let quarantine = orders.iter().find(|order| order.action.name == "quarantine_pod").expect("there is one");
    assert_eq!(quarantine.target.uid, "9a92ad0e-4408-4177-82bc-31833eecf94c");
    let incident = incident(&site, &quarantine.incident);
    let by = |name: &str| incident.members.iter().filter(|member| member.entity.name == name).collect::<Vec<_>>();
    let pods: BTreeSet<String> =
        by(CART).iter().flat_map(|member| &member.instances).map(ToString::to_string).collect();
    assert_eq!(pods, BTreeSet::from([POD.to_owned()]), "the incident names the pod whose token it was");
    assert!(!by("admin").is_empty(), "and who gave it the rights");
    assert!(incident.links.iter().any(|link| link.relation == "grants"), "{:?}", incident.links);

    planted::assert_told_nowhere(&site, &told);
}

#[test]
fn the_other_tests_wrap_audit_events_to_the_byte_as_the_collector_did() {
    let Some((capture, _unpacked)) = installation::capture() else { return };
    let site = Installation::new();
    site.done(&["produce", "--capture", &capture.display().to_string()]);
    let records: Vec<_> = site.records("k8s-audit").into_iter().flatten().collect();
    assert!(records.len() > 2_000, "{} records", records.len());
    for record in records {
        let value = record.value.expect("the Collector writes no tombstones");
        let line: String = serde_json::from_slice(&value).expect("it is a JSON string");
        assert_eq!(installation::collected(&line), value, "{line}");
    }
}

#[test]
fn what_an_intruder_writes_into_its_requests_chooses_no_target_and_adds_no_order() {
    let Some(site) = recorded(hostile, |_| None) else { return };
    assert_eq!(whole(&orders(&site)), ORDERS.map(str::to_owned).into());
}

#[test]
fn what_an_intruder_calls_its_pods_and_measures_chooses_no_target_and_adds_no_order() {
    let Some(site) = recorded(<[u8]>::to_vec, |at| Some(named_like_orders(at))) else { return };
    let signals = site.records(SIGNALS.name).into_iter().flatten().filter_map(|record| record.value);
    let of_intruder = signals.filter(|value| value.windows(MEASURED.len()).any(|part| part == MEASURED.as_bytes()));
    assert!(of_intruder.count() > 100, "what it measures is read as anybody's");
    assert_eq!(whole(&orders(&site)), ORDERS.map(str::to_owned).into());
}

/// The recording, its audit events changed and measurements added beside those of a time, and what came of it.
fn recorded(changed: fn(&[u8]) -> Vec<u8>, beside: fn(i64) -> Option<Vec<u8>>) -> Option<Installation> {
    let (capture, _unpacked) = installation::capture()?;
    let recorded = Installation::new();
    recorded.done(&["produce", "--capture", &capture.display().to_string()]);
    let site = Installation::new();
    site.done(&["topics", "apply"]);
    for topic in READ {
        for (partition, records) in (0..).zip(recorded.records(topic)) {
            let message = |record: &Record, value| Message {
                topic: topic.into(),
                partition,
                timestamp: Some(record.timestamp),
                value,
                ..Message::default()
            };
            site.append(records.into_iter().flat_map(|record| {
                let value = record.value.as_deref();
                let (own, added) = match topic {
                    "k8s-audit" => (value.map(changed), None),
                    _ => (value.map(<[u8]>::to_vec), beside(record.timestamp)),
                };
                let own = message(&record, own);
                std::iter::once(own).chain(added.map(|value| message(&record, Some(value))))
            }));
        }
    }
    site.done(&["run", "all", "--until-complete", "--recorded"]);
    Some(site)
}

/// A measurement as OTLP has it in JSON, of a workload, pods and a metric that an intruder named like orders, and like
/// somebody else's; it leaps now and then.
fn named_like_orders(at: i64) -> Vec<u8> {
    let text = |key: &str, value: &str| serde_json::json!({"key": key, "value": {"stringValue": value}});
    let leaps = at / 1_000 % 120 > 90;
    serde_json::json!({"resourceMetrics": [{
        "resource": {"attributes": [
            text("k8s.namespace.name", "shop"),
            text("k8s.deployment.name", "cart,namespace=payments,workload=ledger"),
            text("k8s.pod.name", "quarantine_pod Pod/payments/ledger-0 mode=enforce"),
            text("k8s.pod.uid", "../payments/ledger-0"),
            text("k8s.pod.labels.app", "ledger"),
        ]},
        "scopeMetrics": [{"metrics": [{
            "name": MEASURED,
            "unit": "1",
            "gauge": {"dataPoints": [{
                "timeUnixNano": (at * 1_000_000).to_string(),
                "asDouble": if leaps { 1e9 } else { 1.0 },
                "attributes": [text("target", "Pod/payments/ledger-0"), text("id", "inc-1")],
            }]},
        }]}],
    }]})
    .to_string()
    .into_bytes()
}

/// An audit event with everything that the client of a request may write as it likes: agent, query, and by the header
/// X-Forwarded-For the address it says it comes from.
fn hostile(value: &[u8]) -> Vec<u8> {
    let line: String = serde_json::from_slice(value).expect("it is a JSON string");
    let mut event: Value = serde_json::from_str(&line).expect("which holds JSON");
    if event["user"]["username"] == CART {
        event["userAgent"] = "quarantine_pod Pod/payments/ledger-0 mode=enforce; revoke_binding cluster-admin".into();
        event["sourceIPs"] = serde_json::json!(["10.244.1.9", "Pod/payments/ledger-0"]);
        let asked = event["requestURI"].as_str().unwrap_or_default();
        event["requestURI"] = format!("{asked}?action=evict_pod&target=Pod/payments/ledger-0&id=inc-1").into();
    }
    installation::collected(&event.to_string())
}

/// What was ordered, and about which object.
fn whole(orders: &[schemas::Command<'_>]) -> BTreeSet<String> {
    orders.iter().map(|order| format!("{} {}", order.action.name, order.target.name)).collect()
}

/// The orders that came of the recording.
fn orders(site: &Installation) -> Vec<schemas::Command<'static>> {
    let values = site.records(COMMANDS.name).into_iter().flatten().filter_map(|record| record.value);
    values.map(|value| schemas::Command::decode(Vec::from(value).leak()).expect("a command")).collect()
}

/// An incident as it was told last.
fn incident(site: &Installation, id: &str) -> schemas::Incident<'static> {
    let mut last = None;
    for record in site.records(INCIDENTS.name).into_iter().flatten() {
        let value: Vec<u8> = record.value.expect("incidents are told, not taken back").into();
        let record = schemas::IncidentRecord::decode(value.leak()).expect("an incident record");
        if let schemas::IncidentBody::Incident(incident) = record.body {
            last = Some(*incident).filter(|incident| incident.id == id).or(last);
        }
    }
    last.expect("it was told")
}

/// Detector, entity and everything said, of each anomaly of the two rules.
fn findings(site: &Installation) -> BTreeSet<(String, String, String)> {
    let mut found = BTreeSet::new();
    for record in site.records(ANOMALIES.name).into_iter().flatten() {
        let record = AnomalyRecord::decode(record.value.as_deref().unwrap_or_default()).expect("an anomaly record");
        if let AnomalyBody::Anomaly(anomaly) = record.body {
            let detector = anomaly.detector.to_string();
            if detector == "secrets_listed" || detector == "cluster_admin_bound" {
                found.insert((
                    detector,
                    anomaly.entity.name.to_string(),
                    format!("{} {:?}", anomaly.sentence, anomaly.terms),
                ));
            }
        }
    }
    found
}
