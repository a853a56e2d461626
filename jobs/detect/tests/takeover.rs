//! One workload of a generated estate is taken over: each kind of evidence is found, on the right entity, and healthy
//! workloads stay quiet, a rollout included.

use detect::{Baseline, Config, Counts, PeerGroup, peers};
use schemas::signal::{AuditEvent, Body, Direction, FlowAgg, MetricSamples, Sample, SampleKind};
use schemas::{Anomaly, Band, Entity, EntityKind, Family, OffsetRange, Signal, Text};
use std::collections::BTreeMap;

const MINUTE: i64 = 60_000;
const DAY: i64 = 1440 * MINUTE;
const START: i64 = 1_750_000_000_000;
const WORKLOADS: usize = 20;
/// Taken over at the end of the third day.
const VICTIM: usize = 7;
/// Replaces all its pods on the third day.
const ROLLED: usize = 3;
const TAKEOVER: i64 = START + 3 * DAY - 60 * MINUTE;
const ROLLOUT: i64 = START + 2 * DAY + 300 * MINUTE;
/// Healthy workloads may be told so often as sharp or worse in the last day, all 20 together.
const HANDFUL: usize = 4;

#[derive(Default)]
struct Estate {
    baselines: BTreeMap<String, Baseline>,
    groups: BTreeMap<String, PeerGroup>,
    counts: Counts,
    anomalies: Vec<Anomaly<'static>>,
    offset: i64,
}

impl Estate {
    fn observe(&mut self, time: i64, entity: &Entity<'_>, body: Body<'_>) {
        self.offset += 1;
        let provenance = OffsetRange { topic: "raw".into(), partition: 0, from: self.offset, to: self.offset + 1 };
        let signal = Signal { entity: entity.clone(), event_time: time, provenance, body, ..Signal::default() };
        let at =
            OffsetRange { topic: "bellbuoy.signals.v1".into(), partition: 0, from: self.offset, to: self.offset + 1 };
        let group = self.groups.entry(peers::group(entity)).or_default();
        let baseline = self.baselines.entry(entity.key()).or_default();
        baseline.observe(&signal, &at, &Config::default(), Some(group), &mut self.anomalies, &mut self.counts);
    }
}

struct Noise(u64);

impl Noise {
    /// Between -1 and 1, most often near 0.
    fn next(&mut self) -> f64 {
        let mut sum = 0.0;
        for _ in 0..3 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            sum += (self.0 >> 40) as f64 / 16_777_216.0;
        }
        sum / 1.5 - 1.0
    }
}

fn workload(index: usize) -> Entity<'static> {
    Entity {
        kind: EntityKind::Workload,
        namespace: "shop".into(),
        workload_kind: "Deployment".into(),
        name: format!("web-{index}").into(),
    }
}

fn account(index: usize) -> Entity<'static> {
    let name = format!("system:serviceaccount:shop:web-{index}");
    Entity { kind: EntityKind::Principal, name: name.into(), ..Entity::default() }
}

fn sample(
    measure: &'static str,
    attributes: &'static str,
    unit: &'static str,
    counter: bool,
    value: f64,
    start: i64,
) -> Sample<'static> {
    let kind = if counter { SampleKind::Counter } else { SampleKind::Gauge };
    let start_time = if counter { start } else { 0 };
    Sample {
        measure: measure.into(),
        attributes: attributes.into(),
        unit: unit.into(),
        kind,
        value,
        start_time,
        ..Sample::default()
    }
}

/// One pod with its counters.
struct Pod {
    name: String,
    born: i64,
    cpu: f64,
    received: f64,
    sent: f64,
}

impl Pod {
    fn new(workload: usize, number: usize, born: i64) -> Self {
        Pod { name: format!("web-{workload}-{number}"), born, cpu: 0.0, received: 0.0, sent: 0.0 }
    }

    fn scrape(
        &mut self,
        estate: &mut Estate,
        entity: &Entity<'_>,
        time: i64,
        load: f64,
        factor: f64,
        noise: &mut Noise,
    ) {
        self.cpu += 60.0 * load * factor * (1.0 + 0.1 * noise.next());
        self.received += 60.0 * 2e5 * load * (1.0 + 0.1 * noise.next());
        self.sent += 60.0 * 5e5 * load * (1.0 + 0.1 * noise.next());
        let memory = 4e8 * (1.0 + 0.2 * load + 0.02 * noise.next());
        let container = vec![
            sample("container.cpu.usage", "", "{cpu}", false, load, 0),
            sample("container.cpu.time", "", "s", true, self.cpu, self.born),
            sample("container.memory.working_set", "", "By", false, memory, 0),
            sample("container.filesystem.usage", "", "By", false, 5e7, 0),
            sample("container.filesystem.capacity", "", "By", false, 1e11, 0),
        ];
        let pod = vec![
            sample("k8s.pod.network.io", "direction=receive,interface=eth0", "By", true, self.received, self.born),
            sample("k8s.pod.network.io", "direction=transmit,interface=eth0", "By", true, self.sent, self.born),
            sample("k8s.pod.phase", "", "1", false, 2.0, 0),
        ];
        for (scope, samples) in [("app", container), ("", pod)] {
            let body = MetricSamples {
                scope: scope.into(),
                instance: Text::from(self.name.clone()),
                samples,
                ..MetricSamples::default()
            };
            estate.observe(time, entity, Body::MetricSamples(body));
        }
    }
}

fn audit(number: i64, verb: &'static str, resource: &'static str, namespace: &'static str, code: i32) -> Body<'static> {
    Body::AuditEvent(AuditEvent {
        fingerprint: number,
        stage: "ResponseComplete".into(),
        level: "Metadata".into(),
        verb: verb.into(),
        resource: resource.into(),
        namespace: namespace.into(),
        code,
        ..AuditEvent::default()
    })
}

fn flow(peer: String, external: bool) -> Body<'static> {
    Body::FlowAgg(FlowAgg {
        direction: Direction::Egress,
        peer: peer.into(),
        external,
        port: 443,
        connections: 1,
        ..FlowAgg::default()
    })
}

fn run() -> Estate {
    let mut estate = Estate::default();
    let mut noise = Noise(0x9E37_79B9_7F4A_7C15);
    let mut pods: Vec<Vec<Pod>> =
        (0..WORKLOADS).map(|w| (0..3).map(|n| Pod::new(w, n, START - DAY)).collect()).collect();
    let mut number = 0;
    for minute in 0..3 * 1440 {
        let time = START + minute * MINUTE;
        for (w, pods) in pods.iter_mut().enumerate() {
            let entity = workload(w);
            if w == ROLLED && (ROLLOUT..ROLLOUT + 3 * MINUTE).contains(&time) {
                let replaced = ((time - ROLLOUT) / MINUTE) as usize;
                pods[replaced] = Pod::new(w, 10 + replaced, time - 20_000);
            }
            let taken_over = w == VICTIM && time >= TAKEOVER;
            let day = libm::sin((time % DAY) as f64 / DAY as f64 * std::f64::consts::TAU);
            let load = 0.3 + 0.02 * w as f64 + 0.1 * day;
            for pod in pods.iter_mut() {
                pod.scrape(&mut estate, &entity, time, load, if taken_over { 4.0 } else { 1.0 }, &mut noise);
            }
            for backend in 0..2 {
                estate.observe(
                    time,
                    &entity,
                    flow(format!("workload/shop/Deployment/backend-{}", (w + backend) % 4), false),
                );
            }
            number += 1;
            estate.observe(time, &account(w), audit(number, "get", "configmaps", "shop", 200));
            if taken_over && time == TAKEOVER {
                estate.observe(time, &entity, flow("net:203.0.113.0/24".to_owned(), true));
                number += 1;
                estate.observe(time, &account(w), audit(number, "list", "secrets", "", 200));
                // The shipper repeats the record.
                estate.observe(time, &account(w), audit(number, "list", "secrets", "", 200));
            }
        }
    }
    estate
}

#[test]
fn a_takeover_is_found_by_every_kind_of_evidence_and_the_healthy_stay_quiet() {
    let estate = run();
    let sharp: Vec<&Anomaly<'_>> = estate.anomalies.iter().filter(|a| a.band >= Band::Sharp).collect();
    let of = |entity: &Entity<'_>, from: i64| -> Vec<&Anomaly<'_>> {
        sharp.iter().copied().filter(|a| a.entity == *entity && a.event_time >= from).collect()
    };
    let workload_side = of(&workload(VICTIM), TAKEOVER);
    let account_side = of(&account(VICTIM), TAKEOVER);
    for anomaly in workload_side.iter().chain(&account_side) {
        println!("{:?} {:.0} {}", anomaly.band, anomaly.score, anomaly.sentence);
        assert!(!anomaly.evidence.is_empty() && !anomaly.terms.is_empty());
        assert!(anomaly.onset >= TAKEOVER - MINUTE && anomaly.onset <= anomaly.event_time);
    }
    let cpu = workload_side.iter().find(|a| a.detector == "univariate" && a.measure == "container.cpu.time rate");
    let cpu = cpu.expect("the step of the CPU is found");
    assert_eq!((cpu.band, cpu.family, cpu.scope.as_str()), (Band::Novel, Family::Saturation, "app"));
    assert!(cpu.event_time < TAKEOVER + 5 * MINUTE, "found within five minutes");
    let peer = workload_side.iter().find(|a| a.detector == "novelty").expect("the new peer is found");
    assert!(peer.p.is_some_and(|p| p < 1e-4) && peer.sentence.contains("203.0.113.0/24"), "{}", peer.sentence);
    let secrets: Vec<_> = account_side.iter().filter(|a| a.detector == "secrets_listed").collect();
    assert_eq!(secrets.len(), 1, "told once, the repeated record is a duplicate");
    assert_eq!(secrets[0].band, Band::Novel);
    assert!(account_side.iter().any(|a| a.detector == "novelty" && a.measure == "list secrets"));

    let last_day = |a: &&&Anomaly<'_>| a.event_time >= START + 2 * DAY;
    let healthy: Vec<_> =
        sharp.iter().filter(last_day).filter(|a| a.entity != workload(VICTIM) && a.entity != account(VICTIM)).collect();
    for anomaly in &healthy {
        println!("healthy: {:?} {:.0} {}", anomaly.band, anomaly.score, anomaly.sentence);
    }
    assert!(healthy.len() <= HANDFUL, "{} alarms of healthy workloads", healthy.len());
    let rolled = of(&workload(ROLLED), ROLLOUT);
    let around = rolled.iter().filter(|a| a.event_time < ROLLOUT + 60 * MINUTE);
    assert_eq!(around.count(), 0, "a rollout that replaces all pods is no anomaly");
}

#[test]
fn stored_state_stays_within_its_budget() {
    let estate = run();
    let baseline = &estate.baselines[&workload(0).key()];
    let mut bytes = Vec::new();
    baseline.encode(&mut bytes);
    // CPU, memory, file system, network in and out, and the number of pods of each of the two panels.
    let series = 7;
    println!("{} B a series stored, {} B in memory", bytes.len() / series, baseline.heap_bytes() / series);
    assert!(bytes.len() / series <= 3072);
}
