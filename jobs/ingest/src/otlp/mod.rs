//! OTLP metrics into signals, whatever their encoding.
//!
//! One signal for each (cluster, entity, scope, instance) that a record mentions, with all its samples: a scrape.
//! Items are data points. Invariant: every data point is in a signal or in a count.

mod catalogue;
mod group;
pub mod json;
mod points;
mod resource;
#[cfg(test)]
mod tests;
mod units;

use crate::raw::Raw;
use crate::reading::{DropReason, Reading};
use crate::sources::Context;
use crate::timestamp::{believe, millis_from_nanos};
use catalogue::{Known, Merge};
use group::{Group, Origin};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{Metric, MetricsData, NumberDataPoint, SummaryDataPoint, metric::Data};
use resource::Subject;
use rustc_hash::FxHashMap;
use schemas::signal::{Distribution, Quality, Sample, SampleKind};
use schemas::{Entity, Text};
use std::borrow::Cow;
use std::fmt::Write;

/// What signals of OTLP metrics name as their source.
pub const SOURCE: &str = "otlp_metrics";

/// Reads one request.
pub fn read(data: &MetricsData, raw: &Raw<'_>, context: &Context<'_>, out: &mut Reading) {
    let all_metrics = data.resource_metrics.iter().flat_map(|resource| &resource.scope_metrics);
    out.expect(all_metrics.flat_map(|scope| &scope.metrics).map(points_of).sum());
    let mut reader = Reader { raw, context, groups: Vec::new(), index: FxHashMap::default(), taken: 0, out };
    for resource in &data.resource_metrics {
        let attributes = resource.resource.as_ref().map(|resource| resource.attributes.as_slice()).unwrap_or_default();
        let subject = resource::subject(attributes, raw, context);
        let at = reader.group_of(&subject);
        for metric in resource.scope_metrics.iter().flat_map(|scope| &scope.metrics) {
            if subject.process {
                reader.out.drop_items(DropReason::Unsupported, points_of(metric));
            } else {
                reader.metric(metric, &subject, at);
            }
        }
    }
    let Reader { groups, out, .. } = reader;
    groups.into_iter().for_each(|group| group.finish(out));
}

fn points_of(metric: &Metric) -> u64 {
    let points = match &metric.data {
        Some(Data::Gauge(gauge)) => gauge.data_points.len(),
        Some(Data::Sum(sum)) => sum.data_points.len(),
        Some(Data::Histogram(histogram)) => histogram.data_points.len(),
        Some(Data::ExponentialHistogram(histogram)) => histogram.data_points.len(),
        Some(Data::Summary(summary)) => summary.data_points.len(),
        None => 0,
    };
    points as u64
}

struct Reader<'r, 'o> {
    raw: &'r Raw<'r>,
    context: &'r Context<'r>,
    groups: Vec<Group>,
    index: FxHashMap<(String, Entity<'static>, String, String), usize>,
    taken: usize,
    out: &'o mut Reading,
}

/// What the points of one metric share.
struct Shared<'m> {
    known: Known<'m>,
    unit: units::Unit<'m>,
    subject: &'m Subject,
    group: usize,
}

impl Reader<'_, '_> {
    fn group_of(&mut self, subject: &Subject) -> usize {
        let key = (subject.cluster.clone(), subject.entity.clone(), subject.scope.clone(), subject.instance.clone());
        let next = self.groups.len();
        let at = *self.index.entry(key).or_insert(next);
        if at == next {
            let mut signal = self.context.signal(self.raw, SOURCE, &subject.cluster);
            signal.entity = subject.entity.clone();
            signal.confidence = subject.confidence;
            if subject.unattributed {
                signal.quality.push(Quality::Unattributed);
            }
            let mut group = Group::new(signal, subject);
            group.truncated = subject.truncated;
            self.groups.push(group);
        }
        at
    }

    fn metric(&mut self, metric: &Metric, subject: &Subject, group: usize) {
        let known = catalogue::lookup(&metric.name, "");
        let unit = units::canonical(&metric.unit, known.unit);
        let shared = Shared { known, unit, subject, group };
        match &metric.data {
            Some(Data::Gauge(gauge)) => self.numbers(metric, &gauge.data_points, Ok(SampleKind::Gauge), &shared),
            Some(Data::Sum(sum)) => {
                let kind = points::kind_of(sum.aggregation_temporality, sum.is_monotonic);
                self.numbers(metric, &sum.data_points, kind, &shared);
            }
            Some(Data::Histogram(histogram)) => {
                let kind = points::kind_of(histogram.aggregation_temporality, true);
                for point in &histogram.data_points {
                    let buckets = self.context.config.limits.buckets;
                    self.distribution(&point.attributes, point.time_unix_nano, kind, &shared, |unit, into| {
                        points::histogram(point, unit, buckets, into)
                    });
                }
            }
            Some(Data::ExponentialHistogram(histogram)) => {
                let kind = points::kind_of(histogram.aggregation_temporality, true);
                let wire_unit = || self.context.capped(&metric.unit).to_owned();
                let unscaled = shared.unit.scales().then(wire_unit);
                for point in &histogram.data_points {
                    let buckets = self.context.config.limits.buckets;
                    self.distribution(&point.attributes, point.time_unix_nano, kind, &shared, |_, into| {
                        if let Some(unit) = &unscaled {
                            into.unit = Text::from(unit.clone());
                        }
                        points::exponential(point, buckets, into)
                    });
                }
            }
            Some(Data::Summary(summary)) => {
                summary.data_points.iter().for_each(|point| self.summary(point, &shared));
            }
            None => {}
        }
    }

    fn numbers(
        &mut self,
        metric: &Metric,
        data: &[NumberDataPoint],
        kind: Result<SampleKind, DropReason>,
        shared: &Shared<'_>,
    ) {
        // The old quota metric says in an attribute what newer ones say in their name.
        let names_resource = metric.name.starts_with("k8s.resource_quota.");
        for point in data {
            let outcome = kind.and_then(|kind| {
                self.take()?;
                if names_resource {
                    let resource = attribute_text(&point.attributes, "resource");
                    let known = catalogue::lookup(&metric.name, resource);
                    let thousandth = known.unit == "{cpu}";
                    let divide = if thousandth { 1e3 } else { 1.0 };
                    let unit = units::Unit { name: Cow::Borrowed(known.unit), multiply: 1.0, divide };
                    let (subject, group) = (shared.subject, shared.group);
                    return self.number(point, kind, &Shared { known, unit, subject, group }, &["resource"]);
                }
                self.number(point, kind, shared, &[])
            });
            if let Err(reason) = outcome {
                self.out.drop_items(reason, 1);
            }
        }
    }

    fn number(
        &mut self,
        point: &NumberDataPoint,
        kind: SampleKind,
        shared: &Shared<'_>,
        consumed: &[&str],
    ) -> Result<(), DropReason> {
        let (attributes, collapsed) = self.attributes(&point.attributes, shared, consumed);
        let kind = shared.known.kind.unwrap_or(kind);
        let mut sample = self.sample(&shared.known.measure, attributes, shared);
        points::number(point, kind, &shared.unit, &mut sample)?;
        sample.time_offset = self.time(point.time_unix_nano, shared.group);
        self.add(sample, Origin { items: 1, old: shared.known.old, collapsed }, shared)
    }

    fn distribution(
        &mut self,
        attributes: &[KeyValue],
        time: u64,
        kind: Result<SampleKind, DropReason>,
        shared: &Shared<'_>,
        fill: impl FnOnce(&units::Unit<'_>, &mut Distribution<'static>) -> Result<(), DropReason>,
    ) {
        let outcome = kind.and_then(|kind| {
            self.take()?;
            let (attributes, collapsed) = self.attributes(attributes, shared, &[]);
            let Sample { measure, attributes, unit, .. } = self.sample(&shared.known.measure, attributes, shared);
            let mut distribution = Distribution { measure, attributes, unit, kind, ..Distribution::default() };
            fill(&shared.unit, &mut distribution)?;
            distribution.time_offset = self.time(time, shared.group);
            let limit = self.context.config.limits.samples;
            let group = self.groups.get_mut(shared.group).ok_or(DropReason::Overflow)?;
            group.distribution(distribution, Origin { items: 1, old: shared.known.old, collapsed }, limit)
        });
        if let Err(reason) = outcome {
            self.out.drop_items(reason, 1);
        }
    }

    /// A summary's count and sum are counters, its quantiles levels. The count carries the item.
    fn summary(&mut self, point: &SummaryDataPoint, shared: &Shared<'_>) {
        let outcome = self.take().and_then(|()| {
            let (attributes, collapsed) = self.attributes(&point.attributes, shared, &[]);
            let time = self.time(point.time_unix_nano, shared.group);
            let stale = points::is_stale(point.flags);
            let mut made = Vec::with_capacity(2 + point.quantile_values.len());
            for (suffix, value, unit) in
                [("count", point.count as f64, "1"), ("sum", shared.unit.convert(point.sum), "")]
            {
                let mut sample = self.sample(&format!("{}.{suffix}", shared.known.measure), attributes.clone(), shared);
                if !unit.is_empty() {
                    sample.unit = Text::from(unit);
                }
                sample.kind = SampleKind::Counter;
                sample.value = points::finite(value)?;
                sample.start_time = points::start_time(SampleKind::Counter, point.start_time_unix_nano);
                made.push(sample);
            }
            for quantile in point.quantile_values.iter().take(self.context.config.limits.buckets) {
                // An empty summary has quantiles that are no numbers; its count still tells.
                let (Ok(level), Ok(value)) =
                    (points::finite(quantile.quantile), points::finite(shared.unit.convert(quantile.value)))
                else {
                    continue;
                };
                let separator = if attributes.is_empty() { "" } else { "," };
                let attributes = format!("{attributes}{separator}quantile={level}");
                let mut sample = self.sample(&shared.known.measure, attributes, shared);
                sample.value = value;
                made.push(sample);
            }
            let mut items = 1;
            for mut sample in made {
                sample.time_offset = time;
                if stale {
                    sample = Sample { kind: SampleKind::Stale, value: 0.0, start_time: 0, ..sample };
                }
                let added = self.add(sample, Origin { items, old: false, collapsed }, shared);
                if items == 1 {
                    added?;
                }
                items = 0;
            }
            Ok(())
        });
        if let Err(reason) = outcome {
            self.out.drop_items(reason, 1);
        }
    }

    fn add(&mut self, sample: Sample<'static>, origin: Origin, shared: &Shared<'_>) -> Result<(), DropReason> {
        let limit = self.context.config.limits.samples;
        let merge: Merge = shared.known.merge;
        self.groups.get_mut(shared.group).ok_or(DropReason::Overflow)?.sample(sample, origin, merge, limit)
    }

    fn take(&mut self) -> Result<(), DropReason> {
        if self.taken >= self.context.config.limits.items {
            return Err(DropReason::Overflow);
        }
        self.taken += 1;
        Ok(())
    }

    fn time(&mut self, nanos: u64, group: usize) -> i64 {
        let believed = believe(millis_from_nanos(nanos), self.raw.timestamp, &self.context.config.time);
        if let Some(group) = self.groups.get_mut(group) {
            group.skewed |= believed.skewed;
        }
        believed.time
    }

    fn sample(&mut self, measure: &str, attributes: String, shared: &Shared<'_>) -> Sample<'static> {
        Sample {
            measure: self.text(measure),
            attributes: Text::from(attributes),
            unit: self.text(&shared.unit.name),
            ..Sample::default()
        }
    }

    /// A text within the limit; what is cut is counted.
    fn text(&mut self, text: &str) -> Text<'static> {
        let capped = self.context.capped(text);
        self.out.trimmed += u64::from(capped.len() < text.len());
        Text::from(capped.to_owned())
    }

    /// The allow-listed attributes as text, and whether others were dropped.
    fn attributes(&mut self, attributes: &[KeyValue], shared: &Shared<'_>, consumed: &[&str]) -> (String, bool) {
        let known = &shared.known;
        let limit = self.context.config.limits.attributes;
        let seen = attributes.get(..limit).unwrap_or(attributes);
        let mut collapsed = seen.len() < attributes.len();
        self.out.trimmed += u64::from(collapsed);
        let mut kept: Vec<(&str, Cow<'_, str>)> = Vec::new();
        if let Some((name, value)) = &known.implied {
            kept.push((name, value.clone()));
        }
        if known.attributes.contains(&"volume") && !shared.subject.volume.is_empty() {
            kept.push(("volume", Cow::Borrowed(shared.subject.volume.as_str())));
        }
        for attribute in seen {
            let name = catalogue::attribute(&attribute.key);
            // The network metrics of a host call their interface a device.
            let name = if name == "device" && known.attributes.contains(&"interface") { "interface" } else { name };
            if known.attributes.contains(&name)
                && let Some(value) = value_text(attribute)
            {
                if kept.iter().all(|(other, _)| *other != name) {
                    let (value, class) = if name == "interface" { interface_class(value) } else { (value, false) };
                    collapsed |= class;
                    kept.push((name, value));
                }
                continue;
            }
            collapsed |= !consumed.contains(&attribute.key.as_str());
        }
        kept.sort_unstable();
        let mut text = String::new();
        for (name, value) in kept {
            let capped = self.context.capped(&value);
            self.out.trimmed += u64::from(capped.len() < value.len());
            let separator = if text.is_empty() { "" } else { "," };
            // Separators inside a value would forge another attribute.
            let _ = write!(text, "{separator}{name}={}", capped.replace([',', '='], "_"));
        }
        (text, collapsed)
    }
}

fn attribute_text<'a>(attributes: &'a [KeyValue], key: &str) -> &'a str {
    let found = attributes.iter().find(|attribute| attribute.key == key);
    found.and_then(|attribute| resource::text(attribute.value.as_ref())).unwrap_or_default()
}

fn value_text(attribute: &KeyValue) -> Option<Cow<'_, str>> {
    match attribute.value.as_ref()?.value.as_ref()? {
        any_value::Value::StringValue(text) => Some(Cow::Borrowed(text)),
        any_value::Value::BoolValue(value) => Some(Cow::Owned(value.to_string())),
        any_value::Value::IntValue(value) => Some(Cow::Owned(value.to_string())),
        any_value::Value::DoubleValue(value) => Some(Cow::Owned(value.to_string())),
        _ => None,
    }
}

/// Interfaces made for one pod each live as long as it does; together they are one class.
fn interface_class(interface: Cow<'_, str>) -> (Cow<'_, str>, bool) {
    for prefix in ["veth", "cali", "lxc", "azv", "eni"] {
        if interface.strip_prefix(prefix).is_some_and(|rest| rest.len() >= 6) {
            return (Cow::Owned(format!("{prefix}*")), true);
        }
    }
    (interface, false)
}
