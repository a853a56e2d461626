//! Raw records, written while everything goes wrong.

use super::cluster::Cluster;
use crate::arguments::ExactlyOnceOptions;
use engine::clock::WallClock;
use engine::error::{LogError, Remedy};
use engine::log::{Log, Message};
use estate::{Estate, Plan};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// The raw topics of an estate.
pub(super) const TOPICS: [&str; 3] = ["hubble-flows", "k8s-audit", "otlp_metrics"];

/// Records of one transaction.
const TRANSACTION: usize = 200;
/// One record in so many is nothing that anyone can read.
const POISON_EVERY: usize = 97;

/// Writes an estate's records, spread over a time.
pub(super) struct Writer {
    thread: JoinHandle<anyhow::Result<u64>>,
    done: Arc<AtomicBool>,
}

impl Writer {
    pub(super) fn start(cluster: &Cluster, options: &ExactlyOnceOptions) -> anyhow::Result<Self> {
        let messages = messages(options)?;
        let (log, clock, seconds) = (cluster.log.clone(), cluster.clock.clone(), options.seconds);
        let done = Arc::new(AtomicBool::new(false));
        let told = done.clone();
        let write = move || {
            let result = write(&*log, &*clock, messages, Duration::from_secs(seconds));
            told.store(true, Ordering::SeqCst);
            result
        };
        Ok(Writer { thread: std::thread::Builder::new().name("raw records".to_owned()).spawn(write)?, done })
    }

    /// True when everything has been written, or cannot be.
    pub(super) fn is_done(&self) -> bool {
        self.done.load(Ordering::SeqCst)
    }

    /// Waits for the last record; gives their number.
    pub(super) fn finish(self) -> anyhow::Result<u64> {
        self.thread.join().map_err(|_| anyhow::anyhow!("the writer panicked"))?
    }
}

fn messages(options: &ExactlyOnceOptions) -> anyhow::Result<Vec<Message>> {
    let plan = Plan {
        seed: options.seed,
        days: 1,
        workloads: options.workloads as usize,
        scrape_interval: Duration::from_secs(options.scrape_seconds),
        ..Plan::default()
    };
    let estate = Estate::new(plan)?;
    let mut messages = Vec::new();
    for (number, record) in estate.records().enumerate() {
        if number % POISON_EVERY == 0 {
            messages.push(Message {
                topic: record.topic.into(),
                partition: record.partition,
                value: Some(format!("nothing that anyone writes, number {number}").into_bytes()),
                timestamp: Some(record.timestamp_ms),
                ..Message::default()
            });
        }
        messages.push(Message {
            topic: record.topic.into(),
            partition: record.partition,
            key: record.key,
            headers: record.headers.into_iter().map(|(name, value)| (name, value.into())).collect(),
            value: Some(record.value),
            timestamp: Some(record.timestamp_ms),
        });
    }
    Ok(messages)
}

/// Writes transactions, each again until it is known to be there or known not to be: the books do not depend on how often
/// a record was written, since the undisturbed run reads the same topic.
fn write(log: &dyn Log, clock: &dyn WallClock, messages: Vec<Message>, length: Duration) -> anyhow::Result<u64> {
    let began = clock.monotonic();
    let transactions = messages.len().div_ceil(TRANSACTION).max(1);
    let mut producer = None;
    let mut written = 0;
    for (number, chunk) in messages.chunks(TRANSACTION).enumerate() {
        let due = began + length.mul_f64(number as f64 / transactions as f64);
        std::thread::sleep(due.saturating_sub(clock.monotonic()));
        loop {
            match attempt(log, &mut producer, chunk) {
                Ok(()) => break,
                Err(error) if error.remedy() != Remedy::Stop => {
                    // After an error a producer is of no use.
                    producer = None;
                    std::thread::sleep(Duration::from_millis(200));
                }
                Err(error) => return Err(error.into()),
            }
        }
        written += chunk.len() as u64;
    }
    Ok(written)
}

fn attempt(
    log: &dyn Log,
    producer: &mut Option<Box<dyn engine::log::Producer>>,
    chunk: &[Message],
) -> Result<(), LogError> {
    let producer = match producer {
        Some(producer) => producer,
        None => producer.insert(log.producer("ledger-source")?),
    };
    producer.begin()?;
    chunk.iter().try_for_each(|message| producer.send(message.clone()))?;
    producer.commit(&[], None)
}
