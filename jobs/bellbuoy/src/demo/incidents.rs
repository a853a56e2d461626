//! Incidents as they open, grow and close.

use super::found::name_of;
use crate::error::Error;
use engine::log::{Log, TopicReader};
use schemas::{Entity, Incident, IncidentBody, IncidentRecord, IncidentState, Notice, Record as _};
use serde::Serialize;
use std::collections::BTreeMap;

/// An incident after one change.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Told {
    pub(super) id: String,
    pub(super) state: IncidentState,
    pub(super) notice: Notice,
    pub(super) notice_reason: String,
    /// Most affected first.
    pub(super) entities: Vec<String>,
    /// Kinds of evidence, changes aside.
    pub(super) families: Vec<String>,
    pub(super) score: f64,
    pub(super) severity: f64,
    pub(super) onset: i64,
    pub(super) opened: i64,
    pub(super) closed: i64,
    pub(super) sentence: String,
    pub(super) explanation: Vec<String>,
    /// What the score is the sum of.
    pub(super) terms: Vec<(String, f64)>,
    /// Likely causes, most likely first: entity and score.
    pub(super) causes: Vec<(String, f64)>,
    /// When this change was published, by the estate's time.
    #[serde(skip)]
    pub(super) at: i64,
    /// Where and when its evidence is, for comparing with what was injected.
    #[serde(skip)]
    pub(super) evidence: Vec<(i64, Entity<'static>)>,
}

/// Every incident so far, as it stands.
pub(super) struct Incidents {
    topic: TopicReader,
    known: BTreeMap<String, Told>,
}

impl Incidents {
    pub(super) fn new() -> Self {
        Incidents { topic: TopicReader::new(topics::declared::INCIDENTS.name), known: BTreeMap::new() }
    }

    /// The changes that have come since the last call, each with what was told before.
    pub(super) fn read(&mut self, log: &dyn Log) -> Result<Vec<(Told, Option<Told>)>, Error> {
        let mut changes = Vec::new();
        let known = &mut self.known;
        self.topic.read_on(log, |_, record| {
            let value = record.value.as_deref().unwrap_or_default();
            let record = IncidentRecord::decode(value)?;
            if let IncidentBody::Incident(incident) = &record.body {
                let told = told(incident, record.round);
                let before = known.insert(told.id.clone(), told.clone());
                changes.push((told, before));
            }
            Ok::<(), Error>(())
        })?;
        changes.sort_by_key(|(told, _)| told.at);
        Ok(changes)
    }

    /// Those that were not taken in by others, in the order in which they opened.
    pub(super) fn into_told(self) -> Vec<Told> {
        let mut all: Vec<Told> = self.known.into_values().filter(|told| told.state != IncidentState::Merge).collect();
        all.sort_by(|a, b| (a.opened, &a.id).cmp(&(b.opened, &b.id)));
        all
    }
}

fn told(incident: &Incident<'_>, at: i64) -> Told {
    let mut families: Vec<String> = Vec::new();
    for member in incident.members.iter().filter(|member| member.weight > 0.0) {
        let family = format!("{:?}", member.family).to_lowercase();
        if !families.contains(&family) {
            families.push(family);
        }
    }
    Told {
        id: incident.id.to_string(),
        state: incident.state,
        notice: incident.notice,
        notice_reason: incident.notice_reason.to_string(),
        entities: incident.blast_radius.entities.iter().map(name_of).collect(),
        families,
        score: incident.score,
        severity: incident.severity,
        onset: incident.onset,
        opened: incident.opened_at,
        closed: incident.closed_at,
        sentence: incident.sentence.to_string(),
        explanation: incident.explanation.iter().map(|line| line.to_string()).collect(),
        terms: incident.terms.iter().map(|term| (term.name.to_string(), term.value)).collect(),
        causes: incident.causes.iter().map(|cause| (name_of(&cause.entity), cause.score)).collect(),
        at,
        evidence: incident.members.iter().map(|member| (member.event_time, member.entity.to_owned())).collect(),
    }
}
