//! What was found against what happened.

use super::found::{Found, Told, name_of};
use super::incidents;
use estate::{Event, EventKind};
use schemas::{Band, Entity, EntityKind, Notice};
use serde::Serialize;

/// How long after its end a chapter may still show, milliseconds: a killed process comes back, averages fall.
const AFTERMATH: i64 = 60 * 60 * 1000;

/// What happened against what was made of it.
pub(super) struct Comparison {
    /// The chapters, with what was found of each.
    pub(super) chapters: Vec<Chapter>,
    /// Anomalies that belong to none; at least [`Band::Sharp`].
    pub(super) other_anomalies: Vec<Told>,
    /// Incidents that belong to none.
    pub(super) other_incidents: Vec<incidents::Told>,
}

/// One chapter, and what was found of it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Chapter {
    pub(super) kind: &'static str,
    pub(super) at: i64,
    pub(super) until: i64,
    pub(super) description: String,
    pub(super) entities: Vec<String>,
    /// True where something is to be found.
    pub(super) expected: bool,
    pub(super) found: Vec<Told>,
    pub(super) incidents: Vec<incidents::Told>,
}

impl Chapter {
    /// What was made of it and told to people.
    pub(super) fn told(&self) -> impl Iterator<Item = &incidents::Told> {
        self.incidents.iter().filter(|incident| incident.notice == Notice::Notify)
    }
}

/// Compares the chapters with what was found.
pub(super) fn compare(events: &[Event], found: &[Found], incidents: Vec<incidents::Told>) -> Comparison {
    let mut chapters: Vec<Chapter> = events.iter().map(chapter).collect();
    let (mut other_anomalies, mut other_incidents) = (Vec::new(), Vec::new());
    for found in found.iter().filter(|found| found.told.band >= Band::Sharp) {
        match events.iter().position(|event| belongs(found.told.time, &found.entity, event)) {
            Some(index) => chapters[index].found.push(found.told.clone()),
            None => other_anomalies.push(found.told.clone()),
        }
    }
    for incident in incidents {
        let evidence = |event: &Event| incident.evidence.iter().any(|(time, entity)| belongs(*time, entity, event));
        match events.iter().position(evidence) {
            Some(index) => chapters[index].incidents.push(incident),
            None => other_incidents.push(incident),
        }
    }
    Comparison { chapters, other_anomalies, other_incidents }
}

/// Whether something that departed at a time is a chapter's doing.
pub(super) fn belongs(time: i64, entity: &Entity<'_>, event: &Event) -> bool {
    (event.at..=event.until + AFTERMATH).contains(&time) && event.entities.iter().any(|of_event| same(of_event, entity))
}

/// A workload's containers and pods are the workload; a principal's name says all, whatever namespace it is put in.
fn same(event: &Entity<'_>, found: &Entity<'_>) -> bool {
    if event.kind == EntityKind::Principal {
        return found.kind == event.kind && found.name == event.name;
    }
    let part = event.kind == EntityKind::Workload && matches!(found.kind, EntityKind::Container | EntityKind::Pod);
    event.namespace == found.namespace
        && ((event.kind == found.kind && event.name == found.name) || (part && found.name.starts_with(&*event.name)))
}

fn chapter(event: &Event) -> Chapter {
    let (kind, expected) = match event.kind {
        EventKind::Takeover => ("takeover", true),
        EventKind::PerformanceFault => ("performance fault", true),
        EventKind::HarmlessDeploy => ("harmless deploy", false),
    };
    Chapter {
        kind,
        at: event.at,
        until: event.until,
        description: event.description.clone(),
        entities: event.entities.iter().map(name_of).collect(),
        expected,
        found: Vec::new(),
        incidents: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workload(name: &'static str) -> Entity<'static> {
        Entity { kind: EntityKind::Workload, namespace: "shop".into(), name: name.into(), ..Entity::default() }
    }

    fn found(name: &'static str, time: i64, band: Band) -> Found {
        let told = Told {
            time,
            entity: name.to_owned(),
            detector: "univariate".to_owned(),
            measure: String::new(),
            band,
            score: 50.0,
            sentence: String::new(),
            terms: Vec::new(),
        };
        Found { entity: workload(name), told, order: (0, 0) }
    }

    #[test]
    fn what_is_found_in_time_at_the_right_place_belongs_to_the_chapter() {
        let event = Event {
            at: 1_000,
            until: 2_000,
            kind: EventKind::Takeover,
            entities: vec![workload("cart")],
            description: String::new(),
        };
        let all = [
            found("cart", 500, Band::Novel),
            found("cart", 1_500, Band::Sharp),
            found("cart", 2_000 + AFTERMATH, Band::Novel),
            found("cart", 1_500, Band::Unusual),
            found("catalog", 1_500, Band::Sharp),
        ];
        let Comparison { chapters, other_anomalies, .. } = compare(&[event], &all, Vec::new());
        assert_eq!(chapters[0].found.iter().map(|told| told.time).collect::<Vec<_>>(), [1_500, 2_000 + AFTERMATH]);
        assert_eq!(
            other_anomalies.iter().map(|told| (told.time, told.entity.as_str())).collect::<Vec<_>>(),
            [(500, "cart"), (1_500, "catalog")]
        );
    }
}
