//! `demo`: an estate with a story is generated into a fresh log, and the jobs find what happened in it.
//!
//! Invariant: everything of the summary but the seconds is a function of the seed and the number of days.

mod generate;
mod progress;
mod screen;
mod story;
mod summary;
mod tail;

pub(crate) use progress::{byte_bar, progress_bar};

use crate::cli;
use crate::error::Error;
use crate::settings::Settings;
use crate::site::Site;
use crate::{listing, wiring};
use engine::lane::Ticks;
use engine::log::TopicPartition;
use engine::metrics::Metrics;
use engine::runtime::{Assignment, Status, Stopping, Until, start};
use estate::{Estate, Plan};
use screen::Screen;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use summary::Summary;
use tail::Tail;

/// Ticks every half minute of the estate's time, in transactions of a fixed size: the log is the same each time.
const TICKS: Ticks = Ticks::Recorded { every: 30_000, transaction_records: 1000 };
/// How often the screen is brought up to date.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Tenant and cluster of the estate.
const NAME: &str = "demo";

pub(crate) fn execute(demo: &cli::Demo) -> Result<(), Error> {
    let plan = Plan { seed: demo.seed, days: demo.days, ..Plan::default() };
    let estate = Estate::new(plan).map_err(|error| Error::Usage(error.to_string()))?;
    let screen = Screen::new(demo.json);
    match &demo.keep {
        None => {
            let folder = tempfile::Builder::new().prefix("bellbuoy-demo-").tempdir();
            let folder = folder.map_err(|error| Error::file(&std::env::temp_dir(), error))?;
            tell(demo, &estate, &screen, folder.path())
        }
        Some(folder) => {
            std::fs::create_dir_all(folder).map_err(|error| Error::file(folder, error))?;
            if std::fs::read_dir(folder).map_err(|error| Error::file(folder, error))?.next().is_some() {
                return Err(Error::Usage(format!("--keep {}: the folder must be new or empty", folder.display())));
            }
            tell(demo, &estate, &screen, folder)?;
            screen.kept(folder)
        }
    }
}

fn tell(demo: &cli::Demo, estate: &Estate, screen: &Screen, folder: &Path) -> Result<(), Error> {
    let site = Site::open(settings(estate, folder))?;
    site.create_missing()?;
    let begun = site.clock.monotonic();
    screen.opening(demo.seed, estate)?;
    let raw = generate::into_log(estate, &*site.log)?;
    screen.learning(&raw)?;
    let metrics = Metrics::new(env!("CARGO_PKG_VERSION"));
    let mut tail = Tail::new(&*site.log)?;
    let status = watch(&site, estate, &metrics, screen, &mut tail, raw.records)?;
    let seconds = (site.clock.monotonic() - begun).as_secs_f64();
    let summary = Summary::new(demo.seed, estate, &*site.log, &raw, &metrics, &status, tail.into_found(), seconds)?;
    screen.summary(&summary)?;
    if demo.json { listing::json(&summary) } else { Ok(()) }
}

/// A configuration of its own: the demo is the same whatever the machine's says.
fn settings(estate: &Estate, folder: &Path) -> Settings {
    let mut settings = Settings::default();
    settings.log.embedded = folder.join("log");
    settings.state.folder = folder.join("state");
    settings.checkpoints.address = Some(folder.join("checkpoints").display().to_string());
    settings.http.address = None;
    (settings.ingest.tenant, settings.ingest.cluster) = (NAME.to_owned(), NAME.to_owned());
    for (topic, partitions) in estate.topics() {
        settings.topics.entry(topic.to_owned()).or_default().partitions = Some(partitions);
    }
    settings
}

/// Runs ingest and detect side by side until everything has been found, showing what is.
fn watch(
    site: &Site,
    estate: &Estate,
    metrics: &Metrics,
    screen: &Screen,
    tail: &mut Tail,
    records: u64,
) -> Result<Status, Error> {
    let (stopping, status) = (Stopping::default(), Status::default());
    stopping.on_signals().map_err(|error| Error::File { place: "signals".to_owned(), error })?;
    let environment = wiring::environment(&site.settings, site.log.clone(), site.clock.clone(), metrics)?;
    let assignment = |name: &str, complete: &Arc<AtomicBool>| -> Result<Assignment, Error> {
        Ok(Assignment {
            job: wiring::job(name, &site.settings, &*site.log, metrics, &site.clock)?,
            environment: environment.clone(),
            config: wiring::lane_config(name, &site.settings, TICKS, false),
            lanes: 1,
            ordinal: 0,
            until: Until::Complete(complete.clone()),
        })
    };
    let written = Arc::new(AtomicBool::new(false));
    let ingest = assignment("ingest", &Arc::new(AtomicBool::new(true)))?;
    let detect = assignment("detect", &written)?;
    let ingest = start(&[ingest], &stopping, &status)?;
    let detect = start(&[detect], &stopping, &status)?;
    let bar = progress::live_bar(records);
    while !(ingest.is_finished() && detect.is_finished()) {
        written.store(ingest.is_finished(), Ordering::SeqCst);
        for found in tail.read(&*site.log)? {
            bar.suspend(|| screen.anomaly(&found, estate))?;
        }
        let read =
            status.lanes().iter().filter(|(name, _)| name.starts_with("ingest-")).map(|(_, lane)| lane.records).sum();
        bar.set_position(read);
        bar.set_message(format!("{} signals waiting", listing::count(waiting(site)?)));
        std::thread::sleep(LOOK_EVERY);
    }
    bar.finish_and_clear();
    let (ingest, detect) = (ingest.join(), detect.join());
    ingest.and(detect)?;
    for found in tail.read(&*site.log)? {
        screen.anomaly(&found, estate)?;
    }
    if stopping.is_stopping() {
        return Err(Error::Unwell("the demo was stopped before its end".to_owned()));
    }
    Ok(status)
}

/// Offsets of the signals topic that detect has not committed yet.
fn waiting(site: &Site) -> Result<u64, Error> {
    let (group, topic) = (engine::lane::group_of("detect"), topics::declared::SIGNALS);
    let mut waiting = 0;
    for partition in 0..site.topic(topic.name)?.spec.partitions {
        let partition = TopicPartition::new(topic.name, partition);
        let read = site.log.committed(&group, &partition)?.map_or(0, |committed| committed.offset);
        waiting += u64::try_from(site.log.bounds(&partition)?.end - read).unwrap_or(0);
    }
    Ok(waiting)
}
