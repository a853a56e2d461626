//! The notifier's memory: what stands on the notifications topic.
//!
//! Invariant: nothing is sent while something is staged. A write that failed leaves the memory in doubt, and then it is
//! read again before anything more is decided.

use crate::error::NotifyError;
use crate::follow::is_settled;
use bytes::Bytes;
use engine::log::{Limit, Log, Message, Producer, TopicPartition, TopicReader};
use schemas::notification::{Notice, Position};
use schemas::{Notification, NotificationBody, Record as _};
use std::collections::{BTreeMap, BTreeSet};
use topics::declared::{INCIDENTS, NOTIFICATIONS};

/// One record.
const ONE: Limit = Limit { records: 1, bytes: 1 };

/// What a notice is about: the incident (tenant, cluster, identifier), and the target.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) incident: IncidentKey,
    pub(crate) target: String,
}

/// Tenant, cluster and identifier of an incident.
pub(crate) type IncidentKey = (String, String, String);

/// A change of memory.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Notice(Box<Notice<'static>>),
    Forget(Key),
    Position(Position),
}

/// What the notifier remembers.
pub(crate) struct Outbox {
    notifier: String,
    producer: Box<dyn Producer>,
    pub(crate) notices: BTreeMap<Key, Notice<'static>>,
    /// Where reading of incidents goes on; none before the first time.
    pub(crate) positions: BTreeMap<u32, i64>,
    /// The newest change of each incident with something left to tell.
    pub(crate) incidents: BTreeMap<IncidentKey, Bytes>,
    staged: Vec<Change>,
}

impl Outbox {
    /// Fences every earlier notifier of this name, and reads what it has remembered.
    pub(crate) fn load(log: &dyn Log, notifier: &str) -> Result<Self, NotifyError> {
        // Before reading, so that nobody writes behind our back.
        let producer = log.producer(&format!("bellbuoy-notify-{notifier}"))?;
        let Recalled { notices, positions } = recall(log, notifier)?;
        let mut outbox = Outbox {
            notifier: notifier.to_owned(),
            producer,
            notices,
            positions,
            incidents: BTreeMap::new(),
            staged: Vec::new(),
        };
        outbox.fetch(log)?;
        Ok(outbox)
    }

    /// Reads the incidents that have something left to tell.
    fn fetch(&mut self, log: &dyn Log) -> Result<(), NotifyError> {
        let mut newest: BTreeMap<IncidentKey, (i32, i64)> = BTreeMap::new();
        for (key, notice) in self.notices.iter().filter(|(_, notice)| !is_settled(notice)) {
            let place = (notice.partition, notice.offset);
            let known = newest.entry(key.incident.clone()).or_insert(place);
            *known = (*known).max(place);
        }
        for (key, (partition, offset)) in newest {
            let at = TopicPartition::new(INCIDENTS.name, partition.unsigned_abs());
            let found = if offset < log.bounds(&at)?.start { None } else { log.read(&at, offset, ONE)?.records.pop() };
            match found.filter(|record| record.offset == offset).and_then(|record| record.value) {
                Some(value) => {
                    self.incidents.insert(key, value);
                }
                None => {
                    let (_, cluster, id) = &key;
                    tracing::error!(cluster, id, "the incidents topic no longer has an incident that was to be told");
                    self.notices.retain(|known, _| known.incident != key);
                }
            }
        }
        Ok(())
    }

    /// Takes a change in; it stands on the topic after the next [`Outbox::commit`].
    pub(crate) fn stage(&mut self, change: Change) {
        match &change {
            Change::Notice(notice) => {
                self.notices.insert(key(notice), (**notice).clone());
            }
            Change::Forget(key) => {
                self.notices.remove(key);
            }
            Change::Position(position) => {
                self.positions.insert(position.partition.unsigned_abs(), position.next);
            }
        }
        self.staged.push(change);
    }

    /// True where something is to be written.
    pub(crate) fn has_staged(&self) -> bool {
        !self.staged.is_empty()
    }

    /// Writes what was taken in, all or nothing. After an error the memory must be loaded again.
    pub(crate) fn commit(&mut self, log: &dyn Log) -> Result<(), NotifyError> {
        let staged = std::mem::take(&mut self.staged);
        if staged.is_empty() {
            return Ok(());
        }
        let partitions = log.topic(NOTIFICATIONS.name)?.spec.partitions;
        // Of several changes of one thing the last counts.
        let mut records: BTreeMap<String, Option<Vec<u8>>> = BTreeMap::new();
        for change in staged {
            let (key, body) = match change {
                Change::Notice(notice) => {
                    (text_key(&self.notifier, &key(&notice)), Some(NotificationBody::Notice(notice)))
                }
                Change::Forget(key) => (text_key(&self.notifier, &key), None),
                Change::Position(position) => {
                    let partition = position.partition.to_string();
                    let key = topics::notification_key(&self.notifier, &["position", &partition]);
                    (key, Some(NotificationBody::Position(position)))
                }
            };
            let encode = |body| Notification { notifier: self.notifier.as_str().into(), body }.encode();
            records.insert(key, body.map(encode).transpose()?);
        }
        self.producer.begin()?;
        for (key, value) in records {
            self.producer.send(Message {
                topic: NOTIFICATIONS.name.into(),
                partition: topics::partition_for(key.as_bytes(), partitions),
                key: Some(key.into_bytes()),
                value,
                ..Message::default()
            })?;
        }
        Ok(self.producer.commit(&[], None)?)
    }

    /// Lets go of incidents of which there is nothing left to tell.
    pub(crate) fn prune(&mut self) {
        let open = self.notices.iter().filter(|(_, notice)| !is_settled(notice)).map(|(key, _)| &key.incident);
        let open: BTreeSet<&IncidentKey> = open.collect();
        self.incidents.retain(|key, _| open.contains(key));
    }

    /// The notices of one target.
    pub(crate) fn of<'o>(&'o self, target: &'o str) -> impl Iterator<Item = (&'o Key, &'o Notice<'static>)> {
        self.notices.iter().filter(move |(key, _)| key.target == target)
    }
}

/// What the topic says of one notifier.
#[derive(Default)]
pub(crate) struct Recalled {
    pub(crate) notices: BTreeMap<Key, Notice<'static>>,
    positions: BTreeMap<u32, i64>,
}

/// Reads the topic to its end.
pub(crate) fn recall(log: &dyn Log, notifier: &str) -> Result<Recalled, NotifyError> {
    let mut recalled = Recalled::default();
    TopicReader::new(NOTIFICATIONS.name).read_on(log, |_, record| recalled.learn(notifier, record))?;
    Ok(recalled)
}

impl Recalled {
    fn learn(&mut self, notifier: &str, record: &engine::log::Record) -> Result<(), NotifyError> {
        let Some(value) = &record.value else {
            let key = record.key.as_deref().unwrap_or_default();
            self.notices.retain(|known, _| text_key(notifier, known).as_bytes() != key);
            return Ok(());
        };
        let notification = Notification::decode(value)?;
        if notification.notifier != notifier {
            return Ok(());
        }
        match notification.body {
            NotificationBody::Position(position) => {
                self.positions.insert(position.partition.unsigned_abs(), position.next);
            }
            NotificationBody::Notice(notice) => {
                let notice = owned(*notice);
                self.notices.insert(key(&notice), notice);
            }
        }
        Ok(())
    }
}

/// What a notice is about.
pub(crate) fn key(notice: &Notice<'_>) -> Key {
    let incident = (notice.tenant.to_string(), notice.cluster.to_string(), notice.incident.to_string());
    Key { incident, target: notice.target.to_string() }
}

fn text_key(notifier: &str, key: &Key) -> String {
    let (tenant, cluster, incident) = &key.incident;
    topics::notification_key(notifier, &["notice", &key.target, tenant, cluster, incident])
}

fn owned(notice: Notice<'_>) -> Notice<'static> {
    let label = |label: schemas::notification::NoticeLabel<'_>| schemas::notification::NoticeLabel {
        name: label.name.into_owned(),
        value: label.value.into_owned(),
    };
    Notice {
        target: notice.target.into_owned(),
        tenant: notice.tenant.into_owned(),
        cluster: notice.cluster.into_owned(),
        incident: notice.incident.into_owned(),
        dedup: notice.dedup.into_owned(),
        severity: notice.severity.into_owned(),
        labels: notice.labels.into_iter().map(label).collect(),
        answer: notice.answer.into_owned(),
        ..notice
    }
}
