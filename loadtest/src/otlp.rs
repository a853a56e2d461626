//! A fleet's signals as the OpenTelemetry Collector would have sent them: OTLP metrics, protobuf.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, metric,
    number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use schemas::Signal;
use schemas::signal::{Body, MetricSamples, Sample, SampleKind};

/// Workloads of one request, as a collector batches them.
const BATCH: usize = 50;

/// One round of a fleet as encoded requests.
pub(crate) fn requests(fleet: &estate::Fleet, round: u64) -> Vec<Vec<u8>> {
    let (mut requests, mut batch) = (Vec::new(), Vec::new());
    fleet.round(round, |_, signal| {
        let Body::MetricSamples(samples) = &signal.body else { return };
        batch.push(resource(signal, samples));
        if batch.len() == BATCH {
            requests.push(encode(std::mem::take(&mut batch)));
        }
    });
    if !batch.is_empty() {
        requests.push(encode(batch));
    }
    requests
}

fn encode(resource_metrics: Vec<ResourceMetrics>) -> Vec<u8> {
    ExportMetricsServiceRequest { resource_metrics }.encode_to_vec()
}

fn resource(signal: &Signal<'_>, samples: &MetricSamples<'_>) -> ResourceMetrics {
    let entity = &signal.entity;
    let attributes = [
        ("k8s.cluster.name", signal.cluster.as_str()),
        ("k8s.namespace.name", entity.namespace.as_str()),
        ("k8s.deployment.name", entity.name.as_str()),
        ("k8s.pod.name", samples.instance.as_str()),
        ("k8s.container.name", samples.scope.as_str()),
    ];
    let resource =
        Resource { attributes: attributes.map(|(key, value)| attribute(key, value)).to_vec(), ..Resource::default() };
    let scope = InstrumentationScope { name: "otelcol/kubeletstatsreceiver".to_owned(), ..Default::default() };
    let metrics = samples.samples.iter().map(|sample| metric(sample, signal.event_time)).collect();
    let scope_metrics = vec![ScopeMetrics { scope: Some(scope), metrics, schema_url: String::new() }];
    ResourceMetrics { resource: Some(resource), scope_metrics, schema_url: String::new() }
}

fn metric(sample: &Sample<'_>, at: i64) -> Metric {
    let nanos = |millis: i64| millis.max(0).unsigned_abs() * 1_000_000;
    let pairs = sample.attributes.split(',').filter_map(|pair| pair.split_once('='));
    let point = NumberDataPoint {
        attributes: pairs.map(|(key, value)| attribute(key, value)).collect(),
        start_time_unix_nano: nanos(sample.start_time),
        time_unix_nano: nanos(at + sample.time_offset),
        value: Some(number_data_point::Value::AsDouble(sample.value)),
        ..NumberDataPoint::default()
    };
    let data_points = vec![point];
    let data = match sample.kind {
        SampleKind::Counter => metric::Data::Sum(Sum {
            data_points,
            aggregation_temporality: AggregationTemporality::Cumulative as i32,
            is_monotonic: true,
        }),
        _ => metric::Data::Gauge(Gauge { data_points }),
    };
    Metric {
        name: sample.measure.as_str().to_owned(),
        unit: sample.unit.as_str().to_owned(),
        data: Some(data),
        ..Metric::default()
    }
}

fn attribute(key: &str, value: &str) -> KeyValue {
    let value = AnyValue { value: Some(any_value::Value::StringValue(value.to_owned())) };
    KeyValue { key: key.to_owned(), value: Some(value), ..KeyValue::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use estate::{Fleet, FleetPlan};
    use ingest::{Config, Raw, process};

    #[test]
    fn ingest_reads_every_series_of_a_fleet_back() {
        let fleet = Fleet::new(FleetPlan { series: 1_230, entities: 123, ..FleetPlan::default() });
        let mut samples = 0;
        for request in requests(&fleet, 3) {
            let raw = Raw { topic: "otlp_metrics", timestamp: 0, value: Some(&request), ..Raw::default() };
            let read = process(&raw, &Config::default());
            assert!(read.dead_letter.is_none());
            samples += read.reading.signals.iter().map(crate::scan::samples).sum::<u64>();
        }
        assert_eq!(samples, 1_230);
    }
}
