//! One order for what several tasks write to one partition: by round, task and number.
//!
//! While a job runs, each task's records for a partition go to a partition of their own, in a topic that is only there
//! meanwhile. Then they are merged. A job that waits for slow tasks for some time only would otherwise find something
//! else where a lane went ahead by days of recorded time, as lanes do that have all of it before them.
//!
//! Invariant: the merged topic depends on what each task wrote, not on which wrote first; memory is bounded.

use crate::error::BacktestError;
use crate::scratch::Scratch;
use engine::error::LogError;
use engine::log::{
    Bounds, Limit, Log, Membership, Message, OffsetCommit, Producer, Record as Stored, TopicPartition, TopicSpec,
};
use schemas::{AnomalyRecord, Command, IncidentRecord, Record as _, SchemaError, TaskName};
use std::collections::VecDeque;
use std::sync::Arc;
use topics::declared::{ANOMALIES, COMMANDS, INCIDENTS};

/// Topics that several tasks write.
const MERGED: [&str; 3] = [ANOMALIES.name, INCIDENTS.name, COMMANDS.name];
/// Records of one transaction of the merge.
const TRANSACTION_RECORDS: usize = 2_000;
/// How much is read of one task at once.
const AT_ONCE: Limit = Limit { records: 500, bytes: 1 << 20 };

/// Where a record belongs: round, task, number.
type Place = (i64, i32, i64);

/// Keeps the records of so many tasks apart.
#[derive(Clone, Copy)]
pub(crate) struct Apart {
    tasks: u32,
}

impl Apart {
    /// Makes room in a scratch log for a job of so many tasks.
    pub(crate) fn begin(scratch: &Scratch, tasks: u32) -> Result<Self, BacktestError> {
        for topic in MERGED {
            let spec = scratch.log().topic(topic)?.spec;
            let (name, partitions) = (apart(topic), spec.partitions * tasks);
            scratch.log().create_topic(&TopicSpec { name, partitions, ..spec })?;
        }
        Ok(Apart { tasks })
    }

    /// A producer that writes each task's records apart.
    pub(crate) fn producer(&self, inner: Box<dyn Producer>) -> Box<dyn Producer> {
        Box::new(Divider { inner, tasks: self.tasks })
    }

    /// Merges what was written, and removes it where it was.
    pub(crate) fn end(self, scratch: &Scratch) -> Result<(), BacktestError> {
        for topic in MERGED {
            for partition in 0..scratch.log().topic(topic)?.spec.partitions {
                self.merge(scratch, topic, partition)?;
            }
            scratch.log().delete_topic(&apart(topic))?;
        }
        Ok(())
    }

    fn merge(&self, scratch: &Scratch, topic: &str, partition: u32) -> Result<(), BacktestError> {
        let log = &**scratch.log();
        let mut tasks = Vec::new();
        for task in 0..self.tasks {
            let from = TopicPartition::new(apart(topic), partition * self.tasks + task);
            let Bounds { start, end } = log.bounds(&from)?;
            tasks.push(Cursor { from, next: start, end, read: VecDeque::new() });
        }
        let to: Arc<str> = topic.into();
        let mut producer = log.producer("merge")?;
        let mut open = 0;
        loop {
            for task in &mut tasks {
                task.fill(log)?;
            }
            let first = tasks.iter_mut().filter(|task| !task.read.is_empty());
            let Some(task) = first.min_by_key(|task| task.read[0].0) else { break };
            let Some((_, record)) = task.read.pop_front() else { break };
            if open == 0 {
                producer.begin()?;
            }
            producer.send(message(&to, partition, &record))?;
            open += 1;
            if open == TRANSACTION_RECORDS {
                producer.commit(&[], None)?;
                open = 0;
            }
        }
        if open > 0 {
            producer.commit(&[], None)?;
        }
        Ok(())
    }
}

/// A record as it was sent.
pub(crate) fn message(topic: &Arc<str>, partition: u32, record: &Stored) -> Message {
    Message {
        topic: topic.clone(),
        partition,
        key: record.key.as_ref().map(|key| key.to_vec()),
        headers: record.headers.clone(),
        value: record.value.as_ref().map(|value| value.to_vec()),
        timestamp: None,
    }
}

/// Where the merge is in the records of one task.
struct Cursor {
    from: TopicPartition,
    next: i64,
    end: i64,
    read: VecDeque<(Place, Stored)>,
}

impl Cursor {
    fn fill(&mut self, log: &dyn Log) -> Result<(), BacktestError> {
        while self.read.is_empty() && self.next < self.end {
            let batch = log.read(&self.from, self.next, AT_ONCE)?;
            self.next = batch.next;
            for record in batch.records {
                let place = place(&self.from.topic, record.value.as_deref().unwrap_or_default());
                let place = place.map_err(|error| BacktestError::Unreadable {
                    topic: self.from.topic.to_string(),
                    partition: self.from.partition,
                    offset: record.offset,
                    error,
                })?;
                self.read.push_back((place, record));
            }
        }
        Ok(())
    }
}

struct Divider {
    inner: Box<dyn Producer>,
    tasks: u32,
}

impl Producer for Divider {
    fn begin(&mut self) -> Result<(), LogError> {
        self.inner.begin()
    }

    fn send(&mut self, mut message: Message) -> Result<(), LogError> {
        if MERGED.contains(&&*message.topic) {
            let unreadable = |error: SchemaError| LogError::Unavailable { message: error.to_string() };
            let (_, task, _) =
                place(&message.topic, message.value.as_deref().unwrap_or_default()).map_err(unreadable)?;
            message.partition = message.partition * self.tasks + u32::try_from(task).unwrap_or(0) % self.tasks;
            message.topic = apart(&message.topic).into();
        }
        self.inner.send(message)
    }

    fn commit(&mut self, offsets: &[OffsetCommit], membership: Option<&Membership>) -> Result<(), LogError> {
        self.inner.commit(offsets, membership)
    }

    fn abort(&mut self) -> Result<(), LogError> {
        self.inner.abort()
    }
}

/// Where the records of a topic are while its job runs.
fn apart(topic: &str) -> String {
    format!("{topic}.apart")
}

fn place(topic: &str, value: &[u8]) -> Result<Place, SchemaError> {
    let of = |round: i64, task: &TaskName<'_>, out_seq: i64| (round, task.partition, out_seq);
    if topic.starts_with(ANOMALIES.name) {
        return AnomalyRecord::decode(value).map(|record| of(record.round, &record.task, record.out_seq));
    }
    if topic.starts_with(INCIDENTS.name) {
        return IncidentRecord::decode(value).map(|record| of(record.round, &record.task, record.out_seq));
    }
    Command::decode(value).map(|command| of(command.round, &command.task, command.out_seq))
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::log::{CleanupPolicy, TimestampSource};
    use schemas::AnomalyBody;

    const TASKS: u32 = 3;

    fn spec(name: &str) -> TopicSpec {
        TopicSpec {
            name: name.to_owned(),
            partitions: 2,
            retention_ms: None,
            retention_bytes: None,
            timestamps: TimestampSource::LogAppendTime,
            cleanup: CleanupPolicy::Delete,
        }
    }

    fn record(task: i32, out_seq: i64, round: i64) -> Message {
        let task = TaskName { job: "detect".into(), topic: "in".into(), partition: task };
        let body = AnomalyBody::default();
        let record = AnomalyRecord { task, tasks: TASKS as i32, out_seq, round, body, ..AnomalyRecord::default() };
        let value = Some(record.encode().expect("it fits its schema"));
        Message { topic: ANOMALIES.name.into(), partition: 1, value, ..Message::default() }
    }

    /// The places of the merged partition, where messages were written in this order.
    fn merged(messages: &[Message]) -> Vec<Place> {
        let folder = tempfile::tempdir().expect("a folder");
        let scratch = Scratch::create(folder.path(), &MERGED.map(spec)).expect("it is new");
        let apart = Apart::begin(&scratch, TASKS).expect("it is new");
        let mut producer = apart.producer(scratch.log().producer("p").expect("a producer"));
        for message in messages {
            producer.begin().expect("none is open");
            producer.send(message.clone()).expect("the topic is there");
            producer.commit(&[], None).expect("it can be written");
        }
        drop(producer);
        apart.end(&scratch).expect("it can be merged");
        assert_eq!(scratch.log().topics().expect("they are known").len(), MERGED.len(), "nothing is left over");
        let mut places = Vec::new();
        let read = scratch.written().each::<BacktestError>(ANOMALIES.name, |partition, stored| {
            assert_eq!(partition, 1);
            places.push(place(ANOMALIES.name, stored.value.as_deref().expect("it has a value")).expect("it is one"));
            Ok(())
        });
        read.expect("it can be read");
        places
    }

    #[test]
    fn the_order_of_writing_does_not_matter() {
        let of = |task, rounds: [i64; 4]| (0..).zip(rounds).map(move |(number, round)| record(task, number, round));
        let (one, two) = (of(0, [1, 2, 2, 9]), of(2, [1, 3, 8, 8]));
        let in_row: Vec<Message> = one.clone().chain(two.clone()).collect();
        let in_turn: Vec<Message> = two.zip(one).flat_map(|(b, a)| [b, a]).collect();
        let expected = [(1, 0, 0), (1, 2, 0), (2, 0, 1), (2, 0, 2), (3, 2, 1), (8, 2, 2), (8, 2, 3), (9, 0, 3)];
        assert_eq!(merged(&in_row), expected);
        assert_eq!(merged(&in_turn), expected);
    }
}
