//! Running lanes on threads until told to stop, and what the process says of them.

use crate::clock::WallClock;
use crate::error::{EngineError, LogError, Remedy};
use crate::job::Job;
use crate::lane::{Environment, Lane, LaneConfig, Progress};
use crate::output::Digest;
use crate::task::TaskId;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Errors in a row after which a lane gives up on trying again.
const MAX_ATTEMPTS: u32 = 10;
/// A lane that has not finished a step for this long is not alive.
const STUCK_AFTER: Duration = Duration::from_secs(60);

/// One job to run.
#[derive(Clone)]
pub struct Assignment {
    /// The job.
    pub job: Arc<dyn Job>,
    /// Its ports.
    pub environment: Environment,
    /// How its lanes work.
    pub config: LaneConfig,
    /// Number of lanes, each a thread.
    pub lanes: usize,
    /// Ordinal of this process among those of the job.
    pub ordinal: usize,
    /// When the lanes end by themselves.
    pub until: Until,
}

/// When lanes end by themselves.
#[derive(Clone, Debug)]
pub enum Until {
    /// Never; only when told to stop.
    Stopped,
    /// When everything there was has been processed and the flag says that no more will come.
    Complete(Arc<AtomicBool>),
}

/// A request to stop, shared by everything that runs.
#[derive(Clone, Debug, Default)]
pub struct Stopping(Arc<AtomicBool>);

impl Stopping {
    /// Asks everything to stop gracefully.
    pub fn stop(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// True once asked.
    pub fn is_stopping(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// Stops on SIGTERM and SIGINT; a second signal ends the process at once.
    pub fn on_signals(&self) -> std::io::Result<()> {
        for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
            signal_hook::flag::register_conditional_shutdown(signal, 1, self.0.clone())?;
            signal_hook::flag::register(signal, self.0.clone())?;
        }
        Ok(())
    }
}

/// What lanes report while they run.
#[derive(Clone, Default)]
pub struct Status(Arc<Mutex<BTreeMap<String, LaneStatus>>>);

/// State of one lane.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LaneStatus {
    /// Records processed since it started.
    pub records: u64,
    /// True when every task has caught up with its committed output.
    pub live: bool,
    /// True when it has nothing left to do.
    pub at_end: bool,
    /// When its last step ended, by the monotonic clock.
    pub stepped: Duration,
    /// Output and digest of each task.
    pub digests: Vec<(TaskId, i64, Digest)>,
}

impl Status {
    /// Every lane by name.
    pub fn lanes(&self) -> BTreeMap<String, LaneStatus> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// True when every lane finished a step lately.
    pub fn is_alive(&self, clock: &dyn WallClock) -> bool {
        let now = clock.monotonic();
        self.lanes().values().all(|lane| now.saturating_sub(lane.stepped) < STUCK_AFTER)
    }

    /// True when there are lanes and every one has caught up.
    pub fn is_ready(&self) -> bool {
        let lanes = self.lanes();
        !lanes.is_empty() && lanes.values().all(|lane| lane.live)
    }

    /// Says that something that is no lane runs, and has done so at this moment.
    pub fn service(&self, name: &str, clock: &dyn WallClock) {
        self.update(name, |at| (at.live, at.stepped) = (true, clock.monotonic()));
    }

    fn update(&self, name: &str, change: impl FnOnce(&mut LaneStatus)) {
        let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        change(lanes.entry(name.to_owned()).or_default());
    }
}

/// Lanes that run.
pub struct Running {
    threads: Vec<JoinHandle<Result<(), EngineError>>>,
    stopping: Stopping,
}

/// Starts the lanes of every job, each on a thread of its own.
pub fn start(assignments: &[Assignment], stopping: &Stopping, status: &Status) -> Result<Running, EngineError> {
    let mut threads = Vec::new();
    for assignment in assignments {
        for number in 0..assignment.lanes {
            let name = format!("{}-{}-{number}", assignment.job.name(), assignment.ordinal);
            let (assignment, stopping, status) = (assignment.clone(), stopping.clone(), status.clone());
            status.update(&name, |lane| lane.stepped = assignment.environment.clock.monotonic());
            let body = move || {
                let result = drive(&assignment, number, &stopping, &status);
                if result.is_err() {
                    // One lane that cannot go on stops the process: half a job is a job that lies.
                    stopping.stop();
                }
                result
            };
            let thread = std::thread::Builder::new().name(name).spawn(body);
            threads.push(thread.map_err(|e| EngineError::Configuration(format!("no thread for a lane: {e}")))?);
        }
    }
    Ok(Running { threads, stopping: stopping.clone() })
}

impl Running {
    /// True when every lane has ended.
    pub fn is_finished(&self) -> bool {
        self.threads.iter().all(JoinHandle::is_finished)
    }

    /// Waits until every lane has ended and gives the first error.
    pub fn join(self) -> Result<(), EngineError> {
        let mut first = Ok(());
        for thread in self.threads {
            let result = thread.join().unwrap_or_else(|panic| {
                self.stopping.stop();
                let message = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
                let message = message.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
                Err(EngineError::Configuration(format!("a lane panicked, which is a defect of the program: {message}")))
            });
            first = first.and(result);
        }
        first
    }
}

/// One lane's life: step until told to stop, recover from what can be recovered.
fn drive(assignment: &Assignment, number: usize, stopping: &Stopping, status: &Status) -> Result<(), EngineError> {
    let Assignment { job, environment, config, ordinal, until, .. } = assignment;
    let mut lane = Lane::open(job.clone(), environment.clone(), config.clone(), *ordinal, number)?;
    let name = lane.name().to_owned();
    let mut attempts = 0;
    while !stopping.is_stopping() {
        // Read before the step: only an end seen after the last record was written is the end.
        let complete = matches!(until, Until::Complete(complete) if complete.load(Ordering::SeqCst));
        match lane.step() {
            Ok(progress) => {
                attempts = 0;
                report(&lane, &name, progress, environment, status);
                if complete && progress.at_end {
                    break;
                }
            }
            Err(error) => recover(&mut lane, &name, error, &mut attempts, (environment, stopping, status))?,
        }
    }
    lane.drain()?;
    report(&lane, &name, Progress { records: 0, at_end: true }, environment, status);
    Ok(())
}

/// Builds a lane anew until it can go on. A log that does not answer is waited for however long it takes: nothing is lost
/// meanwhile, and a process that ended would only be started again to wait.
fn recover(
    lane: &mut Lane,
    name: &str,
    mut error: EngineError,
    attempts: &mut u32,
    (environment, stopping, status): (&Environment, &Stopping, &Status),
) -> Result<(), EngineError> {
    let mut pauses = 0;
    loop {
        let away = matches!(error, EngineError::Log(LogError::Unavailable { .. }));
        *attempts += u32::from(!away);
        if error.remedy() == Remedy::Stop || *attempts > MAX_ATTEMPTS || stopping.is_stopping() {
            return Err(error);
        }
        pauses += 1;
        tracing::warn!(lane = %name, pauses, "{error}; everything uncommitted is dropped and recovered");
        std::thread::sleep(Duration::from_millis(100 << pauses.min(6)));
        status.update(name, |at| (at.live, at.stepped) = (false, environment.clock.monotonic()));
        match lane.rebuild() {
            Ok(()) => return Ok(()),
            Err(again) => error = again,
        }
    }
}

fn report(lane: &Lane, name: &str, progress: Progress, environment: &Environment, status: &Status) {
    status.update(name, |at| {
        at.records += progress.records as u64;
        at.live = lane.is_live();
        at.at_end = progress.at_end;
        at.stepped = environment.clock.monotonic();
        at.digests = lane.digests();
    });
}
