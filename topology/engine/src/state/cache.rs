//! Decoded values of a task's state, written back in flushes, within a memory bound.
//!
//! Invariant: only clean values are evicted; a value read is the same whether it was cached or not.

use super::{Put, StateStore};
use crate::error::StateError;
use rustc_hash::FxHashMap;
use std::cell::RefCell;
use std::rc::Rc;

/// A value kept in task state.
pub trait Value: Default + 'static {
    /// Appends the stored form.
    fn encode(&self, out: &mut Vec<u8>);
    /// Reads the stored form.
    fn decode(bytes: &[u8]) -> Result<Self, String>;
    /// Bytes it holds beyond its own size; called after every use, so it must be cheap.
    fn heap_bytes(&self) -> usize;
}

/// Decoded values by key.
pub struct Cache<V> {
    store: Rc<RefCell<Box<dyn StateStore>>>,
    entries: FxHashMap<Box<[u8]>, Entry<V>>,
    bytes: usize,
    dirty_bytes: usize,
    /// Grows with every eviction pass; entries used since the last pass survive it first.
    generation: u32,
}

struct Entry<V> {
    value: V,
    bytes: usize,
    dirty: bool,
    used: u32,
}

/// What the engine does with a cache, whatever its values.
pub trait CacheControl {
    /// Bytes held by all values.
    fn bytes(&self) -> usize;
    /// Bytes held by values changed since the last flush.
    fn dirty_bytes(&self) -> usize;
    /// Number of values held.
    fn len(&self) -> usize;
    /// True when no value is held.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Gives every changed value.
    #[allow(clippy::disallowed_methods, reason = "a flush is one batch of distinct keys: its order is not visible")]
    fn write_dirty(&self, put: &mut Put<'_>);
    /// Marks every value clean: the flush has been stored.
    fn mark_clean(&mut self);
    /// Drops clean values until at most `target` bytes are held, or nothing clean is left.
    fn evict(&mut self, target: usize);
}

impl<V: Value> Cache<V> {
    /// An empty cache over a store.
    pub fn new(store: Rc<RefCell<Box<dyn StateStore>>>) -> Self {
        Cache { store, entries: FxHashMap::default(), bytes: 0, dirty_bytes: 0, generation: 0 }
    }

    /// Changes the value of a key, which begins as the default.
    pub fn update<R>(&mut self, key: &[u8], change: impl FnOnce(&mut V) -> R) -> Result<R, StateError> {
        if !self.entries.contains_key(key) {
            self.load(key)?;
        }
        let entry = self.entries.get_mut(key).expect("the entry was loaded above");
        let result = change(&mut entry.value);
        let bytes = size_of::<Entry<V>>() + key.len() + entry.value.heap_bytes();
        self.bytes = self.bytes + bytes - entry.bytes;
        if entry.dirty {
            self.dirty_bytes = self.dirty_bytes + bytes - entry.bytes;
        } else {
            self.dirty_bytes += bytes;
        }
        (entry.bytes, entry.dirty, entry.used) = (bytes, true, self.generation);
        Ok(result)
    }

    fn load(&mut self, key: &[u8]) -> Result<(), StateError> {
        let value = match self.store.borrow().get(key)? {
            None => V::default(),
            Some(bytes) => V::decode(&bytes).map_err(|message| StateError::Damaged {
                place: "the task's store".to_owned(),
                message: format!("value of {:?}: {message}", String::from_utf8_lossy(key)),
            })?,
        };
        self.entries.insert(key.into(), Entry { value, bytes: 0, dirty: false, used: self.generation });
        Ok(())
    }
}

impl<V: Value> CacheControl for Cache<V> {
    fn bytes(&self) -> usize {
        self.bytes
    }

    fn dirty_bytes(&self) -> usize {
        self.dirty_bytes
    }

    fn len(&self) -> usize {
        self.entries.len()
    }

    #[allow(clippy::disallowed_methods, reason = "a flush is one batch of distinct keys: its order is not visible")]
    fn write_dirty(&self, put: &mut Put<'_>) {
        let mut buffer = Vec::new();
        for (key, entry) in self.entries.iter().filter(|(_, e)| e.dirty) {
            buffer.clear();
            entry.value.encode(&mut buffer);
            put(key, &buffer);
        }
    }

    fn mark_clean(&mut self) {
        for entry in self.entries.values_mut() {
            entry.dirty = false;
        }
        self.dirty_bytes = 0;
    }

    fn evict(&mut self, target: usize) {
        // First what was not used since the last pass, then any clean value.
        for keep_recent in [true, false] {
            if self.bytes <= target {
                break;
            }
            let (mut bytes, generation) = (self.bytes, self.generation);
            self.entries.retain(|_, entry| {
                let keep = bytes <= target || entry.dirty || (keep_recent && entry.used == generation);
                bytes -= if keep { 0 } else { entry.bytes };
                keep
            });
            self.bytes = bytes;
        }
        self.generation += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Marker, StateStores, memory::MemoryStores};
    use super::*;
    use crate::output::Digest;
    use crate::task::TaskId;

    #[derive(Default)]
    struct Sum(u64);

    impl Value for Sum {
        fn encode(&self, out: &mut Vec<u8>) {
            out.extend_from_slice(&self.0.to_le_bytes());
        }
        fn decode(bytes: &[u8]) -> Result<Self, String> {
            bytes.try_into().map(|b| Sum(u64::from_le_bytes(b))).map_err(|_| "not 8 bytes".to_owned())
        }
        fn heap_bytes(&self) -> usize {
            100
        }
    }

    fn marker(task: &TaskId) -> Marker {
        Marker {
            task: task.clone(),
            topic_id: 1,
            offset: 0,
            first_offset: 0,
            out_seq: 0,
            digest: Digest::default(),
            clock: Default::default(),
            logic: Default::default(),
        }
    }

    #[test]
    fn only_clean_values_are_evicted_and_come_back_from_the_store() {
        let task = TaskId { job: "job".into(), topic: "t".into(), partition: 0 };
        let store = Rc::new(RefCell::new(MemoryStores::default().open(&task).unwrap()));
        let mut cache = Cache::<Sum>::new(store.clone());
        for key in [b"a", b"b", b"a"] {
            cache.update(key, |sum| sum.0 += 1).unwrap();
        }
        cache.evict(0);
        assert_eq!(cache.len(), 2, "changed values stay");
        store.borrow_mut().flush(&mut |put| cache.write_dirty(put), &marker(&task)).unwrap();
        cache.mark_clean();
        assert_eq!(cache.dirty_bytes(), 0);
        cache.evict(0);
        assert_eq!((cache.len(), cache.bytes()), (0, 0));
        assert_eq!(cache.update(b"a", |sum| sum.0).unwrap(), 2);
    }

    #[test]
    fn a_damaged_value_is_an_error_not_a_fresh_start() {
        let task = TaskId { job: "job".into(), topic: "t".into(), partition: 0 };
        let store = Rc::new(RefCell::new(MemoryStores::default().open(&task).unwrap()));
        store.borrow_mut().flush(&mut |put| put(b"a", b"short"), &marker(&task)).unwrap();
        let mut cache = Cache::<Sum>::new(store);
        assert!(matches!(cache.update(b"a", |_| ()), Err(StateError::Damaged { .. })));
    }
}
