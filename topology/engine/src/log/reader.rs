//! Reading a topic whole, outside any group: to its end, and on from there whenever asked.

use super::{Limit, Log, Record, TopicPartition};
use crate::error::LogError;

/// How much is read at a time.
const READ: Limit = Limit { records: 2000, bytes: 8 << 20 };

/// Where reading of a topic's partitions goes on.
///
/// Invariant: every record that is kept is handed over, in the order of its partition, and again only where handing it over
/// failed.
#[derive(Clone, Debug)]
pub struct TopicReader {
    topic: String,
    /// From where on the first time: the beginning, or a time in milliseconds.
    since: Option<i64>,
    /// By partition; empty before the first reading.
    next: Vec<i64>,
}

impl TopicReader {
    /// Of a topic, from its first record.
    pub fn new(topic: &str) -> Self {
        TopicReader { topic: topic.to_owned(), since: None, next: Vec::new() }
    }

    /// Of a topic, from a time on, milliseconds; some earlier records may be handed over, too.
    pub fn since(topic: &str, time: i64) -> Self {
        TopicReader { since: Some(time), ..TopicReader::new(topic) }
    }

    /// Hands over every record up to the end, partition by partition. After an error, its own or one of `each`, it goes on
    /// with the batch in which that happened.
    ///
    /// The end is where it was when a partition's turn came: however fast others write, this ends.
    pub fn read_on<E: From<LogError>>(
        &mut self,
        log: &dyn Log,
        each: impl FnMut(&TopicPartition, &Record) -> Result<(), E>,
    ) -> Result<(), E> {
        self.read_batches(log, usize::MAX, each).map(drop)
    }

    /// Hands over what is there, a batch of each partition in turn, until it was `enough` records; tells whether that was
    /// all. It is for who has other things to do, too.
    pub fn read_some<E: From<LogError>>(
        &mut self,
        log: &dyn Log,
        enough: usize,
        mut each: impl FnMut(&TopicPartition, &Record) -> Result<(), E>,
    ) -> Result<bool, E> {
        let mut read = 0;
        loop {
            let before = read;
            let all = self.read_batches(log, 1, |partition, record| {
                read += 1;
                each(partition, record)
            })?;
            if all || read >= enough || read == before {
                return Ok(all);
            }
        }
    }

    /// So many batches of each partition; tells whether that was all there is.
    fn read_batches<E: From<LogError>>(
        &mut self,
        log: &dyn Log,
        batches: usize,
        mut each: impl FnMut(&TopicPartition, &Record) -> Result<(), E>,
    ) -> Result<bool, E> {
        if self.next.is_empty() {
            self.next = self.first(log)?;
        }
        let mut all = true;
        for (number, next) in (0..).zip(&mut self.next) {
            let partition = TopicPartition::new(self.topic.as_str(), number);
            let bounds = log.bounds(&partition)?;
            *next = (*next).max(bounds.start);
            let mut at_end = false;
            for _ in 0..batches {
                let batch = log.read(&partition, *next, READ)?;
                batch.records.iter().try_for_each(|record| each(&partition, record))?;
                *next = batch.next;
                at_end = batch.next >= batch.end.min(bounds.end);
                if at_end {
                    break;
                }
            }
            all &= at_end;
        }
        Ok(all)
    }

    fn first(&self, log: &dyn Log) -> Result<Vec<i64>, LogError> {
        let first = |number| match self.since {
            Some(time) => log.offset_at(&TopicPartition::new(self.topic.as_str(), number), time),
            None => Ok(0),
        };
        // Partitions of a topic are never changed.
        (0..log.topic(&self.topic)?.spec.partitions).map(first).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use crate::log::{CleanupPolicy, Message, TimestampSource, TopicSpec, memory};
    use std::sync::Arc;

    #[test]
    fn a_topic_is_read_to_its_end_and_on_and_again_only_what_failed() {
        let log = memory::open(&memory::Disk::default(), Arc::new(SystemClock::new())).unwrap();
        log.create_topic(&spec()).unwrap();
        let write = |partition: u32, values: &[i64]| {
            let mut producer = log.producer("w").unwrap();
            producer.begin().unwrap();
            for value in values {
                let (timestamp, bytes) = (Some(*value), Some(value.to_string().into_bytes()));
                producer
                    .send(Message { topic: "t".into(), partition, timestamp, value: bytes, ..Message::default() })
                    .unwrap();
            }
            producer.commit(&[], None).unwrap();
        };
        let values = |reader: &mut TopicReader, refused: &str| {
            let mut read = Vec::new();
            let told = reader.read_on(&*log, |partition, record| {
                let value = String::from_utf8_lossy(record.value.as_deref().unwrap_or_default()).into_owned();
                if value == refused {
                    return Err(LogError::Unavailable { message: value });
                }
                read.push(format!("{}:{value}", partition.partition));
                Ok(())
            });
            (read.join(" "), told.is_ok())
        };
        write(0, &[1, 2]);
        write(1, &[3]);
        let mut reader = TopicReader::new("t");
        assert_eq!(values(&mut reader, ""), ("0:1 0:2 1:3".to_owned(), true));
        assert_eq!(values(&mut reader, ""), (String::new(), true));
        write(1, &[4, 5]);
        assert_eq!(values(&mut reader, "5"), ("1:4".to_owned(), false));
        assert_eq!(values(&mut reader, ""), ("1:4 1:5".to_owned(), true));
        assert_eq!(values(&mut TopicReader::since("t", 4), ""), ("1:4 1:5".to_owned(), true));
    }

    #[test]
    fn it_ends_however_fast_others_write_and_reads_a_part_where_that_is_asked() {
        let log = memory::open(&memory::Disk::default(), Arc::new(SystemClock::new())).unwrap();
        log.create_topic(&spec()).unwrap();
        let write = |count: usize| {
            let mut producer = log.producer("w").unwrap();
            producer.begin().unwrap();
            for _ in 0..count {
                producer.send(Message { topic: "t".into(), value: Some(b"x".to_vec()), ..Message::default() }).unwrap();
            }
            producer.commit(&[], None).unwrap();
        };
        write(READ.records);
        let (mut written, mut read) = (READ.records, 0);
        let told = TopicReader::new("t").read_on(&*log, |_, _| {
            read += 1;
            if read % READ.records == 0 {
                written += READ.records;
                write(READ.records);
            }
            Ok::<(), LogError>(())
        });
        told.unwrap();
        assert!(read < written, "what came meanwhile is for the next time");

        let mut reader = TopicReader::new("t");
        let mut some = |enough| {
            let mut read = 0;
            let all = reader.read_some(&*log, enough, |_, _| {
                read += 1;
                Ok::<(), LogError>(())
            });
            (read, all.unwrap())
        };
        assert_eq!(some(1), (READ.records, false));
        assert_eq!(some(usize::MAX), (written - READ.records, true));
        assert_eq!(some(1), (0, true));
    }

    fn spec() -> TopicSpec {
        let (timestamps, cleanup) = (TimestampSource::CreateTime, CleanupPolicy::Delete);
        let (retention_ms, retention_bytes) = (None, None);
        TopicSpec { name: "t".to_owned(), partitions: 2, retention_ms, retention_bytes, timestamps, cleanup }
    }
}
