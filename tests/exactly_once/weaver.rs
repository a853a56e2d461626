//! Correlate on the output of several detect tasks, woven into each partition in one of many orders.

use crate::bench::{Bench, Ran, Subject};
use correlate::job::Correlate;
use engine::clock::WallClock;
use engine::job::Job;
use engine::log::Message;
use engine::metrics::Metrics;
use schemas::codec::Record as _;
use schemas::{
    Anomaly, AnomalyBody, AnomalyRecord, Band, Control, ControlKind, Entity, EntityKind, Family, IncidentBody,
    IncidentRecord, IncidentState, Related, Relation, TaskName, TaskTick,
};
use std::sync::Arc;
use topics::declared::{ANOMALIES, INCIDENTS, SIGNALS};

const PARTITIONS: u32 = 2;
/// Tasks of detect.
const TASKS: i32 = 3;
const START: i64 = 1_772_409_600_000;
const MINUTE: i64 = 60_000;
/// How far the story goes, and how often tasks tell their clock, milliseconds.
const LENGTH: i64 = 230 * MINUTE;
const TICK: i64 = 20_000;

/// The job with its input.
pub struct Weaver {
    pub bench: Bench,
}

impl Weaver {
    /// The same story in the order that belongs to a seed.
    pub fn new(seed: u64) -> Self {
        let mut messages = Vec::new();
        for partition in 0..PARTITIONS {
            let tasks: Vec<Vec<AnomalyRecord<'static>>> = (0..TASKS).map(|task| told_by(task, partition)).collect();
            for record in woven(tasks, seed) {
                let value = Some(record.encode().expect("an anomaly can be encoded"));
                messages.push(Message { topic: ANOMALIES.name.into(), partition, value, ..Message::default() });
            }
        }
        Weaver { bench: Bench::new(ANOMALIES.name, PARTITIONS, messages) }
    }
}

impl Subject for Weaver {
    fn job(&self, revision: i32, _clock: &Arc<dyn WallClock>, metrics: &Metrics) -> Arc<dyn Job> {
        Arc::new(Correlate::new(correlate::Config::default(), revision, metrics.clone()))
    }

    fn output(&self) -> (&'static str, u32) {
        (INCIDENTS.name, PARTITIONS)
    }

    fn origin(&self, value: &[u8]) -> Option<(u32, i64)> {
        let record = IncidentRecord::decode(value).expect("correlate writes incident records");
        Some((record.task.partition as u32, record.out_seq))
    }
}

/// How many incident records of each state the output has.
pub fn states(ran: &Ran) -> std::collections::BTreeMap<IncidentState, usize> {
    let mut states = std::collections::BTreeMap::new();
    for (_, value) in ran.tasks.values().flatten() {
        if let IncidentBody::Incident(incident) = IncidentRecord::decode(value).expect("an incident record").body {
            *states.entry(incident.state).or_default() += 1;
        }
    }
    states
}

/// What one task of detect tells one partition, in its order: departures that come and go, ticks, a mute.
fn told_by(task: i32, partition: u32) -> Vec<AnomalyRecord<'static>> {
    let mut draw = sequence(1 + task as u64 * 7 + u64::from(partition) * 101);
    let mut records: Vec<AnomalyRecord<'static>> = Vec::new();
    let mut tell = |round: i64, body| {
        let name = TaskName { job: "detect".into(), topic: SIGNALS.name.into(), partition: task };
        let out_seq = records.len() as i64;
        records.push(AnomalyRecord { task: name, tasks: TASKS, out_seq, round, body, ..AnomalyRecord::default() });
    };
    for tick in 0..LENGTH / TICK {
        let from = START + tick * TICK;
        // Trouble comes in bouts: a quarter of an hour of it, an hour and more of peace.
        if tick * TICK % (100 * MINUTE) < 15 * MINUTE {
            for _ in 0..draw(3) {
                let at = from + draw(TICK as u64) as i64;
                tell(at - at.rem_euclid(250), AnomalyBody::Anomaly(departure(&mut draw, at, partition)));
            }
        }
        if tick == 40 {
            tell(from, AnomalyBody::Control(mute(from)));
        }
        tell(from, AnomalyBody::TaskTick(TaskTick { up_to: from + TICK }));
    }
    // Within a task rounds do not go back.
    records.sort_by_key(|record| match record.body {
        AnomalyBody::TaskTick(tick) => (tick.up_to, 1),
        _ => (record.round, 0),
    });
    (0..).zip(&mut records).for_each(|(number, record)| record.out_seq = number);
    records
}

fn departure(draw: &mut impl FnMut(u64) -> u64, at: i64, partition: u32) -> Anomaly<'static> {
    let families = [Family::Errors, Family::Latency, Family::Saturation, Family::Novelty, Family::Change];
    let entity = |number: u64| Entity {
        kind: EntityKind::Workload,
        namespace: "shop".into(),
        workload_kind: "Deployment".into(),
        name: format!("w{number}").into(),
    };
    let relations = [Relation::Calls, Relation::RunsOn, Relation::ChangedBy];
    let related = Related { relation: relations[draw(3) as usize], entity: entity(draw(12)) };
    Anomaly {
        tenant: "acme".into(),
        cluster: format!("cluster-{partition}").into(),
        entity: entity(draw(12)),
        detector: "test".into(),
        measure: format!("m{}", draw(3)).into(),
        family: families[draw(5) as usize],
        band: if draw(4) == 0 { Band::Novel } else { Band::Sharp },
        score: 30.0 + draw(70) as f64,
        onset: at - draw(120_000) as i64,
        event_time: at,
        related: vec![related],
        ..Anomaly::default()
    }
}

fn mute(at: i64) -> Control<'static> {
    Control {
        tenant: "acme".into(),
        kind: ControlKind::Mute,
        id: "w1".into(),
        selector: "name=w1".into(),
        author: "ann".into(),
        at,
        ..Control::default()
    }
}

/// Weaves the tasks' records: each task's order is kept, which one comes next is the seed's to say, and nobody is more
/// than a few minutes ahead.
fn woven(tasks: Vec<Vec<AnomalyRecord<'static>>>, seed: u64) -> Vec<AnomalyRecord<'static>> {
    let mut draw = sequence(seed);
    let mut queues: Vec<_> = tasks.into_iter().map(|records| records.into_iter().peekable()).collect();
    let mut woven = Vec::new();
    loop {
        let heads: Vec<(usize, i64)> =
            queues.iter_mut().enumerate().filter_map(|(index, queue)| Some((index, queue.peek()?.round))).collect();
        let Some(slowest) = heads.iter().map(|(_, round)| *round).min() else { return woven };
        let near: Vec<usize> =
            heads.into_iter().filter(|(_, round)| round - slowest < 3 * MINUTE).map(|(index, _)| index).collect();
        let next = near[draw(near.len() as u64) as usize];
        woven.extend(queues[next].next());
    }
}

/// Numbers below a bound, the same for the same seed (a linear congruential sequence with Knuth's MMIX constants).
fn sequence(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut state = seed;
    move |below| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    }
}
