//! State stores in RocksDB: one database per task under `<folder>/<job>/<topic>-<partition>`.
//!
//! A flush is one write batch with the write-ahead log on, not synced: after a power cut the store may be older than
//! the committed offset, never newer or torn, and recovery replays the difference.

use super::{Fill, Marker, Put, Snapshot, StateStore, StateStores};
use crate::error::StateError;
use crate::task::TaskId;
use rocksdb::{BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DB, IteratorMode, Options, WriteBatch};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;

const ENTRIES: &str = "entries";
const META: &str = "meta";
const MARKER: &[u8] = b"marker";

/// State stores under one folder, sharing one block cache.
pub struct RocksStores {
    folder: PathBuf,
    blocks: Cache,
    write_buffer: usize,
}

impl RocksStores {
    /// Keeps stores under a folder; `memory` bytes bound the shared block cache, and each store's write buffer.
    pub fn new(folder: &Path, memory: usize) -> Self {
        let write_buffer = (memory / 4).clamp(4 << 20, 64 << 20);
        RocksStores { folder: folder.to_owned(), blocks: Cache::new_lru_cache(memory / 2), write_buffer }
    }

    /// The folder of a task's store.
    pub fn place(&self, task: &TaskId) -> PathBuf {
        self.folder.join(&task.job).join(format!("{}-{}", task.topic, task.partition))
    }

    fn options(&self) -> Options {
        let mut blocks = BlockBasedOptions::default();
        blocks.set_block_cache(&self.blocks);
        blocks.set_bloom_filter(10.0, false);
        let mut options = Options::default();
        options.set_block_based_table_factory(&blocks);
        options.set_write_buffer_size(self.write_buffer);
        options.set_compression_type(rocksdb::DBCompressionType::Lz4);
        options
    }
}

impl StateStores for RocksStores {
    fn open(&self, task: &TaskId) -> Result<Box<dyn StateStore>, StateError> {
        let place = self.place(task);
        std::fs::create_dir_all(&place).map_err(|e| StateError::storage(place.display(), e))?;
        let db = Arc::new(open_database(&place, self.options())?);
        let store = RocksStore { place, db };
        if store.marker()?.is_none()
            && store.db.iterator_cf(store.family(ENTRIES), IteratorMode::Start).next().is_some()
        {
            // A restore was interrupted: what is there stands for nothing.
            store.delete_all()?;
        }
        Ok(Box::new(store))
    }

    fn remove(&self, task: &TaskId) -> Result<(), StateError> {
        let place = self.place(task);
        match std::fs::remove_dir_all(&place) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(StateError::storage(place.display(), e)),
            _ => Ok(()),
        }
    }
}

fn open_database(place: &Path, entries: Options) -> Result<DB, StateError> {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_keep_log_file_num(2);
    options.set_max_background_jobs(2);
    options.set_max_total_wal_size(256 << 20);
    let families =
        [ColumnFamilyDescriptor::new(ENTRIES, entries), ColumnFamilyDescriptor::new(META, Options::default())];
    DB::open_cf_descriptors(&options, place, families).map_err(|e| StateError::storage(place.display(), e))
}

struct RocksStore {
    place: PathBuf,
    db: Arc<DB>,
}

impl RocksStore {
    fn family(&self, name: &str) -> &ColumnFamily {
        family(&self.db, name)
    }

    fn fail(&self, error: impl std::fmt::Display) -> StateError {
        StateError::storage(self.place.display(), error)
    }

    fn delete_all(&self) -> Result<(), StateError> {
        // The marker goes first: entries without a marker are nothing.
        self.db.delete_cf(self.family(META), MARKER).map_err(|e| self.fail(e))?;
        let entries = self.family(ENTRIES);
        let Some(last) = self.db.iterator_cf(entries, IteratorMode::End).next() else { return Ok(()) };
        let (last, _) = last.map_err(|e| self.fail(e))?;
        // The range excludes its end, and no key is certain to be beyond all others.
        let mut batch = WriteBatch::default();
        batch.delete_range_cf(entries, &[][..], &last[..]);
        batch.delete_cf(entries, &last);
        self.db.write(batch).map_err(|e| self.fail(e))
    }

    fn put_marker(&self, batch: &mut WriteBatch, marker: &Marker) -> Result<(), StateError> {
        let bytes = serde_json::to_vec(marker).map_err(|e| self.fail(e))?;
        batch.put_cf(self.family(META), MARKER, bytes);
        Ok(())
    }
}

fn family<'a>(db: &'a DB, name: &str) -> &'a ColumnFamily {
    db.cf_handle(name).expect("both column families are created when a store is opened")
}

impl StateStore for RocksStore {
    fn marker(&self) -> Result<Option<Marker>, StateError> {
        let Some(bytes) = self.db.get_pinned_cf(self.family(META), MARKER).map_err(|e| self.fail(e))? else {
            return Ok(None);
        };
        let damaged = |e: serde_json::Error| StateError::Damaged {
            place: self.place.display().to_string(),
            message: format!("its marker cannot be read: {e}"),
        };
        serde_json::from_slice(&bytes).map(Some).map_err(damaged)
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        self.db.get_cf(self.family(ENTRIES), key).map_err(|e| self.fail(e))
    }

    fn flush(&mut self, fill: &mut Fill<'_>, marker: &Marker) -> Result<(), StateError> {
        let mut batch = WriteBatch::default();
        let entries = self.family(ENTRIES);
        fill(&mut |key, value| batch.put_cf(entries, key, value));
        self.put_marker(&mut batch, marker)?;
        self.db.write(batch).map_err(|e| self.fail(e))
    }

    fn restore(
        &mut self,
        next: &mut dyn FnMut() -> Option<(Vec<u8>, Vec<u8>)>,
        marker: &Marker,
    ) -> Result<(), StateError> {
        self.delete_all()?;
        let mut batch = WriteBatch::default();
        while let Some((key, value)) = next() {
            batch.put_cf(self.family(ENTRIES), key, value);
            if batch.size_in_bytes() > 8 << 20 {
                self.db.write(std::mem::take(&mut batch)).map_err(|e| self.fail(e))?;
            }
        }
        self.put_marker(&mut batch, marker)?;
        self.db.write(batch).map_err(|e| self.fail(e))
    }

    fn clear(&mut self) -> Result<(), StateError> {
        self.delete_all()
    }

    fn snapshot(&self) -> Result<Box<dyn Snapshot>, StateError> {
        // RocksDB's snapshot borrows the database, so a thread of its own holds both; it says when the snapshot is taken.
        let (db, place) = (self.db.clone(), self.place.clone());
        let (taken, wait) = mpsc::channel();
        let (send, receive) = mpsc::sync_channel(256);
        let thread = std::thread::Builder::new().name("snapshot".to_owned()).spawn(move || {
            let snapshot = db.snapshot();
            let _ = taken.send(());
            for entry in snapshot.iterator_cf(family(&db, ENTRIES), IteratorMode::Start) {
                let entry = entry.map_err(|e| StateError::storage(place.display(), e));
                // A receiver that has gone away no longer wants the rest.
                if send.send(entry).is_err() {
                    break;
                }
            }
        });
        thread.map_err(|e| self.fail(e))?;
        wait.recv().map_err(|e| self.fail(e))?;
        Ok(Box::new(RocksSnapshot(receive)))
    }
}

type Entry = Result<(Box<[u8]>, Box<[u8]>), StateError>;

struct RocksSnapshot(mpsc::Receiver<Entry>);

impl Snapshot for RocksSnapshot {
    fn entries(self: Box<Self>, put: &mut Put<'_>) -> Result<(), StateError> {
        for entry in self.0 {
            let (key, value) = entry?;
            put(&key, &value);
        }
        Ok(())
    }
}
