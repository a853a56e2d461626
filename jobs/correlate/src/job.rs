//! Correlate on the engine: anomalies to incidents, one task per partition, any number of clusters in it.
//!
//! Invariant: the output is a function of the set of anomalies and of their rounds, not of their order in the partition.

use crate::config::{Config, SEMANTICS};
use crate::correlator::{Correlator, Round, Told};
use crate::memory::Memory;
use crate::notice::Mute;
use crate::rounds::Place;
use crate::stored::Root;
use engine::error::{EngineError, StateError};
use engine::job::{Announcement, Fed, Job, Mode, Operator};
use engine::metrics::Metrics;
use engine::output::{Output, Payload, Stamp};
use engine::state::Cache;
use engine::task::TaskContext;
use schemas::codec::Record as _;
use schemas::{
    AnomalyBody, AnomalyRecord, Control, ControlKind, Handover, Incident, IncidentBody, IncidentRecord, IncidentState,
    Logic, Notice, Resync, TaskName, TaskTick,
};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use topics::declared::{ANOMALIES, INCIDENTS};

/// Grid on which clusters with open incidents are looked at although nothing new was told of them.
const LOOK_EVERY_MS: i64 = 1_000;
/// Grid on which the clock is told to readers.
const CLOCK_TOLD_EVERY_MS: i64 = 60_000;
/// How long it is remembered which control records were passed on.
const REMEMBERED_MS: i64 = 7 * 24 * 60 * 60 * 1000;
/// Where the task's own state is kept.
const ROOT: &[u8] = b"r";

/// The job that makes incidents of anomalies.
pub struct Correlate {
    config: Arc<Config>,
    revision: i32,
    metrics: Metrics,
}

impl Correlate {
    /// `revision` numbers the configuration, as its owner does.
    pub fn new(config: Config, revision: i32, metrics: Metrics) -> Self {
        Correlate { config: Arc::new(config), revision, metrics }
    }
}

impl Job for Correlate {
    fn name(&self) -> &'static str {
        "correlate"
    }

    fn inputs(&self) -> Vec<String> {
        vec![ANOMALIES.name.to_owned()]
    }

    fn logic(&self) -> Logic {
        Logic { semantics: SEMANTICS, revision: self.revision, hash: self.config.logic_hash() }
    }

    fn mode(&self) -> Mode {
        Mode::Stateful
    }

    fn operator(&self, task: &TaskContext) -> Box<dyn Operator> {
        Box::new(Gatherer {
            config: self.config.clone(),
            metrics: self.metrics.clone(),
            root: task.cache(),
            memories: task.cache(),
            clusters: BTreeMap::new(),
            task: task.clone(),
        })
    }

    fn announce(&self, task: &TaskContext, announcement: Announcement) -> Vec<Output> {
        let (at, body) = match announcement {
            // What was open under the output that is taken back is over; what is still open is told again as it changes.
            Announcement::Resync { offset } => (offset, IncidentBody::Resync(Resync { offset, open: Vec::new() })),
            Announcement::Handover { from, to, offset } => {
                (offset, IncidentBody::Handover(Handover { from, to, offset }))
            }
        };
        let round = task.clock.borrow().round();
        vec![record(task, at, round, Rc::new(body))]
    }
}

/// Gathers the anomalies of one partition.
struct Gatherer {
    config: Arc<Config>,
    metrics: Metrics,
    root: Rc<RefCell<Cache<Root>>>,
    memories: Rc<RefCell<Cache<Memory>>>,
    clusters: BTreeMap<(String, String), Correlator>,
    task: TaskContext,
}

/// What a round holds, by what it is about.
#[derive(Default)]
struct Gathered<'a> {
    anomalies: BTreeMap<(String, String), Vec<Told<'a>>>,
    labels: BTreeMap<String, Vec<(String, String)>>,
    resynced: Vec<i32>,
    controls: Vec<Control<'static>>,
}

impl Operator for Gatherer {
    fn process(&mut self, fed: &Fed, out: &mut Vec<Output>) -> Result<(), EngineError> {
        let Some(value) = &fed.record.value else { return Ok(()) };
        let record = match AnomalyRecord::decode(value) {
            Ok(record) => record,
            Err(error) => {
                // Only a stranger's write can bring us here; the record stays where it is for a person to look at.
                tracing::error!(task = %self.task.id, offset = fed.at, "not an anomaly: {error}");
                self.metrics.dropped.with_label_values(&["anomalies", "decode"]).inc();
                return Ok(());
            }
        };
        let place = (record.task.partition, record.out_seq);
        let root = self.root.clone();
        let task = self.task.clone();
        let (from, until) = root.borrow_mut().update(ROOT, |root| {
            let mut clock = task.clock.borrow_mut();
            match &record.body {
                AnomalyBody::TaskTick(tick) => {
                    root.rounds.hear(&mut clock, place.0, record.tasks, tick.up_to, fed.record.timestamp);
                }
                AnomalyBody::Handover(_) => {}
                _ => root.rounds.hold(record.round, place, value),
            }
            root.rounds.complete(&clock)
        })?;
        if until > from || root.borrow_mut().update(ROOT, |root| root.rounds.next(until))?.is_some() {
            self.complete(from, until, fed.at, out)?;
        }
        Ok(())
    }
}

impl Gatherer {
    /// Goes through complete rounds in order: those with records, and those in which something may be over.
    fn complete(&mut self, from: i64, until: i64, at: i64, out: &mut Vec<Output>) -> Result<(), EngineError> {
        self.restore()?;
        let mut look = grid(from, LOOK_EVERY_MS);
        loop {
            let held = self.root.borrow_mut().update(ROOT, |root| root.rounds.next(until))?;
            let round = held.unwrap_or(i64::MAX).min(look);
            if round >= until {
                return Ok(());
            }
            let records = self.root.borrow_mut().update(ROOT, |root| root.rounds.take(round))?;
            self.round(round, &records, at, out)?;
            if round.rem_euclid(CLOCK_TOLD_EVERY_MS) == 0 {
                let body = IncidentBody::TaskTick(TaskTick { up_to: round });
                out.push(record(&self.task, at, round, Rc::new(body)));
            }
            look = self.next_look(round);
        }
    }

    /// When to look next after a round: soon, or at the minute where nothing can happen before.
    fn next_look(&self, round: i64) -> i64 {
        let soon = grid(round + 1, LOOK_EVERY_MS);
        if !self.clusters.values().all(|cluster| cluster.is_idle_until(soon)) {
            return soon;
        }
        let due = self.clusters.values().filter_map(Correlator::next_due).min();
        let minute = grid(round + 1, CLOCK_TOLD_EVERY_MS);
        due.map_or(minute, |due| grid(due, LOOK_EVERY_MS).min(minute))
    }

    fn round(
        &mut self,
        round: i64,
        records: &[(Place, Vec<u8>)],
        at: i64,
        out: &mut Vec<Output>,
    ) -> Result<(), EngineError> {
        let mut gathered = gather(records);
        let passed = self.take_controls(&mut gathered)?;
        out.extend(
            passed.into_iter().map(|control| record(&self.task, at, round, Rc::new(IncidentBody::Control(control)))),
        );
        for cluster in gathered.anomalies.keys() {
            if !self.clusters.contains_key(cluster) {
                self.root.borrow_mut().update(ROOT, |root| root.clusters.insert(cluster.clone()))?;
                self.load(cluster.clone())?;
            }
        }
        let (mutes, unheard) = self.root.borrow_mut().update(ROOT, |root| {
            root.mutes.retain(|_, mute| mute.expires_at == 0 || round < mute.expires_at);
            (root.mutes.clone(), root.rounds.unheard())
        })?;
        let Gatherer { clusters, memories, .. } = self;
        let mut found = Vec::new();
        for (cluster, correlator) in clusters.iter_mut() {
            let anomalies = gathered.anomalies.remove(cluster).unwrap_or_default();
            let labels = gathered.labels.get(&cluster.0).map_or(&[][..], Vec::as_slice);
            let quiet = anomalies.is_empty() && labels.is_empty() && gathered.resynced.is_empty();
            if quiet && correlator.is_idle_until(round) {
                continue;
            }
            let of_tenant = mutes.iter().filter(|((tenant, _), _)| *tenant == cluster.0);
            let mutes: Vec<Mute> = of_tenant.map(|(_, mute)| mute.clone()).collect();
            let resynced = &gathered.resynced;
            let round = Round { at: round, anomalies: &anomalies, mutes: &mutes, labels, resynced, unheard };
            let key = key(cluster);
            found.extend(memories.borrow_mut().update(&key, |memory| correlator.round(memory, &round))?);
        }
        for incident in found {
            out.push(self.publish(at, round, incident));
        }
        Ok(())
    }

    /// Remembers what people said; what is to be passed on, once each although every task of detect told it.
    fn take_controls(&mut self, gathered: &mut Gathered<'_>) -> Result<Vec<Control<'static>>, StateError> {
        if gathered.controls.is_empty() {
            return Ok(Vec::new());
        }
        let mut passed = Vec::new();
        self.root.borrow_mut().update(ROOT, |root| {
            for control in gathered.controls.drain(..) {
                let named = (control.kind as u8, control.tenant.to_string(), control.id.to_string());
                let before = root.passed.get(&named);
                if before.is_some_and(|before| *before >= control.at) {
                    continue;
                }
                // Long after, nobody tells the same again.
                root.passed.retain(|_, at| control.at - *at < REMEMBERED_MS);
                root.passed.insert(named, control.at);
                let id = (control.tenant.to_string(), control.id.to_string());
                match control.kind {
                    ControlKind::Mute if &*control.value == "off" => {
                        root.mutes.remove(&id);
                    }
                    ControlKind::Mute => {
                        root.mutes.insert(id, mute(&control));
                    }
                    ControlKind::Label => gathered
                        .labels
                        .entry(control.tenant.to_string())
                        .or_default()
                        .push((control.id.to_string(), control.value.to_string())),
                    _ => {}
                }
                passed.push(control);
            }
        })?;
        Ok(passed)
    }

    /// Brings back, once, every cluster that is remembered.
    fn restore(&mut self) -> Result<(), StateError> {
        if self.clusters.is_empty() {
            let known = self.root.borrow_mut().update(ROOT, |root| root.clusters.clone())?;
            for cluster in known {
                self.load(cluster)?;
            }
        }
        Ok(())
    }

    fn load(&mut self, cluster: (String, String)) -> Result<(), StateError> {
        let config = self.config.clone();
        let correlator = self.memories.borrow_mut().update(&key(&cluster), |memory| {
            (memory.tenant, memory.cluster) = cluster.clone();
            Correlator::restore(config, memory)
        })?;
        self.clusters.insert(cluster, correlator);
        Ok(())
    }

    fn publish(&self, at: i64, round: i64, incident: Incident<'static>) -> Output {
        if self.task.is_live() {
            let state = match incident.state {
                IncidentState::Open => "open",
                IncidentState::Update => "update",
                IncidentState::Merge => "merge",
                IncidentState::Close => "close",
                IncidentState::Reopen => "reopen",
                IncidentState::Split | IncidentState::Other => "other",
            };
            let notice = match incident.notice {
                Notice::Notify => "notify",
                Notice::HeldBack => "held_back",
                Notice::Muted => "muted",
                Notice::Other => "other",
            };
            self.metrics.incidents.with_label_values(&[state, notice]).inc();
        }
        let key = topics::cluster_key(&incident.tenant, &incident.cluster).into_bytes();
        let mut output = record(&self.task, at, round, Rc::new(IncidentBody::Incident(Box::new(incident))));
        output.key = Some(key);
        output
    }
}

/// The first time on a grid that is not before this one.
fn grid(time: i64, step: i64) -> i64 {
    time + (-time).rem_euclid(step)
}

/// Sorts the records of a round by what they are about.
fn gather(records: &[(Place, Vec<u8>)]) -> Gathered<'_> {
    let mut gathered = Gathered::default();
    for (of, value) in records {
        let record = AnomalyRecord::decode(value).expect("it was decoded once before it was held");
        match record.body {
            AnomalyBody::Anomaly(anomaly) => {
                let cluster = (anomaly.tenant.to_string(), anomaly.cluster.to_string());
                gathered.anomalies.entry(cluster).or_default().push(Told { of: *of, anomaly });
            }
            AnomalyBody::Control(control) => gathered.controls.push(control.to_owned()),
            AnomalyBody::Resync(_) => gathered.resynced.push(of.0),
            AnomalyBody::TaskTick(_) | AnomalyBody::Handover(_) => {}
        }
    }
    gathered
}

fn mute(control: &Control<'_>) -> Mute {
    Mute {
        selector: control.selector.to_string(),
        expires_at: control.expires_at,
        author: control.author.to_string(),
        reason: control.reason.to_string(),
    }
}

fn key((tenant, cluster): &(String, String)) -> Vec<u8> {
    format!("c{}", topics::cluster_key(tenant, cluster)).into_bytes()
}

/// A record for the partition of the same number, which nobody else writes.
fn record(task: &TaskContext, at: i64, round: i64, body: Rc<IncidentBody<'static>>) -> Output {
    let encode = move |stamp: &Stamp| {
        let record = IncidentRecord {
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
        record.encode().expect("an incident is built of texts and finite counts, which its schema always takes")
    };
    Output {
        at,
        operator: 0,
        topic: INCIDENTS.name.into(),
        partition: task.id.partition,
        key: None,
        headers: Vec::new(),
        payload: Payload::Stamped(Rc::new(encode)),
    }
}
