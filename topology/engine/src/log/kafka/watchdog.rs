//! A watchdog over calls that may ignore their timeout.
//!
//! `send_offsets_to_transaction` can hang for ever when its coordinator is down (librdkafka#5456). A lane that hangs holds
//! its partitions and, with an open transaction, every reader of what it wrote. Nothing inside the process can end such a
//! call, so the process ends; what it had not committed is recovered by whoever takes over.

use crate::clock::WallClock;
use crate::error::LogError;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

/// How often calls are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Exit code of a process that was ended by the watchdog.
const FAILED: i32 = 1;

/// Calls under way, by number: what they are, and when they are given up.
#[derive(Debug, Default)]
struct Calls {
    next: u64,
    open: BTreeMap<u64, (&'static str, Duration)>,
}

/// Watches over calls.
pub(super) struct Watchdog {
    calls: Arc<Mutex<Calls>>,
    clock: Arc<dyn WallClock>,
}

impl Watchdog {
    /// Starts the thread that watches; it ends with the watchdog.
    pub(super) fn start(clock: Arc<dyn WallClock>) -> Result<Self, LogError> {
        Watchdog::with(clock, |call| {
            tracing::error!(
                call,
                "a call to Kafka ignores its timeout; the process ends, and recovers on its next start"
            );
            std::process::exit(FAILED);
        })
    }

    fn with(clock: Arc<dyn WallClock>, give_up: impl Fn(&'static str) + Send + 'static) -> Result<Self, LogError> {
        let calls = Arc::new(Mutex::new(Calls::default()));
        let (watched, time) = (Arc::downgrade(&calls), clock.clone());
        let body = move || {
            while let Some(overdue) = overdue(&watched, &*time) {
                overdue.into_iter().for_each(&give_up);
                std::thread::sleep(LOOK_EVERY);
            }
        };
        let thread = std::thread::Builder::new().name("kafka-watchdog".to_owned()).spawn(body);
        thread.map_err(|error| LogError::Unavailable { message: format!("no thread for the watchdog: {error}") })?;
        Ok(Watchdog { calls, clock })
    }

    /// Makes a call that is given up after `limit`.
    pub(super) fn watch<T>(&self, name: &'static str, limit: Duration, call: impl FnOnce() -> T) -> T {
        let deadline = self.clock.monotonic() + limit;
        let lock = || self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let number = {
            let mut calls = lock();
            calls.next += 1;
            let number = calls.next;
            calls.open.insert(number, (name, deadline));
            number
        };
        let result = call();
        lock().open.remove(&number);
        result
    }
}

/// Names of the calls past their deadline; none when nobody needs the watchdog any more.
fn overdue(calls: &Weak<Mutex<Calls>>, clock: &dyn WallClock) -> Option<Vec<&'static str>> {
    let calls = calls.upgrade()?;
    let calls = calls.lock().unwrap_or_else(PoisonError::into_inner);
    let now = clock.monotonic();
    Some(calls.open.values().filter(|(_, deadline)| *deadline < now).map(|(name, _)| *name).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use std::sync::mpsc;

    #[test]
    fn a_call_that_outlasts_its_limit_is_given_up_and_others_are_not() {
        let (tell, told) = mpsc::channel();
        let watchdog = Watchdog::with(Arc::new(SystemClock::new()), move |call| tell.send(call).unwrap_or(())).unwrap();
        watchdog.watch("quick", Duration::from_secs(60), || {});
        watchdog.watch("patient", Duration::from_secs(60), || {
            watchdog.watch("stuck", Duration::ZERO, || assert_eq!(told.recv().unwrap(), "stuck"));
        });
        drop(watchdog);
        assert!(told.iter().all(|call| call == "stuck"), "the thread ends with the watchdog");
    }
}
