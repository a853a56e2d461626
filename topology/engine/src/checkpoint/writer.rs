//! Writing checkpoints: on the lane's thread, or beside it.

use super::{CheckpointStore, Checkpoints, Verified};
use crate::clock::WallClock;
use crate::error::CheckpointError;
use crate::metrics::Metrics;
use crate::recovery::Candidate;
use crate::state::{Marker, Snapshot};
use crate::task::TaskId;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// Writes each checkpoint before the lane goes on: for tests, where every step has its place.
pub struct Inline {
    /// Where to.
    pub store: CheckpointStore,
    /// How many are kept of each task.
    pub kept: usize,
}

impl Checkpoints for Inline {
    fn start(&self, marker: Marker, snapshot: Box<dyn Snapshot>) -> Result<(), CheckpointError> {
        self.store.write(&marker, snapshot)?;
        self.store.prune(&marker, self.kept)?;
        Ok(())
    }

    fn candidates(&self, task: &TaskId) -> Result<(Vec<Candidate>, Vec<CheckpointError>), CheckpointError> {
        self.store.candidates(task)
    }

    fn read(&self, name: &str, put: &mut dyn FnMut(Vec<u8>, Vec<u8>)) -> Result<Verified, CheckpointError> {
        self.store.read(name, put)
    }

    fn discard(&self, task: &TaskId) -> Result<(), CheckpointError> {
        self.store.discard(task)
    }

    fn finish(&self) {}
}

/// Writes checkpoints beside the lanes, one at a time, so that they never take more than one snapshot's memory.
pub struct Background {
    store: CheckpointStore,
    kept: usize,
    metrics: Metrics,
    clock: Arc<dyn WallClock>,
    /// One writer at a time; the guard is held while writing.
    writing: Arc<Mutex<()>>,
    started: Mutex<Vec<JoinHandle<()>>>,
}

impl Background {
    /// Writes to a store, keeping so many of each task.
    pub fn new(store: CheckpointStore, kept: usize, metrics: Metrics, clock: Arc<dyn WallClock>) -> Self {
        Background { store, kept, metrics, clock, writing: Arc::default(), started: Mutex::default() }
    }
}

impl Checkpoints for Background {
    fn start(&self, marker: Marker, snapshot: Box<dyn Snapshot>) -> Result<(), CheckpointError> {
        let (store, kept, metrics, clock) = (self.store.clone(), self.kept, self.metrics.clone(), self.clock.clone());
        let writing = self.writing.clone();
        let write = move || {
            let _one_at_a_time = writing.lock().unwrap_or_else(PoisonError::into_inner);
            let begun = clock.monotonic();
            let written = store.write(&marker, snapshot).and_then(|_| store.prune(&marker, kept));
            match written {
                Ok(_) => {
                    metrics.checkpoint_duration.observe((clock.monotonic() - begun).as_secs_f64());
                    let task = marker.task.to_string();
                    metrics.checkpoint_written.with_label_values(&[task.as_str()]).set(clock.now_millis() / 1000);
                }
                Err(error) => {
                    metrics.checkpoint_failures.inc();
                    tracing::error!(task = %marker.task, offset = marker.offset, "checkpoint not written: {error}");
                }
            }
        };
        let thread = std::thread::Builder::new().name("checkpoint".to_owned()).spawn(write);
        let thread =
            thread.map_err(|e| CheckpointError::Store { url: self.store.url.clone(), message: e.to_string() })?;
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        started.retain(|thread| !thread.is_finished());
        started.push(thread);
        Ok(())
    }

    fn candidates(&self, task: &TaskId) -> Result<(Vec<Candidate>, Vec<CheckpointError>), CheckpointError> {
        self.store.candidates(task)
    }

    fn read(&self, name: &str, put: &mut dyn FnMut(Vec<u8>, Vec<u8>)) -> Result<Verified, CheckpointError> {
        self.store.read(name, put)
    }

    fn discard(&self, task: &TaskId) -> Result<(), CheckpointError> {
        self.store.discard(task)
    }

    fn finish(&self) {
        let started = std::mem::take(&mut *self.started.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in started {
            // A panic in the writer has been printed by its own thread; the checkpoint is simply missing.
            let _ = thread.join();
        }
    }
}
