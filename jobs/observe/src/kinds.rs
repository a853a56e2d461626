//! The kinds of objects that are read: one line each, and what is special about a few.
//!
//! Invariant: no kind that holds secrets is here.

use serde_json::Value;

/// A kind of object.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// API group; empty for the first of all.
    pub group: &'static str,
    /// Version.
    pub version: &'static str,
    /// Kind.
    pub kind: &'static str,
    /// Its name in addresses and roles.
    pub plural: &'static str,
    /// What an object of it says about where it can be met.
    pub(crate) place: fn(&Value) -> Place,
}

/// Where an object can be met.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) node: String,
    /// Sorted, each once.
    pub(crate) ips: Vec<String>,
    /// True where its addresses are its node's.
    pub(crate) host_network: bool,
}

const fn kind(group: &'static str, version: &'static str, kind: &'static str, plural: &'static str) -> Kind {
    Kind {
        group,
        version,
        kind,
        plural,
        place: |_| Place { node: String::new(), ips: Vec::new(), host_network: false },
    }
}

/// Every kind, owners before what they own.
pub const ALL: &[Kind] = &[
    kind("", "v1", "Namespace", "namespaces"),
    Kind { place: node, ..kind("", "v1", "Node", "nodes") },
    kind("apps", "v1", "Deployment", "deployments"),
    kind("apps", "v1", "StatefulSet", "statefulsets"),
    kind("apps", "v1", "DaemonSet", "daemonsets"),
    kind("batch", "v1", "CronJob", "cronjobs"),
    kind("batch", "v1", "Job", "jobs"),
    kind("apps", "v1", "ReplicaSet", "replicasets"),
    Kind { place: pod, ..kind("", "v1", "Pod", "pods") },
    Kind { place: service, ..kind("", "v1", "Service", "services") },
    Kind { place: endpoints, ..kind("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices") },
    kind("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies"),
    kind("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers"),
    kind("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets"),
];

/// The kind of this name.
pub fn by_name(name: &str) -> Option<&'static Kind> {
    ALL.iter().find(|kind| kind.kind == name)
}

impl Kind {
    /// Group and version as objects say them (`apps/v1`).
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_owned() } else { format!("{}/{}", self.group, self.version) }
    }
}

fn pod(object: &Value) -> Place {
    let (spec, status) = (&object["spec"], &object["status"]);
    // A pod that has ended gives its address back, and somebody else gets it.
    let ended = matches!(status["phase"].as_str(), Some("Succeeded" | "Failed"));
    let ips = if ended { Vec::new() } else { addresses(&status["podIPs"], "ip") };
    Place { node: text(&spec["nodeName"]), ips, host_network: spec["hostNetwork"].as_bool().unwrap_or(false) }
}

fn node(object: &Value) -> Place {
    let all = object["status"]["addresses"].as_array().map(Vec::as_slice).unwrap_or_default();
    let named = all.iter().filter(|address| matches!(address["type"].as_str(), Some("InternalIP" | "ExternalIP")));
    Place { ips: sorted(named.map(|address| text(&address["address"])).collect()), ..Place::default() }
}

fn service(object: &Value) -> Place {
    let all = object["spec"]["clusterIPs"].as_array().map(Vec::as_slice).unwrap_or_default();
    let ips = all.iter().map(text).filter(|address| address != "None").collect();
    Place { ips: sorted(ips), ..Place::default() }
}

fn endpoints(object: &Value) -> Place {
    let all = object["endpoints"].as_array().map(Vec::as_slice).unwrap_or_default();
    let addresses = all.iter().filter_map(|endpoint| endpoint["addresses"].as_array());
    Place { ips: sorted(addresses.flatten().map(text).collect()), ..Place::default() }
}

fn addresses(list: &Value, field: &str) -> Vec<String> {
    let all = list.as_array().map(Vec::as_slice).unwrap_or_default();
    sorted(all.iter().map(|one| text(&one[field])).collect())
}

fn sorted(mut texts: Vec<String>) -> Vec<String> {
    texts.retain(|text| !text.is_empty());
    texts.sort();
    texts.dedup();
    texts
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pod_is_met_at_its_addresses_until_it_has_ended() {
        let mut object = json!({
            "spec": {"nodeName": "node-1", "hostNetwork": false},
            "status": {"phase": "Running", "podIPs": [{"ip": "fd00::7"}, {"ip": "10.0.0.7"}]},
        });
        let place = pod(&object);
        assert_eq!((place.node.as_str(), place.ips), ("node-1", vec!["10.0.0.7".to_owned(), "fd00::7".to_owned()]));
        object["status"]["phase"] = "Succeeded".into();
        assert!(pod(&object).ips.is_empty());
        assert_eq!(pod(&json!({})), Place::default());
    }

    #[test]
    fn services_nodes_and_slices_say_their_addresses() {
        let headless = json!({"spec": {"clusterIPs": ["None"]}});
        assert!(service(&headless).ips.is_empty());
        let plain = json!({"spec": {"clusterIPs": ["10.96.0.1"]}});
        assert_eq!(service(&plain).ips, ["10.96.0.1"]);
        let machine = json!({"status": {"addresses": [
            {"type": "Hostname", "address": "node-1"}, {"type": "InternalIP", "address": "192.168.0.1"}]}});
        assert_eq!(node(&machine).ips, ["192.168.0.1"]);
        let slice = json!({"endpoints": [{"addresses": ["10.0.0.8"]}, {"addresses": ["10.0.0.7"]}, {}]});
        assert_eq!(endpoints(&slice).ips, ["10.0.0.7", "10.0.0.8"]);
    }

    #[test]
    fn nothing_secret_is_read() {
        assert!(ALL.iter().all(|kind| !["Secret", "ConfigMap"].contains(&kind.kind)));
        assert_eq!(by_name("Job").map(Kind::api_version).as_deref(), Some("batch/v1"));
    }
}
