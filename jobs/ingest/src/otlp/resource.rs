//! From the attributes of a resource to the entity its metrics are about.

use crate::identity::{self, Pod};
use crate::raw::Raw;
use crate::sources::Context;
use crate::workload::{self, Owners, Workload};
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use schemas::{Confidence, Entity, EntityKind};

/// Name of the node of host metrics that say nothing about their host, where the configuration does not either.
pub const UNKNOWN_HOST: &str = "unknown-host";

/// What the metrics of one resource are about.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Cluster.
    pub cluster: String,
    /// Entity.
    pub entity: Entity<'static>,
    /// How sure the entity is.
    pub confidence: Confidence,
    /// Part of the entity: container or quota; empty for the whole.
    pub scope: String,
    /// Instance: pod uid, else pod name, else ReplicaSet; empty where there is one only.
    pub instance: String,
    /// Node that the pod runs on; empty where unknown and for what is no pod.
    pub node: String,
    /// Volume the metrics are about, without the random end of a projected volume's name; empty for none.
    pub volume: String,
    /// Whether the attributes that would name the entity were missing.
    pub unattributed: bool,
    /// Whether it is one process of a host: too many and too short-lived for a baseline.
    pub process: bool,
    /// Whether there were more attributes than the limit.
    pub truncated: bool,
}

/// The subject of a resource.
pub fn subject(attributes: &[KeyValue], raw: &Raw<'_>, context: &Context<'_>) -> Subject {
    let limit = context.config.limits.attributes;
    let seen = attributes.get(..limit).unwrap_or(attributes);
    let named = Named { attributes: seen, context };
    let namespace = named.get("k8s.namespace.name");
    let scope = named.first(&["k8s.container.name", "k8s.resource_quota.name", "k8s.resourcequota.name"]);
    let cluster = match named.first(&["k8s.cluster.uid", "k8s.cluster.name"]) {
        "" => context.told_cluster(raw).unwrap_or(&context.config.cluster),
        name => name,
    };
    let known = named.pod(cluster, namespace, raw.timestamp);
    let (entity, confidence, unattributed) = match &known {
        Some(pod) => (pod.workload.entity(pod.namespace), pod.workload.confidence, false),
        None => named.entity(namespace),
    };
    let pod = known.as_ref().map_or_else(|| named.first(&["k8s.pod.uid", "k8s.pod.name"]), |pod| pod.uid);
    let instance = if pod.is_empty() { named.get("k8s.replicaset.name") } else { pod };
    let node = known.as_ref().map(|pod| pod.node).filter(|node| !node.is_empty());
    Subject {
        cluster: cluster.to_owned(),
        entity,
        confidence,
        scope: scope.to_owned(),
        instance: instance.to_owned(),
        node: if pod.is_empty() { String::new() } else { node.unwrap_or(named.get("k8s.node.name")).to_owned() },
        volume: volume_class(named.get("k8s.volume.name")),
        unattributed,
        process: named.has("process.pid"),
        truncated: attributes.len() > limit,
    }
}

/// A string value, where it is one.
pub fn text(value: Option<&AnyValue>) -> Option<&str> {
    match value?.value.as_ref()? {
        Value::StringValue(text) => Some(text),
        _ => None,
    }
}

struct Named<'a> {
    attributes: &'a [KeyValue],
    context: &'a Context<'a>,
}

impl<'a> Named<'a> {
    fn get(&self, key: &str) -> &'a str {
        let found = self.attributes.iter().find(|attribute| attribute.key == key);
        let value = found.and_then(|attribute| text(attribute.value.as_ref())).unwrap_or_default();
        self.context.capped(value)
    }

    fn first(&self, keys: &[&str]) -> &'a str {
        keys.iter().map(|key| self.get(key)).find(|value| !value.is_empty()).unwrap_or_default()
    }

    fn has(&self, key: &str) -> bool {
        self.attributes.iter().any(|attribute| attribute.key == key)
    }

    /// The pod that it names, as the objects topic knows it.
    fn pod(&self, cluster: &str, namespace: &str, at: i64) -> Option<Pod<'a>> {
        let (uid, name) = (self.get("k8s.pod.uid"), self.get("k8s.pod.name"));
        let named = identity::Named { tenant: self.context.tenant(), cluster, uid, namespace, name, address: "", at };
        self.context.identities.pod(&named)
    }

    /// The entity, how sure it is, and whether what names it was missing.
    fn entity(&self, namespace: &str) -> (Entity<'static>, Confidence, bool) {
        let owners = Owners {
            cronjob: self.get("k8s.cronjob.name"),
            job: self.get("k8s.job.name"),
            deployment: self.get("k8s.deployment.name"),
            statefulset: self.get("k8s.statefulset.name"),
            daemonset: self.get("k8s.daemonset.name"),
            replicaset: self.get("k8s.replicaset.name"),
        };
        let pod = self.get("k8s.pod.name");
        let node = self.get("k8s.node.name");
        let found = workload::from_owners(&owners)
            .or_else(|| self.other_controller())
            .or_else(|| workload::from_pod_name(pod, node));
        if let Some(found) = found {
            let confidence = found.confidence;
            // Without its namespace a workload is not the one it seems to be.
            let unattributed = namespace.is_empty();
            return (found.entity(namespace), if unattributed { Confidence::Low } else { confidence }, unattributed);
        }
        let plain = |kind, namespace: &str, name: &str| (workload::entity(kind, namespace, "", name), Confidence::High);
        let uid = self.first(&["k8s.pod.uid", "container.id"]);
        if !uid.is_empty() {
            return (workload::entity(EntityKind::Pod, namespace, "", uid), Confidence::Unresolved, true);
        }
        let service = self.get("service.name");
        let host = self.get("host.name");
        let (entity, confidence) = if !node.is_empty() {
            plain(EntityKind::Node, "", node)
        } else if !namespace.is_empty() {
            plain(EntityKind::Namespace, "", namespace)
        } else if !service.is_empty() {
            plain(EntityKind::Service, self.get("service.namespace"), service)
        } else if !host.is_empty() {
            plain(EntityKind::Node, "", host)
        } else if let Some(host) = &self.context.topic.host {
            plain(EntityKind::Node, "", self.context.capped(host))
        } else if self.has("k8s.cluster.uid") && self.attributes.len() <= 2 {
            plain(EntityKind::Cluster, "", self.first(&["k8s.cluster.name", "k8s.cluster.uid"]))
        } else {
            return (workload::entity(EntityKind::Node, "", "", UNKNOWN_HOST), Confidence::Unresolved, true);
        };
        (entity, confidence, false)
    }

    /// An autoscaler stands for what it scales, where it says what that is.
    fn other_controller(&self) -> Option<Workload> {
        let target = self.get("k8s.hpa.scaletargetref.name");
        if !target.is_empty() {
            return workload::from_owner(self.get("k8s.hpa.scaletargetref.kind"), target);
        }
        let hpa = self.get("k8s.hpa.name");
        let replication = self.first(&["k8s.replicationcontroller.name", "k8s.replication_controller.name"]);
        let (kind, name) =
            if hpa.is_empty() { ("ReplicationController", replication) } else { ("HorizontalPodAutoscaler", hpa) };
        (!name.is_empty()).then(|| Workload { kind, name: name.to_owned(), confidence: Confidence::High })
    }
}

/// `kube-api-access-x7f2k` is another volume in every pod; its class is not.
fn volume_class(volume: &str) -> String {
    match volume.rsplit_once('-') {
        Some((base, end)) if base == "kube-api-access" && end.len() == 5 => base.to_owned(),
        _ => volume.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, TopicConfig};

    fn of(attributes: &[(&str, &str)], topic: &TopicConfig, headers: &[(String, Vec<u8>)]) -> Subject {
        let attributes: Vec<KeyValue> = attributes
            .iter()
            .map(|(key, value)| KeyValue {
                key: (*key).to_owned(),
                value: Some(AnyValue { value: Some(Value::StringValue((*value).to_owned())) }),
                ..KeyValue::default()
            })
            .collect();
        let config = Config::default();
        let raw = Raw { headers, ..Raw::default() };
        let identities = crate::Identities::default();
        subject(&attributes, &raw, &Context { config: &config, topic, identities: &identities })
    }

    #[test]
    fn resources_become_entities() {
        for (attributes, key, scope, instance) in [
            (
                vec![
                    ("k8s.namespace.name", "shop"),
                    ("k8s.pod.name", "cart-7848d6c4d5-th9v2"),
                    ("k8s.pod.uid", "u1"),
                    ("k8s.container.name", "server"),
                ],
                "workload/shop/Deployment/cart",
                "server",
                "u1",
            ),
            (
                vec![("k8s.namespace.name", "shop"), ("k8s.pod.name", "x-1"), ("k8s.deployment.name", "cart")],
                "workload/shop/Deployment/cart",
                "",
                "x-1",
            ),
            (
                vec![("k8s.namespace.name", "shop"), ("k8s.replicaset.name", "cart-7848d6c4d5")],
                "workload/shop/Deployment/cart",
                "",
                "cart-7848d6c4d5",
            ),
            (
                vec![("k8s.namespace.name", "shop"), ("k8s.hpa.name", "cart")],
                "workload/shop/HorizontalPodAutoscaler/cart",
                "",
                "",
            ),
            (vec![("k8s.namespace.name", "shop"), ("k8s.namespace.uid", "u")], "namespace///shop", "", ""),
            (vec![("k8s.namespace.name", "shop"), ("k8s.resource_quota.name", "q")], "namespace///shop", "q", ""),
            (vec![("k8s.node.name", "node-1")], "node///node-1", "", ""),
            (vec![("host.name", "box")], "node///box", "", ""),
            (vec![("service.name", "api"), ("service.namespace", "shop")], "service/shop//api", "", ""),
            (vec![("k8s.pod.uid", "u1"), ("k8s.namespace.name", "shop")], "pod/shop//u1", "", "u1"),
            (vec![("k8s.cluster.uid", "c1")], "cluster///c1", "", ""),
            (vec![], "node///unknown-host", "", ""),
        ] {
            let subject = of(&attributes, &TopicConfig::default(), &[]);
            let found = (subject.entity.key(), subject.scope.as_str(), subject.instance.as_str());
            assert_eq!(found, (key.to_owned(), scope, instance), "{attributes:?}");
        }
    }

    #[test]
    fn only_an_instance_runs_on_a_node() {
        let pod = [("k8s.namespace.name", "shop"), ("k8s.pod.uid", "u1"), ("k8s.pod.name", "pg-0")];
        for (attributes, node) in [
            ([pod.as_slice(), &[("k8s.node.name", "node-1")]].concat(), "node-1"),
            (pod.to_vec(), ""),
            (vec![("k8s.node.name", "node-1")], ""),
        ] {
            assert_eq!(of(&attributes, &TopicConfig::default(), &[]).node, node, "{attributes:?}");
        }
    }

    #[test]
    fn the_cluster_comes_from_attribute_then_header_then_topic_then_default() {
        let topic = TopicConfig { cluster: Some("by-topic".to_owned()), ..TopicConfig::default() };
        let headers = [("bellbuoy-cluster".to_owned(), b"by-header".to_vec())];
        assert_eq!(of(&[("k8s.cluster.uid", "by-attribute")], &topic, &headers).cluster, "by-attribute");
        assert_eq!(of(&[], &topic, &headers).cluster, "by-header");
        assert_eq!(of(&[], &topic, &[]).cluster, "by-topic");
        assert_eq!(of(&[], &TopicConfig::default(), &[]).cluster, "default");
    }

    #[test]
    fn what_is_missing_is_said() {
        let subject = of(&[], &TopicConfig::default(), &[]);
        assert!(subject.unattributed && subject.confidence == Confidence::Unresolved);
        let topic = TopicConfig { host: Some("box".to_owned()), ..TopicConfig::default() };
        let subject = of(&[], &topic, &[]);
        assert!(!subject.unattributed && subject.entity.name == "box");
        assert!(
            of(&[("k8s.pod.name", "cart-7848d6c4d5-th9v2")], &topic, &[]).unattributed,
            "a workload has a namespace"
        );
        assert_eq!(of(&[("k8s.volume.name", "kube-api-access-x7f2k")], &topic, &[]).volume, "kube-api-access");
    }
}
