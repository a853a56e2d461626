//! What anyone who reads the estate's topics may rely on.

use estate::{AUDIT_TOPIC, Estate, EventKind, FLOWS_TOPIC, METRICS_TOPIC, Plan, RawRecord};
use opentelemetry_proto::tonic::common::v1::any_value::Value as Attribute;
use opentelemetry_proto::tonic::metrics::v1::{MetricsData, ResourceMetrics, metric::Data, number_data_point::Value};
use prost::Message;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// Two days of few workloads: learning and story, quickly read.
fn small() -> Estate {
    Estate::new(Plan { days: 2, workloads: 9, seed: 7, ..Plan::default() }).expect("the plan is allowed")
}

fn digest(records: impl Iterator<Item = RawRecord>) -> String {
    let mut digest = Sha256::new();
    for record in records {
        digest.update(record.topic);
        digest.update(record.partition.to_be_bytes());
        digest.update(record.timestamp_ms.to_be_bytes());
        digest.update(&record.value);
    }
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn json(record: &RawRecord) -> serde_json::Value {
    serde_json::from_slice(&record.value).expect("every line is JSON")
}

fn attribute<'a>(resource: &'a ResourceMetrics, key: &str) -> Option<&'a str> {
    let attributes = &resource.resource.as_ref()?.attributes;
    let value = attributes.iter().find(|attribute| attribute.key == key)?.value.as_ref()?;
    match value.value.as_ref()? {
        Attribute::StringValue(text) => Some(text),
        _ => None,
    }
}

/// Every point: name, unit, direction, whether it counts, start, time, value.
fn points(resource: &ResourceMetrics) -> Vec<(String, bool, u64, u64, f64)> {
    let mut all = Vec::new();
    for metric in resource.scope_metrics.iter().flat_map(|scope| &scope.metrics) {
        let (points, counts) = match metric.data.as_ref().expect("a metric has data") {
            Data::Sum(sum) => (&sum.data_points, sum.is_monotonic && sum.aggregation_temporality == 2),
            Data::Gauge(gauge) => (&gauge.data_points, false),
            other => panic!("{other:?}"),
        };
        for point in points {
            let direction: String = point.attributes.iter().map(|attribute| format!("{:?}", attribute.value)).collect();
            let value = match point.value.expect("a point has a value") {
                Value::AsDouble(value) => value,
                Value::AsInt(value) => value as f64,
            };
            let name = format!("{}{direction}", metric.name);
            all.push((name, counts, point.start_time_unix_nano, point.time_unix_nano, value));
        }
    }
    all
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    let plan = |seed| Plan { days: 1, workloads: 9, seed, ..Plan::default() };
    let of = |seed| digest(Estate::new(plan(seed)).expect("the plan is allowed").records());
    // Pinned: a change here changes what everyone sees for a seed, so it must be meant.
    assert_eq!(of(7), "420c3bae21fa66b85a60cf22e4435a194477fcbf4e736e961cff99376bc730d7");
    assert_eq!(of(7), of(7));
    assert_ne!(of(7), of(8));
}

#[test]
fn records_come_in_order_within_the_estates_time_and_partitions() {
    let estate = small();
    let mut last = estate.start();
    let mut partitions = BTreeSet::new();
    for record in estate.records() {
        assert!(record.timestamp_ms >= last, "{} after {last}", record.timestamp_ms);
        last = record.timestamp_ms;
        assert!(last < estate.end() + 5_000);
        partitions.insert((record.topic, record.partition));
    }
    assert!(last > estate.end() - 60_000);
    for (topic, partition) in partitions {
        let declared = estate.topics().into_iter().find(|(declared, _)| *declared == topic).expect("declared").1;
        assert!(partition < declared);
    }
}

#[test]
fn metrics_decode_and_hold_what_the_receivers_write() {
    let estate = small();
    let mut names = BTreeSet::new();
    let mut kinds = BTreeSet::new();
    for record in estate.records().filter(|record| record.topic == METRICS_TOPIC).take(2_000) {
        let data = MetricsData::decode(record.value.as_slice()).expect("a metrics message decodes");
        for resource in &data.resource_metrics {
            names.extend(
                points(resource).into_iter().map(|point| point.0.split("Some").next().unwrap_or("").to_owned()),
            );
            let keys = ["k8s.deployment.name", "k8s.statefulset.name", "k8s.daemonset.name", "k8s.container.name"];
            kinds.extend(keys.into_iter().filter(|key| attribute(resource, key).is_some()));
        }
    }
    for expected in [
        "container.cpu.time",
        "container.filesystem.usage",
        "container.memory.page_faults",
        "container.memory.rss",
        "container.memory.usage",
        "container.memory.working_set",
        "k8s.container.restarts",
        "k8s.deployment.available",
        "k8s.deployment.desired",
        "k8s.node.cpu.time",
        "k8s.node.network.io",
        "k8s.pod.cpu.time",
        "k8s.pod.memory.working_set",
        "k8s.pod.network.errors",
        "k8s.pod.network.io",
    ] {
        assert!(names.contains(expected), "{expected} is missing from {names:?}");
    }
    assert_eq!(kinds.len(), 4, "{kinds:?}");
}

#[test]
fn counters_grow_except_where_they_begin_anew() {
    let mut last: BTreeMap<(String, String), (u64, u64, f64)> = BTreeMap::new();
    let mut restarts = 0;
    for record in small().records().filter(|record| record.topic == METRICS_TOPIC) {
        let data = MetricsData::decode(record.value.as_slice()).expect("a metrics message decodes");
        for resource in &data.resource_metrics {
            let owner = attribute(resource, "k8s.pod.uid").or(attribute(resource, "k8s.node.name")).unwrap_or("");
            let scope = attribute(resource, "k8s.container.name").unwrap_or("");
            for (name, _, start, time, value) in points(resource).into_iter().filter(|point| point.1) {
                assert!(start > 0 && start < time, "{name} began at {start}, read at {time}");
                let key = (format!("{owner}/{scope}"), name);
                if let Some((began, read, before)) = last.insert(key.clone(), (start, time, value)) {
                    assert!(time > read, "{key:?}");
                    if start == began {
                        assert!(value >= before, "{key:?}: {before} then {value}");
                    } else {
                        assert!(start > began, "{key:?}");
                        restarts += 1;
                    }
                }
            }
        }
    }
    assert!(restarts > 0, "the leaking container is restarted");
}

#[test]
fn audit_lines_are_events_and_every_active_principal_matures_in_the_learning_period() {
    let estate = Estate::new(Plan::default()).expect("the default plan is allowed");
    let mut calls: BTreeMap<String, u32> = BTreeMap::new();
    for record in estate.records().filter(|record| record.topic == AUDIT_TOPIC) {
        let event = json(&record);
        assert_eq!(event["kind"], "Event");
        assert_eq!(event["apiVersion"], "audit.k8s.io/v1");
        assert_eq!(event["stage"], "ResponseComplete");
        let level = if event["requestObject"].is_null() { "Metadata" } else { "Request" };
        assert_eq!(event["level"], level);
        if record.timestamp_ms < estate.learning_ends() {
            let user = event["user"]["username"].as_str().expect("a user has a name").to_owned();
            *calls.entry(user).or_default() += 1;
            let denied = event["responseStatus"]["code"] == 403;
            let all_secrets = event["objectRef"]["resource"] == "secrets" && event["verb"] == "list";
            assert!(!denied && !all_secrets, "the learning period is normal: {event}");
        }
    }
    assert!(calls.len() >= 20, "{calls:?}");
    assert!(calls.values().all(|count| *count >= 200), "{calls:?}");
}

#[test]
fn the_takeover_shows_in_three_topics_and_nowhere_before() {
    let estate = Estate::new(Plan::default()).expect("the default plan is allowed");
    let takeover = estate.story().into_iter().find(|event| event.kind == EventKind::Takeover).expect("it is told");
    let window = takeover.at..takeover.until + 5_000;
    let (mut refused, mut listed, mut bound, mut pool) = (0, 0, 0, 0);
    let mut peers_before = BTreeSet::new();
    for record in estate.records() {
        match record.topic {
            AUDIT_TOPIC => {
                let event = json(&record);
                let secrets = event["objectRef"]["resource"] == "secrets" && event["verb"] == "list";
                let admin = event["requestObject"]["roleRef"]["name"] == "cluster-admin";
                if secrets || admin {
                    assert!(window.contains(&record.timestamp_ms), "{event}");
                }
                refused += u32::from(secrets && event["responseStatus"]["code"] == 403);
                listed += u32::from(secrets && event["responseStatus"]["code"] == 200);
                bound += u32::from(admin);
                if secrets {
                    let pod = &event["user"]["extra"]["authentication.kubernetes.io/pod-name"][0];
                    assert!(pod.as_str().is_some_and(|pod| pod.starts_with("cart-")), "{event}");
                }
            }
            FLOWS_TOPIC => {
                let line = json(&record);
                let peer = line["flow"]["destination_names"][0].as_str().unwrap_or("").to_owned();
                if peer == "xmr.deep-pool.example" {
                    assert!(window.contains(&record.timestamp_ms));
                    assert_eq!(line["flow"]["source"]["workloads"][0]["name"], "cart");
                    pool += 1;
                } else {
                    peers_before.insert(peer);
                }
            }
            _ => {}
        }
    }
    assert_eq!((refused, listed, bound), (3, 4, 1));
    assert!(pool > 60, "{pool}");
    assert!(peers_before.contains("vault.coldstore.example"), "the rare but known peer is met: {peers_before:?}");
}

#[test]
fn every_workload_is_heard_of_often_enough_to_be_learnt() {
    let estate = Estate::new(Plan::default()).expect("the default plan is allowed");
    let mut events: BTreeMap<String, u32> = BTreeMap::new();
    for record in estate.records().filter(|record| record.topic == FLOWS_TOPIC) {
        if record.timestamp_ms < estate.learning_ends() {
            let line = json(&record);
            if line["flow"]["is_reply"] == false && line["flow"]["traffic_direction"] == "EGRESS" {
                let name = line["flow"]["source"]["workloads"][0]["name"].as_str().expect("egress has a workload");
                *events.entry(name.to_owned()).or_default() += 1;
            }
        }
    }
    assert_eq!(events.len(), Plan::default().workloads);
    assert!(events.values().all(|count| *count >= 200), "{events:?}");
}

#[test]
fn the_story_lies_in_the_last_half_day_without_overlap() {
    for days in [1, 3] {
        let estate = Estate::new(Plan { days, ..Plan::default() }).expect("the plan is allowed");
        let story = estate.story();
        let mut last = estate.learning_ends();
        for event in &story {
            assert!(event.at > last && event.at < event.until && event.until < estate.end(), "{event:?}");
            assert!(!event.entities.is_empty() && !event.description.is_empty());
            last = event.until;
        }
        let kinds: Vec<EventKind> = story.iter().map(|event| event.kind).collect();
        assert_eq!(kinds, [EventKind::HarmlessDeploy, EventKind::Takeover, EventKind::PerformanceFault]);
    }
}

#[test]
fn a_default_estate_stays_within_its_limits() {
    let estate = Estate::new(Plan::default()).expect("the default plan is allowed");
    let (mut records, mut bytes, mut samples) = (0, 0, 0);
    for record in estate.records() {
        records += 1;
        bytes += record.value.len();
        if record.topic == METRICS_TOPIC {
            let data = MetricsData::decode(record.value.as_slice()).expect("a metrics message decodes");
            samples += data.resource_metrics.iter().map(|resource| points(resource).len()).sum::<usize>();
        }
    }
    assert!(records <= 250_000, "{records} records");
    assert!(bytes <= 420_000_000, "{bytes} bytes");
    assert!((1_500_000..=3_000_000).contains(&samples), "{samples} samples");
}
