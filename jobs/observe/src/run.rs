//! The observer as a process: one thread, until it is told to stop.

use crate::config::Config;
use crate::error::ObserveError;
use crate::table::Table;
use crate::watch;
use engine::clock::WallClock;
use engine::log::Log;
use engine::metrics::Metrics;
use engine::runtime::Stopping;
use futures_util::stream::StreamExt as _;
use std::sync::Arc;
use std::time::Duration;

/// Time between two writes, and two looks whether it is to stop.
const WRITE_EVERY: Duration = Duration::from_millis(100);
/// Rest after a write that failed, milliseconds.
const REST: i64 = 1_000;
/// Time between two looks for what can be forgotten, milliseconds.
const FORGET_EVERY: i64 = 60 * 60_000;

/// Runs the observer until it is told to stop. Outages of the log and of the cluster are waited for.
pub fn run(
    config: &Config,
    log: Arc<dyn Log>,
    clock: Arc<dyn WallClock>,
    metrics: &Metrics,
    stopping: &Stopping,
) -> Result<(), ObserveError> {
    config.check()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(ObserveError::Runtime)?;
    let mut table = loop {
        match Table::load(&*log, config) {
            Ok(table) => break table,
            Err(ObserveError::Log(error)) => tracing::warn!("{error}; tried again in a second"),
            Err(error) => return Err(error),
        }
        if stopping.is_stopping() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(REST.unsigned_abs()));
    };
    runtime.block_on(follow(config, &mut table, &*log, &*clock, metrics, stopping))
}

async fn follow(
    config: &Config,
    table: &mut Table<'_>,
    log: &dyn Log,
    clock: &dyn WallClock,
    metrics: &Metrics,
    stopping: &Stopping,
) -> Result<(), ObserveError> {
    let mut events = watch::all(config).await?;
    let producer = format!("bellbuoy-observe-{}", config.cluster);
    let (mut write_at, mut forget_at) = (i64::MIN, i64::MIN);
    while !stopping.is_stopping() {
        if let Ok(Some((kind, event))) = tokio::time::timeout(WRITE_EVERY, events.next()).await {
            match event {
                Ok(event) => {
                    if table.take(kind, event, clock.now_millis()) {
                        tracing::info!(kind = kind.kind, objects = table.count(kind), "listed");
                    }
                }
                Err(error) => {
                    metrics.objects.with_label_values(&[kind.kind, "failed"]).inc();
                    tracing::warn!(kind = kind.kind, "{error}; tried again");
                }
            }
        }
        let now = clock.now_millis();
        if now >= forget_at {
            forget_at = now + FORGET_EVERY;
            table.forget(now);
        }
        if table.has_unwritten() && now >= write_at {
            write_at = now + i64::try_from(WRITE_EVERY.as_millis()).unwrap_or(i64::MAX);
            match table.write(log, &producer) {
                Ok(written) => {
                    for kind in &written.kinds {
                        metrics.objects.with_label_values(&[kind, "written"]).inc();
                    }
                    metrics.objects.with_label_values(&["", "forgotten"]).inc_by(written.tombstones as u64);
                }
                // Another observer of the same cluster wrote at the same moment, and the same: it does no harm.
                Err(ObserveError::Log(error)) => {
                    write_at = now + REST;
                    tracing::warn!("{error}; tried again in a second");
                }
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}
