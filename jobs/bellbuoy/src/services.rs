//! Jobs that are no tasks of partitions: each is one thread that reads topics whole and speaks with what is outside the
//! log. The one place that knows every service.
//!
//! Invariant: no replay and no backtest starts a service; only `run` does.

use crate::error::Error;
use crate::site::Site;
use engine::clock::WallClock;
use engine::metrics::Metrics;
use engine::runtime::{Status, Stopping};
use std::sync::Arc;
use std::thread::JoinHandle;

/// What `run` may be asked to run.
pub(crate) const RUNNABLE: [&str; 8] = ["all", OBSERVE, "ingest", "detect", "correlate", "remediate", ACTUATE, NOTIFY];

/// Every service.
pub(crate) const SERVICES: [&str; 3] = [OBSERVE, ACTUATE, NOTIFY];

/// The observer's name. It runs with all where it has a cluster to look at.
pub(crate) const OBSERVE: &str = "observe";
/// The actuator's name. It is an identity of its own: it runs where it is named, never because all are.
pub(crate) const ACTUATE: &str = "actuate";
/// The notifier's name. It runs with all where it has somebody to tell.
pub(crate) const NOTIFY: &str = "notify";

/// A service that runs.
pub(crate) struct Service {
    name: &'static str,
    thread: JoinHandle<Result<(), Error>>,
    /// Its own: services outlast the lanes, which write what they read.
    stopping: Stopping,
}

/// What a service does until it is told to stop.
type Body = Box<dyn FnOnce(&Stopping) -> Result<(), Error> + Send>;

/// A service put together; nothing of it runs yet. What is wrong with its configuration shows here.
pub(crate) struct Prepared {
    name: &'static str,
    body: Body,
}

/// Puts a service together.
pub(crate) fn prepare(name: &'static str, site: &Site, metrics: &Metrics) -> Result<Prepared, Error> {
    let (log, clock, metrics) = (site.log.clone(), site.clock.clone(), metrics.clone());
    let body: Body = match name {
        OBSERVE => {
            let config = site.settings.observe.clone();
            if config.cluster.is_empty() {
                return Err(Error::Usage("observe.cluster is empty: objects would belong nowhere".to_owned()));
            }
            Box::new(move |stopping| Ok(observe::run(&config, log, clock, &metrics, stopping)?))
        }
        ACTUATE => {
            let config = site.settings.actuate.clone();
            if config.cluster.is_empty() || config.keys.is_empty() {
                let missing = if config.cluster.is_empty() { "actuate.cluster" } else { "actuate.keys" };
                return Err(Error::Usage(format!("{missing} is empty: the actuator would refuse every command")));
            }
            Box::new(move |stopping| Ok(actuate::run(&config, log, clock, &metrics, stopping)?))
        }
        NOTIFY => {
            let config = site.settings.notify.clone();
            if config.targets.is_empty() {
                return Err(Error::Usage("notify.targets is empty: there is nobody to tell".to_owned()));
            }
            Box::new(move |stopping| Ok(notify::run(&config, log, clock, &metrics, stopping)?))
        }
        other => return Err(Error::Usage(format!("there is no service {other}; there are {}", SERVICES.join(", ")))),
    };
    Ok(Prepared { name, body })
}

impl Prepared {
    /// Starts it on a thread of its own.
    pub(crate) fn start(self) -> Result<Service, Error> {
        let Prepared { name, body } = self;
        let stopping = Stopping::default();
        let own = stopping.clone();
        let started = std::thread::Builder::new().name(name.to_owned()).spawn(move || body(&own));
        let thread = started.map_err(|error| Error::File { place: format!("a thread for {name}"), error })?;
        Ok(Service { name, thread, stopping })
    }
}

impl Service {
    /// Its name.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Asks it to stop.
    pub(crate) fn stop(&self) {
        self.stopping.stop();
    }

    /// True when it has ended: it was told to, or cannot go on.
    pub(crate) fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Says in the status that it runs. It waits for outages by itself, so running is all that can be told.
    pub(crate) fn report(&self, status: &Status, clock: &Arc<dyn WallClock>) {
        if !self.is_finished() {
            status.service(self.name, &**clock);
        }
    }

    /// Waits until it has ended.
    pub(crate) fn join(self) -> Result<(), Error> {
        let panicked = || format!("{} panicked, which is a defect of the program; its log says where", self.name);
        self.thread.join().unwrap_or_else(|_| Err(Error::Unwell(panicked())))
    }
}
