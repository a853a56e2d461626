//! What transactions promise: records and offsets together, gaps, fencing, and who may commit.

use super::super::{Committed, Consumer, Log, OffsetCommit, TopicPartition};
use super::stage::{Stage, changed, gives_up, message, offset, settled, sibling};
use super::{Failure, ensure, refused, same};
use crate::error::LogError;

/// Largest register a commit may carry, as on Kafka.
const METADATA_BYTES: usize = 4096;

pub(super) fn together(stage: Stage<'_>) -> Result<(), Failure> {
    let (input, output) = (stage.topic("in", 1)?, stage.topic("out", 2)?);
    let other = sibling(&output, 1);
    stage.write(&input, &["a", "b"])?;
    let mut consumer = stage.member("member", &[&input.topic])?;
    settled(&mut *consumer, 1)?;
    let mut producer = stage.log.producer(&stage.name("job"))?;
    producer.begin()?;
    producer.send(message(&output, "x"))?;
    producer.send(message(&other, "y"))?;
    let before = (stage.values(&output)?, stage.values(&other)?, consumer.committed(&input)?);
    same("before the commit", before, (vec![], vec![], None))?;
    let commit = OffsetCommit { partition: input.clone(), offset: 2, metadata: "register".to_owned() };
    producer.commit(&[commit], Some(&consumer.membership()))?;
    let committed = Some(Committed { offset: 2, metadata: "register".to_owned() });
    let after = (stage.values(&output)?, stage.values(&other)?, consumer.committed(&input)?);
    same("after the commit", after, (vec!["x".to_owned()], vec!["y".to_owned()], committed.clone()))?;
    same("from outside the group", stage.log.committed(&stage.name("group"), &input)?, committed)?;
    same("of another group", stage.log.committed(&stage.name("other"), &input)?, None)
}

pub(super) fn aborted(stage: Stage<'_>) -> Result<(), Failure> {
    let at = stage.topic("t", 1)?;
    let mut producer = stage.log.producer(&stage.name("job"))?;
    producer.begin()?;
    producer.send(message(&at, "dropped"))?;
    producer.abort()?;
    same("after the abort", stage.values(&at)?, vec![])?;
    producer.begin()?;
    producer.send(message(&at, "kept"))?;
    producer.commit(&[], None)?;
    same("after the next commit", stage.values(&at)?, vec!["kept".to_owned()])
}

pub(super) fn refused_whole(stage: Stage<'_>) -> Result<(), Failure> {
    let at = stage.topic("t", 1)?;
    let mut producer = stage.log.producer(&stage.name("job"))?;
    producer.begin()?;
    producer.send(message(&at, "good"))?;
    // The refusal may come with the record or with the commit.
    let sent = producer.send(message(&sibling(&at, 7), "nowhere"));
    let result = sent.and_then(|()| producer.commit(&[], None));
    refused("a record for no partition", result, |e| matches!(e, LogError::UnknownPartition { partition: 7, .. }))?;
    drop(producer);
    same("what is left", stage.values(&at)?, vec![])?;
    let mut producer = stage.log.producer(&stage.name("job"))?;
    producer.begin()?;
    producer.send(message(&at, "next"))?;
    producer.commit(&[], None)?;
    same("after the next commit", stage.values(&at)?, vec!["next".to_owned()])
}

pub(super) fn gaps(stage: Stage<'_>) -> Result<(), Failure> {
    let at = stage.topic("t", 1)?;
    same("the end of an empty partition", stage.log.bounds(&at)?.end, 0)?;
    for _ in 0..3 {
        stage.write(&at, &["a", "b"])?;
    }
    let offsets: Vec<i64> = stage.records(&at)?.iter().map(|r| r.offset).collect();
    same("records", offsets.len(), 6)?;
    for (number, pair) in offsets.windows(2).enumerate() {
        let least = if number % 2 == 0 { 1 } else { 2 };
        ensure(pair[1] - pair[0] >= least, format_args!("no gap between transactions: {offsets:?}"))?;
    }
    let end = stage.log.bounds(&at)?.end;
    ensure(end > offsets[5] + 1, format_args!("no gap at the end: {offsets:?}, end {end}"))
}

pub(super) fn fencing(stage: Stage<'_>) -> Result<(), Failure> {
    let at = stage.topic("t", 1)?;
    let mut old = stage.log.producer(&stage.name("job"))?;
    old.begin()?;
    old.send(message(&at, "old"))?;
    let mut new = stage.log.producer(&stage.name("job"))?;
    refused("the older producer", old.commit(&[], None), |e| matches!(e, LogError::Fenced { .. }))?;
    new.begin()?;
    new.send(message(&at, "new"))?;
    new.commit(&[], None)?;
    let mut other = stage.log.producer(&stage.name("another job"))?;
    other.begin()?;
    other.send(message(&at, "other"))?;
    other.commit(&[], None)?;
    same("what was written", stage.values(&at)?, vec!["new".to_owned(), "other".to_owned()])
}

pub(super) fn replaced_member(stage: Stage<'_>) -> Result<(), Failure> {
    let at = stage.topic("t", 1)?;
    let mut old = stage.member("member", &[&at.topic])?;
    settled(&mut *old, 1)?;
    let membership = old.membership();
    let mut new = stage.member("member", &[&at.topic])?;
    settled(&mut *new, 1)?;
    let mut producer = stage.log.producer(&stage.name("old"))?;
    producer.begin()?;
    producer.send(message(&at, "stale"))?;
    let result = producer.commit(&[offset(&at, 5)], Some(&membership));
    refused("the replaced member's commit", result, |e| matches!(e, LogError::StaleMembership { .. }))?;
    drop(producer);
    same("its record", stage.values(&at)?, vec![])?;
    same("its offset", new.committed(&at)?, None)
}

pub(super) fn lost_partition(stage: Stage<'_>) -> Result<(), Failure> {
    let at = stage.topic("t", 2)?;
    let lost = sibling(&at, 1);
    let mut first = stage.member("a", &[&at.topic])?;
    settled(&mut *first, 2)?;
    let membership = first.membership();
    let mut second = stage.member("b", &[&at.topic])?;
    hand_over(&mut *first, &mut *second, &lost)?;
    let mut producer = stage.log.producer(&stage.name("a"))?;
    producer.begin()?;
    producer.send(message(&at, "stale"))?;
    let result = producer.commit(&[offset(&lost, 5)], Some(&membership));
    refused("the commit of a lost partition", result, |e| matches!(e, LogError::StaleMembership { .. }))?;
    drop(producer);
    same("its record", stage.values(&at)?, vec![])?;
    same("its offset", second.committed(&lost)?, None)
}

pub(super) fn live_owner(stage: Stage<'_>) -> Result<(), Failure> {
    let at = stage.topic("t", 2)?;
    let moving = sibling(&at, 1);
    let mut first = stage.member("a", &[&at.topic])?;
    settled(&mut *first, 2)?;
    let mut second = stage.member("b", &[&at.topic])?;
    let mut producer = stage.log.producer(&stage.name("a"))?;
    producer.begin()?;
    producer.commit(&[offset(&at, 3), offset(&moving, 4)], Some(&first.membership()))?;
    hand_over(&mut *first, &mut *second, &moving)?;
    let committed = second.committed(&moving)?.map(|c| c.offset);
    same("what the next owner finds", committed, Some(4))
}

pub(super) fn metadata(stage: Stage<'_>) -> Result<(), Failure> {
    let at = stage.topic("t", 1)?;
    let mut consumer = stage.member("member", &[&at.topic])?;
    settled(&mut *consumer, 1)?;
    let mut producer = stage.log.producer(&stage.name("job"))?;
    for metadata in [String::new(), "ü{\"a\":1}\n".to_owned(), "m".repeat(METADATA_BYTES)] {
        producer.begin()?;
        let commit = OffsetCommit { partition: at.clone(), offset: 1, metadata: metadata.clone() };
        producer.commit(&[commit], Some(&consumer.membership()))?;
        same("metadata", consumer.committed(&at)?.map(|c| c.metadata), Some(metadata))?;
    }
    producer.begin()?;
    producer.send(message(&at, "refused"))?;
    let commit = OffsetCommit { partition: at.clone(), offset: 2, metadata: "m".repeat(METADATA_BYTES + 1) };
    let result = producer.commit(&[commit], Some(&consumer.membership()));
    refused("too long metadata", result, |e| matches!(e, LogError::MetadataTooLarge { .. }))?;
    drop(producer);
    same("its record", stage.values(&at)?, vec![])?;
    same("the offset before", consumer.committed(&at)?.map(|c| c.offset), Some(1))
}

pub(super) fn forgotten(stage: Stage<'_>) -> Result<(), Failure> {
    let at = stage.topic("t", 1)?;
    let mut consumer = stage.member("member", &[&at.topic])?;
    settled(&mut *consumer, 1)?;
    let mut producer = stage.log.producer(&stage.name("job"))?;
    producer.begin()?;
    producer.commit(&[offset(&at, 1)], Some(&consumer.membership()))?;
    drop(consumer);
    let group = stage.name("group");
    same("before", stage.log.committed(&group, &at)?.map(|c| c.offset), Some(1))?;
    stage.log.forget_committed(&group, &at)?;
    same("after", stage.log.committed(&group, &at)?, None)
}

pub(super) fn two_threads(stage: Stage<'_>) -> Result<(), Failure> {
    const TRANSACTIONS: usize = 40;
    let at = stage.topic("t", 2)?;
    let both = [at.clone(), sibling(&at, 1)];
    let names = [stage.name("one"), stage.name("two")];
    let log = &stage.log;
    let results: Vec<_> = std::thread::scope(|scope| {
        let both = &both;
        let mut threads = Vec::new();
        for id in &names {
            threads.push(scope.spawn(move || write_alternately(&**log, id, both, TRANSACTIONS)));
        }
        threads.into_iter().map(std::thread::ScopedJoinHandle::join).collect()
    });
    for result in results {
        result.map_err(|_| Failure("a writer panicked".to_owned()))??;
    }
    for partition in &both {
        let values = stage.values(partition)?;
        same("records", values.len(), 2 * TRANSACTIONS)?;
        for id in &names {
            let mine: Vec<&String> = values.iter().filter(|v| v.starts_with(&format!("{id}:"))).collect();
            let expected: Vec<String> = (0..TRANSACTIONS).map(|number| format!("{id}:{number}")).collect();
            same("one producer's records", mine, expected.iter().collect())?;
        }
    }
    Ok(())
}

pub(super) fn too_large(stage: Stage<'_>) -> Result<(), Failure> {
    let at = stage.topic("t", 1)?;
    let mut producer = stage.log.producer(&stage.name("job"))?;
    let mut large = message(&at, "");
    large.value = Some(vec![0; 900 << 10]);
    producer.begin()?;
    producer.send(large.clone())?;
    producer.commit(&[], None)?;
    // Headers count too.
    large.headers = vec![("h".to_owned(), vec![0; 200 << 10].into())];
    producer.begin()?;
    let result = producer.send(large).and_then(|()| producer.commit(&[], None));
    refused("a record over 1 MiB", result, |e| matches!(e, LogError::TooLarge { .. }))?;
    drop(producer);
    same("records", stage.records(&at)?.len(), 1)
}

pub(super) fn wrong_order(stage: Stage<'_>) -> Result<(), Failure> {
    let at = stage.topic("t", 1)?;
    let mut producer = stage.log.producer(&stage.name("job"))?;
    let closed = |e: &LogError| matches!(e, LogError::NoTransaction { .. });
    refused("sending before beginning", producer.send(message(&at, "a")), closed)?;
    refused("committing before beginning", producer.commit(&[], None), closed)?;
    producer.begin()?;
    producer.commit(&[], None)?;
    refused("sending after the commit", producer.send(message(&at, "a")), closed)
}

/// Polls both members until the second has the partition.
fn hand_over(first: &mut dyn Consumer, second: &mut dyn Consumer, partition: &TopicPartition) -> Result<(), Failure> {
    let revoked = gives_up(first)?;
    ensure(revoked.contains(partition), format_args!("revoked {revoked:?}, expected {partition}"))?;
    let (_, assigned) = changed(second)?;
    ensure(assigned.contains(partition), format_args!("assigned {assigned:?}, expected {partition}"))
}

fn write_alternately(
    log: &dyn Log,
    id: &str,
    partitions: &[TopicPartition],
    transactions: usize,
) -> Result<(), LogError> {
    let mut producer = log.producer(id)?;
    for number in 0..transactions {
        producer.begin()?;
        for partition in partitions {
            producer.send(message(partition, &format!("{id}:{number}")))?;
        }
        producer.commit(&[], None)?;
    }
    Ok(())
}
