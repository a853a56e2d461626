//! Metrics of pods, containers and nodes, as the kubeletstats receiver and the k8sattributes processor write them.
//!
//! One message holds one scrape of one node with all its pods: the node's resource, then two for each pod.

use crate::calendar::seconds_text;
use crate::otlp::{self, ResourceAttributes};
use crate::pods::Pod;
use crate::roster::{Kind, Workload};
use opentelemetry_proto::tonic::metrics::v1::Metric;

const SCOPE: &str = "otelcol/kubeletstatsreceiver";

/// What a kubelet knows about its node.
#[derive(Clone, Debug, Default)]
pub(crate) struct NodeMeter {
    pub(crate) read_at: i64,
    pub(crate) started: i64,
    pub(crate) cpu_seconds: f64,
    pub(crate) received: i64,
    pub(crate) sent: i64,
    pub(crate) working_set: i64,
    pub(crate) filesystem: i64,
}

/// A message under construction.
pub(crate) struct Scrape {
    bytes: Vec<u8>,
    at: i64,
}

impl Scrape {
    /// An empty message of a scrape at `at`, milliseconds.
    pub(crate) fn new(at: i64) -> Self {
        Scrape { bytes: Vec::with_capacity(32 * 1024), at }
    }

    /// Adds the node.
    pub(crate) fn node(&mut self, name: &str, meter: &NodeMeter) {
        let (at, since) = (self.at, meter.started);
        let capacity = 32_i64 << 30;
        let metrics = vec![
            otlp::counter("k8s.node.cpu.time", "s", vec![otlp::seconds(meter.cpu_seconds, since, at)]),
            otlp::gauge("k8s.node.memory.available", "By", capacity - meter.working_set, at),
            otlp::gauge("k8s.node.memory.working_set", "By", meter.working_set, at),
            otlp::gauge("k8s.node.memory.usage", "By", meter.working_set + (3 << 30), at),
            otlp::gauge("k8s.node.filesystem.usage", "By", meter.filesystem, at),
            traffic("k8s.node.network.io", "By", [meter.received, meter.sent], since, at),
        ];
        self.resource(vec![("k8s.node.name", name.to_owned())], metrics);
    }

    /// Adds a pod and its container.
    pub(crate) fn pod(&mut self, pod: &Pod, workload: &Workload, node: &str) {
        let (at, meter) = (self.at, &pod.meter);
        let mut attributes = identity(pod, workload, node);
        let metrics = vec![
            otlp::counter("k8s.pod.cpu.time", "s", vec![otlp::seconds(meter.cpu_seconds, pod.container_started, at)]),
            otlp::gauge("k8s.pod.memory.working_set", "By", meter.working_set, at),
            traffic("k8s.pod.network.io", "By", [meter.received, meter.sent], pod.started, at),
            traffic("k8s.pod.network.errors", "1", [meter.receive_errors, 0], pod.started, at),
        ];
        self.resource(attributes.clone(), metrics);

        attributes.push(("k8s.container.name", workload.name.clone()));
        attributes.push(("container.id", pod.container_id.clone()));
        let since = pod.container_started;
        let metrics = vec![
            otlp::counter("container.cpu.time", "s", vec![otlp::seconds(meter.cpu_seconds, since, at)]),
            otlp::gauge("container.memory.usage", "By", meter.usage, at),
            otlp::gauge("container.memory.rss", "By", meter.rss, at),
            otlp::gauge("container.memory.working_set", "By", meter.working_set, at),
            // A gauge that carries a cumulative count: so the receiver writes it.
            otlp::gauge("container.memory.page_faults", "1", meter.page_faults, at),
            otlp::gauge("container.filesystem.usage", "By", meter.filesystem, at),
        ];
        self.resource(attributes, metrics);
    }

    /// The message.
    pub(crate) fn finish(self) -> Vec<u8> {
        self.bytes
    }

    fn resource(&mut self, attributes: ResourceAttributes, metrics: Vec<Metric>) {
        otlp::append(&mut self.bytes, attributes, SCOPE, metrics);
    }
}

fn identity(pod: &Pod, workload: &Workload, node: &str) -> ResourceAttributes {
    let mut attributes = vec![
        ("k8s.pod.uid", pod.uid.clone()),
        ("k8s.pod.name", pod.name.clone()),
        ("k8s.namespace.name", workload.namespace.to_owned()),
        ("k8s.pod.start_time", seconds_text(pod.started)),
        ("k8s.node.name", node.to_owned()),
    ];
    attributes.push(match workload.kind {
        Kind::Deployment => ("k8s.deployment.name", workload.name.clone()),
        Kind::StatefulSet => ("k8s.statefulset.name", workload.name.clone()),
        Kind::DaemonSet => ("k8s.daemonset.name", workload.name.clone()),
        Kind::CronJob => ("k8s.cronjob.name", workload.name.clone()),
    });
    if !pod.job.is_empty() {
        attributes.push(("k8s.job.name", pod.job.clone()));
    }
    attributes
}

fn traffic(name: &str, unit: &str, [received, sent]: [i64; 2], since: i64, at: i64) -> Metric {
    let point = |value, direction| {
        let mut point = otlp::count(value, since, at);
        point.attributes = vec![otlp::attribute("interface", "eth0"), otlp::attribute("direction", direction)];
        point
    };
    otlp::counter(name, unit, vec![point(received, "receive"), point(sent, "transmit")])
}
