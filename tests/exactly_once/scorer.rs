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
use std::time::Duration;
use topics::declared::{ANOMALIES, SIGNALS};

const PARTITIONS: u32 = 3;
/// Whose signals: those whom the estate's story is about.
const WHO: [&str; 3] = ["cart", "ledger", "alice"];

/// The job with its input.
pub struct Scorer {
    pub bench: Bench,
}

impl Scorer {
    /// A day of those whom the story is about, with a tick every so often.
    pub fn new() -> Self {
        let plan = Plan { days: 1, workloads: 8, scrape_interval: Duration::from_secs(120), ..Plan::default() };
        let estate = Estate::new(plan).expect("the plan is within its limits");
        let config = ingest::Config::default();
        let (mut messages, mut ticked) = (Vec::new(), 0);
        for record in estate.records() {
            let raw = ingest::Raw {
                topic: record.topic,
                partition: record.partition as i32,
                timestamp: record.timestamp_ms,
                value: Some(&record.value),
                ..ingest::Raw::default()
            };
            for signal in ingest::process(&raw, &config).reading.signals {
                if WHO.iter().any(|name| signal.entity.name.contains(name)) {
                    let key = topics::signal_key(&signal.tenant, &signal.cluster, &signal.entity.key()).into_bytes();
                    let partition = topics::partition_for(&key, PARTITIONS);
                    messages.push(message(partition, Some(key), &signal));
                }
            }
            if record.timestamp_ms - ticked > 600_000 {
                ticked = record.timestamp_ms;
                messages.extend((0..PARTITIONS).map(|partition| message(partition, None, &tick(ticked))));
            }
        }
        messages.sort_by_key(|message| message.partition);
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

    fn origin(&self, value: &[u8]) -> Option<(u32, i64)> {
        let record = AnomalyRecord::decode(value).expect("detect writes anomaly records");
        Some((record.task.partition as u32, record.out_seq))
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
