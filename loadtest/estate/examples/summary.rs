//! Prints what a default estate holds, and how long it and a round of a fleet take to make.
#![allow(clippy::disallowed_methods, reason = "a measurement asks the time")]

use estate::{Estate, Fleet, FleetPlan, Plan};
use opentelemetry_proto::tonic::metrics::v1::{MetricsData, metric::Data};
use prost::Message;
use std::collections::BTreeMap;
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let days = std::env::args().nth(1).map_or(Ok(3), |text| text.parse())?;
    let estate = Estate::new(Plan { days, ..Plan::default() })?;
    for event in estate.story() {
        println!("{} .. {} {:?}: {}", event.at, event.until, event.kind, event.description);
    }

    let began = Instant::now();
    let total: usize = estate.records().map(|record| record.value.len()).sum();
    let seconds = began.elapsed().as_secs_f64();
    println!("generated {total} bytes in {seconds:.2} s");

    let mut topics: BTreeMap<&str, (u64, usize)> = BTreeMap::new();
    let mut samples = 0;
    for record in estate.records() {
        let (count, bytes) = topics.entry(record.topic).or_default();
        *count += 1;
        *bytes += record.value.len();
        if record.topic == estate::METRICS_TOPIC {
            samples += points(&MetricsData::decode(record.value.as_slice())?);
        }
    }
    for (topic, (count, bytes)) in &topics {
        println!("{topic}: {count} records, {bytes} bytes");
    }
    println!("{} records, {total} bytes, {samples} samples", topics.values().map(|(count, _)| count).sum::<u64>());

    for (series, entities) in [(100_000, 10_000), (1_000_000, 100_000)] {
        let mut fleet = Fleet::new(FleetPlan { series, entities, ..FleetPlan::default() });
        let began = Instant::now();
        let mut sum = 0.0;
        for round in 0..5 {
            fleet.round(round, |_, signal| sum += signal.event_time as f64);
        }
        let plain = began.elapsed().as_secs_f64();
        let began = Instant::now();
        let mut bytes = 0;
        for round in 0..5 {
            fleet.encoded_round(round, |_, encoded| bytes += encoded.len())?;
        }
        let encoded = began.elapsed().as_secs_f64();
        let rate = |seconds: f64| 5.0 * series as f64 / seconds / 1e6;
        println!(
            "fleet of {series}: {:.1} M samples/s, encoded {:.1} M samples/s, {:.1} bytes a sample ({sum:e})",
            rate(plain),
            rate(encoded),
            bytes as f64 / 5.0 / series as f64
        );
    }
    Ok(())
}

fn points(data: &MetricsData) -> usize {
    let scopes = data.resource_metrics.iter().flat_map(|resource| &resource.scope_metrics);
    let metrics = scopes.flat_map(|scope| &scope.metrics);
    metrics
        .map(|metric| match &metric.data {
            Some(Data::Gauge(gauge)) => gauge.data_points.len(),
            Some(Data::Sum(sum)) => sum.data_points.len(),
            _ => 0,
        })
        .sum()
}
