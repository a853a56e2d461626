//! What readers get back: every part of a record, in order, within limits.

use super::super::{Limit, Message, TimestampSource, TopicPartition};
use super::stage::{ALL_OF_IT, Stage, message, refused_at_last, settled, sizes_polled, text};
use super::{Failure, ensure, refused, same};
use crate::error::LogError;
use bytes::Bytes;

pub(super) fn round_trip(stage: Stage<'_>) -> Result<(), Failure> {
    let at = stage.topic("t", 1)?;
    let header = |name: &str, value: &'static [u8]| (name.to_owned(), Bytes::from_static(value));
    let written = [
        Message { key: None, value: Some(b"no key".to_vec()), ..message(&at, "") },
        Message { key: Some(Vec::new()), value: Some(b"empty key".to_vec()), ..message(&at, "") },
        Message { key: Some(b"tombstone".to_vec()), value: None, ..message(&at, "") },
        Message { key: Some(b"empty value".to_vec()), value: Some(Vec::new()), ..message(&at, "") },
        Message {
            headers: vec![header("a", b"1"), header("b", b""), header("a", b"2"), header("", b"\xff\0")],
            key: Some((0..=255).collect()),
            value: Some(vec![7; 100_000]),
            ..message(&at, "")
        },
        Message { key: None, value: None, ..message(&at, "") },
    ];
    stage.commit(written.clone(), &[])?;
    let many: Vec<String> = (0..2_500).map(|number| number.to_string()).collect();
    stage.write(&at, &many.iter().map(String::as_str).collect::<Vec<_>>())?;
    let records = stage.records(&at)?;
    for (record, message) in records.iter().zip(&written) {
        same("key", record.key.as_deref(), message.key.as_deref())?;
        same("value", record.value.as_deref(), message.value.as_deref())?;
        same("headers", &record.headers, &message.headers)?;
    }
    same("the rest, in order", records[written.len()..].iter().map(text).collect::<Vec<_>>(), many)?;
    let ascending = records.windows(2).all(|pair| pair[0].offset < pair[1].offset);
    ensure(ascending, "offsets do not ascend")
}

pub(super) fn timestamps(stage: Stage<'_>) -> Result<(), Failure> {
    let producers = stage.topic("producers", 1)?;
    let spec = super::super::TopicSpec { timestamps: TimestampSource::LogAppendTime, ..stage.spec("logs", 1) };
    stage.log.create_topic(&spec)?;
    let logs = TopicPartition::new(spec.name, 0);
    let before = stage.subject.now();
    let stamped = |at: &TopicPartition| Message { timestamp: Some(12_345), ..message(at, "x") };
    stage.commit([stamped(&producers), message(&producers, "unstamped"), stamped(&logs)], &[])?;
    let after = stage.subject.now();
    let times = |at| stage.records(at).map(|records| records.iter().map(|r| r.timestamp).collect::<Vec<_>>());
    let (kept, replaced) = (times(&producers)?, times(&logs)?);
    same("the producer's", kept[0], 12_345)?;
    for time in [kept[1], replaced[0]] {
        ensure((before..=after).contains(&time), format_args!("the log's: {time} is not in {before}..={after}"))?;
    }
    Ok(())
}

pub(super) fn offset_by_time(stage: Stage<'_>) -> Result<(), Failure> {
    let at = stage.topic("t", 1)?;
    same("in an empty partition", stage.log.offset_at(&at, 0)?, 0)?;
    // Producers' times need not ascend, and what ends a transaction has a time, too: nothing may be passed over.
    for time in [1_000, 3_000, 2_000, 5_000] {
        stage.commit([Message { timestamp: Some(time), ..message(&at, &time.to_string()) }], &[])?;
    }
    let records = stage.records(&at)?;
    for (time, expected) in [(0, 0), (1_000, 0), (1_001, 1), (2_000, 1), (3_001, 3), (5_000, 3)] {
        let (found, latest) = (stage.log.offset_at(&at, time)?, records[expected].offset);
        ensure(found <= latest, format_args!("at {time}: found {found}, which is behind {latest}"))?;
    }
    // The log's own times ascend: the first record from there on is the first that is not older.
    let spec = super::super::TopicSpec { timestamps: TimestampSource::LogAppendTime, ..stage.spec("logs", 1) };
    stage.log.create_topic(&spec)?;
    let logs = TopicPartition::new(spec.name, 0);
    for value in ["a", "b", "c"] {
        stage.write(&logs, &[value])?;
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let records = stage.records(&logs)?;
    let first_from = |offset| records.iter().find(|record| record.offset >= offset).map(text);
    for time in [0, records[0].timestamp, records[1].timestamp, records[2].timestamp, records[2].timestamp + 1] {
        let expected = records.iter().find(|record| record.timestamp >= time).map(text);
        same(&format!("from {time} on"), first_from(stage.log.offset_at(&logs, time)?), expected)?;
    }
    Ok(())
}

pub(super) fn limits(stage: Stage<'_>) -> Result<(), Failure> {
    let at = stage.topic("t", 1)?;
    let values: Vec<String> = (0..20).map(|number| format!("{number:0>1000}")).collect();
    stage.write(&at, &values.iter().map(String::as_str).collect::<Vec<_>>())?;
    stage.write(&at, &["l".repeat(50_000).as_str(), "last"])?;
    let mut found = Vec::new();
    let mut from = 0;
    while from < stage.log.bounds(&at)?.end {
        let batch = stage.log.read(&at, from, Limit { records: 3, bytes: 1 << 20 })?;
        ensure(batch.records.len() <= 3, "more records than asked for")?;
        ensure(batch.next > from, format_args!("reading stands still at {from}"))?;
        ensure(batch.next <= batch.end, "reading goes on beyond the end")?;
        found.extend(batch.records.iter().map(text));
        from = batch.next;
    }
    same("by records", found.len(), 22)?;
    let (mut found, mut from) = (0, 0);
    while from < stage.log.bounds(&at)?.end {
        let batch = stage.log.read(&at, from, Limit { records: 1_000, bytes: 4_000 })?;
        let sizes: Vec<usize> = batch.records.iter().map(|r| r.value.as_ref().map_or(0, Bytes::len)).collect();
        let allowed = sizes.len() == 1 || sizes.iter().sum::<usize>() <= 4_000;
        ensure(allowed, format_args!("more bytes than asked for: {sizes:?}"))?;
        ensure(batch.next > from, format_args!("reading stands still at {from}"))?;
        found += sizes.len();
        from = batch.next;
    }
    same("by bytes", found, 22)?;
    let mut consumer = stage.member("member", &[&at.topic])?;
    settled(&mut *consumer, 1)?;
    same("by one poll", sizes_polled(&mut *consumer, Limit { records: 2, bytes: 1 << 20 })?, vec![2])
}

pub(super) fn beyond_end(stage: Stage<'_>) -> Result<(), Failure> {
    let at = stage.topic("t", 1)?;
    stage.write(&at, &["a"])?;
    // What is committed is seen a moment after it is acknowledged, and the end with it.
    for _ in 0..100 {
        if !stage.values(&at)?.is_empty() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let end = stage.log.bounds(&at)?.end;
    let batch = stage.log.read(&at, end, ALL_OF_IT)?;
    same("at the end", (batch.records.len(), batch.next, batch.end), (0, end, end))?;
    let out_of_range = |e: &LogError| matches!(e, LogError::OutOfRange { .. });
    refused("beyond the end", stage.log.read(&at, end + 1, ALL_OF_IT), out_of_range)?;
    refused("a negative offset", stage.log.read(&at, -1, ALL_OF_IT), out_of_range)?;
    let mut consumer = stage.member("member", &[&at.topic])?;
    settled(&mut *consumer, 1)?;
    consumer.resume(&at, end + 1)?;
    refused_at_last("polling beyond the end", &mut *consumer, out_of_range).map(|_| ())
}
