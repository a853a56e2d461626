//! The notifier as a process: one thread that reads and decides, one for each target, until it is told to stop.

use crate::config::Config;
use crate::error::NotifyError;
use crate::notifier::{Notifier, Step};
use engine::clock::WallClock;
use engine::log::Log;
use engine::metrics::Metrics;
use engine::runtime::Stopping;
use std::sync::Arc;
use std::time::Duration;

/// Time between two looks at the log.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Longest rest after something failed.
const LONGEST_REST: Duration = Duration::from_secs(10);

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
    let mut rest = LOOK_EVERY;
    while !stopping.is_stopping() {
        match notifier.look() {
            Ok(()) => rest = LOOK_EVERY,
            Err(NotifyError::Log(error)) => {
                rest = (rest * 2).min(LONGEST_REST);
                tracing::warn!("{error}; tried again in {} ms", rest.as_millis());
            }
            Err(error) => return Err(error),
        }
        pause(rest, stopping);
    }
    Ok(())
}

fn pause(rest: Duration, stopping: &Stopping) {
    let mut left = rest;
    while !left.is_zero() && !stopping.is_stopping() {
        let step = left.min(LOOK_EVERY);
        std::thread::sleep(step);
        left -= step;
    }
}
