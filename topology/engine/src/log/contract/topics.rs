//! What topics promise: their identity, what retention and compaction keep, and that all of it survives.

use super::super::{Bounds, CleanupPolicy, Committed, Limit, Message, OffsetCommit, TopicPartition, TopicSpec};
use super::stage::{ALL_OF_IT, Stage, message, settled, sibling, text};
use super::{Failure, ensure, groups, refused, same};
use crate::error::LogError;

pub(super) fn unknown(stage: Stage<'_>) -> Result<(), Failure> {
    let at = stage.topic("t", 1)?;
    let topic = |e: &LogError| matches!(e, LogError::UnknownTopic { .. });
    let partition = |e: &LogError| matches!(e, LogError::UnknownPartition { partition: 1, partitions: 1, .. });
    let nowhere = TopicPartition::new(stage.name("nowhere"), 0);
    refused("bounds of a topic", stage.log.bounds(&nowhere), topic)?;
    refused("reading a topic", stage.log.read(&nowhere, 0, ALL_OF_IT), topic)?;
    refused("writing a topic", stage.write(&nowhere, &["a"]), topic)?;
    refused("joining for a topic", stage.member("member", &[&nowhere.topic]).map(|_| ()), topic)?;
    refused("deleting a topic", stage.log.delete_topic(&nowhere.topic), topic)?;
    refused("altering a topic", stage.log.alter_topic(&stage.spec("nowhere", 1)), topic)?;
    let second = sibling(&at, 1);
    refused("bounds of a partition", stage.log.bounds(&second), partition)?;
    refused("reading a partition", stage.log.read(&second, 0, ALL_OF_IT), partition)?;
    refused("the time of a partition", stage.log.offset_at(&second, 0), partition)?;
    refused("what is committed", stage.log.committed(&stage.name("group"), &second), partition)
}

pub(super) fn exists(stage: Stage<'_>) -> Result<(), Failure> {
    let at = stage.topic("t", 2)?;
    stage.write(&at, &["kept"])?;
    refused("creating it again", stage.log.create_topic(&stage.spec("t", 3)), |e| {
        matches!(e, LogError::TopicExists { .. })
    })?;
    same("its record", stage.values(&at)?, vec!["kept".to_owned()])?;
    same("how it is declared", described(&stage, "t")?.0, stage.spec("t", 2))
}

pub(super) fn recreated(stage: Stage<'_>) -> Result<(), Failure> {
    let at = stage.topic("t", 1)?;
    stage.write(&at, &["old"])?;
    commit_offset(&stage, &at, 1, "")?;
    stage.log.delete_topic(&at.topic)?;
    ensure(described(&stage, "t").is_err(), "a deleted topic is listed")?;
    stage.topic("t", 1)?;
    same("its bounds", stage.log.bounds(&at)?, Bounds { start: 0, end: 0 })?;
    same("its committed offset", stage.log.committed(&stage.name("group"), &at)?, None)?;
    stage.write(&at, &["new"])?;
    same("its records", stage.values(&at)?, vec!["new".to_owned()])
}

pub(super) fn new_id(stage: Stage<'_>) -> Result<(), Failure> {
    let at = stage.topic("t", 1)?;
    let id = described(&stage, "t")?.1;
    stage.log.delete_topic(&at.topic)?;
    stage.topic("t", 1)?;
    ensure(described(&stage, "t")?.1 != id, "the recreated topic has the same id")
}

pub(super) fn altered(stage: Stage<'_>) -> Result<(), Failure> {
    let at = stage.topic("t", 2)?;
    stage.write(&at, &["kept"])?;
    let spec = TopicSpec { retention_ms: Some(86_400_000), retention_bytes: Some(1 << 30), ..stage.spec("t", 2) };
    stage.log.alter_topic(&spec)?;
    same("how it is declared", described(&stage, "t")?.0, spec)?;
    same("its record", stage.values(&at)?, vec!["kept".to_owned()])
}

pub(super) fn keyless(stage: Stage<'_>) -> Result<(), Failure> {
    let spec = TopicSpec { cleanup: CleanupPolicy::Compact, ..stage.spec("t", 1) };
    stage.log.create_topic(&spec)?;
    let at = TopicPartition::new(spec.name, 0);
    refused("a record without a key", stage.write(&at, &["a"]), |e| matches!(e, LogError::KeyMissing { .. }))?;
    let keyed = Message { key: Some(Vec::new()), ..message(&at, "empty key") };
    stage.commit([keyed], &[])?;
    same("its records", stage.values(&at)?, vec!["empty key".to_owned()])
}

pub(super) fn by_age(stage: Stage<'_>) -> Result<(), Failure> {
    let spec = TopicSpec { retention_ms: Some(1_000), ..stage.spec("t", 1) };
    stage.log.create_topic(&spec)?;
    let at = TopicPartition::new(spec.name, 0);
    for time in [1_000, 2_000, 3_000] {
        stage.commit([Message { timestamp: Some(time), ..message(&at, &time.to_string()) }], &[])?;
    }
    let end = stage.log.bounds(&at)?.end;
    same("deleted at 3000", stage.log.enforce_retention(3_000)?, 1)?;
    same("kept at 3000", stage.values(&at)?, vec!["2000".to_owned(), "3000".to_owned()])?;
    let start = stage.log.bounds(&at)?.start;
    same("the start", Some(start), stage.records(&at)?.first().map(|r| r.offset))?;
    refused("reading below the start", stage.log.read(&at, 0, ALL_OF_IT), |e| {
        matches!(e, LogError::OutOfRange { offset: 0, .. })
    })?;
    groups::behind_retention(&stage, &at, start)?;
    same("deleted at last", stage.log.enforce_retention(9_000)?, 2)?;
    same("an emptied partition", stage.log.bounds(&at)?, Bounds { start: end, end })?;
    stage.write(&at, &["next"])?;
    ensure(stage.records(&at)?[0].offset >= end, "offsets went back after everything had expired")
}

pub(super) fn by_size(stage: Stage<'_>) -> Result<(), Failure> {
    let at = stage.topic("t", 1)?;
    let values: Vec<String> = (0..10).map(|number| format!("{number:0>1000}")).collect();
    stage.write(&at, &values.iter().map(String::as_str).collect::<Vec<_>>())?;
    let now = stage.subject.now();
    same("deleted without a limit", stage.log.enforce_retention(now)?, 0)?;
    stage.log.alter_topic(&TopicSpec { retention_bytes: Some(5_200), ..stage.spec("t", 1) })?;
    same("deleted", stage.log.enforce_retention(now)?, 5)?;
    same("kept", stage.values(&at)?, values[5..].to_vec())?;
    same("deleted again", stage.log.enforce_retention(now)?, 0)?;
    stage.write(&at, &[values[0].as_str()])?;
    same("deleted after one more", stage.log.enforce_retention(now)?, 1)
}

pub(super) fn compaction(stage: Stage<'_>) -> Result<(), Failure> {
    let spec = TopicSpec { cleanup: CleanupPolicy::Compact, ..stage.spec("t", 2) };
    stage.log.create_topic(&spec)?;
    let at = TopicPartition::new(spec.name, 0);
    let keyed = |at: &TopicPartition, key: &str, value: Option<&str>| Message {
        key: Some(key.as_bytes().to_vec()),
        value: value.map(|v| v.as_bytes().to_vec()),
        ..message(at, "")
    };
    let other = sibling(&at, 1);
    stage.commit([keyed(&at, "a", Some("a1")), keyed(&at, "b", Some("b1")), keyed(&other, "a", Some("a0"))], &[])?;
    stage.commit([keyed(&at, "a", None), keyed(&at, "c", None), keyed(&at, "c", Some("c2"))], &[])?;
    stage.commit([keyed(&at, "b", Some("b2")), keyed(&at, "", Some("empty"))], &[])?;
    let (bounds, before) = (stage.log.bounds(&at)?, stage.records(&at)?);
    same("deleted", stage.log.enforce_retention(stage.subject.now())?, 3)?;
    let kept: Vec<_> = [2, 4, 5, 6].iter().map(|&number| before[number].clone()).collect();
    same("the last of each key", stage.records(&at)?, kept)?;
    same("other partitions", stage.values(&other)?, vec!["a0".to_owned()])?;
    same("bounds", stage.log.bounds(&at)?, bounds)?;
    same("deleted again", stage.log.enforce_retention(stage.subject.now())?, 0)?;
    let mut consumer = stage.member("member", &[&at.topic])?;
    settled(&mut *consumer, 2)?;
    let values = super::stage::values_polled(&mut *consumer, 5)?;
    same("what a member reads", values.len(), 5)
}

pub(super) fn behind_retention(stage: Stage<'_>) -> Result<(), Failure> {
    const WRITTEN: usize = 1_500;
    let spec = TopicSpec { retention_bytes: Some(2_000), ..stage.spec("t", 1) };
    stage.log.create_topic(&spec)?;
    let at = TopicPartition::new(spec.name, 0);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            (0..WRITTEN).step_by(25).try_for_each(|first| {
                let values: Vec<String> = (first..first + 25).map(|number| number.to_string()).collect();
                stage.write(&at, &values.iter().map(String::as_str).collect::<Vec<_>>())?;
                stage.log.enforce_retention(0).map(|_| ())
            })
        });
        let (mut from, mut expected) = (0, Some(0));
        while expected != Some(WRITTEN) {
            match stage.log.read(&at, from, Limit { records: 7, bytes: 1 << 20 }) {
                Ok(batch) => {
                    for record in &batch.records {
                        let number = text(record).parse().ok();
                        let silent = expected.is_some() && number != expected;
                        ensure(!silent, format_args!("read {number:?}, expected {expected:?}, and nobody said so"))?;
                        expected = number.map(|n: usize| n + 1);
                    }
                    from = batch.next;
                }
                // Told: what comes next need not follow.
                Err(LogError::OutOfRange { start, .. }) if start > from => (from, expected) = (start, None),
                Err(error) => return Err(error.into()),
            }
            if writer.is_finished() && expected.is_none() && stage.records(&at)?.is_empty() {
                break;
            }
        }
        writer.join().map_err(|_| Failure("the writer panicked".to_owned()))??;
        Ok(())
    })
}

pub(super) fn restart(stage: Stage<'_>) -> Result<(), Failure> {
    let at = stage.topic("t", 2)?;
    stage.topic("gone", 1)?;
    stage.log.delete_topic(&stage.name("gone"))?;
    stage.write(&at, &["a", "b"])?;
    stage.write(&sibling(&at, 1), &["c"])?;
    commit_offset(&stage, &at, 2, "register")?;
    let mut open = stage.log.producer(&stage.name("job"))?;
    open.begin()?;
    open.send(message(&at, "never committed"))?;
    drop(open);
    let look = |stage: &Stage<'_>| -> Result<_, Failure> {
        let both = [at.clone(), sibling(&at, 1)];
        let records = both.iter().map(|p| stage.records(p)).collect::<Result<Vec<_>, _>>()?;
        let bounds = both.iter().map(|p| stage.log.bounds(p)).collect::<Result<Vec<_>, _>>()?;
        let committed = stage.log.committed(&stage.name("group"), &at)?;
        Ok((stage.log.topics()?, records, bounds, committed))
    };
    let before = look(&stage)?;
    same("committed", before.3.clone(), Some(Committed { offset: 2, metadata: "register".to_owned() }))?;
    let stage = stage.restart()?;
    same("after the restart", look(&stage)?, before.clone())?;
    stage.write(&at, &["d"])?;
    let next = stage.records(&at)?.last().map(|r| r.offset);
    same("where writing goes on", next, Some(before.2[0].end))?;
    let last = before.0.iter().map(|topic| topic.id).max();
    stage.topic("later", 1)?;
    ensure(Some(described(&stage, "later")?.1) > last, "an id was given twice")
}

/// How a topic of this check is declared, and its id.
fn described(stage: &Stage<'_>, name: &str) -> Result<(TopicSpec, u64), Failure> {
    let name = stage.name(name);
    let found = stage.log.topics()?.into_iter().find(|topic| topic.spec.name == name);
    found.map(|topic| (topic.spec, topic.id)).ok_or_else(|| Failure(format!("{name} is not listed")))
}

/// Commits an offset as a member of this check's group.
fn commit_offset(stage: &Stage<'_>, at: &TopicPartition, offset: i64, metadata: &str) -> Result<(), Failure> {
    let mut consumer = stage.member("committer", &[&at.topic])?;
    while !settled_once(&mut *consumer, at)? {}
    let mut producer = stage.log.producer(&stage.name("committer"))?;
    producer.begin()?;
    let commit = OffsetCommit { partition: at.clone(), offset, metadata: metadata.to_owned() };
    Ok(producer.commit(&[commit], Some(&consumer.membership()))?)
}

fn settled_once(consumer: &mut dyn super::super::Consumer, at: &TopicPartition) -> Result<bool, Failure> {
    Ok(super::stage::changed(consumer)?.1.contains(at))
}
