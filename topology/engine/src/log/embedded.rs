//! The log in RocksDB, for one process: a laptop, a demo, a small site, backtests from files.
//!
//! Each commit is one synced write batch of records, ends and group offsets. One process opens the folder at a time; others may
//! look at what it holds.
//!
//! Keys of the records: topic id (8 bytes), partition (4), offset (8), all big-endian, so that a partition is one
//! ordered range. Value: timestamp (8), key, headers and value, each length-prefixed.

use super::broker::{Broker, Change, Image, OffsetKey, PartitionId, Storage, Topic};
use super::{Headers, Limit, Log, Record};
use crate::clock::WallClock;
use crate::error::LogError;
use bytes::Bytes;
use rocksdb::{ColumnFamilyDescriptor, DB, IteratorMode, Options, ReadOptions, WriteBatch, WriteOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

const RECORDS: &str = "records";
const META: &str = "meta";
const LAST_TOPIC_ID: &[u8] = b"last-topic-id";
/// How often a look is tried beside a process that removes files meanwhile, and how long apart.
const LOOKS: usize = 10;
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Opens, or creates, the log in a folder.
pub fn open(folder: &Path, clock: Arc<dyn WallClock>) -> Result<Arc<dyn Log>, LogError> {
    Ok(Arc::new(Broker::open(Files::open(folder)?, clock)?))
}

/// What the log in a folder holds now, to be looked at; a process that has it open goes on undisturbed.
pub fn look(folder: &Path, clock: Arc<dyn WallClock>) -> Result<Arc<dyn Log>, LogError> {
    Ok(Arc::new(Broker::open(Files::look(folder)?, clock)?))
}

struct Files {
    folder: PathBuf,
    db: DB,
    access: Access,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Whole,
    Looking,
}

impl Files {
    fn open(folder: &Path) -> Result<Self, LogError> {
        let folder = folder.to_owned();
        std::fs::create_dir_all(&folder).map_err(|e| LogError::storage(&folder, e))?;
        let db = DB::open_cf_descriptors(&options(), &folder, families()).map_err(|e| {
            let locked = e.to_string().contains("lock");
            let hint = if locked { "; another process has this folder open" } else { "" };
            LogError::storage(&folder, format!("{e}{hint}"))
        })?;
        Ok(Files { folder, db, access: Access::Whole })
    }

    fn look(folder: &Path) -> Result<Self, LogError> {
        let folder = folder.to_owned();
        let mut tries = LOOKS;
        loop {
            match DB::open_cf_descriptors_read_only(&options(), &folder, families(), false) {
                Ok(db) => return Ok(Files { folder, db, access: Access::Looking }),
                // The process that has it open has removed a file that was about to be read.
                Err(_) if tries > 1 => tries -= 1,
                Err(error) => return Err(LogError::storage(&folder, error)),
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    fn family(&self, name: &str) -> &rocksdb::ColumnFamily {
        self.db.cf_handle(name).expect("both column families are created when the log is opened")
    }

    fn fail(&self, error: impl std::fmt::Display) -> LogError {
        LogError::storage(&self.folder, error)
    }
}

fn options() -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_keep_log_file_num(2);
    options
}

fn families() -> [ColumnFamilyDescriptor; 2] {
    // The log of a small machine: two memtables of 32 MB are enough to write at disk speed.
    let mut records = Options::default();
    records.set_write_buffer_size(32 << 20);
    records.set_max_write_buffer_number(3);
    records.set_compression_type(rocksdb::DBCompressionType::Lz4);
    [ColumnFamilyDescriptor::new(RECORDS, records), ColumnFamilyDescriptor::new(META, Options::default())]
}

impl Storage for Files {
    fn load(&self) -> Result<Image, LogError> {
        let mut image = Image::default();
        for entry in self.db.iterator_cf(self.family(META), IteratorMode::Start) {
            let (key, value) = entry.map_err(|e| self.fail(e))?;
            if let Some(name) = key.strip_prefix(b"topic/") {
                let topic: Topic = serde_json::from_slice(&value).map_err(|e| self.fail(e))?;
                image.topics.insert(String::from_utf8_lossy(name).into_owned(), topic);
            } else if let Some(key) = key.strip_prefix(b"offset/") {
                let key: OffsetKey = serde_json::from_slice(key).map_err(|e| self.fail(e))?;
                image.offsets.insert(key, serde_json::from_slice(&value).map_err(|e| self.fail(e))?);
            } else if &*key == LAST_TOPIC_ID {
                image.last_topic_id = serde_json::from_slice(&value).map_err(|e| self.fail(e))?;
            } else {
                return Err(self.fail(format!("unknown entry {:?}", String::from_utf8_lossy(&key))));
            }
        }
        Ok(image)
    }

    fn apply(&self, change: &Change) -> Result<(), LogError> {
        if self.access == Access::Looking {
            let what = format!("a change of {}", self.folder.display());
            return Err(LogError::Refused { what, message: "it was opened only to be looked at".to_owned() });
        }
        let (records, meta) = (self.family(RECORDS), self.family(META));
        let mut batch = WriteBatch::default();
        let mut buffer = Vec::new();
        for (partition, record) in &change.records {
            buffer.clear();
            encode(record, &mut buffer);
            batch.put_cf(records, record_key(*partition, record.offset), &buffer);
        }
        for &(partition, from, to) in &change.deleted {
            // Many range tombstones slow every read down; compaction deletes record by record.
            if to == from + 1 {
                batch.delete_cf(records, record_key(partition, from));
            } else {
                batch.delete_range_cf(records, record_key(partition, from), record_key(partition, to));
            }
        }
        let json = |value: &dyn erased::Json| value.to_json().map_err(|e| self.fail(e));
        for (name, topic) in &change.topics {
            let key = [b"topic/", name.as_bytes()].concat();
            match topic {
                Some(topic) => batch.put_cf(meta, key, json(topic)?),
                None => batch.delete_cf(meta, key),
            }
        }
        for (key, committed) in &change.offsets {
            let key = [b"offset/".to_vec(), json(key)?].concat();
            match committed {
                Some(committed) => batch.put_cf(meta, key, json(committed)?),
                None => batch.delete_cf(meta, key),
            }
        }
        if let Some(id) = change.last_topic_id {
            batch.put_cf(meta, LAST_TOPIC_ID, json(&id)?);
        }
        let mut options = WriteOptions::default();
        options.set_sync(true);
        self.db.write_opt(batch, &options).map_err(|e| self.fail(e))
    }

    fn read(&self, partition: PartitionId, from: i64, to: i64, limit: Limit) -> Result<Vec<Record>, LogError> {
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound(record_key(partition, to));
        options.set_readahead_size(1 << 20);
        let mut iterator = self.db.raw_iterator_cf_opt(self.family(RECORDS), options);
        iterator.seek(record_key(partition, from));
        let (mut records, mut bytes) = (Vec::new(), 0);
        while let Some((key, entry)) = iterator.item() {
            let offset = key.last_chunk().map(|chunk| i64::from_be_bytes(*chunk));
            let record = offset.and_then(|offset| decode(offset, &Bytes::copy_from_slice(entry)));
            let record = record.ok_or_else(|| self.fail("an entry of the log is damaged"))?;
            bytes += record.value.as_ref().map_or(0, |v| v.len());
            records.push(record);
            if records.len() >= limit.records || bytes >= limit.bytes {
                break;
            }
            iterator.next();
        }
        iterator.status().map_err(|e| self.fail(e))?;
        Ok(records)
    }
}

/// Lets one closure serialise values of several types.
mod erased {
    pub(super) trait Json {
        fn to_json(&self) -> Result<Vec<u8>, serde_json::Error>;
    }

    impl<T: serde::Serialize> Json for T {
        fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
            serde_json::to_vec(self)
        }
    }
}

fn record_key(partition: PartitionId, offset: i64) -> [u8; 20] {
    let mut key = [0; 20];
    key[..8].copy_from_slice(&partition.topic.to_be_bytes());
    key[8..12].copy_from_slice(&partition.partition.to_be_bytes());
    key[12..].copy_from_slice(&offset.to_be_bytes());
    key
}

fn encode(record: &Record, out: &mut Vec<u8>) {
    out.extend_from_slice(&record.timestamp.to_le_bytes());
    put_optional(out, record.key.as_deref());
    put_optional(out, record.value.as_deref());
    out.extend_from_slice(&(record.headers.len() as u32).to_le_bytes());
    for (name, value) in &record.headers {
        put_optional(out, Some(name.as_bytes()));
        put_optional(out, Some(value));
    }
}

/// Parts share the entry's one allocation; lengths are read in place, for each slice of `Bytes` costs atomic counting.
fn decode(offset: i64, entry: &Bytes) -> Option<Record> {
    let mut rest = &entry[..];
    let timestamp = i64::from_le_bytes(*rest.split_off(..8)?.first_chunk()?);
    let share = |part: Option<&[u8]>| part.map(|part| entry.slice_ref(part));
    let key = share(take_optional(&mut rest)?);
    let value = share(take_optional(&mut rest)?);
    let count = take_u32(&mut rest)?;
    let mut headers = Headers::new();
    for _ in 0..count {
        let name = std::str::from_utf8(take_optional(&mut rest)??).ok()?.to_owned();
        headers.push((name, entry.slice_ref(take_optional(&mut rest)??)));
    }
    rest.is_empty().then_some(Record { offset, timestamp, key, headers, value })
}

/// Absent is `u32::MAX`; otherwise the length, then the bytes.
fn put_optional(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    let length = bytes.map_or(u32::MAX, |b| b.len() as u32);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(bytes.unwrap_or_default());
}

fn take_u32(rest: &mut &[u8]) -> Option<u32> {
    Some(u32::from_le_bytes(*rest.split_off(..4)?.first_chunk()?))
}

fn take_optional<'a>(rest: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let length = take_u32(rest)?;
    if length == u32::MAX { Some(None) } else { rest.split_off(..length as usize).map(Some) }
}
