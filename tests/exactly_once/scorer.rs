//! Detect on signals of a generated estate: the real job, its real state.

use crate::bench::{Bench, Ran, Subject};
use detect::job::Detect;
use engine::clock::WallClock;
use engine::job::Job;
use engine::log::Message;
use engine::metrics::Metrics;
use estate::{Estate, Plan};
use schemas::codec::Record as _;
use schemas::signal::{Body, Tick, TickPosition};
use schemas::{AnomalyBody, AnomalyRecord, Band, Signal};
use std::sync::Arc;
use topics::declared::{ANOMALIES, SIGNALS};

const PARTITIONS: u32 = 3;
/// Signals of the run: the last of the day, which hold the story.
const LENGTH: usize = 3000;

/// The job with its input.
pub struct Scorer {
    pub bench: Bench,
}

impl Scorer {
    /// Signals of the last hours of a small estate, with a tick every so often.
    pub fn new() -> Self {
        let plan =
            Plan { days: 1, workloads: 8, scrape_interval: std::time::Duration::from_secs(300), ..Plan::default() };
        let estate = Estate::new(plan).expect("the plan is within its limits");
        let takeover = estate.story().iter().map(|event| event.at).min().expect("an estate has a story");
        let config = ingest::Config::default();
        let mut messages = Vec::new();
        for record in estate.records().skip_while(|record| record.timestamp_ms < takeover) {
            let raw = ingest::Raw {
                topic: record.topic,
                partition: record.partition as i32,
                timestamp: record.timestamp_ms,
                value: Some(&record.value),
                ..ingest::Raw::default()
            };
            for signal in ingest::process(&raw, &config).reading.signals {
                let key = topics::signal_key(&signal.tenant, &signal.cluster, &signal.entity.key()).into_bytes();
                let partition = topics::partition_for(&key, PARTITIONS);
                messages.push(message(partition, Some(key), &signal));
            }
            if messages.len() % 50 == 0 {
                messages.extend((0..PARTITIONS).map(|partition| message(partition, None, &tick(record.timestamp_ms))));
            }
            if messages.len() >= LENGTH {
                break;
            }
        }
        Scorer { bench: Bench::new(SIGNALS.name, PARTITIONS, messages) }
    }
}

impl Subject for Scorer {
    fn job(&self, revision: i32, clock: &Arc<dyn WallClock>, metrics: &Metrics) -> Arc<dyn Job> {
        // Everything is told, so that the state of every detector shows in the output.
        let mut config = detect::Config::default();
        config.univariate.tell_from = Band::Unusual;
        Arc::new(Detect::new(config, revision, 2, metrics.clone(), clock.clone()))
    }

    fn output(&self) -> (&'static str, u32) {
        (ANOMALIES.name, 2)
    }

    fn origin(&self, value: &[u8]) -> (u32, i64) {
        let record = AnomalyRecord::decode(value).expect("detect writes anomaly records");
        (record.task.partition as u32, record.out_seq)
    }
}

/// Number of anomalies among the output.
pub fn anomalies(ran: &Ran) -> usize {
    let all = ran.tasks.values().flatten();
    all.filter(|(_, value)| {
        AnomalyRecord::decode(value).is_ok_and(|record| matches!(record.body, AnomalyBody::Anomaly(_)))
    })
    .count()
}

fn message(partition: u32, key: Option<Vec<u8>>, signal: &Signal<'_>) -> Message {
    let value = Some(signal.encode().expect("a signal can be encoded"));
    Message { topic: SIGNALS.name.into(), partition, key, value, ..Message::default() }
}

fn tick(up_to: i64) -> Signal<'static> {
    let position = TickPosition { topic: "raw".into(), partition: 0, up_to, retired: false };
    Signal { body: Body::Tick(Tick { positions: vec![position] }), ..Signal::default() }
}
