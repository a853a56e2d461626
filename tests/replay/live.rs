//! Ingest and detect on an hour of records, read at once or as they came, by a clock that the test moves.

use crate::installation::message;
use detect::job::Detect;
use engine::clock::{ManualClock, WallClock};
use engine::job::Job;
use engine::lane::{Environment, Lane, LaneConfig, Ticks};
use engine::log::memory::{self, Disk};
use engine::log::{CleanupPolicy, Log, Message, TimestampSource, TopicSpec};
use engine::metrics::Metrics;
use engine::state::memory::MemoryStores;
use estate::{Estate, Plan};
use ingest::job::Ingest;
use schemas::{AnomalyBody, AnomalyRecord, Band, Record as _};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use topics::declared::{ANOMALIES, DEAD_LETTERS, SIGNALS};

const HOUR: i64 = 3_600_000;
const PARTITIONS: u32 = 3;

/// How the last hour is read; what lies before it is learned from at once.
#[derive(Clone, Copy, Debug)]
pub enum Reading {
    AtOnce,
    AsTheyCame { step: Duration },
}

/// A small estate; the hour is the first of its takeover.
pub fn estate() -> Estate {
    let plan = Plan { days: 1, workloads: 8, scrape_interval: Duration::from_secs(120), ..Plan::default() };
    Estate::new(plan).expect("the plan is within its limits")
}

/// Every anomaly as text, without what says when and from which offset it was read.
pub fn found(estate: &Estate, reading: Reading) -> BTreeSet<String> {
    let from = estate.learning_ends() + 3 * HOUR - HOUR / 4;
    let mut site = Site::new(from);
    let mut records: Vec<Message> =
        estate.records().take_while(|r| r.timestamp_ms < from + HOUR).map(message).collect();
    let at = |message: &Message| message.timestamp.unwrap_or(0);
    let hour = records.split_off(records.partition_point(|message| at(message) < from));
    assert!(hour.len() > 500, "an hour of {} records proves little", hour.len());
    site.append(records);
    site.until_quiet();
    match reading {
        Reading::AtOnce => {
            site.clock.advance(HOUR);
            site.append(hour);
            site.until_quiet();
        }
        Reading::AsTheyCame { step } => {
            let step = step.as_millis() as i64;
            let mut rest = &hour[..];
            for end in (from + step..=from + HOUR).step_by(step as usize) {
                let (came, later) = rest.split_at(rest.partition_point(|message| at(message) < end));
                rest = later;
                site.clock.advance(step);
                if !came.is_empty() {
                    site.append(came.to_vec());
                    site.until_quiet();
                }
            }
            assert!(rest.is_empty(), "everything came within the hour");
        }
    }
    site.anomalies()
}

struct Site {
    log: Arc<dyn Log>,
    clock: Arc<ManualClock>,
    lanes: [Lane; 2],
}

impl Site {
    fn new(now: i64) -> Self {
        let clock = Arc::new(ManualClock::new(now, 0));
        let wall: Arc<dyn WallClock> = clock.clone();
        let log = memory::open(&Disk::default(), wall.clone()).expect("a log in memory can be opened");
        let raw = ["otlp_metrics", "k8s-audit", "hubble-flows"];
        for name in raw.iter().chain(&[SIGNALS.name, ANOMALIES.name, DEAD_LETTERS.name]) {
            let own = topics::find(name).is_some();
            let spec = TopicSpec {
                name: (*name).to_owned(),
                partitions: if own { PARTITIONS } else { 4 },
                retention_ms: None,
                retention_bytes: None,
                timestamps: if own { TimestampSource::LogAppendTime } else { TimestampSource::CreateTime },
                cleanup: CleanupPolicy::Delete,
            };
            log.create_topic(&spec).expect("a topic can be created");
        }
        let metrics = Metrics::new("0");
        let inputs = raw.map(str::to_owned).to_vec();
        let ingest = Ingest::new(ingest::Config::default(), inputs, PARTITIONS, PARTITIONS, metrics.clone());
        // Much is told, and novelty matures within the day, so that much is compared.
        let mut config = detect::Config::default();
        config.univariate.tell_from = Band::Unusual;
        (config.novelty.mature_count, config.novelty.mature_age) = (20, HOUR);
        let detect = Detect::new(config, 0, PARTITIONS, metrics.clone(), wall.clone());
        let stores = Arc::new(MemoryStores::default());
        let environment = Environment { log: log.clone(), stores, checkpoints: None, clock: wall, metrics };
        let config = LaneConfig { wait: Duration::ZERO, ticks: Ticks::Wall { every: 250 }, ..LaneConfig::default() };
        let open = |job: Arc<dyn Job>| {
            Lane::open(job, environment.clone(), config.clone(), 0, 0).expect("a lane can be opened")
        };
        let lanes = [open(Arc::new(ingest)), open(Arc::new(detect))];
        Site { log, clock, lanes }
    }

    fn append(&self, messages: Vec<Message>) {
        let mut producer = self.log.producer("sources").expect("a producer can be opened");
        producer.begin().expect("no transaction is open");
        messages.into_iter().for_each(|message| producer.send(message).expect("the topic is there"));
        producer.commit(&[], None).expect("the log can be written");
    }

    /// Steps both lanes until neither has anything to do.
    fn until_quiet(&mut self) {
        let mut quiet = 0;
        while quiet < 2 {
            let mut idle = true;
            for lane in &mut self.lanes {
                idle &= lane.step().expect("nothing fails here").at_end;
            }
            quiet = if idle { quiet + 1 } else { 0 };
        }
    }

    fn anomalies(&self) -> BTreeSet<String> {
        let records = crate::installation::records(&*self.log, ANOMALIES.name);
        let told = records.into_iter().flatten().filter_map(|record| {
            let value = record.value?;
            match AnomalyRecord::decode(&value).expect("detect writes anomaly records").body {
                AnomalyBody::Anomaly(mut anomaly) => {
                    anomaly.evidence.clear();
                    Some(format!("{anomaly:?}"))
                }
                _ => None,
            }
        });
        told.collect()
    }
}
