//! Data points of every kind into samples and distributions.

use crate::otlp::units::Unit;
use crate::reading::DropReason;
use crate::timestamp::millis_from_nanos;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, DataPointFlags, ExponentialHistogramDataPoint, HistogramDataPoint, NumberDataPoint,
    number_data_point,
};
use schemas::signal::{Distribution, Sample, SampleKind};

/// How a sum or histogram counts.
pub fn kind_of(temporality: i32, monotonic: bool) -> Result<SampleKind, DropReason> {
    match AggregationTemporality::try_from(temporality) {
        // A cumulative sum that may fall is a level.
        Ok(AggregationTemporality::Cumulative) if !monotonic => Ok(SampleKind::Gauge),
        Ok(AggregationTemporality::Cumulative) => Ok(SampleKind::Counter),
        Ok(AggregationTemporality::Delta) => Ok(SampleKind::Delta),
        _ => Err(DropReason::Malformed),
    }
}

/// Whether the flags say that the series has ended.
pub fn is_stale(flags: u32) -> bool {
    flags & DataPointFlags::NoRecordedValueMask as u32 != 0
}

/// Fills in kind, value and start of a sample.
pub fn number(
    point: &NumberDataPoint,
    kind: SampleKind,
    unit: &Unit<'_>,
    sample: &mut Sample<'static>,
) -> Result<(), DropReason> {
    if is_stale(point.flags) {
        sample.kind = SampleKind::Stale;
        return Ok(());
    }
    let value = match point.value.ok_or(DropReason::Malformed)? {
        number_data_point::Value::AsDouble(value) => value,
        number_data_point::Value::AsInt(value) => value as f64,
    };
    sample.kind = kind;
    sample.value = finite(unit.convert(value))?;
    sample.start_time = start_time(kind, point.start_time_unix_nano);
    Ok(())
}

/// Fills in an explicit histogram.
pub fn histogram(
    point: &HistogramDataPoint,
    unit: &Unit<'_>,
    buckets: usize,
    into: &mut Distribution<'static>,
) -> Result<(), DropReason> {
    into.start_time = start_time(into.kind, point.start_time_unix_nano);
    if is_stale(point.flags) {
        into.kind = SampleKind::Stale;
        return Ok(());
    }
    if point.bucket_counts.len() > buckets {
        return Err(DropReason::Overflow);
    }
    let matches = point.bucket_counts.len() == point.explicit_bounds.len() + 1
        || (point.bucket_counts.is_empty() && point.explicit_bounds.is_empty());
    if !matches {
        return Err(DropReason::Malformed);
    }
    into.bounds = point.explicit_bounds.iter().map(|bound| finite(unit.convert(*bound))).collect::<Result<_, _>>()?;
    if into.bounds.windows(2).any(|pair| pair[0] >= pair[1]) {
        return Err(DropReason::Malformed);
    }
    into.counts = counts(&point.bucket_counts)?;
    into.count = count(point.count)?;
    into.sum = finite(unit.convert(point.sum.unwrap_or_default()))?;
    Ok(())
}

/// Fills in an exponential histogram. Its buckets cannot be scaled, so its unit stays the wire's.
pub fn exponential(
    point: &ExponentialHistogramDataPoint,
    buckets: usize,
    into: &mut Distribution<'static>,
) -> Result<(), DropReason> {
    into.start_time = start_time(into.kind, point.start_time_unix_nano);
    if is_stale(point.flags) {
        into.kind = SampleKind::Stale;
        return Ok(());
    }
    if point.negative.as_ref().is_some_and(|negative| negative.bucket_counts.iter().any(|count| *count > 0)) {
        return Err(DropReason::Unsupported);
    }
    if let Some(positive) = &point.positive {
        if positive.bucket_counts.len() > buckets {
            return Err(DropReason::Overflow);
        }
        into.first_bucket = positive.offset;
        into.counts = counts(&positive.bucket_counts)?;
    }
    into.scale = point.scale;
    into.zero_count = count(point.zero_count)?;
    into.count = count(point.count)?;
    into.sum = finite(point.sum.unwrap_or_default())?;
    Ok(())
}

/// The start of what counts; levels have none.
pub fn start_time(kind: SampleKind, nanos: u64) -> i64 {
    match kind {
        SampleKind::Counter | SampleKind::Delta => millis_from_nanos(nanos),
        SampleKind::Gauge | SampleKind::Stale => 0,
    }
}

/// A value that is a number.
pub fn finite(value: f64) -> Result<f64, DropReason> {
    if value.is_finite() { Ok(value) } else { Err(DropReason::NotFinite) }
}

/// A count that fits.
pub fn count(count: u64) -> Result<i64, DropReason> {
    i64::try_from(count).map_err(|_| DropReason::Malformed)
}

fn counts(counts: &[u64]) -> Result<Vec<i64>, DropReason> {
    counts.iter().map(|value| count(*value)).collect()
}
