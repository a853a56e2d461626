//! The few OTLP shapes that the estate writes.

use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, metric,
    number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;

/// Attributes of a resource, in the order of the wire.
pub(crate) type ResourceAttributes = Vec<(&'static str, String)>;

/// Field 1 (`resource_metrics`) of a metrics message, length-delimited.
const RESOURCE_METRICS: u8 = 0x0a;

/// Appends one resource to a metrics message.
pub(crate) fn append(message: &mut Vec<u8>, attributes: ResourceAttributes, scope: &str, metrics: Vec<Metric>) {
    let resource = Resource {
        attributes: attributes.into_iter().map(|(key, value)| attribute(key, &value)).collect(),
        ..Resource::default()
    };
    let scope = InstrumentationScope {
        name: scope.to_owned(),
        version: "0.149.0".to_owned(),
        ..InstrumentationScope::default()
    };
    let resource_metrics = ResourceMetrics {
        resource: Some(resource),
        scope_metrics: vec![ScopeMetrics { scope: Some(scope), metrics, schema_url: String::new() }],
        schema_url: String::new(),
    };
    // A message is the concatenation of its repeated field, so one resource at a time needs no second copy.
    message.push(RESOURCE_METRICS);
    resource_metrics.encode_length_delimited(message).expect("a vector grows as far as needed");
}

/// A string attribute.
pub(crate) fn attribute(key: &str, value: &str) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(any_value::Value::StringValue(value.to_owned())) }),
        ..KeyValue::default()
    }
}

/// A monotonic cumulative sum.
pub(crate) fn counter(name: &str, unit: &str, data_points: Vec<NumberDataPoint>) -> Metric {
    let aggregation_temporality = AggregationTemporality::Cumulative as i32;
    metric(name, unit, metric::Data::Sum(Sum { data_points, aggregation_temporality, is_monotonic: true }))
}

/// A gauge of one whole number.
pub(crate) fn gauge(name: &str, unit: &str, value: i64, at: i64) -> Metric {
    metric(name, unit, metric::Data::Gauge(Gauge { data_points: vec![count(value, 0, at)] }))
}

/// A point of CPU seconds.
pub(crate) fn seconds(value: f64, since: i64, at: i64) -> NumberDataPoint {
    point(number_data_point::Value::AsDouble(value), since, at)
}

/// A point of a whole number; `since` is 0 where nothing began.
pub(crate) fn count(value: i64, since: i64, at: i64) -> NumberDataPoint {
    point(number_data_point::Value::AsInt(value), since, at)
}

fn metric(name: &str, unit: &str, data: metric::Data) -> Metric {
    Metric { name: name.to_owned(), unit: unit.to_owned(), data: Some(data), ..Metric::default() }
}

fn point(value: number_data_point::Value, since: i64, at: i64) -> NumberDataPoint {
    NumberDataPoint {
        start_time_unix_nano: nanos(since),
        time_unix_nano: nanos(at),
        value: Some(value),
        ..NumberDataPoint::default()
    }
}

fn nanos(millis: i64) -> u64 {
    u64::try_from(millis).unwrap_or(0) * 1_000_000
}
