//! Brokers that hang, and what a producer does then.

use engine::clock::SystemClock;
use engine::error::{LogError, Remedy};
use engine::log::kafka::{Config, open};
use engine::log::{CleanupPolicy, Limit, Log, Message, TimestampSource, TopicPartition, TopicSpec};
use rig::kafka::{Brokers, Kafka, available};
use std::sync::Arc;
use std::time::Duration;

fn message(value: &str) -> Message {
    Message { topic: "t".into(), value: Some(value.as_bytes().to_vec()), ..Message::default() }
}

fn values(log: &dyn Log) -> Vec<String> {
    let (at, mut from, mut values) = (TopicPartition::new("t", 0), 0, Vec::new());
    while from < log.bounds(&at).expect("the topic is there").end {
        let batch = log.read(&at, from, Limit { records: 100, bytes: 1 << 20 }).expect("the topic can be read");
        let text = |value: &bytes::Bytes| String::from_utf8_lossy(value).into_owned();
        values.extend(batch.records.iter().filter_map(|record| record.value.as_ref()).map(text));
        from = batch.next;
    }
    values
}

#[test]
fn a_broker_that_hangs_ends_a_commit_and_its_producer_and_the_next_one_goes_on() {
    if !rig::provided(available()) {
        return;
    }
    let kafka = Kafka::start(Brokers::One).expect("a broker starts");
    let log = open(Config::new(kafka.bootstrap()), Arc::new(SystemClock::new())).expect("the broker answers");
    log.create_topic(&TopicSpec {
        name: "t".to_owned(),
        partitions: 1,
        retention_ms: None,
        retention_bytes: None,
        timestamps: TimestampSource::LogAppendTime,
        cleanup: CleanupPolicy::Delete,
    })
    .expect("a topic can be made");
    let mut producer = log.producer("job").expect("a producer can be opened");
    producer.begin().expect("no transaction is open");
    producer.send(message("before")).expect("the topic is there");
    producer.commit(&[], None).expect("the broker answers");

    producer.begin().expect("no transaction is open");
    producer.send(message("lost")).expect("the topic is known");
    kafka.freeze(1).expect("the broker can be stopped");
    let error = producer.commit(&[], None).expect_err("nobody answers");
    assert_ne!(error.remedy(), Remedy::Stop, "a person need not act: {error}");
    kafka.thaw(1).expect("the broker can go on");
    let again = producer.begin().expect_err("a producer that has seen an error is spent");
    assert!(matches!(again, LogError::Unavailable { .. }), "{again}");

    let mut next = log.producer("job").expect("the broker answers again");
    next.begin().expect("no transaction is open");
    next.send(message("after")).expect("the topic is there");
    next.commit(&[], None).expect("the broker answers");
    // The cluster tells the writer before it tells the readers.
    let seen = (0..100).map(|_| values(&*log)).inspect(|_| std::thread::sleep(Duration::from_millis(50)));
    let whole = seen.into_iter().find(|values| values.len() > 1).expect("what was committed is seen");
    assert_eq!(whole, ["before", "after"], "what was not acknowledged is not there");
}
