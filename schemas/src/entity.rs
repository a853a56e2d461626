//! What a signal, an anomaly or an incident is about.

use crate::Text;
use serde::{Deserialize, Serialize};

/// An entity of the estate: stable across pod churn, so it may key long-lived state.
///
/// Invariant: never a pod uid, container id, IP address or anything else that lives shorter than its workload,
/// unless `kind` is [`EntityKind::Pod`], which no baseline is kept for.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Entity<'a> {
    /// The class of entity.
    pub kind: EntityKind,
    /// Kubernetes namespace; empty for what has none.
    #[serde(borrow)]
    pub namespace: Text<'a>,
    /// Kubernetes kind of a workload (`Deployment`, `StatefulSet`, …); empty where `kind` says it all.
    #[serde(borrow)]
    pub workload_kind: Text<'a>,
    /// Name within its namespace: workload, node, user or service name.
    #[serde(borrow)]
    pub name: Text<'a>,
}

impl Entity<'_> {
    /// The key of this entity within a tenant and cluster: `kind/namespace/workload_kind/name`.
    ///
    /// It keys Kafka records (after `tenant/cluster/`) and task state; it is part of the wire format.
    pub fn key(&self) -> String {
        format!("{}/{}/{}/{}", self.kind.as_str(), self.namespace, self.workload_kind, self.name)
    }

    /// The entity of a [`Entity::key`]; none for what is no key of a kind known here.
    ///
    /// Namespaces and workload kinds hold no `/`; a name may, so it is all the rest.
    pub fn from_key(key: &str) -> Option<Entity<'static>> {
        let mut parts = key.splitn(4, '/');
        let kind = EntityKind::from_word(parts.next()?)?;
        let mut part = || parts.next().map(|text| Text::from(text.to_owned()));
        Some(Entity { kind, namespace: part()?, workload_kind: part()?, name: part()? })
    }

    /// The same entity, independent of the record it was decoded from.
    pub fn to_owned(&self) -> Entity<'static> {
        Entity {
            kind: self.kind,
            namespace: self.namespace.clone().into_owned(),
            workload_kind: self.workload_kind.clone().into_owned(),
            name: self.name.clone().into_owned(),
        }
    }
}

/// The classes of entity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum EntityKind {
    /// A Kubernetes cluster, or what stands for one.
    #[default]
    Cluster,
    /// A namespace.
    Namespace,
    /// A Deployment, StatefulSet, DaemonSet, CronJob, Job, Rollout, bare ReplicaSet or bare pod.
    Workload,
    /// One container class of a workload.
    Container,
    /// One pod; only for what cannot be attributed to a workload.
    Pod,
    /// A node or host.
    Node,
    /// A Kubernetes or OpenTelemetry service.
    Service,
    /// Who calls an API: a person, a service account, a node, anonymous.
    Principal,
    /// Something outside: an address class or a domain.
    Peer,
}

impl EntityKind {
    /// All of them.
    const ALL: [EntityKind; 9] = [
        EntityKind::Cluster,
        EntityKind::Namespace,
        EntityKind::Workload,
        EntityKind::Container,
        EntityKind::Pod,
        EntityKind::Node,
        EntityKind::Service,
        EntityKind::Principal,
        EntityKind::Peer,
    ];

    /// The kind of a word of [`EntityKind::as_str`].
    pub fn from_word(word: &str) -> Option<EntityKind> {
        EntityKind::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// The word used in keys, metrics and texts.
    pub fn as_str(self) -> &'static str {
        match self {
            EntityKind::Cluster => "cluster",
            EntityKind::Namespace => "namespace",
            EntityKind::Workload => "workload",
            EntityKind::Container => "container",
            EntityKind::Pod => "pod",
            EntityKind::Node => "node",
            EntityKind::Service => "service",
            EntityKind::Principal => "principal",
            EntityKind::Peer => "peer",
        }
    }
}

/// How sure the entity of a signal is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Confidence {
    /// Named by the source.
    #[default]
    High,
    /// From a pattern that is rarely wrong.
    Medium,
    /// A guess.
    Low,
    /// Not resolved to a workload.
    Unresolved,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_key_reads_back_as_its_entity(
            kind in 0usize..EntityKind::ALL.len(),
            namespace in "[^/]{0,20}",
            workload_kind in "[A-Za-z]{0,12}",
            name in ".{0,40}",
        ) {
            let kind = EntityKind::ALL[kind];
            let entity = Entity { kind, namespace: namespace.into(), workload_kind: workload_kind.into(), name: name.into() };
            prop_assert_eq!(Entity::from_key(&entity.key()), Some(entity));
        }

        #[test]
        fn any_text_is_a_key_that_writes_itself_or_none(text in ".{0,40}") {
            if let Some(entity) = Entity::from_key(&text) {
                prop_assert_eq!(entity.key(), text);
            }
        }
    }

    #[test]
    fn what_is_no_key_is_no_entity() {
        for text in
            ["", "world", "reserved:host", "fqdn:example.com", "net:198.51.100.0/24", "workload/shop/Deployment"]
        {
            assert_eq!(Entity::from_key(text), None, "{text}");
        }
        let user = Entity::from_key("principal///https://sso.example/alice").expect("a name may hold slashes");
        assert_eq!((user.kind, user.name.as_str()), (EntityKind::Principal, "https://sso.example/alice"));
    }
}
