//! Jobs and what they run on, put together. The one place that knows every job.

use crate::error::Error;
use crate::settings::Settings;
use correlate::job::Correlate;
use detect::job::Detect;
use engine::checkpoint::{Background, CheckpointStore, Checkpoints};
use engine::clock::WallClock;
use engine::error::LogError;
use engine::job::Job;
use engine::lane::{Environment, LaneConfig, Ticks};
use engine::log::Log;
use engine::metrics::Metrics;
use engine::state::StateStores;
use engine::state::rocks::RocksStores;
use ingest::job::Ingest;
use remediate::job::Remediate;
use schemas::signing::Signer;
use std::sync::Arc;
use std::time::Duration;
use topics::declared::{ANOMALIES, COMMANDS, CONTROL, DEAD_LETTERS, INCIDENTS, OBJECTS, SIGNALS};

/// Every job, in the order data meets them.
pub(crate) const JOBS: [&str; 4] = ["ingest", "detect", "correlate", "remediate"];

/// A job by its name; the topics it writes must exist.
pub(crate) fn job(
    name: &str,
    settings: &Settings,
    log: &dyn Log,
    metrics: &Metrics,
    clock: &Arc<dyn WallClock>,
) -> Result<Arc<dyn Job>, Error> {
    let existing = log.topics()?;
    let partitions = |topic: topics::Topic| {
        let found = existing.iter().find(|known| known.spec.name == topic.name);
        found.map(|known| known.spec.partitions).ok_or_else(|| LogError::UnknownTopic { topic: topic.name.to_owned() })
    };
    let metrics = metrics.clone();
    match name {
        "ingest" => {
            let (signals, dead) = (partitions(SIGNALS)?, partitions(DEAD_LETTERS)?);
            let ingest = Ingest::new(settings.ingest.clone(), inputs(name, settings), signals, dead, metrics);
            // The scratch log of a backtest has none; every log that is run on does.
            Ok(Arc::new(if partitions(OBJECTS).is_ok() { ingest.with_objects() } else { ingest }))
        }
        "detect" => {
            let detect = settings.detect.clone();
            Ok(Arc::new(Detect::new(detect, settings.revision, partitions(ANOMALIES)?, metrics, clock.clone())))
        }
        "correlate" => Ok(Arc::new(Correlate::new(settings.correlate.clone(), settings.revision, metrics))),
        "remediate" => {
            let policy = settings.remediate.policy()?;
            let key = policy.signing.key_file.as_deref().map(Signer::open).transpose();
            let signer = key.map_err(|error| Error::Usage(error.to_string()))?;
            let commands = partitions(COMMANDS)?;
            Ok(Arc::new(Remediate::new(policy, settings.revision, commands, metrics, signer)))
        }
        other => Err(Error::Usage(format!("there is no job {other}; allowed are {}", JOBS.join(", ")))),
    }
}

/// Lanes of a job.
pub(crate) fn lanes(name: &str, settings: &Settings) -> usize {
    match name {
        "ingest" => settings.lanes.ingest,
        "correlate" => settings.lanes.correlate,
        "remediate" => settings.lanes.remediate,
        _ => settings.lanes.detect,
    }
}

/// The topic whose partitions are a job's tasks; for ingest the raw topics, and what people say.
pub(crate) fn inputs(name: &str, settings: &Settings) -> Vec<String> {
    match name {
        "ingest" => settings.ingest.topics.keys().cloned().chain([CONTROL.name.to_owned()]).collect(),
        "correlate" => vec![ANOMALIES.name.to_owned()],
        "remediate" => vec![INCIDENTS.name.to_owned()],
        _ => vec![SIGNALS.name.to_owned()],
    }
}

/// How the lanes of a job work.
///
/// Of the memory, half holds decoded state; of that a quarter may be unwritten. The rest is for RocksDB and for records
/// on their way.
pub(crate) fn lane_config(job: &str, settings: &Settings, ticks: Ticks, accept_reset: bool) -> LaneConfig {
    let cache_bytes = settings.memory.memory() / 2 / lanes(job, settings).max(1);
    LaneConfig {
        cache_bytes,
        dirty_bytes: cache_bytes / 4,
        flush_every: duration(settings.state.flush_every),
        checkpoint_every: duration(settings.checkpoints.every),
        ticks,
        accept_reset,
        ..LaneConfig::default()
    }
}

/// The ports that lanes work on.
pub(crate) fn environment(
    settings: &Settings,
    log: Arc<dyn Log>,
    clock: Arc<dyn WallClock>,
    metrics: &Metrics,
) -> Result<Environment, Error> {
    let checkpoints = match &settings.checkpoints.address {
        None => None,
        Some(address) => {
            let store = CheckpointStore::open(address)?;
            let background = Background::new(store, settings.checkpoints.keep, metrics.clone(), clock.clone());
            Some(Arc::new(background) as Arc<dyn Checkpoints>)
        }
    };
    Ok(Environment { log, stores: stores(settings), checkpoints, clock, metrics: metrics.clone() })
}

/// The state folder's stores. Each task has write buffers of its own, so they get a small share of the memory.
pub(crate) fn stores(settings: &Settings) -> Arc<dyn StateStores> {
    Arc::new(RocksStores::new(&settings.state.folder, settings.memory.memory() / 16))
}

fn duration(span: engine::span::Span) -> Duration {
    Duration::from_millis(u64::try_from(span.millis()).unwrap_or(0))
}
