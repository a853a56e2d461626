//! State stores in memory, for tests: they outlive the tasks, as a disk outlives a process.

use super::{Fill, Marker, Put, Snapshot, StateStore, StateStores};
use crate::error::StateError;
use crate::task::TaskId;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Stores that survive the tasks that use them.
#[derive(Clone, Debug, Default)]
pub struct MemoryStores(Arc<Mutex<BTreeMap<TaskId, Stored>>>);

#[derive(Clone, Debug, Default)]
struct Stored {
    entries: BTreeMap<Vec<u8>, Vec<u8>>,
    marker: Option<Marker>,
}

impl MemoryStores {
    /// Deletes every store, as a lost disk would.
    pub fn wipe(&self) {
        self.lock().clear();
    }

    /// The markers of all stores.
    pub fn markers(&self) -> Vec<Marker> {
        self.lock().values().filter_map(|s| s.marker.clone()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<TaskId, Stored>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StateStores for MemoryStores {
    fn open(&self, task: &TaskId) -> Result<Box<dyn StateStore>, StateError> {
        self.lock().entry(task.clone()).or_default();
        Ok(Box::new(MemoryStore { stores: self.clone(), task: task.clone() }))
    }

    fn remove(&self, task: &TaskId) -> Result<(), StateError> {
        self.lock().remove(task);
        Ok(())
    }
}

struct MemoryStore {
    stores: MemoryStores,
    task: TaskId,
}

impl MemoryStore {
    fn with<R>(&self, act: impl FnOnce(&mut Stored) -> R) -> R {
        act(self.stores.lock().entry(self.task.clone()).or_default())
    }
}

impl StateStore for MemoryStore {
    fn marker(&self) -> Result<Option<Marker>, StateError> {
        Ok(self.with(|s| s.marker.clone()))
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        Ok(self.with(|s| s.entries.get(key).cloned()))
    }

    fn flush(&mut self, fill: &mut Fill<'_>, marker: &Marker) -> Result<(), StateError> {
        let mut entries = Vec::new();
        fill(&mut |key, value| entries.push((key.to_vec(), value.to_vec())));
        self.with(|s| {
            s.entries.extend(entries);
            s.marker = Some(marker.clone());
        });
        Ok(())
    }

    fn restore(
        &mut self,
        next: &mut dyn FnMut() -> Option<(Vec<u8>, Vec<u8>)>,
        marker: &Marker,
    ) -> Result<(), StateError> {
        // First, so that an interruption leaves an empty store.
        self.clear()?;
        let entries = std::iter::from_fn(next).collect();
        self.with(|s| *s = Stored { entries, marker: Some(marker.clone()) });
        Ok(())
    }

    fn clear(&mut self) -> Result<(), StateError> {
        self.with(|s| *s = Stored::default());
        Ok(())
    }

    fn snapshot(&self) -> Result<Box<dyn Snapshot>, StateError> {
        Ok(Box::new(MemorySnapshot(self.with(|s| s.entries.clone()))))
    }
}

struct MemorySnapshot(BTreeMap<Vec<u8>, Vec<u8>>);

impl Snapshot for MemorySnapshot {
    fn entries(self: Box<Self>, put: &mut Put<'_>) -> Result<(), StateError> {
        for (key, value) in &self.0 {
            put(key, value);
        }
        Ok(())
    }
}
