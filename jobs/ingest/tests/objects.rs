//! Whom records name, once the objects topic says who was who: on the engine, from a log in memory.

use engine::clock::{ManualClock, WallClock};
use engine::lane::{Environment, Lane, LaneConfig, Ticks};
use engine::log::{CleanupPolicy, Limit, Log, Message, TimestampSource, TopicPartition, TopicSpec, memory};
use engine::metrics::Metrics;
use engine::state::memory::MemoryStores;
use ingest::Config;
use ingest::job::Ingest;
use schemas::signal::Body;
use schemas::{Confidence, ObjectRecord, OwnerReference, Record as _, Signal};
use std::sync::Arc;
use std::time::Duration;
use topics::declared::{DEAD_LETTERS, OBJECTS, SIGNALS};

/// When everything here happens.
const NOW: i64 = 1_785_578_401_000;
const UID: &str = "0b1d5f1e-2c3d-4e5f-8a9b-0c1d2e3f4a5b";

struct Site {
    log: Arc<dyn Log>,
    clock: Arc<ManualClock>,
    lane: Lane,
}

impl Site {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::new(NOW, 0));
        let wall: Arc<dyn WallClock> = clock.clone();
        let log = memory::open(&memory::Disk::default(), wall.clone()).expect("a log in memory opens");
        let raw = ["otlp_metrics", "k8s-audit", "hubble-flows"];
        for name in raw.iter().chain(&[SIGNALS.name, OBJECTS.name, DEAD_LETTERS.name]) {
            let spec = TopicSpec {
                name: (*name).to_owned(),
                partitions: 1,
                retention_ms: None,
                retention_bytes: None,
                timestamps: TimestampSource::CreateTime,
                cleanup: if *name == OBJECTS.name { CleanupPolicy::Compact } else { CleanupPolicy::Delete },
            };
            log.create_topic(&spec).expect("a topic can be made");
        }
        let metrics = Metrics::new("0");
        let ingest = Ingest::new(Config::default(), raw.map(str::to_owned).to_vec(), 1, 1, metrics.clone());
        let stores = Arc::new(MemoryStores::default());
        let environment = Environment { log: log.clone(), stores, checkpoints: None, clock: wall, metrics };
        let config = LaneConfig { wait: Duration::ZERO, ticks: Ticks::Wall { every: 250 }, ..LaneConfig::default() };
        let lane = Lane::open(Arc::new(ingest.with_objects()), environment, config, 0, 0).expect("a lane opens");
        Site { log, clock, lane }
    }

    fn append(&self, topic: &str, key: Option<Vec<u8>>, value: Vec<u8>) {
        let mut producer = self.log.producer("test").expect("a producer opens");
        producer.begin().expect("a transaction opens");
        let timestamp = Some(self.clock.now_millis());
        let message = Message { topic: topic.into(), key, value: Some(value), timestamp, ..Message::default() };
        producer.send(message).expect("a record is taken");
        producer.commit(&[], None).expect("it is committed");
    }

    fn object(&self, object: &ObjectRecord<'_>) {
        let key = topics::object_key(&object.cluster, &object.uid).into_bytes();
        self.append(OBJECTS.name, Some(key), object.encode().expect("it can be written"));
    }

    /// The signals that a raw record becomes.
    fn read(&mut self, topic: &str, value: &str) -> Vec<Signal<'static>> {
        let at = TopicPartition::new(SIGNALS.name, 0);
        let from = self.log.bounds(&at).expect("it is there").end;
        self.append(topic, None, value.as_bytes().to_vec());
        // Time enough for another look at the objects.
        self.clock.advance(2_000);
        for _ in 0..20 {
            self.lane.step().expect("nothing fails here");
        }
        let batch = self.log.read(&at, from, Limit { records: 1000, bytes: 1 << 20 }).expect("it can be read");
        let values = batch.records.into_iter().filter_map(|record| record.value);
        // The test keeps them to its end.
        let signals = values.map(|value| Signal::decode(value.to_vec().leak()).expect("ours can be read"));
        signals.filter(|signal| !matches!(signal.body, Body::Tick(_))).collect()
    }
}

/// A pod whose name says nothing of its workload, and who owns it.
fn pod() -> ObjectRecord<'static> {
    let owner = |kind, name, uid| OwnerReference {
        api_version: "argoproj.io/v1alpha1".into(),
        kind,
        name,
        uid,
        controller: true,
    };
    ObjectRecord {
        tenant: "default".into(),
        cluster: "default".into(),
        kind: "Pod".into(),
        namespace: "shop".into(),
        name: "blue".into(),
        uid: UID.into(),
        owners: vec![owner("StatefulSet".into(), "cart".into(), "s1".into())],
        node: "node-1".into(),
        ips: vec!["10.0.0.7".into()],
        created_at: NOW - 60_000,
        valid_from: NOW - 60_000,
        ..ObjectRecord::default()
    }
}

const METRICS: &str = r#"{"resourceMetrics":[{"resource":{"attributes":[
    {"key":"k8s.namespace.name","value":{"stringValue":"shop"}},{"key":"k8s.pod.name","value":{"stringValue":"blue"}}]},
    "scopeMetrics":[{"metrics":[{"name":"k8s.pod.cpu.usage","unit":"{cpu}","gauge":{"dataPoints":[
    {"timeUnixNano":"1785578401000000000","asDouble":0.5}]}}]}]}]}"#;

/// A flow between an address without a name and the world.
const FLOW: &str = r#"{"flow":{"time":"2026-08-01T10:00:01Z","verdict":"FORWARDED","traffic_direction":"EGRESS",
    "IP":{"source":"10.0.0.7","destination":"203.0.113.9"},"source":{},"destination":{"labels":["reserved:world"]},
    "l4":{"TCP":{"source_port":40000,"destination_port":443,"flags":{"SYN":true}}}},"node_name":"node-1",
    "time":"2026-08-01T10:00:01Z"}"#;

fn event(pod: &str) -> String {
    format!(
        r#"{{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"a-1","stage":"ResponseComplete",
            "verb":"list","requestReceivedTimestamp":"2026-08-01T10:00:01Z","stageTimestamp":"2026-08-01T10:00:01Z",
            "user":{{"username":"system:serviceaccount:shop:cart","extra":{{
            "authentication.kubernetes.io/pod-name":["{pod}"]}}}},"requestURI":"/api/v1/secrets",
            "objectRef":{{"resource":"secrets"}},"responseStatus":{{"code":200}}}}"#
    )
}

fn one_line(text: &str) -> String {
    text.replace('\n', " ")
}

#[test]
fn records_name_what_their_names_look_like_until_the_objects_are_known() {
    let mut site = Site::new();
    let before = site.read("otlp_metrics", METRICS);
    assert_eq!(before[0].entity.key(), "workload/shop/Pod/blue");
    assert!(site.read("hubble-flows", &one_line(FLOW)).is_empty(), "an address alone is nobody of ours");

    site.object(&pod());
    let after = site.read("otlp_metrics", METRICS);
    assert_eq!(
        (after[0].entity.key().as_str(), after[0].confidence),
        ("workload/shop/StatefulSet/cart", Confidence::High)
    );
    let Body::MetricSamples(samples) = &after[0].body else { panic!("samples: {after:?}") };
    assert_eq!(samples.instance, UID);

    let flows = site.read("hubble-flows", &one_line(FLOW));
    let Body::FlowAgg(flow) = &flows[0].body else { panic!("a flow: {flows:?}") };
    assert_eq!(flows[0].entity.key(), "workload/shop/StatefulSet/cart");
    assert_eq!(flow.instance, format!("blue/{UID}").as_str());

    let events = site.read("k8s-audit", &event("blue"));
    let Body::AuditEvent(audit) = &events[0].body else { panic!("an event: {events:?}") };
    assert_eq!(
        (audit.pod.as_str(), audit.workload.as_str()),
        (format!("blue/{UID}").as_str(), "workload/shop/StatefulSet/cart")
    );
}

#[test]
fn an_address_that_was_given_back_names_nobody_and_another_namespace_is_not_entered() {
    let mut site = Site::new();
    site.object(&ObjectRecord { deleted: true, valid_to: NOW - 30_000, ..pod() });
    assert!(site.read("hubble-flows", &one_line(FLOW)).is_empty());
    // The token of an account of one namespace says it is bound to a pod that is in another.
    site.object(&ObjectRecord { namespace: "kube-system".into(), ..pod() });
    let events = site.read("k8s-audit", &event("blue"));
    let Body::AuditEvent(audit) = &events[0].body else { panic!("an event: {events:?}") };
    assert_eq!(audit.pod, "blue");
}

#[test]
fn what_is_no_object_is_passed_over() {
    let mut site = Site::new();
    site.append(OBJECTS.name, Some(b"default/x".to_vec()), b"no record of ours".to_vec());
    site.object(&pod());
    assert_eq!(site.read("otlp_metrics", METRICS)[0].entity.key(), "workload/shop/StatefulSet/cart");
}
