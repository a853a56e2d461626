//! What is known of a cluster's objects, and which of it the objects topic does not say yet.
//!
//! Invariant: an object has a record for each change of what a record says of it, and for no other; `[valid_from,
//! valid_to)` of what follows each other do not overlap.

use crate::config::Config;
use crate::kinds::Kind;
use crate::record::{self, says_the_same};
use engine::log::{Log, Message, TopicReader};
use kube::core::DynamicObject;
use kube::runtime::watcher::Event;
use schemas::{ObjectRecord, Record as _};
use std::collections::{BTreeMap, BTreeSet};
use topics::declared::OBJECTS;

/// Records of one transaction.
const TOGETHER: usize = 1000;

/// The objects of one cluster.
#[derive(Debug)]
pub(crate) struct Table<'c> {
    config: &'c Config,
    /// By uid.
    known: BTreeMap<String, ObjectRecord<'static>>,
    /// What a list that has not ended yet has shown, by kind.
    listed: BTreeMap<&'static str, BTreeSet<String>>,
    /// Uids whose record is to be written.
    unwritten: BTreeSet<String>,
    /// Uids to be forgotten.
    forgotten: BTreeSet<String>,
}

/// What was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Written {
    /// Kinds of the records.
    pub(crate) kinds: Vec<String>,
    /// How many objects were forgotten.
    pub(crate) tombstones: usize,
}

impl<'c> Table<'c> {
    /// What the topic says of this cluster.
    pub(crate) fn load(log: &dyn Log, config: &'c Config) -> Result<Self, crate::ObserveError> {
        let mut known: BTreeMap<String, ObjectRecord<'static>> = BTreeMap::new();
        TopicReader::new(OBJECTS.name).read_on(log, |_, one| {
            let Some(value) = &one.value else {
                let key = one.key.as_deref().unwrap_or_default();
                known.retain(|uid, _| topics::object_key(&config.cluster, uid).as_bytes() != key);
                return Ok(());
            };
            let object = ObjectRecord::decode(value)?;
            if object.tenant == config.tenant.as_str() && object.cluster == config.cluster.as_str() {
                known.insert(object.uid.to_string(), record::owned(object));
            }
            Ok::<(), crate::ObserveError>(())
        })?;
        Ok(Table { config, known, listed: BTreeMap::new(), unwritten: BTreeSet::new(), forgotten: BTreeSet::new() })
    }

    /// Takes in what the API server has told of a kind; true where a list of it has come to its end.
    pub(crate) fn take(&mut self, kind: &'static Kind, event: Event<DynamicObject>, now: i64) -> bool {
        match event {
            Event::Init => drop(self.listed.insert(kind.kind, BTreeSet::new())),
            Event::InitApply(object) => {
                let uid = object.metadata.uid.clone().unwrap_or_default();
                self.listed.entry(kind.kind).or_default().insert(uid);
                self.seen(kind, &object, now);
            }
            Event::InitDone => {
                self.ended(kind, now);
                return true;
            }
            Event::Apply(object) => self.seen(kind, &object, now),
            Event::Delete(object) => {
                self.seen(kind, &object, now);
                self.gone(&object.metadata.uid.unwrap_or_default(), now);
            }
        }
        false
    }

    fn seen(&mut self, kind: &Kind, object: &DynamicObject, now: i64) {
        let Some(mut record) = record::of(self.config, kind, object) else { return };
        let uid = record.uid.to_string();
        if let Some(before) = self.known.get(&uid) {
            if says_the_same(before, &record) {
                return;
            }
            record.valid_from = now.max(before.valid_from);
        }
        self.known.insert(uid.clone(), record);
        self.unwritten.insert(uid);
    }

    /// A list has ended: what it did not show is gone.
    fn ended(&mut self, kind: &Kind, now: i64) {
        let listed = self.listed.remove(kind.kind).unwrap_or_default();
        let is_gone = |(uid, record): &(&String, &ObjectRecord<'static>)| {
            record.kind == kind.kind && !record.deleted && !listed.contains(*uid)
        };
        let gone: Vec<String> = self.known.iter().filter(is_gone).map(|(uid, _)| uid.clone()).collect();
        for uid in gone {
            self.gone(&uid, now);
        }
    }

    fn gone(&mut self, uid: &str, now: i64) {
        let Some(record) = self.known.get_mut(uid).filter(|record| !record.deleted) else { return };
        (record.deleted, record.valid_to) = (true, now.max(record.valid_from));
        self.unwritten.insert(uid.to_owned());
    }

    /// Forgets what has been gone for long.
    pub(crate) fn forget(&mut self, now: i64) {
        let remember = self.config.remember.millis();
        let old = |record: &ObjectRecord<'_>| record.deleted && now - record.valid_to > remember;
        let old: Vec<String> =
            self.known.iter().filter(|(_, record)| old(record)).map(|(uid, _)| uid.clone()).collect();
        for uid in old {
            self.known.remove(&uid);
            self.unwritten.remove(&uid);
            self.forgotten.insert(uid);
        }
    }

    /// True where the topic does not say everything yet.
    pub(crate) fn has_unwritten(&self) -> bool {
        !self.unwritten.is_empty() || !self.forgotten.is_empty()
    }

    /// Objects that exist, of a kind.
    pub(crate) fn count(&self, kind: &Kind) -> usize {
        self.known.values().filter(|record| record.kind == kind.kind && !record.deleted).count()
    }

    /// Writes some of what is unwritten; after an error it still is.
    pub(crate) fn write(&mut self, log: &dyn Log, producer: &str) -> Result<Written, crate::ObserveError> {
        let partitions = log.topic(OBJECTS.name)?.spec.partitions;
        let records: Vec<String> = self.unwritten.iter().take(TOGETHER).cloned().collect();
        let tombstones: Vec<String> = self.forgotten.iter().take(TOGETHER).cloned().collect();
        let mut messages = Vec::new();
        for uid in records.iter().chain(&tombstones) {
            let key = topics::object_key(&self.config.cluster, uid);
            messages.push(Message {
                topic: OBJECTS.name.into(),
                partition: topics::partition_for(key.as_bytes(), partitions),
                key: Some(key.into_bytes()),
                value: self.known.get(uid).map(ObjectRecord::encode).transpose()?,
                ..Message::default()
            });
        }
        let mut producer = log.producer(producer)?;
        producer.begin()?;
        for message in messages {
            producer.send(message)?;
        }
        producer.commit(&[], None)?;
        let mut written = Written { kinds: Vec::new(), tombstones: tombstones.len() };
        for uid in records {
            written.kinds.extend(self.known.get(&uid).map(|record| record.kind.to_string()));
            self.unwritten.remove(&uid);
        }
        self.forgotten.retain(|uid| !tombstones.contains(uid));
        Ok(written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::by_name;
    use serde_json::{Value, json};

    fn config() -> Config {
        Config { cluster: "prod".to_owned(), ..Config::default() }
    }

    fn table(config: &Config) -> Table<'_> {
        Table {
            config,
            known: BTreeMap::new(),
            listed: BTreeMap::new(),
            unwritten: BTreeSet::new(),
            forgotten: BTreeSet::new(),
        }
    }

    fn pod(uid: &str, version: u32, ip: &str) -> DynamicObject {
        let object: Value = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": "cart-0", "namespace": "shop", "uid": uid, "resourceVersion": version.to_string(),
                "creationTimestamp": "1970-01-01T00:00:01Z",
                "labels": {"app": "cart", "secret-token": "hunter2"},
                "annotations": {"note": "hunter2"},
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "cart", "uid": "s", "controller": true}],
            },
            "spec": {"nodeName": "node-1", "containers": [{"env": [{"name": "PASSWORD", "value": "hunter2"}]}]},
            "status": {"phase": "Running", "podIPs": [{"ip": ip}]},
        });
        serde_json::from_value(object).unwrap()
    }

    fn pods() -> &'static Kind {
        by_name("Pod").unwrap()
    }

    #[test]
    fn a_heartbeat_is_no_change_and_a_new_address_is_one() {
        let config = config();
        let mut table = table(&config);
        table.take(pods(), Event::Apply(pod("a", 1, "10.0.0.1")), 5_000);
        assert_eq!(table.known["a"].valid_from, 1_000, "what was first seen has been so since it was created");
        table.unwritten.clear();
        table.take(pods(), Event::Apply(pod("a", 2, "10.0.0.1")), 6_000);
        assert!(!table.has_unwritten());
        table.take(pods(), Event::Apply(pod("a", 3, "10.0.0.2")), 7_000);
        assert!(table.has_unwritten());
        assert_eq!((table.known["a"].valid_from, table.known["a"].valid_to), (7_000, 0));
    }

    #[test]
    fn what_a_list_no_longer_shows_is_gone_and_of_one_name_the_next_is_another() {
        let config = config();
        let mut table = table(&config);
        table.take(pods(), Event::Apply(pod("a", 1, "10.0.0.1")), 5_000);
        table.take(pods(), Event::Init, 6_000);
        table.take(pods(), Event::InitApply(pod("b", 9, "10.0.0.1")), 6_000);
        assert!(!table.known["a"].deleted, "a list that has not ended says nothing of what it has not shown");
        assert!(table.take(pods(), Event::InitDone, 6_500));
        assert_eq!((table.known["a"].deleted, table.known["a"].valid_to), (true, 6_500));
        assert_eq!((table.known["b"].deleted, table.known["b"].name.as_str()), (false, "cart-0"));
        let services = by_name("Service").unwrap();
        table.take(services, Event::Init, 7_000);
        table.take(services, Event::InitDone, 7_000);
        assert!(!table.known["b"].deleted, "a list of services says nothing of pods");
    }

    #[test]
    fn what_has_been_gone_for_long_is_forgotten() {
        let config = config();
        let mut table = table(&config);
        table.take(pods(), Event::Delete(pod("a", 1, "10.0.0.1")), 5_000);
        table.forget(5_000 + config.remember.millis());
        assert!(table.known.contains_key("a"));
        table.forget(5_001 + config.remember.millis());
        assert!(table.known.is_empty() && table.forgotten.contains("a") && table.unwritten.is_empty());
    }

    #[test]
    fn nothing_of_what_an_object_is_made_of_is_told() {
        let config = config();
        let mut table = table(&config);
        table.take(pods(), Event::Apply(pod("a", 1, "10.0.0.1")), 5_000);
        let told = serde_json::to_string(&table.known["a"]).unwrap();
        assert!(!told.contains("hunter2"), "{told}");
        assert!(told.contains("\"app\""));
    }
}
