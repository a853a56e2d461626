//! Who was who, and when: what the objects topic says, by what telemetry names things by.
//!
//! A pod is found by its uid, else by its name at a time, else by its address at a time; its workload by following the
//! owners that manage it. What the topic does not say stays with the rules for names ([`crate::workload`]).
//!
//! Invariant: of a name or an address at most one pod is the answer, the one whose interval holds the time. Where two
//! could be meant, none is.

use crate::workload::{self, Workload};
use engine::log::Record;
use schemas::codec::Record as _;
use schemas::{Confidence, ObjectRecord, SchemaError};
use std::collections::{BTreeMap, BTreeSet};

/// How far the times of telemetry and of the API server may lie apart, milliseconds: a last scrape comes after the end.
const SLACK: i64 = 10_000;
/// Owners that are followed: a pod's, and one above.
const GENERATIONS: usize = 4;

/// Everything that is known of a tenant's clusters.
#[derive(Debug, Default)]
pub struct Identities {
    /// Clusters, by what a tenant's is known by.
    clusters: BTreeMap<String, String>,
    /// By a tenant's cluster and uid.
    objects: BTreeMap<(String, String), Known>,
    /// Uids of pods, by a tenant's cluster, namespace and name.
    by_name: BTreeMap<(String, String, String), BTreeSet<String>>,
    /// Uids of pods, by a tenant's cluster and address.
    by_address: BTreeMap<(String, String), BTreeSet<String>>,
}

/// What is kept of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    kind: String,
    namespace: String,
    name: String,
    /// Kind, name and uid of the owner that manages it; empty where none does.
    owner: [String; 3],
    node: String,
    addresses: Vec<String>,
    created_at: i64,
    valid_from: i64,
    /// [`i64::MAX`] while it still is.
    valid_to: i64,
}

/// What names a pod in telemetry; empty where it does not say.
#[derive(Clone, Copy, Debug, Default)]
pub struct Named<'a> {
    /// Whose estate.
    pub tenant: &'a str,
    /// Cluster.
    pub cluster: &'a str,
    /// Uid.
    pub uid: &'a str,
    /// Namespace.
    pub namespace: &'a str,
    /// Name.
    pub name: &'a str,
    /// Address.
    pub address: &'a str,
    /// When, milliseconds.
    pub at: i64,
}

/// A pod that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod<'i> {
    /// Its uid.
    pub uid: &'i str,
    /// Its namespace.
    pub namespace: &'i str,
    /// Its name.
    pub name: &'i str,
    /// Its node; empty where it has none.
    pub node: &'i str,
    /// Its workload.
    pub workload: Workload,
}

impl Identities {
    /// Takes in a record of the objects topic.
    pub fn learn(&mut self, record: &Record) -> Result<(), SchemaError> {
        let Some(value) = &record.value else {
            let key = record.key.as_deref().and_then(|key| std::str::from_utf8(key).ok()).unwrap_or_default();
            let (_, uid) = key.rsplit_once('/').unwrap_or_default();
            let theirs = |(_, name): &(&String, &String)| topics::object_key(name, uid) == key;
            let clusters: Vec<String> =
                self.clusters.iter().filter(theirs).map(|(cluster, _)| cluster.clone()).collect();
            clusters.iter().for_each(|cluster| self.forget(cluster, uid));
            return Ok(());
        };
        let object = ObjectRecord::decode(value)?;
        let (cluster, uid) = (topics::cluster_key(&object.tenant, &object.cluster), object.uid.to_string());
        self.forget(&cluster, &uid);
        self.clusters.insert(cluster.clone(), object.cluster.to_string());
        let manager = object.owners.iter().find(|owner| owner.controller);
        let owner = manager.map(|owner| [&owner.kind, &owner.name, &owner.uid].map(ToString::to_string));
        let known = Known {
            kind: object.kind.to_string(),
            namespace: object.namespace.to_string(),
            name: object.name.to_string(),
            owner: owner.unwrap_or_default(),
            node: object.node.to_string(),
            // The addresses of a node name nobody on it.
            addresses: if object.host_network {
                Vec::new()
            } else {
                object.ips.iter().map(ToString::to_string).collect()
            },
            created_at: object.created_at,
            valid_from: object.valid_from,
            valid_to: if object.deleted { object.valid_to } else { i64::MAX },
        };
        if known.kind == "Pod" {
            let name = (cluster.clone(), known.namespace.clone(), known.name.clone());
            self.by_name.entry(name).or_default().insert(uid.clone());
            for address in &known.addresses {
                self.by_address.entry((cluster.clone(), address.clone())).or_default().insert(uid.clone());
            }
        }
        self.objects.insert((cluster, uid), known);
        Ok(())
    }

    fn forget(&mut self, cluster: &str, uid: &str) {
        let Some(known) = self.objects.remove(&(cluster.to_owned(), uid.to_owned())) else { return };
        remove(&mut self.by_name, (cluster.to_owned(), known.namespace, known.name), uid);
        for address in known.addresses {
            remove(&mut self.by_address, (cluster.to_owned(), address), uid);
        }
    }

    /// The pod that telemetry names.
    pub fn pod(&self, named: &Named<'_>) -> Option<Pod<'_>> {
        // Without objects nothing is looked up: most installations begin so.
        if self.objects.is_empty() {
            return None;
        }
        let cluster = &topics::cluster_key(named.tenant, named.cluster);
        let uid = if !named.uid.is_empty() && self.known(cluster, named.uid).is_some_and(|known| known.kind == "Pod") {
            named.uid
        } else if !named.uid.is_empty() {
            // Another pod of its name is not the one that was meant.
            return None;
        } else if !named.name.is_empty() {
            let name = (cluster.clone(), named.namespace.to_owned(), named.name.to_owned());
            self.one(cluster, self.by_name.get(&name)?, named.at, |known| (known.created_at, known.valid_to))?
        } else if !named.address.is_empty() {
            let address = (cluster.clone(), named.address.to_owned());
            self.one(cluster, self.by_address.get(&address)?, named.at, |known| (known.valid_from, known.valid_to))?
        } else {
            return None;
        };
        let ((_, uid), known) = self.objects.get_key_value(&(cluster.clone(), uid.to_owned()))?;
        Some(Pod {
            uid,
            namespace: &known.namespace,
            name: &known.name,
            node: &known.node,
            workload: self.workload(cluster, known),
        })
    }

    fn known(&self, cluster: &str, uid: &str) -> Option<&Known> {
        self.objects.get(&(cluster.to_owned(), uid.to_owned()))
    }

    /// The only one of these whose interval holds a time, or comes close to it where none does.
    fn one<'u>(
        &self,
        cluster: &str,
        uids: &'u BTreeSet<String>,
        at: i64,
        interval: impl Fn(&Known) -> (i64, i64),
    ) -> Option<&'u str> {
        let within = |slack: i64| {
            let holds = move |(from, to): (i64, i64)| from.saturating_sub(slack) <= at && at < to.saturating_add(slack);
            let mut found =
                uids.iter().filter(|uid| self.known(cluster, uid).is_some_and(|known| holds(interval(known))));
            (found.next(), found.next())
        };
        match within(0) {
            (Some(uid), None) => Some(uid),
            (None, _) => match within(SLACK) {
                (Some(uid), None) => Some(uid),
                _ => None,
            },
            _ => None,
        }
    }

    fn workload(&self, cluster: &str, pod: &Known) -> Workload {
        let (mut kind, mut name) = (pod.kind.clone(), pod.name.clone());
        let mut owner = &pod.owner;
        for _ in 0..GENERATIONS {
            let [owner_kind, owner_name, owner_uid] = owner;
            match owner_kind.as_str() {
                "" => break,
                // A static pod belongs to its node by name only.
                "Node" => {
                    return workload::from_pod_name(&pod.name, &pod.node).unwrap_or_else(|| sure("Pod", &pod.name));
                }
                _ => {}
            }
            (kind, name) = (owner_kind.clone(), owner_name.clone());
            match self.known(cluster, owner_uid) {
                Some(known) => owner = &known.owner,
                // Its owner is not known: its name may tell.
                None => return workload::from_owner(&kind, &name).unwrap_or_else(|| sure("Pod", &pod.name)),
            }
        }
        sure(workload::known_kind(&kind), &name)
    }
}

fn sure(kind: &'static str, name: &str) -> Workload {
    Workload { kind, name: name.to_owned(), confidence: Confidence::High }
}

fn remove<K: Ord>(index: &mut BTreeMap<K, BTreeSet<String>>, key: K, uid: &str) {
    if let Some(uids) = index.get_mut(&key) {
        uids.remove(uid);
        if uids.is_empty() {
            index.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::OwnerReference;

    fn object(kind: &'static str, name: &'static str, uid: &'static str) -> ObjectRecord<'static> {
        ObjectRecord {
            cluster: "prod".into(),
            kind: kind.into(),
            namespace: "shop".into(),
            name: name.into(),
            uid: uid.into(),
            created_at: 1_000,
            valid_from: 1_000,
            ..ObjectRecord::default()
        }
    }

    fn owned(
        object: ObjectRecord<'static>,
        kind: &'static str,
        name: &'static str,
        uid: &'static str,
    ) -> ObjectRecord<'static> {
        let owner = OwnerReference {
            kind: kind.into(),
            name: name.into(),
            uid: uid.into(),
            controller: true,
            ..Default::default()
        };
        ObjectRecord { owners: vec![owner], ..object }
    }

    fn all(objects: impl IntoIterator<Item = ObjectRecord<'static>>) -> Identities {
        let mut identities = Identities::default();
        objects.into_iter().for_each(|object| learn(&mut identities, &object));
        identities
    }

    fn learn(identities: &mut Identities, object: &ObjectRecord<'_>) {
        let key = topics::object_key(&object.cluster, &object.uid).into_bytes().into();
        let value = object.encode().unwrap().into();
        let record = Record { offset: 0, timestamp: 0, key: Some(key), headers: Vec::new(), value: Some(value) };
        identities.learn(&record).unwrap();
    }

    fn by_name(name: &'static str, at: i64) -> Named<'static> {
        Named { cluster: "prod", namespace: "shop", name, at, ..Named::default() }
    }

    #[test]
    fn a_workload_is_whom_owners_name_and_not_what_a_name_looks_like() {
        let identities = all([
            object("Deployment", "cart", "d"),
            owned(object("ReplicaSet", "cart-7d4b9c6f5d", "r"), "Deployment", "cart", "d"),
            owned(object("Pod", "cart-7d4b9c6f5d-x2x7k", "p"), "ReplicaSet", "cart-7d4b9c6f5d", "r"),
            owned(object("Pod", "web-7d4b9c6f5d-x2x7k", "q"), "DaemonSet", "web-7d4b9c6f5d", "unseen"),
            object("Pod", "looks-like-7d4b9c6f5d-x2x7k", "b"),
        ]);
        let of = |name| identities.pod(&by_name(name, 5_000)).map(|pod| (pod.workload.kind, pod.workload.name));
        assert_eq!(of("cart-7d4b9c6f5d-x2x7k"), Some(("Deployment", "cart".to_owned())));
        assert_eq!(of("web-7d4b9c6f5d-x2x7k"), Some(("DaemonSet", "web-7d4b9c6f5d".to_owned())));
        assert_eq!(of("looks-like-7d4b9c6f5d-x2x7k"), Some(("Pod", "looks-like-7d4b9c6f5d-x2x7k".to_owned())));
        assert_eq!(of("nobody"), None);
        assert_eq!(identities.pod(&Named { cluster: "other", ..by_name("cart-7d4b9c6f5d-x2x7k", 5_000) }), None);
    }

    #[test]
    fn of_one_name_or_address_the_one_of_that_time_is_meant() {
        let first = ObjectRecord {
            deleted: true,
            valid_to: 60_000,
            ips: vec!["10.0.0.7".into()],
            ..object("Pod", "db-0", "a")
        };
        let then = ObjectRecord {
            created_at: 100_000,
            valid_from: 100_000,
            ips: vec!["10.0.0.7".into()],
            ..object("Pod", "db-0", "b")
        };
        let identities = all([first, then]);
        let named = |at| identities.pod(&by_name("db-0", at)).map(|pod| pod.uid.to_owned());
        let met = |at| {
            let named = Named { cluster: "prod", address: "10.0.0.7", at, ..Named::default() };
            identities.pod(&named).map(|pod| pod.uid.to_owned())
        };
        for (at, expected) in [
            (2_000, Some("a")),
            (59_999, Some("a")),
            (65_000, Some("a")),
            (80_000, None),
            (95_000, Some("b")),
            (200_000, Some("b")),
        ] {
            assert_eq!(named(at).as_deref(), expected, "{at}");
            assert_eq!(met(at).as_deref(), expected, "{at}");
        }
        let by_uid = |uid| Named { uid, ..by_name("db-0", 200_000) };
        assert_eq!(identities.pod(&by_uid("a")).unwrap().uid, "a", "a uid tells whatever the time");
        assert_eq!(identities.pod(&by_uid("unknown")), None, "and is never taken for another pod of that name");
    }

    #[test]
    fn an_address_that_two_could_have_had_names_nobody_and_a_nodes_names_no_pod() {
        let at =
            |uid, host_network| ObjectRecord { ips: vec!["10.0.0.7".into()], host_network, ..object("Pod", "x", uid) };
        let met = |identities: &Identities| {
            let named = Named { cluster: "prod", address: "10.0.0.7", at: 5_000, ..Named::default() };
            identities.pod(&named).map(|pod| pod.uid.to_owned())
        };
        assert_eq!(met(&all([at("a", false), at("b", false)])), None);
        assert_eq!(met(&all([at("a", false), at("b", true)])).as_deref(), Some("a"));
    }

    #[test]
    fn a_newer_record_replaces_and_a_tombstone_forgets() {
        let mut identities = all([ObjectRecord { ips: vec!["10.0.0.7".into()], ..object("Pod", "x", "a") }]);
        learn(&mut identities, &ObjectRecord { ips: vec!["10.0.0.8".into()], ..object("Pod", "x", "a") });
        assert_eq!(identities.by_address.len(), 1);
        let key = Some(topics::object_key("prod", "a").into_bytes().into());
        let tombstone = Record { offset: 1, timestamp: 0, key, headers: Vec::new(), value: None };
        identities.learn(&tombstone).unwrap();
        assert!(identities.objects.is_empty() && identities.by_name.is_empty() && identities.by_address.is_empty());
    }
}
