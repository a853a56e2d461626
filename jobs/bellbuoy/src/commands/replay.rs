//! `replay`: a job over a recorded range of its input, for its digest and a summary.
//!
//! Invariant: a replay cannot publish. Its producers write to a [`Recorded`] log, which has no way to the real log but
//! reading; its state is in a temporary folder.

mod recorded;

use crate::cli::{self, Where};
use crate::error::Error;
use crate::settings::Settings;
use crate::site::Site;
use crate::{listing, wiring};
use engine::lane::Ticks;
use engine::log::TopicPartition;
use engine::metrics::Metrics;
use engine::output::Digest;
use engine::runtime::{Assignment, Status, Stopping, Until, start};
use recorded::Recorded;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// As in a live run of recorded input.
const TICKS: Ticks = Ticks::Recorded { every: 30_000, transaction_records: 1000 };

pub(super) fn execute(mut settings: Settings, replay: &cli::Replay) -> Result<(), Error> {
    let scratch = tempfile::tempdir().map_err(|e| Error::file(&std::env::temp_dir(), e))?;
    let site = Site::look(settings.clone())?;
    (settings.state.folder, settings.checkpoints.address) = (scratch.path().to_owned(), None);
    (settings.lanes.ingest, settings.lanes.detect) = (1, 1);
    let metrics = Metrics::new(env!("CARGO_PKG_VERSION"));
    let job = wiring::job(&replay.job, &settings, &*site.log, &metrics, &site.clock)?;
    let ranges = ranges(&site, &job.inputs(), replay.from, replay.to)?;
    let log = Arc::new(Recorded::new(site.log.clone(), ranges, site.clock.clone())?);
    let assignment = Assignment {
        job,
        environment: wiring::environment(&settings, log.clone(), site.clock.clone(), &metrics)?,
        config: wiring::lane_config(&replay.job, &settings, TICKS, false),
        lanes: 1,
        ordinal: 0,
        until: Until::Complete(Arc::new(AtomicBool::new(true))),
    };
    let (stopping, status) = (Stopping::default(), Status::default());
    stopping.on_signals().map_err(|error| Error::File { place: "signals".to_owned(), error })?;
    let total = log.span();
    let progress = crate::demo::progress_bar(total, "offsets");
    let running = start(&[assignment], &stopping, &status)?;
    while !running.is_finished() {
        progress.set_position(log.read_so_far().min(total));
        std::thread::sleep(Duration::from_millis(100));
    }
    running.join()?;
    progress.finish_and_clear();
    if stopping.is_stopping() {
        return Err(Error::Unwell("stopped before the end of the range: there is no digest of it".to_owned()));
    }
    show(replay, &log, &status)
}

/// The offsets of each input partition.
fn ranges(
    site: &Site,
    inputs: &[String],
    from: Where,
    to: Where,
) -> Result<BTreeMap<TopicPartition, (i64, i64)>, Error> {
    let mut ranges = BTreeMap::new();
    for name in inputs {
        for number in 0..site.topic(name)?.spec.partitions {
            let partition = TopicPartition::new(name.as_str(), number);
            let (from, to) = (site.offset(&partition, from)?, site.offset(&partition, to)?);
            ranges.insert(partition, (from, to.max(from)));
        }
    }
    Ok(ranges)
}

fn show(replay: &cli::Replay, log: &Recorded, status: &Status) -> Result<(), Error> {
    let lanes = status.lanes();
    let records: u64 = lanes.values().map(|lane| lane.records).sum();
    let mut tasks: Vec<_> = lanes.into_values().flat_map(|lane| lane.digests).collect();
    tasks.sort_by(|a, b| a.0.cmp(&b.0));
    let tally = log.tally();
    let mut digest = Digest::default();
    // Tasks of a merged job have none of their own: what they wrote stands for them.
    if replay.job == "ingest" {
        tally.partitions.values().for_each(|written| digest.combine(written));
    } else {
        tasks.iter().for_each(|(_, _, of_task)| digest.combine(of_task));
    }
    if replay.json {
        let task = |(id, outputs, digest): &(engine::task::TaskId, i64, Digest)| json!({"task": id, "outputs": outputs, "digest": digest});
        return listing::json(&json!({
            "job": replay.job,
            "records": records,
            "outputs": tally.topics,
            "anomalies": tally.detectors,
            "digest": digest,
            "tasks": tasks.iter().map(task).collect::<Vec<_>>(),
        }));
    }
    let mut out = format!("{} records replayed through {}\n", listing::count(records), replay.job);
    for (topic, count) in &tally.topics {
        out.push_str(&format!("  {} outputs for {topic}\n", listing::count(*count)));
    }
    for (detector, count) in &tally.detectors {
        out.push_str(&format!("  {} anomalies by {detector}\n", listing::count(*count)));
    }
    out.push_str(&format!("digest {digest}\n"));
    listing::text(&out)
}
