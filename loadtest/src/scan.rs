//! The bare reader that figures are compared to: the log read, and its signals decoded, and nothing else.

use crate::meter::Stopwatch;
use engine::log::{Limit, Log, Record, TopicPartition};
use schemas::Signal;
use schemas::codec::Record as _;
use schemas::signal::Body;
use std::ops::Range;

/// How much one read takes; as a lane's poll.
const LIMIT: Limit = Limit { records: 4_000, bytes: 4 << 20 };

/// What a scan met and took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Scan {
    /// Records read.
    pub(crate) records: u64,
    /// Samples in them.
    pub(crate) samples: u64,
    /// Bytes of their values.
    pub(crate) bytes: u64,
    /// Wall seconds.
    pub(crate) wall: f64,
    /// Processor seconds.
    pub(crate) processor: f64,
}

/// Reads and decodes ranges of offsets of a topic, given by partition.
pub(crate) fn scan(log: &dyn Log, topic: &str, ranges: &[Range<i64>]) -> anyhow::Result<Scan> {
    let mut scan = Scan::default();
    let watch = Stopwatch::start();
    for (partition, range) in (0..).zip(ranges) {
        each_batch(log, &TopicPartition::new(topic, partition), range.clone(), |records| {
            for record in records {
                let Some(value) = &record.value else { continue };
                scan.records += 1;
                scan.bytes += value.len() as u64;
                scan.samples += samples(&Signal::decode(value)?);
            }
            Ok(())
        })?;
    }
    (scan.wall, scan.processor) = watch.seconds();
    Ok(scan)
}

/// Shows the records of a range in batches, in order.
pub(crate) fn each_batch(
    log: &dyn Log,
    partition: &TopicPartition,
    range: Range<i64>,
    mut visit: impl FnMut(&[Record]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut from = range.start;
    while from < range.end {
        let mut batch = log.read(partition, from, LIMIT)?;
        batch.records.retain(|record| record.offset < range.end);
        visit(&batch.records)?;
        from = batch.next;
    }
    Ok(())
}

/// Numeric samples of a signal.
pub(crate) fn samples(signal: &Signal<'_>) -> u64 {
    match &signal.body {
        Body::MetricSamples(body) => body.samples.len() as u64,
        _ => 0,
    }
}
