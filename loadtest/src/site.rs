//! An installation in a temporary folder: the embedded log on disk, state, checkpoints, put together as
//! `bellbuoy run` does it.

use anyhow::Context;
use detect::Config;
use detect::job::Detect;
use engine::checkpoint::{Background, CheckpointStore, Checkpoints};
use engine::clock::{SystemClock, WallClock};
use engine::lane::{Environment, LaneConfig};
use engine::log::{CleanupPolicy, Log, TimestampSource, TopicPartition, TopicSpec};
use engine::metrics::Metrics;
use engine::state::StateStores;
use engine::state::rocks::RocksStores;
use std::path::Path;
use std::sync::Arc;
use topics::Cleanup;
use topics::declared::{ANOMALIES, SIGNALS};

/// Checkpoints kept of each task.
const KEPT: usize = 3;

/// An installation with its log open.
pub(crate) struct Site {
    pub(crate) log: Arc<dyn Log>,
    pub(crate) clock: Arc<dyn WallClock>,
    pub(crate) metrics: Metrics,
}

impl Site {
    /// Opens the log of a folder, or creates it.
    pub(crate) fn open(folder: &Path) -> anyhow::Result<Self> {
        let clock: Arc<dyn WallClock> = Arc::new(SystemClock::new());
        let log = engine::log::embedded::open(&folder.join("log"), clock.clone())?;
        Ok(Site::over(log, clock))
    }

    /// An installation over an open log.
    pub(crate) fn over(log: Arc<dyn Log>, clock: Arc<dyn WallClock>) -> Self {
        Site { log, clock, metrics: Metrics::new(env!("CARGO_PKG_VERSION")) }
    }

    /// Creates the topics that are missing: the declared ones, signals with so many partitions.
    pub(crate) fn create_topics(&self, signals: u32) -> anyhow::Result<()> {
        let there = self.log.topics()?;
        for wanted in topics::wanted(&[(SIGNALS.name, signals)])? {
            if there.iter().any(|topic| topic.spec.name == wanted.topic.name) {
                continue;
            }
            let (retention_ms, cleanup) = match wanted.topic.cleanup {
                Cleanup::Delete { retention } => (Some(retention.as_millis() as i64), CleanupPolicy::Delete),
                Cleanup::Compact => (None, CleanupPolicy::Compact),
            };
            self.log.create_topic(&TopicSpec {
                name: wanted.topic.name.to_owned(),
                partitions: wanted.partitions,
                retention_ms,
                retention_bytes: None,
                timestamps: TimestampSource::LogAppendTime,
                cleanup,
            })?;
        }
        Ok(())
    }

    /// Creates a topic whose records keep their producer's time.
    pub(crate) fn create_raw(&self, name: &str, partitions: u32) -> anyhow::Result<()> {
        self.log.create_topic(&TopicSpec {
            name: name.to_owned(),
            partitions,
            retention_ms: None,
            retention_bytes: None,
            timestamps: TimestampSource::CreateTime,
            cleanup: CleanupPolicy::Delete,
        })?;
        Ok(())
    }

    /// The ports of lanes over some state stores; checkpoints where a folder is given.
    pub(crate) fn environment(
        &self,
        stores: Arc<dyn StateStores>,
        checkpoints: Option<&Path>,
    ) -> anyhow::Result<Environment> {
        let checkpoints = match checkpoints {
            None => None,
            Some(folder) => {
                let store = CheckpointStore::open(folder.to_str().context("the folder's name is not UTF-8")?)?;
                let background = Background::new(store, KEPT, self.metrics.clone(), self.clock.clone());
                Some(Arc::new(background) as Arc<dyn Checkpoints>)
            }
        };
        let (log, clock, metrics) = (self.log.clone(), self.clock.clone(), self.metrics.clone());
        Ok(Environment { log, stores, checkpoints, clock, metrics })
    }

    /// The job that scores.
    pub(crate) fn detect(&self) -> Arc<Detect> {
        let (metrics, clock) = (self.metrics.clone(), self.clock.clone());
        Arc::new(Detect::new(Config::default(), 0, ANOMALIES.partitions, metrics, clock))
    }

    /// End of each partition of a topic.
    pub(crate) fn ends(&self, topic: &str, partitions: u32) -> anyhow::Result<Vec<i64>> {
        let end = |partition| Ok(self.log.bounds(&TopicPartition::new(topic, partition))?.end);
        (0..partitions).map(end).collect()
    }
}

/// State stores on disk, with the share of the memory that `bellbuoy run` gives them.
pub(crate) fn stores(folder: &Path, memory: usize) -> RocksStores {
    RocksStores::new(&folder.join("state"), memory / 16)
}

/// How lanes share the memory in `bellbuoy run`: half holds decoded state, a quarter of that may be unwritten.
pub(crate) fn lane_config(memory: usize, lanes: usize) -> LaneConfig {
    let cache_bytes = memory / 2 / lanes.max(1);
    LaneConfig { cache_bytes, dirty_bytes: cache_bytes / 4, ..LaneConfig::default() }
}
