//! A baseline that is stored and restored anywhere gives the same anomalies and state as one that never was; the future
//! never changes the past; and every sample is used or counted.

use detect::{Baseline, Config, Counts, PeerGroup};
use proptest::prelude::*;
use schemas::signal::{AuditEvent, Body, Direction, FlowAgg, MetricSamples, Sample, SampleKind};
use schemas::{Anomaly, Band, Entity, EntityKind, OffsetRange, Signal, Text};

#[derive(Debug)]
struct Step {
    time: i64,
    body: Body<'static>,
}

#[derive(Default)]
struct Run {
    baseline: Baseline,
    group: PeerGroup,
    anomalies: Vec<Anomaly<'static>>,
    counts: Counts,
}

impl Run {
    fn take(&mut self, offset: i64, step: &Step) {
        let mut config = Config::default();
        config.univariate.tell_from = Band::Unusual;
        config.univariate.least_change = 0.0;
        config.univariate.persist = 2;
        config.univariate.mature_age = 0;
        config.entity.mature_age = 0;
        config.novelty.least_age = 0;
        config.rows.warm_up = 60_000;
        config.novelty.unusual = 1.0;
        config.limits.series = 4;
        config.limits.instances = 3;
        config.limits.panels = 3;
        let provenance = OffsetRange { topic: "raw".into(), partition: 1, from: offset, to: offset + 1 };
        let entity = Entity { kind: EntityKind::Workload, name: "web".into(), ..Entity::default() };
        let signal = Signal { entity, event_time: step.time, provenance, body: step.body.clone(), ..Signal::default() };
        let at = OffsetRange { topic: "signals".into(), partition: 0, from: offset, to: offset + 1 };
        let group = Some(&mut self.group);
        self.baseline.observe(&signal, &at, &config, group, &mut self.anomalies, &mut self.counts);
    }

    fn restored(mut self) -> Self {
        let mut bytes = Vec::new();
        self.baseline.encode(&mut bytes);
        self.baseline = Baseline::decode(&bytes).expect("what was encoded decodes");
        let mut again = Vec::new();
        self.baseline.encode(&mut again);
        assert!(bytes == again, "the restored state is the same bytes");
        bytes.clear();
        self.group.encode(&mut bytes);
        self.group = PeerGroup::decode(&bytes).expect("what was encoded decodes");
        self
    }
}

const MEASURES: [(&str, SampleKind); 6] = [
    ("cpu.time", SampleKind::Counter),
    ("memory", SampleKind::Gauge),
    ("requests", SampleKind::Delta),
    ("k8s.pod.phase", SampleKind::Gauge),
    ("more", SampleKind::Gauge),
    ("most", SampleKind::Stale),
];

fn samples(scope: u8, instance: u8, values: &[(u8, u16)]) -> Body<'static> {
    let samples = values.iter().map(|&(which, value)| {
        let (measure, kind) = MEASURES[usize::from(which) % MEASURES.len()];
        let value = if value == 0 { f64::INFINITY } else { f64::from(value) };
        Sample { measure: measure.into(), unit: "1".into(), kind, value, ..Sample::default() }
    });
    Body::MetricSamples(MetricSamples {
        scope: Text::from(format!("c{}", scope % 5)),
        instance: Text::from(format!("pod-{}", instance % 4)),
        node: Text::from(format!("node-{}", instance % 3)),
        samples: samples.collect(),
        ..MetricSamples::default()
    })
}

fn step() -> impl Strategy<Value = (i64, Body<'static>)> {
    let metric =
        (0u8..5, 0u8..4, prop::collection::vec((0u8..6, 0u16..50), 0..6)).prop_map(|(s, i, v)| samples(s, i, &v));
    let usual = (0u8..4, prop::collection::vec(5u16..9, 3)).prop_map(|(i, v)| {
        samples(0, i, &v.iter().enumerate().map(|(at, &value)| (at as u8, value)).collect::<Vec<_>>())
    });
    let audit = (0i64..40, 0usize..3, 0usize..4).prop_map(|(fingerprint, verb, stage)| {
        Body::AuditEvent(AuditEvent {
            fingerprint,
            verb: ["list", "watch", "create"][verb].into(),
            stage: ["ResponseStarted", "ResponseComplete", "Panic", "RequestReceived"][stage].into(),
            resource: ["secrets", "deployments.apps"][verb / 2].into(),
            namespace: ["", "shop"][verb / 2].into(),
            name: ["", "cart"][verb / 2].into(),
            code: 200,
            workload: Text::from(format!("workload/shop/Deployment/tool-{}", fingerprint % 3)),
            subjects: vec![Text::from(format!("principal///user-{}", fingerprint % 5))],
            ..AuditEvent::default()
        })
    });
    let flow = (0u8..40).prop_map(|peer| {
        let peer = Text::from(format!("workload/shop/Deployment/peer-{peer}"));
        Body::FlowAgg(FlowAgg { direction: Direction::Egress, peer, ..FlowAgg::default() })
    });
    let elapsed = prop_oneof![8 => Just(10_000i64), 1 => Just(0), 1 => -20_000i64..200_000];
    (elapsed, prop_oneof![2 => metric, 4 => usual, 1 => audit, 1 => flow])
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 1..120).prop_map(|steps| {
        let mut time = 1_700_000_000_000;
        let place = |(elapsed, body)| {
            time += elapsed;
            Step { time, body }
        };
        steps.into_iter().map(place).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn storing_at_every_position_changes_nothing(steps in steps()) {
        let mut whole = Run::default();
        let mut broken = Run::default();
        for (offset, step) in steps.iter().enumerate() {
            whole.take(offset as i64, step);
            broken.take(offset as i64, step);
            broken = broken.restored();
            prop_assert_eq!(&whole.anomalies, &broken.anomalies);
        }
        prop_assert_eq!(whole.counts, broken.counts);
        let (mut a, mut b) = (Vec::new(), Vec::new());
        whole.baseline.encode(&mut a);
        broken.baseline.encode(&mut b);
        prop_assert!(a == b);
    }

    #[test]
    fn the_future_never_changes_the_past(steps in steps(), cut in 0usize..120) {
        let cut = cut.min(steps.len());
        let (mut whole, mut prefix) = (Run::default(), Run::default());
        steps.iter().enumerate().for_each(|(offset, step)| whole.take(offset as i64, step));
        steps[..cut].iter().enumerate().for_each(|(offset, step)| prefix.take(offset as i64, step));
        prop_assert_eq!(&whole.anomalies[..prefix.anomalies.len()], &prefix.anomalies[..]);
    }

    #[test]
    fn changed_bytes_never_panic(steps in steps(), at in any::<prop::sample::Index>(), flip in 1u8..=255) {
        let mut run = Run::default();
        steps.iter().enumerate().for_each(|(offset, step)| run.take(offset as i64, step));
        let mut bytes = Vec::new();
        run.baseline.encode(&mut bytes);
        let at = at.index(bytes.len());
        prop_assert!(Baseline::decode(&bytes[..at]).is_err());
        bytes[at] ^= flip;
        let _ = Baseline::decode(&bytes);
    }
}

/// A signal of one pod, ten seconds after the other.
fn scrape(run: &mut Run, offset: i64, time: i64, instance: u8, values: &[(u8, u16)]) {
    run.take(offset, &Step { time, body: samples(0, instance, values) });
}

#[test]
fn a_round_waits_for_every_instance_and_not_for_one_that_is_gone() {
    let mut run = Run::default();
    for round in 0..10 {
        let time = 1_000_000 + 10_000 * round;
        scrape(&mut run, 2 * round, time, 0, &[(1, 5)]);
        let before = run.counts.rows;
        if round < 5 {
            scrape(&mut run, 2 * round + 1, time + 1000, 1, &[(1, 7)]);
            assert_eq!(run.counts.rows, before + u64::from(round > 0), "round {round}");
        }
    }
    // The first scrape is a row by itself; one round is held for the pod that went away.
    assert_eq!(run.counts.rows, 10);
}

#[test]
fn repeated_records_and_records_from_the_past_are_counted_and_change_nothing() {
    let mut run = Run::default();
    for round in 0..5 {
        scrape(&mut run, round, 1_000_000 + 10_000 * round, 0, &[(0, 10 + round as u16), (1, 5)]);
    }
    let mut before = Vec::new();
    run.baseline.encode(&mut before);
    scrape(&mut run, 6, 1_040_000, 0, &[(0, 14), (1, 5)]);
    scrape(&mut run, 7, 1_030_000, 0, &[(0, 13), (1, 5)]);
    assert_eq!((run.counts.duplicates, run.counts.late), (2, 2));
    assert_eq!(run.counts.rows, 5);
}

#[test]
fn a_scrape_cut_in_two_records_is_one_row() {
    let mut run = Run::default();
    for round in 0..6 {
        let time = 1_000_000 + 10_000 * round;
        scrape(&mut run, 2 * round, time, 0, &[(1, 5), (2, 3)]);
        scrape(&mut run, 2 * round + 1, time, 0, &[(1, 5), (4, 3)]);
    }
    assert_eq!(run.counts.rows, 6);
    assert_eq!(run.counts.duplicates, 6, "only what both records say");
}

#[test]
fn what_is_beyond_a_cap_is_counted() {
    let mut run = Run::default();
    let all: Vec<(u8, u16)> = (0..5).map(|which| (which, 5)).collect();
    scrape(&mut run, 0, 1_000_000, 0, &all);
    assert_eq!(run.counts.overflow_series, 1);
    (1..4).for_each(|instance| scrape(&mut run, 1, 1_000_000, instance, &[(1, 5)]));
    assert_eq!(run.counts.overflow_instances, 1);
    (1..5).for_each(|scope| run.take(2, &Step { time: 1_000_000, body: samples(scope, 0, &[(1, 5)]) }));
    assert_eq!(run.counts.overflow_scopes, 2);
}
