//! `run`: jobs on their lanes until told to stop, or until everything there is has been processed.

use crate::cli::Run;
use crate::control;
use crate::error::Error;
use crate::settings::Settings;
use crate::site::Site;
use crate::wiring;
use engine::http::{Served, Server};
use engine::lane::Ticks;
use engine::metrics::Metrics;
use engine::runtime::{Assignment, Running, Status, Stopping, Until, start};
use schemas::Control;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How often the main thread looks after the lanes.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How often retention is enforced.
const RETENTION_EVERY: Duration = Duration::from_secs(60);
/// Time between two ticks where time comes from the records, and records of one transaction.
const RECORDED: Ticks = Ticks::Recorded { every: 30_000, transaction_records: 1000 };

pub(super) fn execute(settings: Settings, run: &Run) -> Result<(), Error> {
    let stopping = Stopping::default();
    stopping.on_signals().map_err(|error| Error::File { place: "signals".to_owned(), error })?;
    let site = Site::open(settings)?;
    for topic in site.create_missing()? {
        tracing::info!(topic, "created");
    }
    let metrics = Metrics::new(env!("CARGO_PKG_VERSION"));
    let status = Status::default();
    let mut jobs = Vec::new();
    // All are put together before one is started.
    for name in chosen(&run.jobs) {
        jobs.push((name, assignment(&site, name, run, &metrics)?));
    }
    let _server = serve(&site, &metrics, &status)?;
    let mut running = Vec::new();
    for (name, (assignment, complete)) in jobs {
        tracing::info!(job = name, lanes = assignment.lanes, "starting");
        running.push((name, start(&[assignment], &stopping, &status)?, complete));
    }
    watch(&site, &running, &stopping);
    let mut first = Ok(());
    for (name, running, _) in running {
        let result = running.join();
        tracing::info!(job = name, failed = result.is_err(), "ended");
        first = first.and(result);
    }
    for (lane, at) in status.lanes() {
        tracing::info!(lane, records = at.records, "lane ended");
    }
    Ok(first?)
}

/// The jobs asked for, once each, in the order data meets them.
fn chosen(jobs: &[String]) -> impl Iterator<Item = &'static str> {
    let asked: BTreeSet<String> = jobs.iter().cloned().collect();
    wiring::JOBS.into_iter().filter(move |job| asked.contains("all") || asked.contains(*job))
}

fn assignment(site: &Site, name: &str, run: &Run, metrics: &Metrics) -> Result<(Assignment, Arc<AtomicBool>), Error> {
    let complete = Arc::new(AtomicBool::new(false));
    let until = if run.until_complete { Until::Complete(complete.clone()) } else { Until::Stopped };
    let ticks = if run.recorded { RECORDED } else { Ticks::Wall { every: engine::clock::ROUND_MS } };
    let assignment = Assignment {
        job: wiring::job(name, &site.settings, &*site.log, metrics, &site.clock)?,
        environment: wiring::environment(&site.settings, site.log.clone(), site.clock.clone(), metrics)?,
        config: wiring::lane_config(name, &site.settings, ticks, run.accept_reset),
        lanes: wiring::lanes(name, &site.settings),
        ordinal: site.settings.ordinal,
        until,
    };
    Ok((assignment, complete))
}

/// Keeps the log within its retention, and tells each job when the one before it will write no more.
fn watch(site: &Site, running: &[(&str, Running, Arc<AtomicBool>)], stopping: &Stopping) {
    let mut enforced = site.clock.monotonic();
    while !running.iter().all(|(_, lanes, _)| lanes.is_finished()) {
        let mut before_ended = true;
        for (_, lanes, complete) in running {
            complete.store(before_ended, Ordering::SeqCst);
            before_ended &= lanes.is_finished();
        }
        if site.clock.monotonic().saturating_sub(enforced) >= RETENTION_EVERY && !stopping.is_stopping() {
            enforced = site.clock.monotonic();
            match site.log.enforce_retention(site.clock.now_millis()) {
                Ok(0) => {}
                Ok(records) => tracing::info!(records, "deleted by retention"),
                // The log goes on growing, which the disk's alarm will tell; the lanes must not stop for it.
                Err(error) => tracing::error!("retention: {error}"),
            }
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

fn serve(site: &Site, metrics: &Metrics, status: &Status) -> Result<Option<Server>, Error> {
    let Some(address) = site.settings.http.address else { return Ok(None) };
    let log = site.log.clone();
    // One a process: two of the same id would end each other's transactions.
    let writer = format!("{}-{}", control::PRODUCER, site.settings.ordinal);
    let topic = site.topic(topics::declared::CONTROL.name)?;
    let append = move |control: &Control<'_>| control::append(&*log, topic.spec.partitions, &writer, control);
    let (metrics, status, clock) = (metrics.clone(), status.clone(), site.clock.clone());
    let server = engine::http::start(address, Served { metrics, status, clock, control: Arc::new(append) })?;
    tracing::info!(address = %server.address(), "serving /metrics, /livez, /readyz and /control");
    Ok(Some(server))
}
