//! How long to wait for another process.

use std::time::{Duration, Instant};

/// A moment after which waiting is given up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(Instant);

impl Deadline {
    /// So long from now.
    #[allow(clippy::disallowed_methods, reason = "another process takes the machine's time")]
    pub(crate) fn after(patience: Duration) -> Self {
        Deadline(Instant::now() + patience)
    }

    /// Waits a moment; false if there is no time left to wait.
    #[allow(clippy::disallowed_methods, reason = "another process takes the machine's time")]
    pub(crate) fn pause(self) -> bool {
        if Instant::now() >= self.0 {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
        true
    }
}
