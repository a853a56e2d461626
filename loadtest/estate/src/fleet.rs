//! A fleet of plain entities for measuring `detect`: many series, cheap values, no story.
//!
//! Every value is a closed form of the series, the round and the seed, so a fleet of a million series keeps no state
//! and any round can be asked for at any time.
//!
//! Invariant: counters grow from round to round.

use schemas::signal::{Body, MetricSamples, Sample, SampleKind};
use schemas::{Entity, EntityKind, OffsetRange, Record, SchemaError, Signal};

/// The size of a fleet.
#[derive(Clone, Debug, PartialEq)]
pub struct FleetPlan {
    /// Same seed, same values.
    pub seed: u64,
    /// Numeric series in all; spread evenly over the entities.
    pub series: usize,
    /// Workloads that own the series.
    pub entities: usize,
    /// Time between two rounds, milliseconds.
    pub interval: i64,
    /// Time of round 0, milliseconds since the Unix epoch.
    pub start_time: i64,
    /// Tenant of every signal.
    pub tenant: String,
    /// Cluster of every signal.
    pub cluster: String,
}

impl Default for FleetPlan {
    fn default() -> Self {
        FleetPlan {
            seed: 1,
            series: 100_000,
            entities: 10_000,
            interval: 10_000,
            start_time: 1_772_409_600_000,
            tenant: "load".to_owned(),
            cluster: "fleet".to_owned(),
        }
    }
}

/// A fleet of entities that are scraped in rounds.
#[derive(Clone, Debug)]
pub struct Fleet {
    plan: FleetPlan,
    names: Vec<String>,
    keys: Vec<String>,
    attributes: Vec<String>,
    bytes: Vec<u8>,
}

/// Measures of an entity, in turn: name, unit, kind, middle value (a rate, for a counter).
const MEASURES: &[(&str, &str, SampleKind, f64)] = &[
    ("container.cpu.time", "s", SampleKind::Counter, 0.25),
    ("container.memory.working_set", "By", SampleKind::Gauge, 300e6),
    ("container.memory.rss", "By", SampleKind::Gauge, 240e6),
    ("container.memory.usage", "By", SampleKind::Gauge, 340e6),
    ("container.filesystem.usage", "By", SampleKind::Gauge, 90e6),
    ("k8s.pod.network.io", "By", SampleKind::Counter, 80e3),
    ("k8s.pod.cpu.time", "s", SampleKind::Counter, 0.26),
    ("k8s.pod.memory.working_set", "By", SampleKind::Gauge, 305e6),
    ("container.memory.page_faults", "1", SampleKind::Counter, 60.0),
    ("k8s.pod.network.errors", "1", SampleKind::Counter, 0.2),
];

/// Phases of the day that series are spread over; one sine each, for each round.
const PHASES: usize = 64;
const DAY: f64 = 86_400_000.0;
const SWING: f64 = 0.35;

impl Fleet {
    /// A fleet of a plan; at least one entity, and no entity without a series.
    pub fn new(plan: FleetPlan) -> Self {
        let entities = plan.entities.clamp(1, plan.series.max(1));
        let names: Vec<String> = (0..entities).map(|index| format!("service-{index:06}")).collect();
        let keys = (0..entities).map(|index| {
            format!("{}/{}/workload/{}/Deployment/{}", plan.tenant, plan.cluster, NAMESPACES[index % 8], names[index])
        });
        let keys = keys.collect();
        let most = plan.series.div_ceil(entities);
        let attributes = (0..most.div_ceil(MEASURES.len()))
            .map(|turn| if turn == 0 { String::new() } else { format!("interface=eth{turn}") })
            .collect();
        Fleet { plan: FleetPlan { entities, ..plan }, names, keys, attributes, bytes: Vec::new() }
    }

    /// Number of samples in each round.
    pub fn samples_a_round(&self) -> usize {
        self.plan.series
    }

    /// Shows every signal of a round with the key of its Kafka record.
    pub fn round(&self, round: u64, mut visit: impl FnMut(&str, &Signal<'_>)) {
        let time = self.plan.start_time + round as i64 * self.plan.interval;
        let day = Day::of(time, self.plan.start_time);
        let mut signal = Signal {
            tenant: self.plan.tenant.as_str().into(),
            cluster: self.plan.cluster.as_str().into(),
            event_time: time,
            record_time: time + 400,
            source: "otlp_metrics".into(),
            ..Signal::default()
        };
        let mut series = 0;
        let mut spare = Vec::new();
        for (index, (name, key)) in self.names.iter().zip(&self.keys).enumerate() {
            signal.entity = Entity {
                kind: EntityKind::Workload,
                namespace: NAMESPACES[index % 8].into(),
                workload_kind: "Deployment".into(),
                name: name.as_str().into(),
            };
            let offset = round as i64 * self.plan.entities as i64 + index as i64;
            signal.provenance =
                OffsetRange { topic: "otlp_metrics".into(), partition: 0, from: offset, to: offset + 1 };
            let mut samples = std::mem::take(&mut spare);
            self.fill(&mut samples, &mut series, index, round, &day);
            let scope = "main".into();
            let instance = name.as_str().into();
            signal.body = Body::MetricSamples(MetricSamples { scope, instance, samples, ..MetricSamples::default() });
            visit(key, &signal);
            if let Body::MetricSamples(body) = &mut signal.body {
                spare = std::mem::take(&mut body.samples);
            }
        }
    }

    /// Shows every signal of a round encoded, with the key of its Kafka record; one buffer serves all of them.
    pub fn encoded_round(&mut self, round: u64, mut visit: impl FnMut(&str, &[u8])) -> Result<(), SchemaError> {
        let mut bytes = std::mem::take(&mut self.bytes);
        let mut outcome = Ok(());
        self.round(round, |key, signal| {
            if outcome.is_ok() {
                bytes.clear();
                outcome = signal.encode_into(&mut bytes);
                if outcome.is_ok() {
                    visit(key, &bytes);
                }
            }
        });
        self.bytes = bytes;
        outcome
    }

    fn fill<'a>(&'a self, samples: &mut Vec<Sample<'a>>, series: &mut usize, entity: usize, round: u64, day: &Day) {
        let (all, entities) = (self.plan.series, self.plan.entities);
        // The remainder goes to the first entities, one each.
        let count = all / entities + usize::from(entity < all % entities);
        // Measures, units and attributes of the entity before are the same in the same places.
        samples.truncate(count);
        for place in 0..count {
            let (measure, unit, kind, middle) = MEASURES[place % MEASURES.len()];
            let value = self.value(*series, round, kind, middle, day);
            *series += 1;
            match samples.get_mut(place) {
                Some(sample) => sample.value = value,
                None => samples.push(Sample {
                    measure: measure.into(),
                    attributes: self.attributes[place / MEASURES.len()].as_str().into(),
                    unit: unit.into(),
                    kind,
                    value,
                    time_offset: 0,
                    start_time: if kind == SampleKind::Counter { self.plan.start_time - 60_000 } else { 0 },
                }),
            }
        }
    }

    fn value(&self, series: usize, round: u64, kind: SampleKind, middle: f64, day: &Day) -> f64 {
        let own = mix(self.plan.seed ^ (series as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let noise = mix(own ^ round.wrapping_mul(0xd1b5_4a32_d192_ed03));
        let scale = middle * (0.5 + fraction(own));
        let phase = (own & (PHASES as u64 - 1)) as usize;
        // Two uniform halves of one draw make a triangle: cheap, bounded, bell enough.
        let noise = fraction(noise) + fraction(noise << 32) - 1.0;
        if kind == SampleKind::Counter {
            // Noise of less than the least increment of an interval keeps the counter growing.
            let least = (1.0 - SWING) * self.plan.interval as f64 / 1_000.0;
            scale * (day.seconds + SWING * day.integral[phase] + 0.2 * least * noise + 60.0)
        } else {
            scale * (1.0 + SWING * day.sine[phase] + 0.04 * noise)
        }
    }
}

const NAMESPACES: [&str; 8] = ["shop", "payments", "data", "identity", "media", "ops", "search", "batch"];

/// The sines of one round, and their integrals since round 0 in seconds.
struct Day {
    seconds: f64,
    sine: [f64; PHASES],
    integral: [f64; PHASES],
}

impl Day {
    fn of(time: i64, start: i64) -> Self {
        let tau = std::f64::consts::TAU;
        let turn =
            |at: i64, phase: usize| tau * (at.rem_euclid(DAY as i64) as f64 / DAY + phase as f64 / PHASES as f64);
        let mut day = Day { seconds: (time - start) as f64 / 1_000.0, sine: [0.0; PHASES], integral: [0.0; PHASES] };
        for phase in 0..PHASES {
            day.sine[phase] = libm::sin(turn(time, phase));
            day.integral[phase] = (libm::cos(turn(start, phase)) - libm::cos(turn(time, phase))) * DAY / 1_000.0 / tau;
        }
        day
    }
}

fn mix(bits: u64) -> u64 {
    let mixed = (bits ^ (bits >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    let mixed = (mixed ^ (mixed >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    mixed ^ (mixed >> 32)
}

fn fraction(bits: u64) -> f64 {
    (bits >> 32) as f64 / 4_294_967_296.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(fleet: &Fleet, round: u64) -> Vec<(SampleKind, f64)> {
        let mut all = Vec::new();
        fleet.round(round, |_, signal| {
            let Body::MetricSamples(body) = &signal.body else { panic!("a fleet writes samples only") };
            all.extend(body.samples.iter().map(|sample| (sample.kind, sample.value)));
        });
        all
    }

    #[test]
    fn a_round_holds_every_series_once_and_every_entity() {
        let fleet = Fleet::new(FleetPlan { series: 1_003, entities: 40, ..FleetPlan::default() });
        let mut keys = std::collections::BTreeSet::new();
        fleet.round(0, |key, signal| {
            assert_eq!(key, format!("load/fleet/{}", signal.entity.key()));
            keys.insert(key.to_owned());
        });
        assert_eq!(keys.len(), 40);
        assert_eq!(values(&fleet, 0).len(), 1_003);
    }

    #[test]
    fn counters_grow_and_gauges_stay_within_their_swing() {
        let fleet = Fleet::new(FleetPlan { series: 500, entities: 50, ..FleetPlan::default() });
        let mut before = values(&fleet, 0);
        for round in 1..200 {
            let now = values(&fleet, round * 7);
            for ((kind, old), (_, new)) in before.iter().zip(&now) {
                match kind {
                    SampleKind::Counter => assert!(new > old, "{old} then {new}"),
                    _ => assert!((0.4..2.5).contains(&(new / old)), "{old} then {new}"),
                }
            }
            before = now;
        }
    }

    #[test]
    fn an_encoded_round_decodes_to_the_same_signals() {
        let mut fleet = Fleet::new(FleetPlan { series: 60, entities: 5, ..FleetPlan::default() });
        let mut decoded = Vec::new();
        fleet
            .encoded_round(3, |_, bytes| {
                let signal = Signal::decode(bytes).expect("what was encoded decodes");
                let Body::MetricSamples(body) = signal.body else { panic!("a fleet writes samples only") };
                decoded.extend(body.samples.iter().map(|sample| (sample.kind, sample.value)));
            })
            .expect("samples can be encoded");
        assert_eq!(decoded, values(&fleet, 3));
    }
}
