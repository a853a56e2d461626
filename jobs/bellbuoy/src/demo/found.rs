//! Anomalies as they are found.

use crate::error::Error;
use engine::log::{Log, TopicReader};
use schemas::{Anomaly, AnomalyBody, AnomalyRecord, Band, Entity, Record as _};
use serde::Serialize;

/// An anomaly as found, independent of the record it came in.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) entity: Entity<'static>,
    pub(super) told: Told,
    /// Where in the whole output it stands: task and number.
    pub(super) order: (i32, i64),
}

/// What is told of an anomaly.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Told {
    pub(super) time: i64,
    pub(super) entity: String,
    pub(super) detector: String,
    pub(super) measure: String,
    pub(super) band: Band,
    pub(super) score: f64,
    pub(super) sentence: String,
    /// Name, value, unit.
    pub(super) terms: Vec<(String, f64, String)>,
}

/// Every anomaly found so far.
pub(super) struct Anomalies {
    topic: TopicReader,
    found: Vec<Found>,
}

impl Anomalies {
    pub(super) fn new() -> Self {
        Anomalies { topic: TopicReader::new(topics::declared::ANOMALIES.name), found: Vec::new() }
    }

    /// The anomalies that have come since the last call, in the order of the estate's time.
    pub(super) fn read(&mut self, log: &dyn Log) -> Result<Vec<Found>, Error> {
        let mut new = Vec::new();
        self.topic.read_on(log, |_, record| {
            let value = record.value.as_deref().unwrap_or_default();
            let record = AnomalyRecord::decode(value)?;
            if let AnomalyBody::Anomaly(anomaly) = &record.body {
                new.push(found(anomaly, (record.task.partition, record.out_seq)));
            }
            Ok::<(), Error>(())
        })?;
        new.sort_by_key(|found| (found.told.time, found.order));
        self.found.extend_from_slice(&new);
        Ok(new)
    }

    /// Everything found, in an order that depends on what was found only.
    pub(super) fn into_found(mut self) -> Vec<Found> {
        self.found.sort_by_key(|found| (found.told.time, found.order));
        self.found
    }
}

fn found(anomaly: &Anomaly<'_>, order: (i32, i64)) -> Found {
    let terms = anomaly.terms.iter().map(|term| (term.name.to_string(), term.value, term.unit.to_string())).collect();
    Found {
        entity: anomaly.entity.to_owned(),
        told: Told {
            time: anomaly.event_time,
            entity: name_of(&anomaly.entity),
            detector: anomaly.detector.to_string(),
            measure: anomaly.measure.to_string(),
            band: anomaly.band,
            score: anomaly.score,
            sentence: anomaly.sentence.to_string(),
            terms,
        },
        order,
    }
}

/// An entity as people call it: `workload shop/cart`.
pub(super) fn name_of(entity: &Entity<'_>) -> String {
    match &*entity.namespace {
        "" => format!("{} {}", entity.kind.as_str(), entity.name),
        namespace => format!("{} {namespace}/{}", entity.kind.as_str(), entity.name),
    }
}
