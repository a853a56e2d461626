//! Lanes of detect in a process of their own, which may be killed, and what it says on standard output: one JSON object
//! a line.
//!
//! With `--live-from` it also writes the fleet's signals as time goes by: round `live_from` began at `base_millis`, and
//! what should have been written while no process lived is written at once.

use crate::backlog::Backlog;
use crate::meter::{Stopwatch, peak_memory};
use crate::place::Place;
use crate::scan::each_batch;
use crate::site::{self, Site};
use crate::watched::Watched;
use anyhow::Context;
use clap::Args;
use engine::log::{Log, TopicPartition};
use engine::runtime::{self, Assignment, Status, Stopping, Until};
use estate::FleetPlan;
use schemas::Signal;
use schemas::codec::Record as _;
use schemas::signal::Body;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use topics::declared::SIGNALS;

/// Time between two ticks of a fleet, milliseconds; as ingest's.
pub(crate) const TICK_MILLIS: i64 = 250;

/// How a child runs.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// Folder of log, state and checkpoints.
    #[arg(long)]
    pub(crate) folder: PathBuf,
    /// Partitions of the signals topic.
    #[arg(long)]
    pub(crate) partitions: u32,
    /// Lanes of detect.
    #[arg(long)]
    pub(crate) lanes: usize,
    /// Memory, bytes.
    #[arg(long)]
    pub(crate) memory: usize,
    /// Checkpoint as well.
    #[arg(long)]
    pub(crate) checkpoints: bool,
    /// The round from which signals are written as time goes by; without it the log is read to its end.
    #[arg(long)]
    pub(crate) live_from: Option<u64>,
    /// When that round began, by the machine's clock.
    #[arg(long, default_value_t = 0)]
    pub(crate) base_millis: i64,
    /// Series of the fleet.
    #[arg(long, default_value_t = 0)]
    pub(crate) series: usize,
    /// Entities of the fleet.
    #[arg(long, default_value_t = 0)]
    pub(crate) entities: usize,
    /// Seed of the fleet.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Brokers of a Kafka that is the log.
    #[arg(long)]
    pub(crate) bootstrap: Option<String>,
    /// Beginning of all names there.
    #[arg(long, default_value = "")]
    pub(crate) prefix: String,
}

/// What a child says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "said", rename_all = "kebab-case")]
pub(crate) enum Said {
    /// Every task is live and the log's end is reached.
    CaughtUp {
        /// Where the state of each partition's task was, and where the log ended.
        ranges: Vec<(i64, i64)>,
        /// Wall seconds since the process began.
        seconds: f64,
        /// Processor seconds since then.
        processor: f64,
        /// Wall seconds until the log was open.
        log_open: f64,
        /// Wall seconds in which state stores were opened, on the lanes' threads.
        state_open: f64,
        /// Wall seconds in which values were read from them.
        state_read: f64,
    },
    /// The log was read to its end.
    Done {
        /// Records processed.
        records: u64,
        /// Wall seconds.
        wall: f64,
        /// Processor seconds.
        processor: f64,
        /// Highest resident memory, bytes.
        peak_memory: u64,
        /// Bytes flushed to state.
        flushed: u64,
    },
}

/// Runs the lanes.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let watch = Stopwatch::start();
    let site = Place::known(options.bootstrap.as_deref(), &options.prefix).site(&options.folder)?;
    let (log_open, _) = watch.seconds();
    let stores = Watched::over(site::stores(&options.folder, options.memory));
    let checkpoints = options.folder.join("checkpoints");
    let complete = Arc::new(AtomicBool::new(true));
    let assignment = Assignment {
        job: site.detect(),
        environment: site
            .environment(Arc::new(stores.clone()), options.checkpoints.then_some(checkpoints.as_path()))?,
        config: site::lane_config(options.memory, options.lanes),
        lanes: options.lanes,
        ordinal: 0,
        until: if options.live_from.is_some() { Until::Stopped } else { Until::Complete(complete) },
    };
    let (stopping, status) = (Stopping::default(), Status::default());
    let written_up = Arc::new(AtomicBool::new(false));
    let live = options.live_from.map(|from| start_live(options, &site, from, written_up.clone())).transpose()?;
    let running = runtime::start(&[assignment], &stopping, &status)?;
    if live.is_some() {
        while !(written_up.load(Ordering::SeqCst) && is_caught_up(&status, options.partitions)) {
            anyhow::ensure!(!running.is_finished(), "the lanes ended: {:?}", running.join());
            std::thread::sleep(Duration::from_millis(2));
        }
        let notes = stores.notes();
        let ends = site.ends(SIGNALS.name, options.partitions)?;
        let range = |(partition, end): (u32, i64)| (notes.began.get(&partition).copied().unwrap_or(0), end);
        let ranges = (0..).zip(ends).map(range).collect();
        let (seconds, processor) = watch.seconds();
        let (state_open, state_read) = (notes.opening.as_secs_f64(), notes.reading.0.as_secs_f64());
        say(&Said::CaughtUp { ranges, seconds, processor, log_open, state_open, state_read })?;
        // Until killed.
        running.join()?;
        return Ok(());
    }
    let (lanes, notes) = (status, stores);
    running.join()?;
    let (wall, processor) = watch.seconds();
    say(&Said::Done {
        records: lanes.lanes().values().map(|lane| lane.records).sum(),
        wall,
        processor,
        peak_memory: peak_memory(),
        flushed: notes.notes().bytes,
    })
}

fn say(said: &Said) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string(said)?);
    Ok(())
}

/// True when every partition has a task, every task is live, and every lane has read to the end.
fn is_caught_up(status: &Status, partitions: u32) -> bool {
    let lanes = status.lanes();
    let tasks: usize = lanes.values().map(|lane| lane.digests.len()).sum();
    tasks == partitions as usize && lanes.values().all(|lane| lane.live && lane.at_end)
}

/// Writes signals as time goes by; sets the flag once nothing is overdue.
fn start_live(options: &Options, site: &Site, from: u64, written_up: Arc<AtomicBool>) -> anyhow::Result<()> {
    let plan =
        FleetPlan { seed: options.seed, series: options.series, entities: options.entities, ..FleetPlan::default() };
    let (log, clock) = (site.log.clone(), site.clock.clone());
    let (partitions, base) = (options.partitions, options.base_millis);
    let body = move || -> anyhow::Result<()> {
        let mut backlog = Backlog::new(&*log, plan, partitions, TICK_MILLIS)?;
        let first = from * backlog.slices();
        let mut next = backlog.slices_by(last_tick(&*log)?).max(first);
        loop {
            let due = first + ((clock.now_millis() - base) / TICK_MILLIS).max(0) as u64;
            while next < due {
                backlog.write_slice(next)?;
                next += 1;
            }
            written_up.store(true, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    std::thread::Builder::new().name("live signals".to_owned()).spawn(move || {
        if let Err(error) = body() {
            eprintln!("loadtest child: {error:#}");
            std::process::exit(1);
        }
    })?;
    Ok(())
}

/// How far the last tick in the log says that the raw topics had been read.
fn last_tick(log: &dyn Log) -> anyhow::Result<i64> {
    let partition = TopicPartition::new(SIGNALS.name, 0);
    let bounds = log.bounds(&partition)?;
    let mut last = None;
    each_batch(log, &partition, (bounds.end - 1_000).max(bounds.start)..bounds.end, |records| {
        for record in records {
            let Some(value) = &record.value else { continue };
            if let Body::Tick(tick) = Signal::decode(value)?.body {
                last = tick.positions.first().map(|position| position.up_to);
            }
        }
        Ok(())
    })?;
    last.context("the log has no tick near its end")
}
