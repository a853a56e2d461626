//! The end of the demo, for people and for programs.

use super::found::Told;
use super::generate::Raw;
use super::story::{Chapter, Comparison, compare};
use super::{Readers, commands, incidents};
use crate::error::Error;
use engine::log::{Log, TopicReader};
use engine::metrics::Metrics;
use engine::output::Digest;
use engine::runtime::Status;
use estate::Estate;
use prometheus::core::Collector;
use schemas::signal::Body;
use schemas::{Notice, Record as _, Signal};
use serde::Serialize;
use std::collections::BTreeMap;

/// Everything the demo has to say.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Summary {
    pub(super) seed: u64,
    pub(super) records: u64,
    pub(super) signals: u64,
    pub(super) samples: u64,
    pub(super) anomalies: Anomalies,
    /// Every incident after the learning period, told or not.
    pub(super) incidents: Vec<incidents::Told>,
    /// Every command after the learning period.
    pub(super) commands: Vec<commands::Told>,
    pub(super) story: Vec<Chapter>,
    /// Told incidents after the learning period that belong to nothing that was injected.
    pub(super) false_incidents: Vec<incidents::Told>,
    /// Sharp ones after the learning period that belong to nothing that was injected.
    pub(super) false_anomalies: Vec<Told>,
    /// Sharp ones of the learning period.
    pub(super) while_learning: u64,
    pub(super) dead_letters: u64,
    /// Items that were counted and not passed on, by source and reason.
    pub(super) dropped: BTreeMap<String, u64>,
    pub(super) seconds: f64,
    pub(super) digest: Digest,
}

/// How many anomalies there were, of whatever band.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Anomalies {
    pub(super) total: u64,
    pub(super) by_detector: BTreeMap<String, u64>,
    pub(super) by_entity: BTreeMap<String, u64>,
}

impl Summary {
    #[allow(clippy::too_many_arguments, reason = "it sums up everything, once")]
    pub(super) fn new(
        seed: u64,
        estate: &Estate,
        log: &dyn Log,
        raw: &Raw,
        metrics: &Metrics,
        status: &Status,
        readers: Readers,
        seconds: f64,
    ) -> Result<Self, Error> {
        let (mut signals, mut samples, mut dead_letters) = (0, 0, 0);
        each(log, topics::declared::SIGNALS.name, |value| {
            let signal = Signal::decode(value)?;
            if let Some(count) = samples_of(&signal.body) {
                (signals, samples) = (signals + 1, samples + count);
            }
            Ok(())
        })?;
        each(log, topics::declared::DEAD_LETTERS.name, |_| {
            dead_letters += 1;
            Ok(())
        })?;
        let found = readers.anomalies.into_found();
        let mut anomalies = Anomalies { total: found.len() as u64, ..Anomalies::default() };
        for found in &found {
            *anomalies.by_detector.entry(found.told.detector.clone()).or_default() += 1;
            *anomalies.by_entity.entry(found.told.entity.clone()).or_default() += 1;
        }
        let (mut incidents, mut commands) = (readers.incidents.into_told(), readers.commands.into_told());
        incidents.retain(|told| told.opened >= estate.learning_ends());
        commands.retain(|told| told.at >= estate.learning_ends());
        let Comparison { chapters: story, other_anomalies: mut false_anomalies, other_incidents } =
            compare(&estate.story(), &found, incidents.clone());
        let besides = false_anomalies.len();
        false_anomalies.retain(|told| told.time >= estate.learning_ends());
        let is_told = |told: &incidents::Told| told.notice == Notice::Notify;
        let false_incidents = other_incidents.into_iter().filter(is_told).collect();
        let while_learning = (besides - false_anomalies.len()) as u64;
        Ok(Summary {
            seed,
            records: raw.records,
            signals,
            samples,
            anomalies,
            incidents,
            commands,
            story,
            false_incidents,
            false_anomalies,
            while_learning,
            dead_letters,
            dropped: dropped(metrics),
            seconds,
            digest: digest(status),
        })
    }
}

/// One digest of everything the stateful jobs' tasks have given out.
fn digest(status: &Status) -> Digest {
    let lanes = status.lanes().into_iter().filter(|(name, _)| !name.starts_with("ingest-"));
    let mut tasks: Vec<_> = lanes.flat_map(|(_, lane)| lane.digests).collect();
    tasks.sort_by(|a, b| a.0.cmp(&b.0));
    let mut digest = Digest::default();
    tasks.iter().for_each(|(_, _, of_task)| digest.combine(of_task));
    digest
}

fn dropped(metrics: &Metrics) -> BTreeMap<String, u64> {
    let mut dropped = BTreeMap::new();
    for family in metrics.dropped.collect() {
        for metric in family.get_metric() {
            let labels: Vec<&str> = metric.get_label().iter().map(|label| label.value()).collect();
            // The labels come by name: reason, then source.
            let name = labels.iter().rev().copied().collect::<Vec<_>>().join(": ");
            dropped.insert(name, metric.get_counter().get_value() as u64);
        }
    }
    dropped
}

/// Gives the value of every record of a topic, if there is one.
fn each(log: &dyn Log, topic: &str, mut give: impl FnMut(&[u8]) -> Result<(), Error>) -> Result<(), Error> {
    if !log.topics()?.iter().any(|known| known.spec.name == topic) {
        return Ok(());
    }
    TopicReader::new(topic).read_on(log, |_, record| give(record.value.as_deref().unwrap_or_default()))
}

/// Samples of a signal's body; none for ticks and what else is no observation.
fn samples_of(body: &Body<'_>) -> Option<u64> {
    match body {
        Body::MetricSamples(metrics) => Some((metrics.samples.len() + metrics.distributions.len()) as u64),
        Body::Tick(_) | Body::Control(_) => None,
        _ => Some(0),
    }
}
