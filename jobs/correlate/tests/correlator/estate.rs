//! A small estate for stories: who is who, anomalies about them, and a cluster that is told of them.

use correlate::{Config, Correlator, Memory, Mute, Round, Told};
use schemas::{Anomaly, Band, Entity, EntityKind, Family, Incident, Related, Relation};
use std::sync::Arc;

/// Milliseconds of a minute.
pub const MINUTE: i64 = 60_000;
/// When stories begin.
pub const START: i64 = 1_000_000 * MINUTE;

/// A Deployment in the namespace `shop`.
pub fn workload(name: &str) -> Entity<'static> {
    Entity {
        kind: EntityKind::Workload,
        namespace: "shop".into(),
        workload_kind: "Deployment".into(),
        name: name.to_owned().into(),
    }
}

/// Somebody who calls the API.
pub fn principal(name: &str) -> Entity<'static> {
    Entity { kind: EntityKind::Principal, name: name.to_owned().into(), ..Entity::default() }
}

/// A node.
pub fn node(name: &str) -> Entity<'static> {
    Entity { kind: EntityKind::Node, name: name.to_owned().into(), ..Entity::default() }
}

/// A departure of so much score (12.5 of it are a power of ten), begun so many minutes into the story.
pub fn anomaly(entity: Entity<'static>, family: Family, score: f64, minute: i64) -> Anomaly<'static> {
    Anomaly {
        tenant: "acme".into(),
        cluster: "prod".into(),
        detector: "test".into(),
        measure: format!("{family:?}").into(),
        sentence: format!("{} departed", entity.name).into(),
        entity,
        family,
        band: Band::Sharp,
        score,
        onset: START + minute * MINUTE,
        event_time: START + minute * MINUTE,
        ..Anomaly::default()
    }
}

/// The same with a relation.
pub fn related(mut anomaly: Anomaly<'static>, relation: Relation, entity: Entity<'static>) -> Anomaly<'static> {
    anomaly.related.push(Related { relation, entity });
    anomaly
}

/// A cluster that is told of anomalies.
pub struct Cluster {
    pub correlator: Correlator,
    pub memory: Memory,
    pub mutes: Vec<Mute>,
    config: Arc<Config>,
    told: i64,
}

impl Cluster {
    pub fn new(config: Config) -> Self {
        let memory = Memory { tenant: "acme".into(), cluster: "prod".into(), ..Memory::default() };
        let config = Arc::new(config);
        let correlator = Correlator::restore(config.clone(), &memory);
        Cluster { correlator, memory, mutes: Vec::new(), config, told: 0 }
    }

    /// A round, so many seconds into the story.
    pub fn at(&mut self, second: i64, anomalies: Vec<Anomaly<'static>>) -> Vec<Incident<'static>> {
        let told: Vec<Told<'static>> = anomalies.into_iter().map(|anomaly| self.number(anomaly)).collect();
        let at = START + second * 1000;
        let round = Round { at, anomalies: &told, mutes: &self.mutes, ..Round::default() };
        self.correlator.round(&mut self.memory, &round)
    }

    /// Every second from one to another, without anything new.
    pub fn quiet(&mut self, seconds: std::ops::Range<i64>) -> Vec<Incident<'static>> {
        seconds.flat_map(|second| self.at(second, Vec::new())).collect()
    }

    /// The process dies and another one goes on from what was stored.
    pub fn restart(&mut self) {
        let stored = postcard::to_stdvec(&self.memory).unwrap();
        self.memory = postcard::from_bytes(&stored).unwrap();
        self.correlator = Correlator::restore(self.config.clone(), &self.memory);
    }

    fn number(&mut self, anomaly: Anomaly<'static>) -> Told<'static> {
        self.told += 1;
        Told { of: (0, self.told), anomaly }
    }
}

/// State and number of each record.
pub fn states(records: &[Incident<'static>]) -> Vec<(schemas::IncidentState, i32)> {
    records.iter().map(|incident| (incident.state, incident.revision)).collect()
}
