//! A log in memory with incidents on it, somebody to tell, and a notifier between them.
#![allow(dead_code, reason = "every suite compiles this module and uses a part of it")]

use engine::clock::{SystemClock, WallClock};
use engine::fault::Faults;
use engine::lane::Environment;
use engine::log::{CleanupPolicy, Limit, Log, Message, TimestampSource, TopicPartition, TopicSpec, memory};
use engine::metrics::Metrics;
use engine::runtime::Stopping;
use engine::state::memory::MemoryStores;
use notify::config::Target;
use notify::{Config, NotifyError, Step};
use schemas::notification::Notice;
use schemas::{
    Control, ControlKind, Entity, EntityKind, Incident, IncidentBody, IncidentRecord, IncidentState, Member,
    Notification, NotificationBody, Record as _,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use topics::declared::{CONTROL, INCIDENTS, NOTIFICATIONS};

pub const MINUTE: i64 = 60_000;

/// The machine's time, moved on at will.
struct Moved {
    system: SystemClock,
    by: AtomicI64,
}

impl WallClock for Moved {
    fn now_millis(&self) -> i64 {
        self.system.now_millis() + self.by.load(Ordering::SeqCst)
    }

    fn monotonic(&self) -> Duration {
        self.system.monotonic()
    }
}

pub struct Site {
    pub log: Arc<dyn Log>,
    /// What fails of the notifier's own calls to the log.
    pub faults: Faults,
    /// The log as the notifier has it.
    its_log: Arc<dyn Log>,
    clock: Arc<Moved>,
    config: Config,
    metrics: Metrics,
    stopping: Stopping,
    notifier: Option<JoinHandle<()>>,
}

impl Site {
    /// A site whose notifier does not run yet.
    pub fn new(targets: Vec<Target>) -> Self {
        let clock = Arc::new(Moved { system: SystemClock::new(), by: AtomicI64::new(0) });
        let log = memory::open(&memory::Disk::default(), clock.clone()).expect("a log in memory opens");
        Site::on(log, clock, targets)
    }

    fn on(log: Arc<dyn Log>, clock: Arc<Moved>, targets: Vec<Target>) -> Self {
        for topic in [INCIDENTS, CONTROL, NOTIFICATIONS] {
            let cleanup =
                if topic.cleanup == topics::Cleanup::Compact { CleanupPolicy::Compact } else { CleanupPolicy::Delete };
            let spec = TopicSpec {
                name: topic.name.to_owned(),
                partitions: if topic.partitions == 1 { 1 } else { 2 },
                retention_ms: None,
                retention_bytes: None,
                timestamps: TimestampSource::LogAppendTime,
                cleanup,
            };
            log.create_topic(&spec).expect("a topic can be made");
        }
        let config = Config { targets, ..Config::default() };
        let (metrics, stopping) = (Metrics::new("test"), Stopping::default());
        let faults = Faults::default();
        let whole = Environment {
            log: log.clone(),
            stores: Arc::new(MemoryStores::default()),
            checkpoints: None,
            clock: clock.clone(),
            metrics: metrics.clone(),
        };
        let its_log = faults.wrap(&whole).log;
        Site { log, faults, its_log, clock, config, metrics, stopping, notifier: None }
    }

    /// Runs a notifier.
    pub fn start(&mut self) {
        self.start_ending_at(None);
    }

    /// Runs a notifier that is ended when it first comes to a step, and started anew.
    pub fn start_ending_at(&mut self, ending: Option<Step>) {
        let (config, log, clock) = (self.config.clone(), self.its_log.clone(), self.clock.clone());
        let (metrics, stopping) = (self.metrics.clone(), self.stopping.clone());
        let to_end = AtomicBool::new(ending.is_some());
        self.notifier = Some(std::thread::spawn(move || {
            let hook = move |step: Step| match ending {
                Some(end) if end == step && to_end.swap(false, Ordering::SeqCst) => Err(NotifyError::Ended(step)),
                _ => Ok(()),
            };
            loop {
                match notify::run_with(&config, log.clone(), clock.clone(), &metrics, &stopping, &hook) {
                    Ok(()) => return,
                    Err(NotifyError::Ended(_)) => {}
                    Err(error) => panic!("the notifier cannot go on: {error}"),
                }
            }
        }));
    }

    /// Stops the notifier, if it runs.
    pub fn stop(&mut self) {
        self.stopping.stop();
        if let Some(notifier) = self.notifier.take() {
            notifier.join().expect("the notifier has not panicked");
        }
        self.stopping = Stopping::default();
    }

    pub fn now(&self) -> i64 {
        self.clock.now_millis()
    }

    pub fn advance(&self, millis: i64) {
        self.clock.by.fetch_add(millis, Ordering::SeqCst);
    }

    /// An incident of a workload as it begins, severity 50.
    pub fn incident(&self, id: &str, workload: &str) -> Incident<'static> {
        let now = self.now();
        let entity = Entity {
            kind: EntityKind::Workload,
            namespace: "shop".into(),
            workload_kind: "Deployment".into(),
            name: workload.to_owned().into(),
        };
        Incident {
            tenant: "acme".into(),
            cluster: "prod".into(),
            id: id.to_owned().into(),
            state: IncidentState::Open,
            revision: 1,
            severity: 50.0,
            sentence: format!("{workload} is not what it was").into(),
            explanation: vec!["cpu rose first".into()],
            onset: now - MINUTE,
            opened_at: now,
            last_evidence: now,
            members: vec![Member { entity, ..Member::default() }],
            members_total: 1,
            ..Incident::default()
        }
    }

    /// Publishes an incident as it stands.
    pub fn publish(&self, incident: &Incident<'static>) {
        self.publish_body(IncidentBody::Incident(Box::new(incident.clone())));
    }

    pub fn publish_body(&self, body: IncidentBody<'static>) {
        self.append(INCIDENTS.name, b"acme/prod", [record(body)]);
    }

    /// Publishes many at once.
    pub fn publish_all(&self, incidents: &[Incident<'static>]) {
        let bodies = incidents.iter().map(|incident| IncidentBody::Incident(Box::new(incident.clone())));
        self.append(INCIDENTS.name, b"acme/prod", bodies.map(record));
    }

    /// Its next change.
    pub fn change(
        &self,
        incident: &Incident<'static>,
        change: impl FnOnce(&mut Incident<'static>),
    ) -> Incident<'static> {
        let mut next = Incident { revision: incident.revision + 1, state: IncidentState::Update, ..incident.clone() };
        change(&mut next);
        self.publish(&next);
        next
    }

    pub fn close(&self, incident: &Incident<'static>) -> Incident<'static> {
        let now = self.now();
        self.change(incident, |next| {
            (next.state, next.closed_at, next.closing) = (IncidentState::Close, now, "quiet again".into());
        })
    }

    /// Somebody asks not to hear of something, or to hear of it again.
    pub fn mute(&self, id: &'static str, selector: &'static str, value: &'static str) {
        let control = Control {
            tenant: "acme".into(),
            kind: ControlKind::Mute,
            id: id.into(),
            selector: selector.into(),
            value: value.into(),
            author: "ann".into(),
            reason: "known".into(),
            at: self.now(),
            ..Control::default()
        };
        let key = topics::control_key("mute", id);
        self.append(CONTROL.name, key.as_bytes(), [control.encode().expect("it can be written")]);
    }

    fn append(&self, topic: &str, key: &[u8], values: impl IntoIterator<Item = Vec<u8>>) {
        let mut producer = self.log.producer("test").expect("a producer opens");
        producer.begin().expect("a transaction opens");
        for value in values {
            let (topic, key, value) = (topic.into(), Some(key.to_vec()), Some(value));
            producer.send(Message { topic, key, value, ..Message::default() }).expect("a record is taken");
        }
        producer.commit(&[], None).expect("it is committed");
    }

    /// Every notice as last written.
    pub fn notices(&self) -> Vec<Notice<'static>> {
        let at = TopicPartition::new(NOTIFICATIONS.name, 0);
        let start = self.log.bounds(&at).expect("it is there").start;
        let read = self.log.read(&at, start, Limit { records: 100_000, bytes: 64 << 20 }).expect("it can be read");
        let mut newest = std::collections::BTreeMap::new();
        for record in read.records {
            let Some(value) = record.value else {
                newest.remove(&record.key);
                continue;
            };
            // The test keeps it to its end.
            let value: &'static [u8] = value.to_vec().leak();
            if let NotificationBody::Notice(notice) = Notification::decode(value).expect("ours can be read").body {
                newest.insert(record.key, *notice);
            }
        }
        newest.into_values().collect()
    }

    /// A figure of its metrics.
    pub fn counted(&self, target: &str, result: &str) -> u64 {
        self.metrics.notifications.with_label_values(&[target, result]).get()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.stopping.stop();
        if let Some(notifier) = self.notifier.take() {
            // Its panic was printed by its own thread.
            let _ = notifier.join();
        }
    }
}

fn record(body: IncidentBody<'static>) -> Vec<u8> {
    IncidentRecord { body, ..IncidentRecord::default() }.encode().expect("it can be written")
}

/// Waits until something holds; fails after a minute.
#[track_caller]
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..1200 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("waited for a minute, and still not: {what}");
}

/// Gives a notifier time for several looks, to do what it must not do.
pub fn a_while() {
    std::thread::sleep(Duration::from_secs(2));
}
