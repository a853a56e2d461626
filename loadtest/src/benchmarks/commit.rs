//! How long a commit takes: outputs and offsets of so many partitions, beside a bare transaction loop of the same size.
//!
//! The bare loop is librdkafka, used as its own documentation says, with nothing of ours around it but the wait for
//! acknowledgements in steps of a millisecond, without which every commit would take 100 ms.

use super::say;
use crate::arguments::CommitOptions;
use crate::meter::now;
use crate::place::Place;
use crate::report::{Better, Figure, Report};
use crate::spread::{quantile, sorted};
use anyhow::Context;
use engine::log::{Limit, Log, Message, OffsetCommit, Polled, TopicPartition};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::{Offset, TopicPartitionList};
use std::time::Duration;

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(30);
/// What the register of a commit is like.
const REGISTER: &str = "v1:123456:00112233445566778899aabbccddeeff:1772409600000:1.0.-123456789:0:0";

/// Runs it.
pub(crate) fn run(options: &CommitOptions) -> anyhow::Result<Report> {
    let mut report = Report::new("commit", options)?;
    let place = Place::kafka(options.bootstrap.as_deref())?;
    let folder = tempfile::tempdir()?;
    let site = place.site(folder.path())?;
    let (bootstrap, prefix) = place.address().context("a Kafka")?;
    for partitions in [12, 96] {
        say(format_args!("{partitions} partitions, {} records a transaction", options.records));
        let topics = (format!("in-{partitions}"), format!("out-{partitions}"));
        site.create_raw(&topics.0, partitions)?;
        site.create_raw(&topics.1, partitions)?;
        let mut ours = Ours::open(&*site.log, &topics, partitions)?;
        let outer = (format!("{prefix}{}", topics.0), format!("{prefix}{}", topics.1));
        let mut bare = Bare::open(bootstrap, &outer, partitions)?;
        let (mut with, mut without) = (Vec::new(), Vec::new());
        // In turns, so that both meet the same moments of the machine; the first tenth warms up.
        for round in 0..options.rounds + options.rounds / 10 {
            let times = [ours.commit(options.records, round)?, bare.commit(options.records, round)?];
            if round >= options.rounds / 10 {
                with.push(times[0].as_secs_f64() * 1e3);
                without.push(times[1].as_secs_f64() * 1e3);
            }
        }
        let (with, without) = (sorted(&with), sorted(&without));
        for (name, fraction) in [("half", 0.5), ("99 of 100", 0.99)] {
            let (value, floor) = (quantile(&with, fraction), quantile(&without, fraction));
            report.figures.push(
                Figure::new(format!("a commit of {partitions} partitions, {name} within"), value, "ms", Better::Lower)
                    .floor(floor, "a bare transaction loop of the same size")
                    .spread(&with, "commits")
                    .target(1.5 * floor, Some(1.1 * floor)),
            );
        }
    }
    place.clean(&site)?;
    Ok(report)
}

/// Through the engine's log.
struct Ours {
    consumer: Box<dyn engine::log::Consumer>,
    producer: Box<dyn engine::log::Producer>,
    topics: (String, String),
    partitions: u32,
}

impl Ours {
    fn open(log: &dyn Log, topics: &(String, String), partitions: u32) -> anyhow::Result<Self> {
        let producer = log.producer("loadtest-commit")?;
        let mut consumer = log.consumer("loadtest-commit", "loadtest-commit-0", &[&topics.0])?;
        let (mut held, began) = (0, now());
        while held < partitions {
            anyhow::ensure!(now() - began < PATIENCE, "the group does not settle");
            if let Polled::Assignment { assigned, .. } =
                consumer.poll(Limit { records: 1, bytes: 1 }, Duration::from_millis(100))?
            {
                held += assigned.len() as u32;
                assigned.iter().try_for_each(|partition| consumer.resume(partition, 0))?;
            }
        }
        // Says from where to Kafka, so that nothing of it falls into what is measured.
        consumer.poll(Limit { records: 1, bytes: 1 }, Duration::from_millis(100))?;
        Ok(Ours { consumer, producer, topics: topics.clone(), partitions })
    }

    fn commit(&mut self, records: u32, round: u64) -> anyhow::Result<Duration> {
        let began = now();
        self.producer.begin()?;
        for number in 0..records {
            self.producer.send(Message {
                topic: self.topics.1.as_str().into(),
                partition: number % self.partitions,
                value: Some(vec![7; 200]),
                ..Message::default()
            })?;
        }
        let offset = |number| OffsetCommit {
            partition: TopicPartition::new(self.topics.0.as_str(), number),
            offset: round as i64,
            metadata: REGISTER.to_owned(),
        };
        let offsets: Vec<OffsetCommit> = (0..self.partitions).map(offset).collect();
        self.producer.commit(&offsets, Some(&self.consumer.membership()))?;
        Ok(now() - began)
    }
}

/// With librdkafka alone.
struct Bare {
    consumer: BaseConsumer,
    producer: BaseProducer,
    topics: (String, String),
    partitions: u32,
}

impl Bare {
    fn open(bootstrap: &str, topics: &(String, String), partitions: u32) -> anyhow::Result<Self> {
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", bootstrap)
            .set("transactional.id", format!("bellbuoy-loadtest-bare-{partitions}"))
            .set("linger.ms", "0")
            .set("compression.type", "lz4")
            .create()?;
        producer.init_transactions(PATIENCE)?;
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", bootstrap)
            .set("group.id", format!("bellbuoy-loadtest-bare-{partitions}"))
            .set("enable.auto.commit", "false")
            .create()?;
        consumer.subscribe(&[&topics.0])?;
        let began = now();
        while consumer.assignment()?.count() < partitions as usize {
            anyhow::ensure!(now() - began < PATIENCE, "the bare group does not settle");
            consumer.poll(Duration::from_millis(100));
        }
        Ok(Bare { consumer, producer, topics: topics.clone(), partitions })
    }

    fn commit(&mut self, records: u32, round: u64) -> anyhow::Result<Duration> {
        let began = now();
        self.producer.begin_transaction()?;
        for number in 0..records {
            let record: BaseRecord<'_, [u8], [u8]> =
                BaseRecord::to(&self.topics.1).partition((number % self.partitions) as i32).payload(&[7; 200]);
            self.producer.send(record).map_err(|(error, _)| error)?;
        }
        while self.producer.in_flight_count() > 0 {
            self.producer.poll(Duration::from_millis(1));
        }
        let mut offsets = TopicPartitionList::new();
        for number in 0..self.partitions {
            let mut element = offsets.add_partition(&self.topics.0, number as i32);
            element.set_offset(Offset::Offset(round as i64))?;
            element.set_metadata(REGISTER);
        }
        let membership = self.consumer.group_metadata().context("a group")?;
        self.producer.send_offsets_to_transaction(&offsets, &membership, PATIENCE)?;
        self.producer.commit_transaction(PATIENCE)?;
        Ok(now() - began)
    }
}
