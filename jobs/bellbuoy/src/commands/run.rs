//! `run`: jobs on their lanes, and services beside them, until told to stop, or until everything there is has been processed.

use crate::cli::Run;
use crate::control;
use crate::error::Error;
use crate::services::{self, Service};
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
    let services = chosen_services(run, &settings)?;
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
    let mut prepared = Vec::new();
    for name in services {
        prepared.push(services::prepare(name, &site, &metrics)?);
    }
    let _server = serve(&site, &metrics, &status)?;
    let mut running = Vec::new();
    for (name, (assignment, complete)) in jobs {
        tracing::info!(job = name, lanes = assignment.lanes, "starting");
        running.push((name, start(&[assignment], &stopping, &status)?, complete));
    }
    let mut beside = Vec::new();
    for service in prepared {
        beside.push(service.start()?);
    }
    watch(&site, &running, &beside, &stopping, &status);
    let mut first = Ok(());
    for (name, running, _) in running {
        let result = running.join();
        tracing::info!(job = name, failed = result.is_err(), "ended");
        first = first.and(result.map_err(Error::from));
    }
    for service in beside {
        let name = service.name();
        let result = service.join();
        tracing::info!(service = name, failed = result.is_err(), "ended");
        first = first.and(result);
    }
    let lanes = status.lanes();
    for (lane, at) in lanes.iter().filter(|(name, _)| !services::SERVICES.contains(&name.as_str())) {
        tracing::info!(lane, records = at.records, "lane ended");
    }
    first
}

/// The services asked for, once each.
fn chosen_services(run: &Run, settings: &Settings) -> Result<Vec<&'static str>, Error> {
    let all = run.jobs.iter().any(|job| job == "all");
    let with_all = |name: &str| match name {
        services::OBSERVE => !settings.observe.cluster.is_empty(),
        services::NOTIFY => !settings.notify.targets.is_empty(),
        _ => false,
    };
    let asked = |name: &&str| {
        run.jobs.iter().any(|job| job == name)
            || (*name == services::ACTUATE && run.with_actuator)
            // Recorded input is no news, and its cluster may be another by now: who wants either names it.
            || (all && !run.recorded && with_all(name))
    };
    let chosen: Vec<&str> = services::SERVICES.into_iter().filter(asked).collect();
    if run.with_actuator && settings.log.kafka.is_some() {
        let said = "--with-actuator is for the embedded log, which one process has; on Kafka the actuator is a process \
                    and an account of its own: bellbuoy run actuate";
        return Err(Error::Usage(said.to_owned()));
    }
    if run.until_complete && run.jobs.iter().all(|job| services::SERVICES.contains(&job.as_str())) {
        let said = format!("--until-complete needs a job that has an end; {} has none", run.jobs.join(", "));
        return Err(Error::Usage(said));
    }
    Ok(chosen)
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

/// Keeps the log within its retention, tells each job when the one before it will write no more, and ends the services
/// when there are no more lanes that write for them.
fn watch(
    site: &Site,
    running: &[(&str, Running, Arc<AtomicBool>)],
    beside: &[Service],
    stopping: &Stopping,
    status: &Status,
) {
    let mut enforced = site.clock.monotonic();
    loop {
        let lanes_ended = running.iter().all(|(_, lanes, _)| lanes.is_finished());
        if lanes_ended && beside.iter().all(Service::is_finished) {
            break;
        }
        // One that cannot go on stops the process: half of what was asked for is none.
        if beside.iter().any(Service::is_finished) {
            stopping.stop();
        }
        if stopping.is_stopping() || (lanes_ended && !running.is_empty()) {
            beside.iter().for_each(Service::stop);
        }
        beside.iter().for_each(|service| service.report(status, &site.clock));
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
