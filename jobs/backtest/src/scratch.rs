//! Where a backtest writes: an embedded log and task state in a folder of its own.
//!
//! Invariant: the log's clock stands still, so no record of it carries the machine's time.

use crate::source::Source;
use engine::clock::ManualClock;
use engine::error::LogError;
use engine::log::{Log, TopicSpec, embedded};
use engine::state::StateStores;
use engine::state::rocks::RocksStores;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The folder of one run.
pub struct Scratch {
    log: Arc<dyn Log>,
    state: PathBuf,
}

impl Scratch {
    /// Creates log and topics in a folder that is empty; retention removes nothing there.
    pub fn create<'a>(folder: &Path, topics: impl IntoIterator<Item = &'a TopicSpec>) -> Result<Self, LogError> {
        let log = embedded::open(&folder.join("log"), Arc::new(ManualClock::new(0, 0)))?;
        for topic in topics {
            log.create_topic(&TopicSpec { retention_ms: None, retention_bytes: None, ..topic.clone() })?;
        }
        Ok(Scratch { log, state: folder.join("state") })
    }

    /// The log, for jobs to be built on.
    pub fn log(&self) -> &Arc<dyn Log> {
        &self.log
    }

    /// What was written so far.
    pub fn written(&self) -> Source {
        Source::new(self.log.clone())
    }

    /// Stores of task state, in so many bytes of memory.
    pub(crate) fn stores(&self, memory: usize) -> Arc<dyn StateStores> {
        Arc::new(RocksStores::new(&self.state, memory))
    }
}
