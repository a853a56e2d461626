//! What is told of a series: nothing before it is known, nothing seen in one row only, one cause once.

use detect::{Baseline, Config, Counts};
use schemas::signal::{Body, MetricSamples, Sample, SampleKind};
use schemas::{Anomaly, Entity, EntityKind, OffsetRange, Signal};

const MINUTE: i64 = 60_000;
const START: i64 = 1_750_000_000_000;
const DAY: i64 = 1440;

/// One pod whose memory and error counter are what `memory` and `errors` (a minute) say of each minute.
fn anomalies(minutes: i64, memory: impl Fn(i64) -> f64, errors: impl Fn(i64) -> f64) -> Vec<Anomaly<'static>> {
    let (mut baseline, mut out, mut counts) = (Baseline::new(), Vec::new(), Counts::default());
    let mut failed = 0.0;
    for minute in 0..minutes {
        failed += errors(minute);
        let gauge = |measure: &'static str, value| Sample {
            measure: measure.into(),
            unit: "By".into(),
            kind: SampleKind::Gauge,
            value,
            ..Sample::default()
        };
        let samples = vec![
            gauge("container.memory.usage", 1.1 * memory(minute)),
            gauge("container.memory.working_set", memory(minute)),
            gauge("container.memory.rss", 0.8 * memory(minute)),
            Sample {
                measure: "k8s.pod.network.errors".into(),
                unit: "1".into(),
                kind: SampleKind::Counter,
                value: failed,
                start_time: START - MINUTE,
                ..Sample::default()
            },
        ];
        let body = MetricSamples { scope: "app".into(), instance: "web-0".into(), samples, ..MetricSamples::default() };
        let signal = Signal {
            entity: Entity { kind: EntityKind::Workload, name: "web".into(), ..Entity::default() },
            event_time: START + minute * MINUTE,
            body: Body::MetricSamples(body),
            ..Signal::default()
        };
        let at = OffsetRange { topic: "signals".into(), partition: 0, from: minute, to: minute + 1 };
        baseline.observe(&signal, &at, &Config::default(), None, &mut out, &mut counts);
    }
    out.retain(|anomaly| anomaly.detector == "univariate");
    out
}

/// Some hundred MiB with a little life.
fn usual(minute: i64) -> f64 {
    4e8 + 1e6 * (minute * 7 % 13) as f64
}

fn doubled(from: i64, until: i64) -> impl Fn(i64) -> f64 {
    move |minute| usual(minute) * if (from..until).contains(&minute) { 2.0 } else { 1.0 }
}

#[test]
fn memory_that_doubles_is_told_once_with_all_its_measures() {
    let told = anomalies(3 * DAY, doubled(3 * DAY - 60, 3 * DAY), |_| 0.0);
    assert_eq!(told.len(), 1, "{told:?}");
    let also = told[0].terms.iter().filter(|term| term.name.starts_with("also container.memory."));
    assert_eq!(also.count(), 2);
    assert_eq!(told[0].onset, START + (3 * DAY - 60) * MINUTE);
    assert_eq!(told[0].event_time, told[0].onset + 2 * MINUTE, "seen in three rows");
}

#[test]
fn nothing_is_told_of_the_first_day_nor_of_a_single_row() {
    assert_eq!(anomalies(DAY, doubled(DAY - 60, DAY), |_| 0.0), []);
    assert_eq!(anomalies(3 * DAY, doubled(3 * DAY - 60, 3 * DAY - 59), |_| 0.0), []);
}

#[test]
fn a_rare_error_is_no_alarm_and_a_burst_that_stays_is() {
    let rare = |minute: i64| f64::from(u8::from(minute % 47 == 5));
    assert_eq!(anomalies(3 * DAY, usual, rare), []);
    let burst = anomalies(3 * DAY, usual, |minute| if minute < 3 * DAY - 10 { rare(minute) } else { 60.0 });
    assert_eq!(burst.len(), 1, "{burst:?}");
    assert_eq!(burst[0].measure, "k8s.pod.network.errors rate");
}

#[test]
fn memory_that_climbs_slowly_is_told_once_it_has_climbed_far() {
    let climb = |minute: i64| usual(minute) * (1.0 + 0.01 * (minute - 3 * DAY + 60).max(0) as f64);
    let told = anomalies(3 * DAY, climb, |_| 0.0);
    assert!((1..=2).contains(&told.len()), "{told:?}");
}
