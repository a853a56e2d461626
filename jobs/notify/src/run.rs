//! The notifier as a process: one thread that reads and decides, one for each target, until it is told to stop.

use crate::config::Config;
use crate::error::NotifyError;
use crate::notifier::{Notifier, Step};
use engine::clock::WallClock;
use engine::log::Log;
use engine::metrics::Metrics;
use engine::runtime::Stopping;
use engine::service::look_on;
use std::sync::Arc;

/// Called between the steps of a telling; what it returns ends the notifier there, for tests.
pub type Hook = dyn Fn(Step) -> Result<(), NotifyError> + Send + Sync;

/// Runs the notifier until it is told to stop. Outages of the log and of targets are waited for.
pub fn run(
    config: &Config,
    log: Arc<dyn Log>,
    clock: Arc<dyn WallClock>,
    metrics: &Metrics,
    stopping: &Stopping,
) -> Result<(), NotifyError> {
    run_with(config, log, clock, metrics, stopping, &|_| Ok(()))
}

/// The same, ended by a test at a step of its choice.
pub fn run_with(
    config: &Config,
    log: Arc<dyn Log>,
    clock: Arc<dyn WallClock>,
    metrics: &Metrics,
    stopping: &Stopping,
    hook: &Hook,
) -> Result<(), NotifyError> {
    config.check()?;
    let mut notifier = Notifier::new(config, log, clock, metrics, hook);
    look_on(stopping, |error| matches!(error, NotifyError::Log(_)), || notifier.look())
}
