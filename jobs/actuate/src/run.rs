//! The actuator as a process: one thread, one order at a time, until it is told to stop.

use crate::actuator::{Actuator, Step};
use crate::config::Config;
use crate::error::ActuateError;
use engine::clock::WallClock;
use engine::log::Log;
use engine::metrics::Metrics;
use engine::runtime::Stopping;
use engine::service::look_on;
use std::sync::Arc;

/// Called between the steps of an order; what it returns ends the actuator there, for tests.
pub type Hook = dyn Fn(Step) -> Result<(), ActuateError> + Send + Sync;

/// Runs the actuator until it is told to stop. Outages of the log and of the cluster are waited for.
pub fn run(
    config: &Config,
    log: Arc<dyn Log>,
    clock: Arc<dyn WallClock>,
    metrics: &Metrics,
    stopping: &Stopping,
) -> Result<(), ActuateError> {
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
) -> Result<(), ActuateError> {
    config.check()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(ActuateError::Runtime)?;
    let mut actuator = runtime.block_on(Actuator::new(config, log, clock, metrics, stopping, hook))?;
    let passes = |error: &ActuateError| {
        !matches!(error, ActuateError::Ended(_) | ActuateError::Schema(_) | ActuateError::Field { .. })
    };
    look_on(stopping, passes, || runtime.block_on(actuator.look()))
}
