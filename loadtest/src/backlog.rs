//! Signals of a fleet in the log, with ticks among them as ingest writes them.
//!
//! A round is cut into slices, one for each tick; a slice's signals come before its tick.

use anyhow::Context;
use engine::log::{Log, Message, Producer};
use estate::{Fleet, FleetPlan};
use schemas::Signal;
use schemas::codec::Record as _;
use schemas::signal::{Body, Tick, TickPosition};
use std::ops::Range;
use std::sync::Arc;
use topics::declared::SIGNALS;

/// Raw partitions that a tick names, as many as ingest reads of metrics by default.
const RAW_PARTITIONS: i32 = 4;
/// Records of one transaction.
const TRANSACTION: usize = 20_000;

/// Writes rounds of a fleet.
pub(crate) struct Backlog {
    plan: FleetPlan,
    fleet: Fleet,
    partitions: u32,
    tick_millis: i64,
    producer: Box<dyn Producer>,
    /// The round whose signals are at hand, encoded: partition, key, value.
    at_hand: Option<u64>,
    signals: Vec<(u32, Vec<u8>, Vec<u8>)>,
    sent: usize,
}

impl Backlog {
    /// Writes into the signals topic.
    pub(crate) fn new(log: &dyn Log, plan: FleetPlan, partitions: u32, tick_millis: i64) -> anyhow::Result<Self> {
        let producer = log.producer("loadtest-backlog")?;
        let fleet = Fleet::new(plan.clone());
        Ok(Backlog { plan, fleet, partitions, tick_millis, producer, at_hand: None, signals: Vec::new(), sent: 0 })
    }

    /// Slices of a round.
    pub(crate) fn slices(&self) -> u64 {
        (self.plan.interval / self.tick_millis).max(1) as u64
    }

    /// Records that a round has in the log.
    pub(crate) fn records_a_round(&self) -> u64 {
        self.plan.entities as u64 + self.slices() * u64::from(self.partitions)
    }

    /// Writes whole rounds.
    pub(crate) fn write_rounds(&mut self, rounds: Range<u64>) -> anyhow::Result<()> {
        self.producer.begin()?;
        for round in rounds {
            for slice in 0..self.slices() {
                self.send_slice(round, slice)?;
                if self.sent >= TRANSACTION {
                    self.commit()?;
                    self.producer.begin()?;
                }
            }
        }
        self.commit()
    }

    /// Writes one slice, counted from the first of round 0, in a transaction of its own.
    pub(crate) fn write_slice(&mut self, slice: u64) -> anyhow::Result<()> {
        self.producer.begin()?;
        self.send_slice(slice / self.slices(), slice % self.slices())?;
        self.commit()
    }

    /// Slices written by a log's last tick, counted from the first of round 0.
    pub(crate) fn slices_by(&self, up_to: i64) -> u64 {
        ((up_to - self.plan.start_time) / self.tick_millis).max(0) as u64
    }

    fn commit(&mut self) -> anyhow::Result<()> {
        self.sent = 0;
        Ok(self.producer.commit(&[], None)?)
    }

    fn send_slice(&mut self, round: u64, slice: u64) -> anyhow::Result<()> {
        if self.at_hand != Some(round) {
            self.encode(round)?;
        }
        let (count, slices) = (self.signals.len(), self.slices() as usize);
        let slice = slice as usize;
        let topic: Arc<str> = SIGNALS.name.into();
        for index in count * slice / slices..count * (slice + 1) / slices {
            let (partition, key, value) = std::mem::take(&mut self.signals[index]);
            let message =
                Message { topic: topic.clone(), partition, key: Some(key), value: Some(value), ..Message::default() };
            self.producer.send(message)?;
            self.sent += 1;
        }
        let up_to = self.plan.start_time + round as i64 * self.plan.interval + (slice as i64 + 1) * self.tick_millis;
        let value = Some(tick(up_to)?);
        for partition in 0..self.partitions {
            self.producer.send(Message {
                topic: topic.clone(),
                partition,
                value: value.clone(),
                ..Message::default()
            })?;
            self.sent += 1;
        }
        Ok(())
    }

    fn encode(&mut self, round: u64) -> anyhow::Result<()> {
        let Backlog { fleet, signals, partitions, .. } = self;
        signals.clear();
        fleet
            .encoded_round(round, |key, bytes| {
                let partition = topics::partition_for(key.as_bytes(), *partitions);
                signals.push((partition, key.as_bytes().to_vec(), bytes.to_vec()));
            })
            .context("a fleet's signal")?;
        self.at_hand = Some(round);
        Ok(())
    }
}

fn tick(up_to: i64) -> anyhow::Result<Vec<u8>> {
    let position = |partition| TickPosition { topic: "otlp_metrics".into(), partition, up_to, retired: false };
    let positions = (0..RAW_PARTITIONS).map(position).collect();
    Ok(Signal { body: Body::Tick(Tick { positions }), ..Signal::default() }.encode()?)
}
