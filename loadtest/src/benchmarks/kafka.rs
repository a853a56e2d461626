//! `detect` from Kafka, against a bare consumer of the same topic that decodes and does nothing else.
//!
//! Both read the same backlog from the same broker on the same machine, one after the other. The bare consumer is
//! librdkafka with its own defaults, one thread, as somebody would write it who needs nothing but speed.

use super::say;
use crate::arguments::KafkaOptions;
use crate::backlog::Backlog;
use crate::meter::{Stopwatch, wait_until_quiet};
use crate::place::Place;
use crate::report::{Better, Figure, Report};
use crate::scan::samples;
use crate::site::{self, Site};
use anyhow::Context;
use engine::lane::LaneConfig;
use engine::runtime::{self, Assignment, Status, Stopping, Until};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::{Message as _, Offset, TopicPartitionList};
use schemas::Signal;
use schemas::codec::Record as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use topics::declared::SIGNALS;

/// Memory that RocksDB's caches get their share of.
const MEMORY: usize = 1 << 30;

/// Runs it.
pub(crate) fn run(options: &KafkaOptions) -> anyhow::Result<Report> {
    let mut report = Report::new("kafka", options)?;
    let place = Place::kafka(options.bootstrap.as_deref())?;
    let folder = tempfile::tempdir()?;
    let site = place.site(folder.path())?;
    let partitions = options.fleet.partitions;
    site.create_topics(partitions)?;
    let plan = options.fleet.plan(100_000);
    let rounds = options.warm_rounds + options.rounds;
    say(format_args!("writing {rounds} rounds of {} series", plan.series));
    let mut backlog = Backlog::new(&*site.log, plan.clone(), partitions, 250)?;
    let watch = Stopwatch::start();
    backlog.write_rounds(0..rounds)?;
    let written = watch.seconds().0;
    let records = rounds * backlog.records_a_round();
    drop(backlog);
    wait_until_quiet();

    say("consuming and decoding only");
    let (bootstrap, prefix) = place.address().context("a Kafka")?;
    let topic = format!("{prefix}{}", SIGNALS.name);
    // Twice: the first reading brings the topic into the page cache for both.
    bare(bootstrap, &topic, partitions, records)?;
    let floor = bare(bootstrap, &topic, partitions, records)?;
    say("running detect");
    let ran = lanes(&site, folder.path(), options.lanes as usize, options.warm_rounds, records, rounds)?;

    let samples_a_record = floor.samples as f64 / records as f64;
    let floor_speed = floor.samples as f64 / floor.wall;
    let speed = ran.records as f64 * samples_a_record / ran.wall;
    let mut figure = Figure::new(
        format!("samples scored per wall second by {} lanes", options.lanes),
        speed,
        "samples/s",
        Better::Higher,
    )
    .floor(floor_speed, "the same topic consumed and decoded by a bare client, one thread");
    figure = figure.target(0.4 * floor_speed, Some(0.6 * floor_speed));
    report.figures.push(figure);
    report.detail("records consumed and decoded by the bare client", records as f64 / floor.wall, "records/s");
    report.detail(
        "processor time of a sample, detect",
        ran.processor * 1e9 / (ran.records as f64 * samples_a_record),
        "ns",
    );
    report.detail("processor time of a sample, bare client", floor.processor * 1e9 / floor.samples as f64, "ns");
    report.detail("records written", records as f64 / written, "records/s");
    report.detail("samples of a record", samples_a_record, "");
    report.detail("measured for", ran.wall, "s");
    place.clean(&site)?;
    Ok(report)
}

struct Bare {
    samples: u64,
    wall: f64,
    processor: f64,
}

fn bare(bootstrap: &str, topic: &str, partitions: u32, records: u64) -> anyhow::Result<Bare> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", "bellbuoy-loadtest-bare")
        .set("enable.auto.commit", "false")
        .set("isolation.level", "read_committed")
        .create()?;
    let mut all = TopicPartitionList::new();
    for partition in 0..partitions {
        all.add_partition_offset(topic, partition as i32, Offset::Beginning)?;
    }
    let watch = Stopwatch::start();
    consumer.assign(&all)?;
    let (mut read, mut count) = (0, 0);
    while read < records {
        let message = consumer.poll(Duration::from_secs(30)).context("the topic ended early")??;
        count += samples(&Signal::decode(message.payload().unwrap_or_default())?);
        read += 1;
    }
    let (wall, processor) = watch.seconds();
    Ok(Bare { samples: count, wall, processor })
}

struct Ran {
    records: u64,
    wall: f64,
    processor: f64,
}

/// Runs lanes over the whole topic; what counts begins when the series are warm.
fn lanes(site: &Site, folder: &Path, lanes: usize, warm: u64, all: u64, rounds: u64) -> anyhow::Result<Ran> {
    let assignment = Assignment {
        job: site.detect(),
        environment: site.environment(Arc::new(site::stores(folder, MEMORY)), None)?,
        config: LaneConfig::default(),
        lanes,
        ordinal: 0,
        until: Until::Complete(Arc::new(AtomicBool::new(true))),
    };
    let (stopping, status) = (Stopping::default(), Status::default());
    let running = runtime::start(&[assignment], &stopping, &status)?;
    let read = || status.lanes().values().map(|lane| lane.records).sum::<u64>();
    let warm = all * warm / rounds;
    while read() < warm {
        anyhow::ensure!(!running.is_finished(), "the lanes ended: {:?}", running.join());
        std::thread::sleep(Duration::from_millis(2));
    }
    let (watch, from) = (Stopwatch::start(), read());
    while read() < all {
        anyhow::ensure!(!running.is_finished() || read() >= all, "the lanes ended before their log did");
        std::thread::sleep(Duration::from_millis(2));
    }
    let ((wall, processor), records) = (watch.seconds(), read() - from);
    running.join()?;
    Ok(Ran { records, wall, processor })
}
