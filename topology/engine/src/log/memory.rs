//! The log in memory: the embedded broker on volatile storage.
//!
//! The storage outlives the broker, as a disk outlives a process: dropping the log and opening another on the
//! same [`Disk`] is a restart.

use super::broker::{Broker, Change, Image, PartitionId, Storage};
use super::{Limit, Log, Record};
use crate::clock::WallClock;
use crate::error::LogError;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What survives a restart.
#[derive(Clone, Debug, Default)]
pub struct Disk(Arc<Mutex<Stored>>);

#[derive(Debug, Default)]
struct Stored {
    image: Image,
    records: BTreeMap<(PartitionId, i64), Record>,
}

/// Opens a log on a disk.
pub fn open(disk: &Disk, clock: Arc<dyn WallClock>) -> Result<Arc<dyn Log>, LogError> {
    Ok(Arc::new(Broker::open(disk.clone(), clock)?))
}

impl Storage for Disk {
    fn load(&self) -> Result<Image, LogError> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).image.clone())
    }

    fn apply(&self, change: &Change) -> Result<(), LogError> {
        let mut stored = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (partition, record) in &change.records {
            stored.records.insert((*partition, record.offset), record.clone());
        }
        for &(partition, from, to) in &change.deleted {
            let within: Vec<_> = stored.records.range((partition, from)..(partition, to)).map(|(at, _)| *at).collect();
            for at in within {
                stored.records.remove(&at);
            }
        }
        stored.image.apply(change);
        Ok(())
    }

    fn read(&self, partition: PartitionId, from: i64, to: i64, limit: Limit) -> Result<Vec<Record>, LogError> {
        let stored = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut records, mut bytes) = (Vec::new(), 0);
        for (_, record) in stored.records.range((partition, from)..(partition, to)) {
            records.push(record.clone());
            bytes += record.value.as_ref().map_or(0, |v| v.len());
            if records.len() >= limit.records || bytes >= limit.bytes {
                break;
            }
        }
        Ok(records)
    }
}
