//! Task state: a keyed store per task, written in flushes, read through a cache of decoded values.
//!
//! Invariant: what is stored is the state at exactly the offset its marker names, and that offset has been committed.

mod cache;
pub mod memory;
pub mod rocks;

use crate::clock::TaskClock;
use crate::error::StateError;
use crate::task::TaskId;
use schemas::Logic;
use serde::{Deserialize, Serialize};

pub use cache::{Cache, CacheControl, Value};

/// Opens the stores of tasks: a folder on disk, or memory.
pub trait StateStores: Send + Sync {
    /// Opens, or creates, the store of a task.
    fn open(&self, task: &TaskId) -> Result<Box<dyn StateStore>, StateError>;
    /// Deletes the store of a task.
    fn remove(&self, task: &TaskId) -> Result<(), StateError>;
}

/// Receives key and value.
pub type Put<'a> = dyn FnMut(&[u8], &[u8]) + 'a;

/// Gives everything it has to the receiver.
pub type Fill<'a> = dyn FnMut(&mut Put<'_>) + 'a;

/// The stored state of one task.
pub trait StateStore {
    /// What the state stands for; absent when nothing was ever stored.
    fn marker(&self) -> Result<Option<Marker>, StateError>;
    /// The value of a key.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError>;
    /// Stores entries and marker as one atomic write.
    fn flush(&mut self, fill: &mut Fill<'_>, marker: &Marker) -> Result<(), StateError>;
    /// Replaces everything by what `next` gives, and the marker; interrupted, it leaves an empty store.
    fn restore(
        &mut self,
        next: &mut dyn FnMut() -> Option<(Vec<u8>, Vec<u8>)>,
        marker: &Marker,
    ) -> Result<(), StateError>;
    /// Deletes everything.
    fn clear(&mut self) -> Result<(), StateError>;
    /// A consistent view that may be read from another thread while flushes go on.
    fn snapshot(&self) -> Result<Box<dyn Snapshot>, StateError>;
}

/// A consistent view of a store, sorted by key.
pub trait Snapshot: Send {
    /// Gives every entry, sorted by key.
    fn entries(self: Box<Self>, put: &mut Put<'_>) -> Result<(), StateError>;
}

/// What stored state stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marker {
    /// Whose state it is.
    pub task: TaskId,
    /// Identity of the input topic's creation.
    pub topic_id: u64,
    /// The state is that of the log prefix `[first_offset, offset)`.
    pub offset: i64,
    /// Where the task began.
    pub first_offset: i64,
    /// Number of outputs produced by then.
    pub out_seq: i64,
    /// Digest of those outputs.
    pub digest: crate::output::Digest,
    /// The task's clock by then.
    pub clock: TaskClock,
    /// The logic that produced it.
    pub logic: Logic,
}
