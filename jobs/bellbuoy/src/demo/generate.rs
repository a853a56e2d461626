//! The estate's raw records into the log, in transactions of a fixed size.

use super::progress;
use crate::error::Error;
use engine::log::{Log, Message};
use estate::{Estate, RawRecord};
use std::collections::BTreeMap;

/// Records of one transaction: a number, never a time, so that offsets are the same each time.
const TRANSACTION_RECORDS: usize = 2000;
/// Transactional id of the generator.
const PRODUCER: &str = "bellbuoy-demo";

/// What was generated.
#[derive(Clone, Debug, Default)]
pub(super) struct Raw {
    /// Records in all.
    pub(super) records: u64,
    /// Bytes of their values.
    pub(super) bytes: u64,
    /// Records by topic.
    pub(super) topics: BTreeMap<&'static str, u64>,
}

/// Writes every record of an estate.
pub(super) fn into_log(estate: &Estate, log: &dyn Log) -> Result<Raw, Error> {
    let mut raw = Raw::default();
    let bar = progress::time_bar(estate.end() - estate.start());
    let mut producer = log.producer(PRODUCER)?;
    let mut records = estate.records().peekable();
    while records.peek().is_some() {
        producer.begin()?;
        for record in records.by_ref().take(TRANSACTION_RECORDS) {
            raw.records += 1;
            raw.bytes += record.value.len() as u64;
            *raw.topics.entry(record.topic).or_default() += 1;
            bar.set_position(u64::try_from(record.timestamp_ms - estate.start()).unwrap_or(0));
            producer.send(message(record))?;
        }
        producer.commit(&[], None)?;
    }
    bar.finish_and_clear();
    Ok(raw)
}

fn message(record: RawRecord) -> Message {
    Message {
        topic: record.topic.into(),
        partition: record.partition,
        key: record.key,
        headers: record.headers.into_iter().map(|(name, value)| (name, value.into())).collect(),
        value: Some(record.value),
        timestamp: Some(record.timestamp_ms),
    }
}
