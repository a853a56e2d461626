//! Ingest on raw records of a generated estate: every record is accounted for once, whatever is killed.

use crate::bench::{Bench, Subject};
use engine::clock::WallClock;
use engine::job::Job;
use engine::log::Message;
use engine::metrics::Metrics;
use estate::{AUDIT_TOPIC, Estate, Plan};
use ingest::job::Ingest;
use schemas::Signal;
use schemas::codec::Record as _;
use schemas::signal::Body;
use std::sync::Arc;
use topics::declared::SIGNALS;

const PARTITIONS: u32 = 3;
const RECORDS: usize = 90;

/// The job with its input: audit events over three partitions, rubbish among them.
pub struct Reader {
    pub bench: Bench,
}

impl Reader {
    pub fn new() -> Self {
        let estate = Estate::new(Plan { days: 1, workloads: 8, partitions: PARTITIONS, ..Plan::default() });
        let estate = estate.expect("the plan is within its limits");
        let events = estate.records().filter(|record| record.topic == AUDIT_TOPIC).take(RECORDS);
        let message = |(number, record): (usize, estate::RawRecord)| Message {
            topic: AUDIT_TOPIC.into(),
            partition: number as u32 % PARTITIONS,
            timestamp: Some(record.timestamp_ms),
            value: match number % 13 {
                5 => Some(b"{ not json".to_vec()),
                7 => None,
                _ => Some(record.value),
            },
            ..Message::default()
        };
        let mut messages: Vec<Message> = events.enumerate().map(message).collect();
        messages.sort_by_key(|message| message.partition);
        Reader { bench: Bench::new(AUDIT_TOPIC, PARTITIONS, messages) }
    }

    /// Records that cannot be signals: broken ones become dead letters, tombstones are counted.
    pub fn usable() -> usize {
        (0..RECORDS).filter(|number| number % 13 != 5 && number % 13 != 7).count()
    }
}

impl Subject for Reader {
    fn job(&self, _revision: i32, _clock: &Arc<dyn WallClock>, metrics: &Metrics) -> Arc<dyn Job> {
        Arc::new(Ingest::new(ingest::Config::default(), vec![AUDIT_TOPIC.to_owned()], 2, 1, metrics.clone()))
    }

    fn output(&self) -> (&'static str, u32) {
        (SIGNALS.name, 2)
    }

    fn origin(&self, value: &[u8]) -> Option<(u32, i64)> {
        let signal = Signal::decode(value).expect("ingest writes signals");
        let place = (signal.provenance.partition as u32, signal.provenance.from);
        (!matches!(signal.body, Body::Tick(_))).then_some(place)
    }
}
