//! Metrics of the cluster's objects, as the k8s_cluster receiver writes them.

use crate::otlp;
use crate::pods::{Population, replicas};
use crate::roster::{Kind, Workload};

const SCOPE: &str = "otelcol/k8sclusterreceiver";

/// One message with the state of all workloads and containers.
pub(crate) fn message(
    population: &Population,
    roster: &[Workload],
    node_name: impl Fn(usize) -> String,
    at: i64,
) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(32 * 1024);
    for (index, workload) in roster.iter().enumerate() {
        let pods = &population.pods[index];
        let desired = replicas(workload, population.nodes, at) as i64;
        let ready = pods.iter().filter(|pod| pod.container_started < at).count() as i64;
        let (attribute, first, second) = match workload.kind {
            Kind::Deployment => ("k8s.deployment.name", "k8s.deployment.desired", "k8s.deployment.available"),
            Kind::StatefulSet => ("k8s.statefulset.name", "k8s.statefulset.desired_pods", "k8s.statefulset.ready_pods"),
            Kind::DaemonSet => {
                ("k8s.daemonset.name", "k8s.daemonset.desired_scheduled_nodes", "k8s.daemonset.ready_nodes")
            }
            Kind::CronJob => ("k8s.cronjob.name", "k8s.cronjob.active_jobs", ""),
        };
        let attributes =
            vec![(attribute, workload.name.clone()), ("k8s.namespace.name", workload.namespace.to_owned())];
        let unit = if workload.kind == Kind::DaemonSet { "{node}" } else { "{pod}" };
        let metrics = match workload.kind {
            Kind::CronJob => vec![otlp::gauge(first, "{job}", pods.len() as i64, at)],
            _ => vec![otlp::gauge(second, unit, ready, at), otlp::gauge(first, unit, desired, at)],
        };
        otlp::append(&mut bytes, attributes, SCOPE, metrics);
    }
    for pod in population.pods.iter().flatten() {
        let workload = &roster[pod.workload];
        // This receiver knows the pod, not its owner: the name has to tell.
        let attributes = vec![
            ("k8s.pod.uid", pod.uid.clone()),
            ("k8s.pod.name", pod.name.clone()),
            ("k8s.node.name", node_name(pod.node)),
            ("k8s.namespace.name", workload.namespace.to_owned()),
            ("container.id", pod.container_id.clone()),
            ("k8s.container.name", workload.name.clone()),
            ("container.image.name", format!("registry.example/{}", workload.name)),
            ("container.image.tag", pod.image_tag.clone()),
        ];
        let metrics = vec![
            otlp::gauge("k8s.container.ready", "", i64::from(pod.container_started < at), at),
            otlp::gauge("k8s.container.restarts", "{restart}", pod.restarts, at),
        ];
        otlp::append(&mut bytes, attributes, SCOPE, metrics);
    }
    bytes
}
