//! Topics that a job reads whole beside its input: to their end before its first record, and on from there from time to
//! time.
//!
//! What they say may be in an output of a job without state only: it is written once and never replayed, so it does not
//! matter that it would be different later. A job with state has one input, so that its output is a function of that.

use super::Environment;
use crate::error::EngineError;
use crate::job::{Job, Mode};
use crate::log::TopicReader;
use std::time::Duration;

/// Time between two looks whether there is more.
const EVERY: Duration = Duration::from_secs(1);

/// Where reading of such topics goes on.
#[derive(Debug, Default)]
pub(super) struct Beside {
    readers: Vec<TopicReader>,
    read_at: Option<Duration>,
}

impl Beside {
    /// Reads on to the end, if it is time.
    pub(super) fn read_on(&mut self, job: &dyn Job, environment: &Environment) -> Result<(), EngineError> {
        let topics = job.beside();
        let now = environment.clock.monotonic();
        if topics.is_empty() || self.read_at.is_some_and(|last| now.saturating_sub(last) < EVERY) {
            return Ok(());
        }
        debug_assert_eq!(job.mode(), Mode::Merged, "what is replayed must not depend on another topic");
        if self.readers.is_empty() {
            self.readers = topics.iter().map(|topic| TopicReader::new(topic)).collect();
        }
        for reader in &mut self.readers {
            reader.read_on(&*environment.log, |partition, record| job.learn(partition, record))?;
        }
        self.read_at = Some(now);
        Ok(())
    }
}
