//! What the fakes' kubelets and network would have sent: metrics as a Collector writes them, flows as Hubble does.
//!
//! The pods are the control plane's own, with their real names and uids; what they use and whom they talk to is made up
//! here, because nothing runs in them.

use engine::log::Message;
use serde_json::{Value, json};

/// Time between two scrapes, milliseconds.
pub const SCRAPE: i64 = 20_000;
/// The address that no pod has talked to before.
const POOL: (&str, &str) = ("198.51.100.77", "pool.example.net");

/// A pod as the API server shows it.
#[derive(Clone, Debug)]
pub struct Pod {
    pub namespace: String,
    pub name: String,
    pub uid: String,
    pub address: String,
    pub node: String,
    /// Its Deployment.
    pub workload: String,
    cpu_seconds: f64,
    received: f64,
    sent: f64,
}

/// What its pods do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// What they always do.
    Ordinary,
    /// The pods of one workload work for somebody else.
    TakenOver,
}

impl Pod {
    pub fn of(object: &Value, workload: &str) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Pod {
            namespace: text(&object["metadata"]["namespace"]),
            name: text(&object["metadata"]["name"]),
            uid: text(&object["metadata"]["uid"]),
            address: text(&object["status"]["podIP"]),
            node: text(&object["spec"]["nodeName"]),
            workload: workload.to_owned(),
            cpu_seconds: 0.0,
            received: 0.0,
            sent: 0.0,
        }
    }

    /// One interval passes.
    fn work(&mut self, at: i64, behaviour: Behaviour) {
        let scrape = SCRAPE as f64 / 1_000.0;
        let busy = if behaviour == Behaviour::TakenOver { 6.0 } else { 1.0 };
        let wobble = |salt: &str| 0.9 + 0.2 * noise(&self.uid, salt, at);
        let (cpu, received, sent) = (wobble("cpu"), wobble("received"), wobble("sent"));
        self.cpu_seconds += 0.12 * cpu * busy * scrape;
        self.received += 40_000.0 * received * scrape;
        self.sent += 25_000.0 * sent * busy * scrape;
    }

    fn resource(&self, at: i64, since: i64) -> Value {
        let (at, since) = (format!("{at}000000"), format!("{since}000000"));
        let attribute = |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
        let counter = |name: &str, unit: &str, points: Vec<Value>| {
            json!({"name": name, "unit": unit,
                   "sum": {"aggregationTemporality": 2, "isMonotonic": true, "dataPoints": points}})
        };
        let point = |value: Value, attributes: Vec<Value>| {
            let mut point = json!({"startTimeUnixNano": since, "timeUnixNano": at, "attributes": attributes});
            point.as_object_mut().expect("it was made one").extend(value.as_object().cloned().expect("it is one"));
            point
        };
        let bytes = |direction: &str, count: f64| {
            let value = json!({"asInt": format!("{count:.0}")});
            point(value, vec![attribute("interface", "eth0"), attribute("direction", direction)])
        };
        let memory = 64_000_000.0 + 2_000_000.0 * noise(&self.uid, "memory", self.cpu_seconds as i64);
        let attributes = [
            ("k8s.pod.uid", &self.uid),
            ("k8s.pod.name", &self.name),
            ("k8s.namespace.name", &self.namespace),
            ("k8s.node.name", &self.node),
            ("k8s.deployment.name", &self.workload),
        ];
        let metrics = vec![
            counter("k8s.pod.cpu.time", "s", vec![point(json!({"asDouble": self.cpu_seconds}), vec![])]),
            json!({"name": "k8s.pod.memory.working_set", "unit": "By", "gauge": {"dataPoints":
                [{"timeUnixNano": at, "asInt": format!("{memory:.0}")}]}}),
            counter("k8s.pod.network.io", "By", vec![bytes("receive", self.received), bytes("transmit", self.sent)]),
        ];
        json!({
            "resource": {"attributes": attributes.map(|(key, value)| attribute(key, value))},
            "scopeMetrics": [{"scope": {"name": "otelcol/kubeletstatsreceiver"}, "metrics": metrics}],
        })
    }
}

/// One scrape of all pods.
pub fn scrape(pods: &mut [Pod], at: i64, since: i64, taken_over: &str, behaviour: Behaviour) -> Message {
    let resources: Vec<Value> = pods
        .iter_mut()
        .map(|pod| {
            let own = if pod.workload == taken_over { behaviour } else { Behaviour::Ordinary };
            pod.work(at, own);
            pod.resource(at, since)
        })
        .collect();
    message("otlp_metrics", 0, at, &json!({"resourceMetrics": resources}))
}

/// The connections of one interval: to the database always, and to the pool where somebody wants that; of an isolated pod
/// none.
pub fn flows(pods: &[Pod], database: &Pod, at: i64, mining: Option<&Pod>, isolated: Option<&Pod>) -> Vec<Message> {
    let database = (database.address.as_str(), described(database));
    let mut lines = Vec::new();
    let is_isolated = |pod: &Pod| isolated.is_some_and(|isolated| isolated.uid == pod.uid);
    for pod in pods.iter().filter(|pod| pod.workload != "db" && !is_isolated(pod)) {
        lines.push(flow(pod, &database, 5432, at, None));
    }
    let world = json!({"identity": 2, "labels": ["reserved:world"]});
    lines.extend(mining.map(|pod| flow(pod, &(POOL.0, world), 443, at + 1_000, Some(POOL.1))));
    lines.into_iter().map(|line| message("hubble-flows", 0, at, &line)).collect()
}

fn flow(from: &Pod, to: &(&str, Value), port: u16, at: i64, name: Option<&str>) -> Value {
    let time = moment(at);
    let client_port = 32_768 + (at / SCRAPE).rem_euclid(20_000);
    json!({
        "flow": {
            "time": time, "verdict": "FORWARDED", "Type": "L3_L4", "is_reply": false,
            "traffic_direction": "EGRESS", "node_name": from.node,
            "IP": {"source": from.address, "destination": to.0, "ipVersion": "IPv4"},
            "l4": {"TCP": {"source_port": client_port, "destination_port": port, "flags": {"SYN": true}}},
            "source": described(from), "destination": to.1,
            "destination_names": name.map(|name| vec![name]).unwrap_or_default(),
        },
        "node_name": from.node, "time": time,
    })
}

fn described(pod: &Pod) -> Value {
    json!({"identity": 4_711, "namespace": pod.namespace, "pod_name": pod.name, "labels": [],
           "workloads": [{"name": pod.workload, "kind": "Deployment"}]})
}

fn message(topic: &str, partition: u32, at: i64, value: &Value) -> Message {
    Message {
        topic: topic.into(),
        partition,
        value: Some(value.to_string().into_bytes()),
        timestamp: Some(at),
        ..Message::default()
    }
}

/// A moment as Hubble writes it.
fn moment(millis: i64) -> String {
    jiff::Timestamp::from_millisecond(millis).expect("telemetry is of our days").to_string()
}

/// A number in [0, 1) that depends on its arguments only.
fn noise(uid: &str, salt: &str, at: i64) -> f64 {
    let mut mixed = 0xcbf2_9ce4_8422_2325_u64;
    for byte in uid.bytes().chain(salt.bytes()).chain(at.to_le_bytes()) {
        mixed = (mixed ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    mixed ^= mixed >> 31;
    mixed = mixed.wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed >> 11) as f64 / (1_u64 << 53) as f64
}
