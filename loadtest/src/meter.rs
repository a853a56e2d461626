//! What a stretch of work took: wall time, processor time, memory.

use crate::machine::{field, kibibytes};
use engine::clock::{SystemClock, WallClock};
use rustix::time::{ClockId, clock_gettime};
use std::sync::OnceLock;
use std::time::Duration;

/// Time that never goes back, from the first question.
pub(crate) fn now() -> Duration {
    static CLOCK: OnceLock<SystemClock> = OnceLock::new();
    CLOCK.get_or_init(SystemClock::new).monotonic()
}

/// Processor time of all threads of this process, system calls included.
pub(crate) fn processor_time() -> Duration {
    time_of(ClockId::ProcessCPUTime)
}

/// Processor time of this thread; unlike wall time it does not count what else the machine does.
pub(crate) fn thread_time() -> Duration {
    time_of(ClockId::ThreadCPUTime)
}

/// Wall and processor time since a moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch {
    wall: Duration,
    processor: Duration,
}

impl Stopwatch {
    /// Starts now.
    pub(crate) fn start() -> Self {
        Stopwatch { wall: now(), processor: processor_time() }
    }

    /// Wall and processor seconds since the start.
    pub(crate) fn seconds(&self) -> (f64, f64) {
        ((now() - self.wall).as_secs_f64(), (processor_time() - self.processor).as_secs_f64())
    }
}

/// Highest resident memory of this process so far, bytes.
pub(crate) fn peak_memory() -> u64 {
    status("VmHWM")
}

/// Resident memory of this process now, bytes.
pub(crate) fn resident_memory() -> u64 {
    status("VmRSS")
}

fn status(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    field(&status, name).and_then(kibibytes).unwrap_or(0) * 1024
}

/// Waits until background work of the storage has ended, a minute at most: less than a tenth of a core in use.
pub(crate) fn wait_until_quiet() {
    for _ in 0..120 {
        let before = processor_time();
        std::thread::sleep(Duration::from_millis(500));
        if processor_time() - before < Duration::from_millis(50) {
            return;
        }
    }
}

fn time_of(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}
