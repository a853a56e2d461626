//! What stands in an installation's log, read while no program runs on it.

use super::Installation;
use engine::clock::SystemClock;
use engine::error::LogError;
use engine::log::{Log, Message, Record, TopicPartition, TopicReader};
use estate::RawRecord;
use schemas::{AnomalyRecord, Record as _};
use std::collections::BTreeMap;
use std::sync::Arc;
use topics::declared::ANOMALIES;

/// Records of one transaction.
const TRANSACTION_RECORDS: usize = 2000;

/// What each task has published: numbers and values, in the order of the numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Published(pub BTreeMap<i32, Vec<(i64, Vec<u8>)>>);

impl Published {
    /// Fails unless each task's output is numbered from 0 without gaps.
    pub fn assert_numbered_without_gaps(&self) {
        for (task, outputs) in &self.0 {
            for (expected, (number, _)) in outputs.iter().enumerate() {
                assert_eq!(*number, expected as i64, "task {task}: its output has a gap or a repetition");
            }
        }
    }

    /// Fails unless both are the same bytes.
    pub fn assert_same(&self, undisturbed: &Published, how: &str) {
        self.assert_numbered_without_gaps();
        let counts = |published: &Published| -> Vec<(i32, usize)> {
            published.0.iter().map(|(task, outputs)| (*task, outputs.len())).collect()
        };
        assert_eq!(counts(self), counts(undisturbed), "{how}: tasks with the number of their outputs");
        for (task, outputs) in &self.0 {
            for ((number, found), (_, wanted)) in outputs.iter().zip(&undisturbed.0[task]) {
                assert!(
                    found == wanted,
                    "{how}: task {task}, output {number}:\n{:?}\nand undisturbed\n{:?}",
                    AnomalyRecord::decode(found),
                    AnomalyRecord::decode(wanted)
                );
            }
        }
    }

    /// Number of outputs of all tasks.
    pub fn len(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }
}

impl Installation {
    /// Its log, open until dropped.
    pub fn log(&self) -> Arc<dyn Log> {
        engine::log::embedded::open(&self.place("log"), Arc::new(SystemClock::new())).expect("the log can be opened")
    }

    /// Appends messages as a producer beside the program would.
    pub fn append(&self, messages: impl Iterator<Item = Message>) {
        let log = self.log();
        let mut producer = log.producer("beside").expect("a producer can be opened");
        let mut messages = messages.peekable();
        while messages.peek().is_some() {
            producer.begin().expect("no transaction is open");
            for message in messages.by_ref().take(TRANSACTION_RECORDS) {
                producer.send(message).expect("the topic is there");
            }
            producer.commit(&[], None).expect("the log can be written");
        }
    }

    /// Every record of a topic, by partition.
    pub fn records(&self, topic: &str) -> Vec<Vec<Record>> {
        records(&*self.log(), topic)
    }

    /// What detect has published.
    pub fn anomalies(&self) -> Published {
        let mut published = Published::default();
        for records in self.records(ANOMALIES.name) {
            let mut last = BTreeMap::new();
            for record in records {
                let value = record.value.expect("detect writes no tombstones").to_vec();
                let decoded = AnomalyRecord::decode(&value).expect("detect writes anomaly records");
                let (task, number) = (decoded.task.partition, decoded.out_seq);
                let before = last.insert(task, number);
                assert!(before < Some(number), "task {task}: {number} stands after {before:?} in one partition");
                published.0.entry(task).or_default().push((number, value));
            }
        }
        // A task writes several partitions; its numbers are the one order of what it wrote.
        published.0.values_mut().for_each(|outputs| outputs.sort());
        published
    }

    /// Committed offset and end of each partition of a topic.
    pub fn progress(&self, job: &str, topic: &str) -> Vec<(i64, i64)> {
        let (log, group) = (self.log(), engine::lane::group_of(job));
        let progress = |partition| {
            let partition = TopicPartition::new(topic, partition);
            let committed = log.committed(&group, &partition).expect("the topic is there");
            let end = log.bounds(&partition).expect("the topic is there").end;
            (committed.map_or(0, |committed| committed.offset), end)
        };
        (0..partitions(&*log, topic)).map(progress).collect()
    }
}

/// Every record of a topic, by partition.
pub fn records(log: &dyn Log, topic: &str) -> Vec<Vec<Record>> {
    let mut all = vec![Vec::new(); partitions(log, topic) as usize];
    let read = TopicReader::new(topic).read_on(log, |partition, record| {
        all[partition.partition as usize].push(record.clone());
        Ok::<(), LogError>(())
    });
    read.expect("the log can be read");
    all
}

/// Number of a topic's partitions.
pub fn partitions(log: &dyn Log, topic: &str) -> u32 {
    let topics = log.topics().expect("the log can be read");
    topics.iter().find(|known| known.spec.name == topic).expect("the topic is there").spec.partitions
}

/// A raw record as its source writes it.
pub fn message(record: RawRecord) -> Message {
    Message {
        topic: record.topic.into(),
        partition: record.partition,
        key: record.key,
        headers: record.headers.into_iter().map(|(name, value)| (name, value.into())).collect(),
        value: Some(record.value),
        timestamp: Some(record.timestamp_ms),
    }
}
