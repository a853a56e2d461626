//! Where the log of a benchmark is: embedded in a folder, or a Kafka, of our own or the user's.

use crate::benchmarks::say;
use crate::site::Site;
use anyhow::Context;
use clap::Args;
use engine::clock::{SystemClock, WallClock};
use engine::log::kafka::Config;
use rig::kafka::{Brokers, Compilation, Kafka, Settings};
use serde::Serialize;
use std::path::Path;
use std::sync::Arc;

/// Which log.
#[derive(Args, Clone, Debug, Default, Serialize)]
pub(crate) struct PlaceOptions {
    /// Kafka as the log: one broker is started for the run.
    #[arg(long)]
    pub(crate) kafka: bool,
    /// Kafka as the log: brokers of a cluster to use, host:port separated by commas; what is made there is removed again.
    #[arg(long, value_name = "HOST:PORT,…")]
    pub(crate) bootstrap: Option<String>,
}

/// A log's place; what was started ends with it.
pub(crate) struct Place(Option<Cluster>);

struct Cluster {
    _started: Option<Kafka>,
    bootstrap: String,
    prefix: String,
}

impl Place {
    pub(crate) fn open(options: &PlaceOptions) -> anyhow::Result<Self> {
        if !options.kafka && options.bootstrap.is_none() {
            return Ok(Place(None));
        }
        Place::kafka(options.bootstrap.as_deref())
    }

    /// A Kafka, started unless one is named.
    pub(crate) fn kafka(bootstrap: Option<&str>) -> anyhow::Result<Self> {
        let started = match bootstrap {
            Some(_) => None,
            None => {
                say("starting a broker");
                let settings = Settings::new(Brokers::One).compilation(Compilation::Thorough);
                Some(settings.start().context("a Kafka of our own; --bootstrap names another")?)
            }
        };
        let named = bootstrap.map(str::to_owned).or_else(|| started.as_ref().map(Kafka::bootstrap));
        let bootstrap = named.context("no cluster")?;
        let prefix = format!("bellbuoy-loadtest-{}.", SystemClock::new().now_millis());
        Ok(Place(Some(Cluster { _started: started, bootstrap, prefix })))
    }

    /// The place that another process has opened.
    pub(crate) fn known(bootstrap: Option<&str>, prefix: &str) -> Self {
        let cluster =
            |bootstrap: &str| Cluster { _started: None, bootstrap: bootstrap.to_owned(), prefix: prefix.to_owned() };
        Place(bootstrap.map(cluster))
    }

    /// An installation there, with state and checkpoints in a folder.
    pub(crate) fn site(&self, folder: &Path) -> anyhow::Result<Site> {
        let Some(Cluster { bootstrap, prefix, .. }) = &self.0 else { return Site::open(folder) };
        let clock: Arc<dyn WallClock> = Arc::new(SystemClock::new());
        let cluster = engine::log::kafka::open(Config::new(bootstrap.clone()), clock.clone())?;
        Ok(Site::over(engine::log::prefixed::open(cluster, prefix.clone()), clock))
    }

    /// Brokers and prefix, where it is a Kafka.
    pub(crate) fn address(&self) -> Option<(&str, &str)> {
        self.0.as_ref().map(|cluster| (cluster.bootstrap.as_str(), cluster.prefix.as_str()))
    }

    /// Removes what was made on a cluster.
    pub(crate) fn clean(&self, site: &Site) -> anyhow::Result<()> {
        if self.0.is_some() {
            for topic in site.log.topics()? {
                site.log.delete_topic(&topic.spec.name)?;
            }
        }
        Ok(())
    }
}
