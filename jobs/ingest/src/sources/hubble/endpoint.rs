//! Sides of a flow: which entity of ours it is, or which class of outside peer.

use super::line::Endpoint;
use crate::identity::Pod;
use crate::peer;
use crate::sources::Context;
use crate::workload;
use schemas::signal::Direction;
use schemas::{Confidence, Entity, EntityKind};

/// One side of a flow with what is known of it.
pub struct Side<'a> {
    /// What the observer says.
    pub endpoint: &'a Endpoint,
    /// Its address.
    pub address: &'a str,
    /// DNS names of the address.
    pub names: &'a [String],
    /// The pod it was, as the objects topic knows it.
    pub known: Option<Pod<'a>>,
}

/// A side that is an entity.
pub struct Own {
    /// The entity.
    pub entity: Entity<'static>,
    /// How sure it is.
    pub confidence: Confidence,
    /// Pod; empty for a node.
    pub instance: String,
}

/// The entity of a side inside the cluster; `None` for what is outside or has no name.
pub fn side_of(side: &Side<'_>, node: &str, context: &Context<'_>) -> Option<Own> {
    let endpoint = side.endpoint;
    if let Some(pod) = &side.known {
        let instance = schemas::pod::reference(pod.name, pod.uid).into_owned();
        let (entity, confidence) = (pod.workload.entity(pod.namespace), pod.workload.confidence);
        return Some(Own { entity, confidence, instance });
    }
    let namespace = context.capped(&endpoint.namespace);
    let pod = context.capped(&endpoint.pod_name);
    let given =
        endpoint.workloads.iter().find_map(|given| workload::from_owner(&given.kind, context.capped(&given.name)));
    if let Some(found) = given.or_else(|| workload::from_pod_name(pod, node)) {
        return Some(Own { entity: found.entity(namespace), confidence: found.confidence, instance: pod.to_owned() });
    }
    if reserved(endpoint) == Some("host") && !node.is_empty() {
        let entity = workload::entity(EntityKind::Node, "", "", node);
        return Some(Own { entity, confidence: Confidence::High, instance: String::new() });
    }
    if !namespace.is_empty() {
        let entity = workload::entity(EntityKind::Namespace, "", "", namespace);
        return Some(Own { entity, confidence: Confidence::Unresolved, instance: String::new() });
    }
    None
}

/// The peer's name in a signal, and whether it is outside the cluster.
///
/// Inside: the key of its entity, or `reserved:<class>`. Outside, when the entity opened the connection: its domain, its
/// network, or `world`. Outside, when it opened the connection to us: its network where private, else `world`, because
/// the networks of all clients of a public service are no bounded set.
pub fn peer_of(side: &Side<'_>, direction: Direction, node: &str, context: &Context<'_>) -> (String, bool) {
    if let Some(own) = side_of(side, node, context) {
        return (own.entity.key(), false);
    }
    match reserved(side.endpoint) {
        Some(class) if !class.starts_with("world") => return (format!("reserved:{}", known_class(class)), false),
        _ => {}
    }
    let network = peer::network(side.address).map(|network| format!("net:{network}"));
    if direction == Direction::Ingress {
        return (network.filter(|_| peer::is_private(side.address)).unwrap_or_else(|| "world".to_owned()), true);
    }
    let domain = side.names.iter().find_map(|name| peer::domain(name)).map(|domain| format!("fqdn:{domain}"));
    (domain.or(network).unwrap_or_else(|| "world".to_owned()), true)
}

/// The reserved identity of an endpoint; the most telling where it has several.
fn reserved(endpoint: &Endpoint) -> Option<&str> {
    let mut classes = endpoint.labels.iter().filter_map(|label| label.strip_prefix("reserved:"));
    let first = classes.next()?;
    // The API server's node is labelled with both.
    if std::iter::once(first).chain(classes).any(|class| class == "kube-apiserver") {
        return Some("kube-apiserver");
    }
    Some(first)
}

fn known_class(class: &str) -> &'static str {
    const CLASSES: [&str; 7] = ["health", "host", "ingress", "init", "kube-apiserver", "remote-node", "unmanaged"];
    CLASSES.into_iter().find(|known| *known == class).unwrap_or("other")
}
