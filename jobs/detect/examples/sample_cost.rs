//! What one sample costs and one series holds: `cargo run --release -p detect --example sample_cost [rows]`.
//!
//! Two estates of 100,000 series each, interleaved as they would arrive: 1,000 entities of 100 series, 10,000 of 10.
#![allow(clippy::disallowed_methods, reason = "this program measures time; the library never asks for it")]

use detect::{Baseline, Config, Counts};
use schemas::signal::{Body, MetricSamples, Sample, SampleKind};
use schemas::{Entity, EntityKind, OffsetRange, Signal};
use std::time::Instant;

fn main() {
    let rows = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(60);
    measure(10, 100, 60 * rows);
    measure(1_000, 100, rows);
    measure(10_000, 10, rows);
}

fn measure(entities: usize, series: usize, rows: i64) {
    let config = Config::default();
    let (mut counts, mut anomalies) = (Counts::default(), Vec::new());
    let mut baselines: Vec<Baseline> = (0..entities).map(|_| Baseline::new()).collect();
    let names: Vec<String> = (0..series).map(|i| format!("container.measure.number_{i:03}")).collect();
    let mut signal = Signal {
        entity: Entity { kind: EntityKind::Workload, name: "w".into(), ..Entity::default() },
        ..Signal::default()
    };
    let samples =
        names.iter().map(|name| Sample { measure: name.as_str().into(), unit: "By".into(), ..Sample::default() });
    let mut samples: Vec<Sample<'_>> = samples.collect();
    samples.iter_mut().step_by(2).for_each(|sample| sample.kind = SampleKind::Counter);
    signal.body = Body::MetricSamples(MetricSamples { scope: "app".into(), samples, ..MetricSamples::default() });
    let at = OffsetRange { topic: "bellbuoy.signals.v1".into(), partition: 0, from: 0, to: 1 };
    let mut seed = 0x9E37_79B9_7F4A_7C15u64;
    let (mut spent, mut measured) = (0.0, 0usize);
    for row in 0..rows {
        signal.event_time = 1_700_000_000_000 + 10_000 * row;
        if let Body::MetricSamples(body) = &mut signal.body {
            for sample in &mut body.samples {
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                let noise = (seed >> 40) as f64;
                sample.value = if sample.kind == SampleKind::Counter { sample.value + noise } else { noise };
            }
        }
        let start = Instant::now();
        for baseline in &mut baselines {
            baseline.observe(&signal, &at, &config, None, &mut anomalies, &mut counts);
        }
        // The first rows allocate; what counts is the steady state.
        if row >= rows / 2 {
            spent += start.elapsed().as_secs_f64();
            measured += entities * series;
        }
        anomalies.clear();
    }
    let heap: usize = baselines.iter().map(|baseline| size_of::<Baseline>() + baseline.heap_bytes()).sum();
    let mut bytes = Vec::new();
    baselines[0].encode(&mut bytes);
    println!(
        "{entities} entities x {series} series: {:.0} ns a sample, {:.2} M samples/s, {} B a series in memory, {} B stored after {rows} rows ({} anomalies)",
        spent / measured as f64 * 1e9,
        measured as f64 / spent / 1e6,
        heap / (entities * series),
        bytes.len() / series,
        counts.anomalies,
    );
}
