//! What groups promise: who owns a partition, and what a poll gives.

use super::super::{Batch, Consumer, Limit, Message, Polled, TopicPartition};
use super::stage::{
    ALL_OF_IT, Holder, Stage, changed, message, polled, refused_at_last, settled, share, sibling, text, values_polled,
};
use super::{Ability, Failure, ensure, refused, same};
use crate::clock::{SystemClock, WallClock};
use crate::error::LogError;
use std::time::Duration;

fn records(batches: Vec<Batch>) -> usize {
    batches.iter().map(|batch| batch.records.len()).sum()
}

fn partitions(at: &TopicPartition, numbers: std::ops::Range<u32>) -> Vec<TopicPartition> {
    numbers.map(|number| sibling(at, number)).collect()
}

pub(super) fn range(stage: Stage<'_>) -> Result<(), Failure> {
    let (one, two) = (stage.topic("a", 5)?, stage.topic("b", 2)?);
    let topics = [&*one.topic, &*two.topic];
    let mut first = Holder::new(stage.member("a", &topics)?);
    share(&mut [&mut first], &[7])?;
    let mut second = Holder::new(stage.member("b", &topics)?);
    share(&mut [&mut first, &mut second], &[4, 3])?;
    let of = |ones, twos| [partitions(&one, ones), partitions(&two, twos)].concat();
    same("the first member's", Vec::from_iter(first.held), of(0..3, 0..1))?;
    same("the second member's", Vec::from_iter(second.held), of(3..5, 1..2))
}

pub(super) fn takeover(stage: Stage<'_>) -> Result<(), Failure> {
    let at = stage.topic("t", 4)?;
    let mut first = Holder::new(stage.member("a", &[&at.topic])?);
    share(&mut [&mut first], &[4])?;
    let mut second = Holder::new(stage.member("b", &[&at.topic])?);
    share(&mut [&mut first, &mut second], &[2, 2])?;
    // As after a crash: the old handle is still there, and nobody told it.
    let mut returned = stage.member("b", &[&at.topic])?;
    same("taken back", settled(&mut *returned, 2)?, partitions(&at, 2..4))?;
    refused_at_last("polling as the replaced member", &mut *second.consumer, |e| {
        matches!(e, LogError::StaleMembership { .. })
    })?;
    drop(second);
    same("what the other member is given", polled(&mut *first.consumer, ALL_OF_IT).map(records)?, 0)?;
    stage.write(&sibling(&at, 3), &["x"])?;
    same("what it reads", values_polled(&mut *returned, 1)?, vec!["x".to_owned()])
}

pub(super) fn other_topics(stage: Stage<'_>) -> Result<(), Failure> {
    let (one, two) = (stage.topic("a", 1)?, stage.topic("b", 2)?);
    let mut first = Holder::new(stage.member("a", &[&one.topic])?);
    share(&mut [&mut first], &[1])?;
    drop(first);
    let mut returned = Holder::new(stage.member("a", &[&one.topic, &two.topic])?);
    share(&mut [&mut returned], &[3])?;
    same("what it holds", Vec::from_iter(returned.held), [partitions(&one, 0..1), partitions(&two, 0..2)].concat())
}

pub(super) fn no_double_owner(stage: Stage<'_>) -> Result<(), Failure> {
    let at = stage.topic("t", 3)?;
    let mut first = stage.member("a", &[&at.topic])?;
    settled(&mut *first, 3)?;
    let mut second = stage.member("b", &[&at.topic])?;
    // The first member has not been told: the second gets nothing.
    same("before the revocation", polled(&mut *second, ALL_OF_IT)?, vec![])?;
    let (revoked, _) = changed(&mut *first)?;
    ensure(revoked.contains(&sibling(&at, 2)), format_args!("revoked: {revoked:?}"))?;
    // It has been told, and may still be closing it.
    same("while the first closes it", polled(&mut *second, ALL_OF_IT)?, vec![])?;
    let mut first = Holder::new(first);
    first.poll()?;
    let (_, assigned) = changed(&mut *second)?;
    same("assigned", assigned, partitions(&at, 2..3))?;
    stage.write(&sibling(&at, 2), &["x"])?;
    for _ in 0..5 {
        same("what the first member reads", first.poll()?, vec![])?;
    }
    let resumed = first.consumer.resume(&sibling(&at, 2), 0);
    ensure(resumed.is_err(), "a revoked partition could be resumed")
}

pub(super) fn leaving(stage: Stage<'_>) -> Result<(), Failure> {
    let at = stage.topic("t", 3)?;
    let mut first = Holder::new(stage.member("a", &[&at.topic])?);
    share(&mut [&mut first], &[3])?;
    let mut second = Holder::new(stage.member("b", &[&at.topic])?);
    share(&mut [&mut first, &mut second], &[1, 2])?;
    drop(second);
    share(&mut [&mut first], &[3])
}

pub(super) fn pausing(stage: Stage<'_>) -> Result<(), Failure> {
    let at = stage.topic("t", 1)?;
    stage.write(&at, &["a", "b", "c"])?;
    let mut consumer = stage.member("member", &[&at.topic])?;
    let (_, assigned) = changed(&mut *consumer)?;
    same("assigned", assigned, vec![at.clone()])?;
    same("before it is resumed", polled(&mut *consumer, ALL_OF_IT)?, vec![])?;
    consumer.resume(&at, 1)?;
    same("from where it was resumed", values_polled(&mut *consumer, 2)?, vec!["b".to_owned(), "c".to_owned()])?;
    consumer.pause(&at)?;
    stage.write(&at, &["d"])?;
    same("while paused", polled(&mut *consumer, ALL_OF_IT)?, vec![])?;
    consumer.resume(&at, 2)?;
    same("after going back", values_polled(&mut *consumer, 2)?, vec!["c".to_owned(), "d".to_owned()])?;
    let unowned = consumer.resume(&sibling(&at, 9), 0);
    ensure(unowned.is_err(), "a partition that is not assigned could be resumed")
}

pub(super) fn over_gaps(stage: Stage<'_>) -> Result<(), Failure> {
    let at = stage.topic("t", 1)?;
    let mut producer = stage.log.producer(&stage.name("job"))?;
    for value in ["a", "dropped", "b", "dropped"] {
        producer.begin()?;
        producer.send(message(&at, value))?;
        if value == "dropped" { producer.abort()? } else { producer.commit(&[], None)? }
    }
    let tombstone = Message { key: Some(b"k".to_vec()), value: None, ..message(&at, "") };
    stage.commit([tombstone], &[])?;
    let mut consumer = stage.member("member", &[&at.topic])?;
    settled(&mut *consumer, 1)?;
    let (mut values, mut next, mut polls) = (Vec::new(), 0, 0);
    // The end, too, may be seen a moment after the commit that moved it was acknowledged.
    while values.len() < 3 || next != stage.log.bounds(&at)?.end {
        polls += 1;
        ensure(polls < 1_000, format_args!("stuck at {next}, not at the end {}", stage.log.bounds(&at)?.end))?;
        let Polled::Records(batches) = consumer.poll(ALL_OF_IT, Duration::from_millis(100))? else { continue };
        for batch in batches {
            values.extend(batch.records.iter().map(text));
            next = batch.next;
        }
    }
    same("what it read", values, ["a", "b", "tombstone"].map(str::to_owned).to_vec())
}

pub(super) fn one_view(stage: Stage<'_>) -> Result<(), Failure> {
    const TRANSACTIONS: usize = 60;
    let at = stage.topic("t", 2)?;
    let mut consumer = stage.member("member", &[&at.topic])?;
    settled(&mut *consumer, 2)?;
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            (0..TRANSACTIONS).try_for_each(|number| {
                let value = number.to_string();
                stage.commit([message(&at, &value), message(&sibling(&at, 1), &value)], &[])
            })
        });
        let (mut seen, mut polls) = ([0, 0], 0);
        while seen != [TRANSACTIONS; 2] {
            polls += 1;
            ensure(polls < 100_000, format_args!("records are missing: {seen:?} of {TRANSACTIONS}"))?;
            let Polled::Records(batches) = consumer.poll(ALL_OF_IT, Duration::from_millis(100))? else { continue };
            for batch in batches {
                seen[batch.partition.partition as usize] += batch.records.len();
            }
            ensure(seen[0] == seen[1], format_args!("a poll saw half a transaction: {seen:?}"))?;
        }
        writer.join().map_err(|_| Failure("the writer panicked".to_owned()))??;
        Ok(())
    })
}

pub(super) fn failed_poll(stage: Stage<'_>) -> Result<(), Failure> {
    let at = stage.topic("t", 2)?;
    stage.write(&at, &["a"])?;
    let mut consumer = stage.member("member", &[&at.topic])?;
    settled(&mut *consumer, 2)?;
    let second = sibling(&at, 1);
    consumer.resume(&second, 99)?;
    let mut values = refused_at_last("a position beyond the end", &mut *consumer, |e| {
        matches!(e, LogError::OutOfRange { partition: 1, offset: 99, .. })
    })?;
    consumer.resume(&second, 0)?;
    values.extend(values_polled(&mut *consumer, 1 - values.len().min(1))?);
    same("the other partition's record", values, vec!["a".to_owned()])
}

pub(super) fn waking(stage: Stage<'_>) -> Result<(), Failure> {
    let limit = Duration::from_secs(30);
    let at = stage.topic("t", 1)?;
    let mut consumer = stage.member("member", &[&at.topic])?;
    settled(&mut *consumer, 1)?;
    let clock = SystemClock::new();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            // So that the poll has most likely begun to wait; sound also when it has not.
            std::thread::sleep(Duration::from_millis(50));
            stage.write(&at, &["x"])
        });
        let mut values = Vec::new();
        while values.is_empty() && clock.monotonic() < limit {
            if let Polled::Records(batches) = consumer.poll(ALL_OF_IT, limit)? {
                values.extend(batches.iter().flat_map(|batch| &batch.records).map(text));
            }
        }
        writer.join().map_err(|_| Failure("the writer panicked".to_owned()))??;
        same("what woke it", values, vec!["x".to_owned()])?;
        ensure(clock.monotonic() < limit / 2, "the poll slept through the commit")
    })
}

pub(super) fn deleted_topic(stage: Stage<'_>) -> Result<(), Failure> {
    let (gone, kept) = (stage.topic("gone", 2)?, stage.topic("kept", 1)?);
    let mut member = Holder::new(stage.member("member", &[&gone.topic, &kept.topic])?);
    share(&mut [&mut member], &[3])?;
    stage.log.delete_topic(&gone.topic)?;
    share(&mut [&mut member], &[1])?;
    same("after the deletion", Vec::from_iter(member.held), partitions(&kept, 0..1))?;
    stage.write(&kept, &["x"])?;
    same("the other topic", values_polled(&mut *member.consumer, 1)?, vec!["x".to_owned()])
}

/// Kept beside the polls: a consumer whose records expire under it.
pub(super) fn behind_retention(stage: &Stage<'_>, at: &TopicPartition, start: i64) -> Result<(), Failure> {
    debug_assert!(stage.subject.offers(Ability::PromptRetention));
    let mut consumer = stage.member("behind", &[&at.topic])?;
    settled(&mut *consumer, 1)?;
    let poll = |consumer: &mut dyn Consumer| consumer.poll(Limit { records: 1, bytes: 1 }, Duration::ZERO);
    refused("polling below the start", poll(&mut *consumer), |e| matches!(e, LogError::OutOfRange { offset: 0, .. }))?;
    consumer.resume(at, start)?;
    same("from the start", polled(&mut *consumer, Limit { records: 1, bytes: 1 })?.len(), 1)
}
