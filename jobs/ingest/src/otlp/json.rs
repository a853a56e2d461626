//! OTLP/JSON into the same types as OTLP/protobuf.
//!
//! The derived serde of the generated types is not used: it refuses `"NaN"`, does not skip unknown kinds of attribute
//! values, and buffers every point on its way (`flatten`). These types read what is mapped and skip the rest.

use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{
    self as wire, exponential_histogram_data_point, metric, number_data_point, summary_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use serde::Deserialize;
use serde::de::{self, Deserializer};
use std::fmt;

/// Reads one OTLP/JSON request.
pub fn decode(text: &str) -> Result<wire::MetricsData, serde_json::Error> {
    let data: Data = serde_json::from_str(text)?;
    Ok(wire::MetricsData {
        resource_metrics: data.resource_metrics.into_iter().map(ResourceMetrics::into_wire).collect(),
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    #[serde(default, alias = "resource_metrics")]
    resource_metrics: Vec<ResourceMetrics>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct ResourceMetrics {
    resource: Option<Attributes>,
    #[serde(alias = "scope_metrics")]
    scope_metrics: Vec<ScopeMetrics>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Attributes {
    attributes: Vec<Attribute>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Attribute {
    key: String,
    value: Option<Value>,
}

/// The kinds of attribute values that are used; lists and maps are skipped.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Value {
    string_value: Option<String>,
    bool_value: Option<bool>,
    int_value: Option<Integer>,
    double_value: Option<Number>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ScopeMetrics {
    metrics: Vec<Metric>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Metric {
    name: String,
    unit: String,
    gauge: Option<Points<NumberPoint>>,
    sum: Option<Points<NumberPoint>>,
    histogram: Option<Points<HistogramPoint>>,
    #[serde(alias = "exponential_histogram")]
    exponential_histogram: Option<Points<ExponentialPoint>>,
    summary: Option<Points<SummaryPoint>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Points<T> {
    #[serde(default = "Vec::new", alias = "data_points")]
    data_points: Vec<T>,
    #[serde(default, alias = "aggregation_temporality")]
    aggregation_temporality: Temporality,
    #[serde(default, alias = "is_monotonic")]
    is_monotonic: bool,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct NumberPoint {
    attributes: Vec<Attribute>,
    start_time_unix_nano: Integer,
    time_unix_nano: Integer,
    as_double: Option<Number>,
    as_int: Option<Integer>,
    flags: u32,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct HistogramPoint {
    attributes: Vec<Attribute>,
    start_time_unix_nano: Integer,
    time_unix_nano: Integer,
    count: Integer,
    sum: Option<Number>,
    bucket_counts: Vec<Integer>,
    explicit_bounds: Vec<Number>,
    flags: u32,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ExponentialPoint {
    attributes: Vec<Attribute>,
    start_time_unix_nano: Integer,
    time_unix_nano: Integer,
    count: Integer,
    sum: Option<Number>,
    scale: i32,
    zero_count: Integer,
    positive: Option<Buckets>,
    negative: Option<Buckets>,
    flags: u32,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Buckets {
    offset: i32,
    bucket_counts: Vec<Integer>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct SummaryPoint {
    attributes: Vec<Attribute>,
    start_time_unix_nano: Integer,
    time_unix_nano: Integer,
    count: Integer,
    sum: Number,
    quantile_values: Vec<Quantile>,
    flags: u32,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Quantile {
    quantile: Number,
    value: Number,
}

/// A 64-bit integer, as a string (the standard) or a number (what some write).
#[derive(Clone, Copy, Default)]
struct Integer(i128);

impl Integer {
    /// Out of range reads as the nearest value in range.
    fn unsigned(self) -> u64 {
        u64::try_from(self.0.max(0)).unwrap_or(u64::MAX)
    }

    fn signed(self) -> i64 {
        i64::try_from(self.0).unwrap_or(if self.0 < 0 { i64::MIN } else { i64::MAX })
    }
}

impl<'de> Deserialize<'de> for Integer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Integer;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a 64-bit integer, as a number or a string")
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Integer, E> {
                Ok(Integer(value.into()))
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Integer, E> {
                Ok(Integer(value.into()))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Integer, E> {
                text.parse::<i128>().map(Integer).map_err(E::custom)
            }
            fn visit_unit<E: de::Error>(self) -> Result<Integer, E> {
                Ok(Integer::default())
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// A double, as a number or one of `"NaN"`, `"Infinity"`, `"-Infinity"`.
#[derive(Clone, Copy, Default)]
struct Number(f64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Number;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number")
            }
            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Number, E> {
                Ok(Number(value))
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Number, E> {
                Ok(Number(value as f64))
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Number, E> {
                Ok(Number(value as f64))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Number, E> {
                text.parse::<f64>().map(Number).map_err(E::custom)
            }
            fn visit_unit<E: de::Error>(self) -> Result<Number, E> {
                Ok(Number::default())
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// The enumeration as a number (the standard) or by name (plain protojson).
#[derive(Clone, Copy, Default)]
struct Temporality(i32);

impl<'de> Deserialize<'de> for Temporality {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Temporality;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an aggregation temporality")
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Temporality, E> {
                Ok(Temporality(i32::try_from(value).unwrap_or_default()))
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Temporality, E> {
                Ok(Temporality(i32::try_from(value).unwrap_or_default()))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Temporality, E> {
                Ok(Temporality(wire::AggregationTemporality::from_str_name(text).map_or(0, i32::from)))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl ResourceMetrics {
    fn into_wire(self) -> wire::ResourceMetrics {
        wire::ResourceMetrics {
            resource: self
                .resource
                .map(|resource| Resource { attributes: attributes(resource.attributes), ..Resource::default() }),
            scope_metrics: self
                .scope_metrics
                .into_iter()
                .map(|scope| wire::ScopeMetrics {
                    metrics: scope.metrics.into_iter().map(Metric::into_wire).collect(),
                    ..wire::ScopeMetrics::default()
                })
                .collect(),
            ..wire::ResourceMetrics::default()
        }
    }
}

impl Metric {
    fn into_wire(self) -> wire::Metric {
        let data = if let Some(gauge) = self.gauge {
            Some(metric::Data::Gauge(wire::Gauge { data_points: each(gauge.data_points, NumberPoint::into_wire) }))
        } else if let Some(sum) = self.sum {
            Some(metric::Data::Sum(wire::Sum {
                data_points: each(sum.data_points, NumberPoint::into_wire),
                aggregation_temporality: sum.aggregation_temporality.0,
                is_monotonic: sum.is_monotonic,
            }))
        } else if let Some(histogram) = self.histogram {
            Some(metric::Data::Histogram(wire::Histogram {
                data_points: each(histogram.data_points, HistogramPoint::into_wire),
                aggregation_temporality: histogram.aggregation_temporality.0,
            }))
        } else if let Some(histogram) = self.exponential_histogram {
            Some(metric::Data::ExponentialHistogram(wire::ExponentialHistogram {
                data_points: each(histogram.data_points, ExponentialPoint::into_wire),
                aggregation_temporality: histogram.aggregation_temporality.0,
            }))
        } else {
            self.summary.map(|summary| {
                metric::Data::Summary(wire::Summary { data_points: each(summary.data_points, SummaryPoint::into_wire) })
            })
        };
        wire::Metric { name: self.name, unit: self.unit, data, ..wire::Metric::default() }
    }
}

impl NumberPoint {
    fn into_wire(self) -> wire::NumberDataPoint {
        let double = self.as_double.map(|number| number_data_point::Value::AsDouble(number.0));
        wire::NumberDataPoint {
            attributes: attributes(self.attributes),
            start_time_unix_nano: self.start_time_unix_nano.unsigned(),
            time_unix_nano: self.time_unix_nano.unsigned(),
            value: double.or(self.as_int.map(|integer| number_data_point::Value::AsInt(integer.signed()))),
            flags: self.flags,
            ..wire::NumberDataPoint::default()
        }
    }
}

impl HistogramPoint {
    fn into_wire(self) -> wire::HistogramDataPoint {
        wire::HistogramDataPoint {
            attributes: attributes(self.attributes),
            start_time_unix_nano: self.start_time_unix_nano.unsigned(),
            time_unix_nano: self.time_unix_nano.unsigned(),
            count: self.count.unsigned(),
            sum: self.sum.map(|sum| sum.0),
            bucket_counts: each(self.bucket_counts, Integer::unsigned),
            explicit_bounds: each(self.explicit_bounds, |bound| bound.0),
            flags: self.flags,
            ..wire::HistogramDataPoint::default()
        }
    }
}

impl ExponentialPoint {
    fn into_wire(self) -> wire::ExponentialHistogramDataPoint {
        let buckets = |buckets: Buckets| exponential_histogram_data_point::Buckets {
            offset: buckets.offset,
            bucket_counts: each(buckets.bucket_counts, Integer::unsigned),
        };
        wire::ExponentialHistogramDataPoint {
            attributes: attributes(self.attributes),
            start_time_unix_nano: self.start_time_unix_nano.unsigned(),
            time_unix_nano: self.time_unix_nano.unsigned(),
            count: self.count.unsigned(),
            sum: self.sum.map(|sum| sum.0),
            scale: self.scale,
            zero_count: self.zero_count.unsigned(),
            positive: self.positive.map(buckets),
            negative: self.negative.map(buckets),
            flags: self.flags,
            ..wire::ExponentialHistogramDataPoint::default()
        }
    }
}

impl SummaryPoint {
    fn into_wire(self) -> wire::SummaryDataPoint {
        wire::SummaryDataPoint {
            attributes: attributes(self.attributes),
            start_time_unix_nano: self.start_time_unix_nano.unsigned(),
            time_unix_nano: self.time_unix_nano.unsigned(),
            count: self.count.unsigned(),
            sum: self.sum.0,
            quantile_values: each(self.quantile_values, |quantile| summary_data_point::ValueAtQuantile {
                quantile: quantile.quantile.0,
                value: quantile.value.0,
            }),
            flags: self.flags,
        }
    }
}

fn attributes(attributes: Vec<Attribute>) -> Vec<KeyValue> {
    each(attributes, |attribute| {
        let value = attribute.value.and_then(|value| {
            (value.string_value.map(any_value::Value::StringValue))
                .or(value.bool_value.map(any_value::Value::BoolValue))
                .or(value.int_value.map(|integer| any_value::Value::IntValue(integer.signed())))
                .or(value.double_value.map(|number| any_value::Value::DoubleValue(number.0)))
        });
        KeyValue {
            key: attribute.key,
            value: value.map(|value| AnyValue { value: Some(value) }),
            ..KeyValue::default()
        }
    })
}

fn each<A, B>(items: Vec<A>, read: impl FnMut(A) -> B) -> Vec<B> {
    items.into_iter().map(read).collect()
}
