//! Detect on the engine: signals to anomalies, with one baseline per entity in task state.
//!
//! Invariant: the state of an entity is a function of its signals in the order of the log; peers are those of the
//! task's partition.

use crate::{Baseline, Config, Counts, PeerGroup, SEMANTICS, peers};
use engine::clock::WallClock;
use engine::error::EngineError;
use engine::job::{Announcement, Fed, Job, Mode, Operator};
use engine::log::Headers;
use engine::metrics::Metrics;
use engine::output::{Output, Payload, Stamp};
use engine::state::{Cache, Value};
use engine::task::TaskContext;
use schemas::anomaly::AnomalyBody;
use schemas::codec::Record as _;
use schemas::signal::Body;
use schemas::{Anomaly, AnomalyRecord, Band, Handover, Logic, OffsetRange, Resync, Signal, TaskName, TaskTick};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use topics::declared::{ANOMALIES, SIGNALS};

/// The job that scores signals.
pub struct Detect {
    config: Arc<Config>,
    revision: i32,
    /// Partitions of the anomalies topic.
    partitions: u32,
    metrics: Metrics,
    clock: Arc<dyn WallClock>,
}

impl Detect {
    /// Writes an anomalies topic of so many partitions. `revision` numbers the configuration, as its owner does; the
    /// clock is for metrics only.
    pub fn new(config: Config, revision: i32, partitions: u32, metrics: Metrics, clock: Arc<dyn WallClock>) -> Self {
        Detect { config: Arc::new(config), revision, partitions, metrics, clock }
    }
}

impl Job for Detect {
    fn name(&self) -> &'static str {
        "detect"
    }

    fn inputs(&self) -> Vec<String> {
        vec![SIGNALS.name.to_owned()]
    }

    fn logic(&self) -> Logic {
        Logic { semantics: SEMANTICS, revision: self.revision, hash: self.config.logic_hash() }
    }

    fn mode(&self) -> Mode {
        Mode::Stateful
    }

    fn operator(&self, task: &TaskContext) -> Box<dyn Operator> {
        Box::new(Scorer {
            config: self.config.clone(),
            partitions: self.partitions,
            metrics: self.metrics.clone(),
            clock: self.clock.clone(),
            baselines: task.cache(),
            groups: task.cache(),
            task: task.clone(),
            topic: ANOMALIES.name.into(),
            key: Vec::new(),
            found: Vec::new(),
            counts: Counts::default(),
            told: Counts::default(),
        })
    }

    fn announce(&self, task: &TaskContext, announcement: Announcement) -> Vec<Output> {
        let (at, body) = match announcement {
            // Anomalies are points in time, none stays open: readers close whatever they hold open of this task.
            Announcement::Resync { offset } => (offset, AnomalyBody::Resync(Resync { offset, open: Vec::new() })),
            Announcement::Handover { from, to, offset } => {
                (offset, AnomalyBody::Handover(Handover { from, to, offset }))
            }
        };
        broadcast(task, &ANOMALIES.name.into(), self.partitions, at, body)
    }
}

/// Scores the signals of one partition.
struct Scorer {
    config: Arc<Config>,
    partitions: u32,
    metrics: Metrics,
    clock: Arc<dyn WallClock>,
    baselines: Rc<RefCell<Cache<Baseline>>>,
    groups: Rc<RefCell<Cache<PeerGroup>>>,
    task: TaskContext,
    topic: Arc<str>,
    key: Vec<u8>,
    found: Vec<Anomaly<'static>>,
    counts: Counts,
    /// What has been added to the metrics so far.
    told: Counts,
}

/// Grid of the task's clock on which it is told to readers. Each time costs a record in every anomalies partition, which
/// at 250 ms took a third of a backlog's time; a reader that merges tasks waits for at most this long.
const CLOCK_TOLD_EVERY_MS: i64 = 1000;

/// Signals after which counters are shown.
const TELL_EVERY: u64 = 1024;

impl Operator for Scorer {
    fn process(&mut self, fed: &Fed, out: &mut Vec<Output>) -> Result<(), EngineError> {
        let Some(value) = &fed.record.value else { return Ok(()) };
        let signal = match Signal::decode(value) {
            Ok(signal) => signal,
            Err(error) => {
                // Only a stranger's write can bring us here; the record stays where it is for a person to look at.
                tracing::error!(task = %self.task.id, offset = fed.at, "not a signal: {error}");
                self.metrics.dropped.with_label_values(&["signals", "decode"]).inc();
                return Ok(());
            }
        };
        match &signal.body {
            Body::Tick(tick) => {
                let mut clock = self.task.clock.borrow_mut();
                let before = clock.now().div_euclid(CLOCK_TOLD_EVERY_MS);
                clock.observe(tick);
                if clock.now().div_euclid(CLOCK_TOLD_EVERY_MS) > before {
                    let body = AnomalyBody::TaskTick(TaskTick { up_to: clock.now() });
                    drop(clock);
                    out.extend(broadcast(&self.task, &self.topic, self.partitions, fed.at, body));
                }
            }
            Body::Control(control) => {
                let body = AnomalyBody::Control(control.to_owned());
                out.extend(broadcast(&self.task, &self.topic, self.partitions, fed.at, body));
            }
            _ => {
                self.observe(fed, &signal)?;
                let trace = &fed.record.headers;
                for anomaly in std::mem::take(&mut self.found) {
                    out.push(self.publish(fed.at, anomaly, trace));
                }
            }
        }
        if self.counts.signals - self.told.signals >= TELL_EVERY {
            self.tell();
        }
        Ok(())
    }
}

impl Scorer {
    fn observe(&mut self, fed: &Fed, signal: &Signal<'_>) -> Result<(), EngineError> {
        let at = OffsetRange {
            topic: self.task.id.topic.as_str().into(),
            partition: self.task.id.partition as i32,
            from: fed.at,
            to: fed.at + 1,
        };
        self.key.clear();
        self.key.push(b'e');
        match &fed.record.key {
            Some(key) => self.key.extend_from_slice(key),
            None => {
                let key = topics::signal_key(&signal.tenant, &signal.cluster, &signal.entity.key());
                self.key.extend_from_slice(key.as_bytes());
            }
        }
        let Scorer { config, found, counts, .. } = self;
        let mut baselines = self.baselines.borrow_mut();
        if matches!(signal.body, Body::AuditEvent(_) | Body::FlowAgg(_)) {
            let group = format!("g{}/{}/{}", signal.tenant, signal.cluster, peers::group(&signal.entity));
            self.groups.borrow_mut().update(group.as_bytes(), |peers| {
                baselines
                    .update(&self.key, |baseline| baseline.observe(signal, &at, config, Some(peers), found, counts))
            })??;
        } else {
            baselines.update(&self.key, |baseline| baseline.observe(signal, &at, config, None, found, counts))?;
        }
        Ok(())
    }

    fn publish(&self, at: i64, anomaly: Anomaly<'static>, trace: &Headers) -> Output {
        if self.task.is_live() {
            let band = match anomaly.band {
                Band::Unusual => "unusual",
                Band::Sharp => "sharp",
                Band::Novel => "novel",
            };
            self.metrics.anomalies.with_label_values(&[&anomaly.detector, band]).inc();
            let waited = (self.clock.now_millis() - anomaly.event_time).max(0);
            self.metrics.event_to_detection.observe(waited as f64 / 1000.0);
        }
        let key = topics::cluster_key(&anomaly.tenant, &anomaly.cluster).into_bytes();
        let partition = topics::partition_for(&key, self.partitions);
        let body = AnomalyBody::Anomaly(anomaly);
        let mut output = record(&self.task, &self.topic, partition, at, Rc::new(body));
        output.key = Some(key);
        output.headers = trace.clone();
        output
    }

    fn tell(&mut self) {
        if self.task.is_live() {
            for ((name, now), (_, before)) in self.counts.list().into_iter().zip(self.told.list()) {
                if now > before {
                    self.metrics.dropped.with_label_values(&["signals", name]).inc_by(now - before);
                }
            }
            let clock = self.task.clock.borrow().now();
            if clock > 0 {
                let delay = (self.clock.now_millis() - clock) / 1000;
                self.metrics.watermark_delay.with_label_values(&["detect", &self.task.id.to_string()]).set(delay);
            }
        }
        self.told = self.counts;
    }
}

/// The same record for every anomalies partition, since each is read by somebody who must know.
fn broadcast(
    task: &TaskContext,
    topic: &Arc<str>,
    partitions: u32,
    at: i64,
    body: AnomalyBody<'static>,
) -> Vec<Output> {
    let body = Rc::new(body);
    (0..partitions).map(|partition| record(task, topic, partition, at, body.clone())).collect()
}

fn record(task: &TaskContext, topic: &Arc<str>, partition: u32, at: i64, body: Rc<AnomalyBody<'static>>) -> Output {
    let round = task.clock.borrow().round();
    let encode = move |stamp: &Stamp| {
        let record = AnomalyRecord {
            task: TaskName {
                job: stamp.task.job.as_str().into(),
                topic: stamp.task.topic.as_str().into(),
                partition: stamp.task.partition as i32,
            },
            tasks: stamp.tasks as i32,
            out_seq: stamp.out_seq,
            round,
            logic: stamp.logic,
            body: (*body).clone(),
        };
        record.encode().expect("an anomaly is built of texts and finite counts, which its schema always takes")
    };
    Output {
        at,
        operator: 0,
        topic: topic.clone(),
        partition,
        key: None,
        headers: Vec::new(),
        payload: Payload::Stamped(Rc::new(encode)),
    }
}

impl Value for Baseline {
    fn encode(&self, out: &mut Vec<u8>) {
        Baseline::encode(self, out);
    }

    fn decode(bytes: &[u8]) -> Result<Self, String> {
        Baseline::decode(bytes).map_err(|e| e.to_string())
    }

    fn heap_bytes(&self) -> usize {
        Baseline::heap_bytes(self)
    }
}

impl Value for PeerGroup {
    fn encode(&self, out: &mut Vec<u8>) {
        PeerGroup::encode(self, out);
    }

    fn decode(bytes: &[u8]) -> Result<Self, String> {
        PeerGroup::decode(bytes).map_err(|e| e.to_string())
    }

    fn heap_bytes(&self) -> usize {
        PeerGroup::heap_bytes(self)
    }
}
