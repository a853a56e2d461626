//! State stores that note what they are used for: time and bytes of flushes, and where tasks began.

use crate::meter::{now, thread_time};
use engine::error::StateError;
use engine::state::{Fill, Marker, Snapshot, StateStore, StateStores};
use engine::task::TaskId;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What was noted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notes {
    /// Flushes.
    pub(crate) flushes: u64,
    /// Processor time that lanes spent in them, encoding included; RocksDB's background threads are not in it.
    pub(crate) flushing: Duration,
    /// Bytes of values flushed.
    pub(crate) bytes: u64,
    /// Wall time in which stores were opened.
    pub(crate) opening: Duration,
    /// Wall time in which values were read back, and how many.
    pub(crate) reading: (Duration, u64),
    /// Offset of the state that each partition's task began with; 0 where there was none.
    pub(crate) began: BTreeMap<u32, i64>,
}

/// Stores over others.
#[derive(Clone)]
pub(crate) struct Watched {
    inner: Arc<dyn StateStores>,
    notes: Arc<Mutex<Notes>>,
}

impl Watched {
    /// Watches stores.
    pub(crate) fn over(inner: impl StateStores + 'static) -> Self {
        Watched { inner: Arc::new(inner), notes: Arc::default() }
    }

    /// What has been noted so far.
    pub(crate) fn notes(&self) -> Notes {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl StateStores for Watched {
    fn open(&self, task: &TaskId) -> Result<Box<dyn StateStore>, StateError> {
        let begun = now();
        let store = Store { inner: self.inner.open(task)?, notes: self.notes.clone() };
        store.note(|notes| notes.opening += now() - begun);
        let offset = store.inner.marker()?.map_or(0, |marker| marker.offset);
        store.note(|notes| notes.began.insert(task.partition, offset));
        Ok(Box::new(store))
    }

    fn remove(&self, task: &TaskId) -> Result<(), StateError> {
        self.inner.remove(task)
    }
}

struct Store {
    inner: Box<dyn StateStore>,
    notes: Arc<Mutex<Notes>>,
}

impl Store {
    fn note<R>(&self, change: impl FnOnce(&mut Notes) -> R) {
        change(&mut self.notes.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl StateStore for Store {
    fn marker(&self) -> Result<Option<Marker>, StateError> {
        self.inner.marker()
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        let begun = now();
        let value = self.inner.get(key);
        self.note(|notes| notes.reading = (notes.reading.0 + (now() - begun), notes.reading.1 + 1));
        value
    }

    fn flush(&mut self, fill: &mut Fill<'_>, marker: &Marker) -> Result<(), StateError> {
        let (begun, mut bytes) = (thread_time(), 0);
        let result = self.inner.flush(
            &mut |put| {
                fill(&mut |key, value| {
                    bytes += value.len() as u64;
                    put(key, value);
                });
            },
            marker,
        );
        self.note(|notes| {
            notes.flushes += 1;
            notes.flushing += thread_time() - begun;
            notes.bytes += bytes;
        });
        result
    }

    fn restore(
        &mut self,
        next: &mut dyn FnMut() -> Option<(Vec<u8>, Vec<u8>)>,
        marker: &Marker,
    ) -> Result<(), StateError> {
        self.note(|notes| notes.began.insert(marker.task.partition, marker.offset));
        self.inner.restore(next, marker)
    }

    fn clear(&mut self) -> Result<(), StateError> {
        self.inner.clear()
    }

    fn snapshot(&self) -> Result<Box<dyn Snapshot>, StateError> {
        self.inner.snapshot()
    }
}
