//! Reading one partition outside any group.

use super::client::{Clients, Quiet};
use super::{TopicPartition, answers};
use crate::clock::WallClock;
use crate::error::LogError;
use crate::log::{Batch, Limit, Record};
use bytes::Bytes;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use rdkafka::{Offset, TopicPartitionList};
use std::sync::Arc;
use std::time::Duration;

/// How long one wait for records is.
const WAIT: Duration = Duration::from_millis(100);

/// How long nothing may come although there is something.
const PATIENCE: Duration = Duration::from_secs(10);

/// Reads one partition after the other.
pub(super) struct Reader {
    consumer: BaseConsumer<Quiet>,
    clock: Arc<dyn WallClock>,
    /// What is being fetched, and where the next read goes on.
    at: Option<(TopicPartition, i64)>,
    /// A record that was over the limit of the last read.
    left: Option<Record>,
}

impl Reader {
    pub(super) fn open(clients: &Clients, clock: Arc<dyn WallClock>) -> Result<Self, LogError> {
        let consumer = clients.consumer(&clients.reading(&clients.config.reader, "bellbuoy-reader"), Quiet)?;
        Ok(Reader { consumer, clock, at: None, left: None })
    }

    /// Reads committed records of `[from, end)`; returns with at least one, or at the end.
    pub(super) fn read(
        &mut self,
        partition: &TopicPartition,
        from: i64,
        end: i64,
        limit: Limit,
    ) -> Result<Batch, LogError> {
        let mut batch = Batch { partition: partition.clone(), records: Vec::new(), next: from, end };
        if from >= end {
            return Ok(batch);
        }
        self.go_to(partition, from)?;
        let what = format!("to read {partition} from {from}");
        let (mut bytes, deadline) = (0, self.clock.monotonic() + PATIENCE);
        while batch.next < end && batch.records.len() < limit.records {
            let record = match self.left.take() {
                Some(record) => Some(record),
                None => self.next(&what)?,
            };
            match record {
                Some(record) if record.offset >= end => {
                    batch.next = end;
                    self.left = Some(record);
                }
                Some(record) => {
                    let size = record.value.as_ref().map_or(0, Bytes::len);
                    if !batch.records.is_empty() && bytes + size > limit.bytes {
                        batch.next = record.offset;
                        self.left = Some(record);
                        break;
                    }
                    bytes += size;
                    batch.next = record.offset + 1;
                    batch.records.push(record);
                }
                // Nothing at the moment: perhaps only gaps are left.
                None => {
                    if self.position(partition)?.is_some_and(|position| position >= end) {
                        batch.next = end;
                    } else if self.clock.monotonic() > deadline {
                        return Err(LogError::Unavailable { message: format!("{what}: nothing came") });
                    }
                }
            }
        }
        self.at = Some((partition.clone(), batch.next));
        Ok(batch)
    }

    fn go_to(&mut self, partition: &TopicPartition, from: i64) -> Result<(), LogError> {
        if self.at.as_ref().is_some_and(|(at, next)| at == partition && *next == from) {
            return Ok(());
        }
        self.left = None;
        let what = format!("to read {partition} from {from}");
        let fault = |error: KafkaError| answers::error(&what, &error);
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&partition.topic, partition.partition as i32, Offset::Offset(from)).map_err(fault)?;
        self.consumer.assign(&list).map_err(fault)
    }

    fn next(&self, what: &str) -> Result<Option<Record>, LogError> {
        match self.consumer.poll(WAIT) {
            Some(Ok(message)) => Ok(Some(record(&message).1)),
            None | Some(Err(KafkaError::PartitionEOF(_))) => Ok(None),
            Some(Err(error)) => match answers::error(what, &error) {
                refused @ LogError::Refused { .. } => Err(refused),
                _ => Ok(None),
            },
        }
    }

    fn position(&self, at: &TopicPartition) -> Result<Option<i64>, LogError> {
        let positions = self.consumer.position().map_err(|error| answers::error("position", &error))?;
        match positions.find_partition(&at.topic, at.partition as i32).map(|found| found.offset()) {
            Some(Offset::Offset(offset)) => Ok(Some(offset)),
            _ => Ok(None),
        }
    }
}

/// A message as a record of ours.
pub(super) fn record(message: &BorrowedMessage<'_>) -> (TopicPartition, Record) {
    let partition = TopicPartition::new(message.topic(), u32::try_from(message.partition()).unwrap_or_default());
    let header = |header: rdkafka::message::Header<'_, &[u8]>| {
        (header.key.to_owned(), header.value.map(Bytes::copy_from_slice).unwrap_or_default())
    };
    let record = Record {
        offset: message.offset(),
        timestamp: message.timestamp().to_millis().unwrap_or(0),
        key: message.key().map(Bytes::copy_from_slice),
        headers: message.headers().map(|headers| headers.iter().map(header).collect()).unwrap_or_default(),
        value: message.payload().map(Bytes::copy_from_slice),
    };
    (partition, record)
}
