//! Samples per second and core that `detect` scores from the embedded log.
//!
//! A backlog of scrapes is written first; then lanes run over it as `bellbuoy run detect` would. What counts are the
//! rounds after the series are warm, with flushes, commits and RocksDB's background work in them. The floor is the same
//! rounds read and decoded and nothing else.

use super::say;
use crate::arguments::DetectOptions;
use crate::backlog::Backlog;
use crate::meter::{Stopwatch, thread_time, wait_until_quiet};
use crate::report::{Better, Figure, Report};
use crate::scan::{Scan, each_batch, samples, scan};
use crate::site::{self, Site};
use crate::watched::{Notes, Watched};
use detect::{Baseline, Config, Counts};
use engine::lane::LaneConfig;
use engine::log::{Log, TopicPartition};
use engine::runtime::{self, Assignment, Status, Stopping, Until};
use schemas::codec::Record as _;
use schemas::signal::Body;
use schemas::{OffsetRange, Signal};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use topics::declared::SIGNALS;

/// Memory that RocksDB's caches get their share of; the decoded state has [`LaneConfig`]'s own default.
const MEMORY: usize = 1 << 30;
/// Least length of an interval of the spread, seconds.
const INTERVAL: f64 = 1.0;

/// Runs it.
pub(crate) fn run(options: &DetectOptions) -> anyhow::Result<Report> {
    let mut report = Report::new("detect", options)?;
    let folder = tempfile::tempdir()?;
    let site = Site::open(folder.path())?;
    let partitions = options.fleet.partitions;
    site.create_topics(partitions)?;
    let plan = options.fleet.plan(100_000);
    let rounds = options.warm_rounds + options.rounds;
    say(format_args!("writing {rounds} rounds of {} series", plan.series));
    let mut backlog = Backlog::new(&*site.log, plan.clone(), partitions, options.tick_millis as i64)?;
    backlog.write_rounds(0..options.warm_rounds)?;
    let warm = site.ends(SIGNALS.name, partitions)?;
    backlog.write_rounds(options.warm_rounds..rounds)?;
    let ends = site.ends(SIGNALS.name, partitions)?;
    let records_a_round = backlog.records_a_round();
    drop(backlog);
    wait_until_quiet();

    say("reading and decoding only");
    let ranges: Vec<Range<i64>> = warm.iter().zip(&ends).map(|(from, to)| *from..*to).collect();
    let floor = scan(&*site.log, SIGNALS.name, &ranges)?;
    say("reading, decoding and scoring without the engine");
    let parts = parts(&*site.log, &warm, &ends)?;
    say("running detect");
    let warm_records = options.warm_rounds * records_a_round;
    let ran = lanes(&site, folder.path(), options.lanes as usize, warm_records, rounds * records_a_round)?;

    let samples_a_record = plan.series as f64 / records_a_round as f64;
    let per = |seconds: f64, records: u64| records as f64 * samples_a_record / seconds;
    let floor_speed = floor.samples as f64 / floor.processor;
    let speed = per(ran.processor, ran.records);
    let spread: Vec<f64> = ran.intervals.iter().map(|i| per(i.processor, i.records)).collect();
    report.figures.push(
        Figure::new(
            "samples scored per processor second of the whole process",
            speed,
            "samples/s/core",
            Better::Higher,
        )
        .floor(floor_speed, "the same records read and decoded only")
        .spread(&spread, "intervals of a second")
        .target(1e6, Some(2e6)),
    );
    let spread: Vec<f64> = ran.intervals.iter().map(|i| per(i.wall, i.records)).collect();
    report.figures.push(
        Figure::new(
            format!("samples scored per wall second by {} lanes", options.lanes),
            per(ran.wall, ran.records),
            "samples/s",
            Better::Higher,
        )
        .floor(floor.samples as f64 / floor.wall, "the same records read and decoded only")
        .spread(&spread, "intervals of a second"),
    );
    breakdown(&mut report, &floor, &parts, &ran, samples_a_record);
    Ok(report)
}

/// What the warm part of a run took.
struct Ran {
    records: u64,
    wall: f64,
    processor: f64,
    intervals: Vec<Interval>,
    notes: Notes,
    sent: u64,
}

#[derive(Clone, Copy)]
struct Interval {
    records: u64,
    wall: f64,
    processor: f64,
}

fn lanes(site: &Site, folder: &std::path::Path, lanes: usize, warm: u64, all: u64) -> anyhow::Result<Ran> {
    let stores = Watched::over(site::stores(folder, MEMORY));
    let assignment = Assignment {
        job: site.detect(),
        environment: site.environment(Arc::new(stores.clone()), None)?,
        config: LaneConfig::default(),
        lanes,
        ordinal: 0,
        until: Until::Complete(Arc::new(AtomicBool::new(true))),
    };
    let (stopping, status) = (Stopping::default(), Status::default());
    let running = runtime::start(&[assignment], &stopping, &status)?;
    let records = || status.lanes().values().map(|lane| lane.records).sum::<u64>();
    let mut started: Option<(Stopwatch, u64, Notes, u64)> = None;
    let mut interval = (Stopwatch::start(), 0);
    let mut intervals = Vec::new();
    let ran = loop {
        std::thread::sleep(Duration::from_millis(5));
        let read = records();
        let Some((watch, from, before, sent)) = &started else {
            if read >= warm {
                started = Some((Stopwatch::start(), read, stores.notes(), site.metrics.sent.get()));
                interval = (Stopwatch::start(), read);
            }
            anyhow::ensure!(!running.is_finished() || read >= warm, "the lanes ended before their log did");
            continue;
        };
        let (wall, processor) = interval.0.seconds();
        if wall >= INTERVAL && read > interval.1 {
            intervals.push(Interval { records: read - interval.1, wall, processor });
            interval = (Stopwatch::start(), read);
        }
        if read >= all || running.is_finished() {
            let (wall, processor) = watch.seconds();
            let mut notes = stores.notes();
            notes.flushes -= before.flushes;
            notes.flushing -= before.flushing;
            notes.bytes -= before.bytes;
            let sent = site.metrics.sent.get() - sent;
            break Ran { records: read - from, wall, processor, intervals, notes, sent };
        }
    };
    running.join()?;
    Ok(ran)
}

/// Processor seconds of one thread for the warm rounds, part by part, without the engine.
#[derive(Default)]
struct Parts {
    read: f64,
    decode: f64,
    score: f64,
    samples: u64,
    anomalies: u64,
}

/// The parts of the work, one batch at a time: read it, decode it, score it.
fn parts(log: &dyn Log, warm: &[i64], ends: &[i64]) -> anyhow::Result<Parts> {
    let (mut parts, config) = (Parts::default(), Config::default());
    for (partition, (warm, end)) in (0..).zip(warm.iter().zip(ends)) {
        let at = TopicPartition::new(SIGNALS.name, partition);
        let mut baselines: BTreeMap<Vec<u8>, Baseline> = BTreeMap::new();
        let (mut counts, mut found, mut mark) = (Counts::default(), Vec::new(), thread_time());
        let mut took = |share: &mut f64, counted: bool| {
            let time = thread_time();
            *share += if counted { (time - mark).as_secs_f64() } else { 0.0 };
            mark = time;
        };
        each_batch(log, &at, 0..*end, |records| {
            let counted = records.first().is_some_and(|record| record.offset >= *warm);
            took(&mut parts.read, counted);
            let mut signals = Vec::with_capacity(records.len());
            for record in records {
                if let Some(value) = &record.value {
                    signals.push((record, Signal::decode(value)?));
                }
            }
            took(&mut parts.decode, counted);
            for (record, signal) in &signals {
                let Body::MetricSamples(_) = signal.body else { continue };
                let key = record.key.as_deref().unwrap_or_default();
                let range = OffsetRange {
                    topic: SIGNALS.name.into(),
                    partition: partition as i32,
                    from: record.offset,
                    to: record.offset + 1,
                };
                if !baselines.contains_key(key) {
                    baselines.insert(key.to_vec(), Baseline::new());
                }
                let Some(baseline) = baselines.get_mut(key) else { continue };
                baseline.observe(signal, &range, &config, None, &mut found, &mut counts);
            }
            took(&mut parts.score, counted);
            if counted {
                parts.samples += signals.iter().map(|(_, signal)| samples(signal)).sum::<u64>();
            }
            drop(signals);
            parts.anomalies += found.drain(..).count() as u64;
            took(&mut parts.decode, counted);
            Ok(())
        })?;
    }
    Ok(parts)
}

fn breakdown(report: &mut Report, floor: &Scan, parts: &Parts, ran: &Ran, samples_a_record: f64) {
    let per_sample = |seconds: f64| seconds * 1e9 / parts.samples as f64;
    let (read, decode, score) = (per_sample(parts.read), per_sample(parts.decode), per_sample(parts.score));
    let samples = ran.records as f64 * samples_a_record;
    let flush = ran.notes.flushing.as_secs_f64() * 1e9 / samples;
    let all = ran.processor * 1e9 / samples;
    report.detail("processor time of a sample", all, "ns");
    report.detail("  reading the log", read, "ns");
    report.detail("  decoding (and dropping what was decoded)", decode, "ns");
    report.detail("  scoring (Baseline::observe)", score, "ns");
    report.detail("  flushing to RocksDB, encoding included", flush, "ns");
    report.detail(
        "  the rest: engine, ticks, commits, RocksDB's background",
        all - read - decode - score - flush,
        "ns",
    );
    report.detail("flushes of a task", ran.notes.flushes as f64, "");
    report.detail("bytes flushed", ran.notes.bytes as f64 / f64::from(1 << 20), "MiB");
    report.detail("messages published", ran.sent as f64, "");
    report.detail("anomalies in all rounds", parts.anomalies as f64, "");
    report.detail("samples measured", samples, "");
    report.detail("bytes of a record", floor.bytes as f64 / floor.records as f64, "B");
    report.detail("measured for", ran.wall, "s");
}
