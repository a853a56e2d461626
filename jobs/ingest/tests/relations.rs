//! What signals say of other entities leads to the entities that metrics are about.

use estate::{Estate, Plan};
use ingest::{Config, Raw, process};
use schemas::signal::Body;
use schemas::{Entity, EntityKind};
use std::collections::BTreeSet;

#[test]
fn workloads_of_tokens_peers_of_flows_and_nodes_of_pods_are_entities_of_metrics() {
    let estate = Estate::new(Plan { days: 1, workloads: 12, ..Plan::default() }).expect("the plan is allowed");
    let (mut measured, mut acting, mut called) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let (mut nodes, mut places) = (BTreeSet::new(), BTreeSet::new());
    let mut given = BTreeSet::new();
    for record in estate.records() {
        let raw =
            Raw { topic: record.topic, timestamp: record.timestamp_ms, value: Some(&record.value), ..Raw::default() };
        for signal in process(&raw, &Config::default()).reading.signals {
            let key = signal.entity.key();
            match signal.body {
                Body::MetricSamples(samples) => {
                    let of_pod = !samples.instance.is_empty();
                    assert!(samples.node.is_empty() || of_pod, "{key}");
                    places.extend((!samples.node.is_empty()).then(|| samples.node.as_str().to_owned()));
                    nodes.extend((signal.entity.kind == EntityKind::Node).then(|| signal.entity.name.to_string()));
                    measured.insert(key);
                }
                Body::AuditEvent(event) => {
                    assert!(event.workload.is_empty() || !event.pod.is_empty(), "{key}");
                    acting.extend((!event.workload.is_empty()).then(|| event.workload.to_string()));
                    given.extend(event.subjects.iter().map(ToString::to_string));
                }
                Body::FlowAgg(flow) if !flow.external => {
                    called.extend(Entity::from_key(&flow.peer).map(|peer| peer.key()));
                }
                _ => {}
            }
        }
    }
    assert!(acting.len() >= 2 && called.len() >= 5 && places.len() >= 2, "{acting:?} {called:?} {places:?}");
    assert_eq!(places.difference(&nodes).collect::<Vec<_>>(), Vec::<&String>::new());
    assert_eq!(acting.difference(&measured).collect::<Vec<_>>(), Vec::<&String>::new());
    let given: Vec<String> = given.into_iter().collect();
    assert_eq!(given, ["principal///newcomer@corp.example", "principal/shop//system:serviceaccount:shop:cart"]);
    // The estate's DNS server answers, but is not scraped.
    let unmeasured: Vec<_> = called.difference(&measured).filter(|key| !key.ends_with("/coredns")).collect();
    assert_eq!(unmeasured, Vec::<&String>::new());
}
