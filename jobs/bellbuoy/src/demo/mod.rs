//! `demo`: an estate with a story is generated into a fresh log, and the jobs find what happened in it.
//!
//! Invariant: everything of the summary but the seconds is a function of the seed and the number of days.

mod commands;
mod found;
mod generate;
mod incidents;
mod progress;
mod screen;
mod story;
mod summary;

pub(crate) use progress::{byte_bar, progress_bar};

use crate::cli;
use crate::error::Error;
use crate::settings::Settings;
use crate::site::Site;
use crate::{listing, wiring};
use commands::Commands;
use engine::lane::Ticks;
use engine::log::{Log, TopicPartition};
use engine::metrics::Metrics;
use engine::runtime::{Assignment, Running, Status, Stopping, Until, start};
use estate::{Estate, Plan};
use found::Anomalies;
use incidents::Incidents;
use screen::Screen;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use summary::Summary;

/// Ticks every half minute of the estate's time, in transactions of a fixed size: the log is the same each time.
const TICKS: Ticks = Ticks::Recorded { every: 30_000, transaction_records: 1000 };
/// How often the screen is brought up to date.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Tenant of the estate, and its cluster as its network calls it.
const TENANT: &str = "demo";
const CLUSTER: &str = "estate";

/// What is read of the log while jobs write it.
struct Readers {
    anomalies: Anomalies,
    incidents: Incidents,
    commands: Commands,
}

/// Something that has come.
enum News {
    Anomaly(found::Found),
    /// A change of an incident, and how it was before.
    Incident(Box<(incidents::Told, Option<incidents::Told>)>),
    Command(commands::Told),
}

impl Readers {
    /// What has come since the last call, in the order of the estate's time.
    fn read(&mut self, log: &dyn Log) -> Result<Vec<News>, Error> {
        let mut news: Vec<(i64, News)> = Vec::new();
        news.extend(self.anomalies.read(log)?.into_iter().map(|found| (found.told.time, News::Anomaly(found))));
        let incidents = self.incidents.read(log)?.into_iter();
        news.extend(incidents.map(|(told, before)| (told.at, News::Incident(Box::new((told, before))))));
        news.extend(self.commands.read(log)?.into_iter().map(|told| (told.at, News::Command(told))));
        // Stable: of one moment the anomaly comes before its incident, and that before its command.
        news.sort_by_key(|(at, _)| *at);
        Ok(news.into_iter().map(|(_, news)| news).collect())
    }
}

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
    let mut readers = Readers { anomalies: Anomalies::new(), incidents: Incidents::new(), commands: Commands::new() };
    let status = watch(&site, estate, &metrics, screen, &mut readers, raw.records)?;
    let seconds = (site.clock.monotonic() - begun).as_secs_f64();
    let summary = Summary::new(demo.seed, estate, &*site.log, &raw, &metrics, &status, readers, seconds)?;
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
    (settings.ingest.tenant, settings.ingest.cluster) = (TENANT.to_owned(), CLUSTER.to_owned());
    for (topic, partitions) in estate.topics() {
        settings.topics.entry(topic.to_owned()).or_default().partitions = Some(partitions);
    }
    settings
}

/// Runs every job side by side until everything has been found, showing what is.
fn watch(
    site: &Site,
    estate: &Estate,
    metrics: &Metrics,
    screen: &Screen,
    readers: &mut Readers,
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
    let mut running = Vec::new();
    for name in wiring::JOBS {
        let complete = Arc::new(AtomicBool::new(false));
        running.push((start(&[assignment(name, &complete)?], &stopping, &status)?, complete));
    }
    let bar = progress::live_bar(records);
    loop {
        // Whatever a job still wrote is there to be read once it has ended.
        let ended = running.iter().all(|(lanes, _)| lanes.is_finished());
        tell_complete(&running);
        let news = readers.read(&*site.log)?;
        bar.suspend(|| news.iter().try_for_each(|news| screen.news(news, estate)))?;
        if ended {
            break;
        }
        let read =
            status.lanes().iter().filter(|(name, _)| name.starts_with("ingest-")).map(|(_, lane)| lane.records).sum();
        bar.set_position(read);
        bar.set_message(format!("{} signals waiting", listing::count(waiting(site)?)));
        std::thread::sleep(LOOK_EVERY);
    }
    bar.finish_and_clear();
    running.into_iter().map(|(lanes, _)| lanes.join()).fold(Ok(()), Result::and)?;
    if stopping.is_stopping() {
        return Err(Error::Unwell("the demo was stopped before its end".to_owned()));
    }
    Ok(status)
}

/// Tells each job when the one before it will write no more.
fn tell_complete(running: &[(Running, Arc<AtomicBool>)]) {
    let mut before_ended = true;
    for (lanes, complete) in running {
        complete.store(before_ended, Ordering::SeqCst);
        before_ended &= lanes.is_finished();
    }
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
