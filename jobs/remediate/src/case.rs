//! An incident as remedies look at it: its suspects, each with the evidence against it.
//!
//! Invariant: a suspect is an entity that the incident resolved, a member or a cause; never a name out of a sentence.

use schemas::{Band, Entity, EntityKind, Family, Incident, Member, TimelineKind, pod};
use std::collections::BTreeSet;

/// The relation of a principal to the workload whose pods it acts from.
const ACTS_FROM: &str = "acts_from";

/// An incident and its suspects.
pub struct Case<'a> {
    /// The incident.
    pub incident: &'a Incident<'a>,
    /// Its suspects: members in the order of their strength, then causes that are no members.
    pub suspects: Vec<Suspect<'a>>,
}

/// An entity that may be the object of a remedy.
pub struct Suspect<'a> {
    /// The entity.
    pub entity: &'a Entity<'a>,
    /// Its place among the likely causes, from 1; 0 where it is none.
    pub rank: i32,
    /// What speaks against it: its own members, and for a workload those of principals that act from its pods.
    pub evidence: Vec<&'a Member<'a>>,
    /// Kinds of that evidence; for a cause without evidence of its own those of the whole incident.
    pub families: BTreeSet<Family>,
    /// The gravest band of that evidence.
    pub band: Band,
    /// Pods it was seen on, those of the strongest evidence first, each once.
    pub pods: Vec<&'a str>,
}

impl<'a> Case<'a> {
    /// Looks at an incident.
    pub fn new(incident: &'a Incident<'a>) -> Self {
        let mut entities: Vec<&Entity<'_>> = Vec::new();
        let named = incident.members.iter().map(|m| &m.entity).chain(incident.causes.iter().map(|c| &c.entity));
        for entity in named {
            if !entities.contains(&entity) {
                entities.push(entity);
            }
        }
        Case { incident, suspects: entities.into_iter().map(|entity| suspect(incident, entity)).collect() }
    }

    /// Time of the newest change of an entity that came no later than `until`, milliseconds.
    pub fn changed_before(&self, entity: &Entity<'_>, until: i64) -> Option<i64> {
        let incident = self.incident;
        let timeline = incident.timeline.iter().filter(|e| e.kind == TimelineKind::Change && e.entity == *entity);
        let members = incident.members.iter().filter(|m| m.family == Family::Change && m.entity == *entity);
        timeline.map(|e| e.at).chain(members.map(|m| m.onset)).filter(|at| *at <= until).max()
    }
}

impl Suspect<'_> {
    /// When its trouble began: the earliest onset of what speaks against it, changes aside.
    pub fn onset(&self, incident: &Incident<'_>) -> i64 {
        let own = self.evidence.iter().filter(|member| member.family != Family::Change).map(|member| member.onset);
        own.min().unwrap_or(incident.onset)
    }
}

fn suspect<'a>(incident: &'a Incident<'a>, entity: &'a Entity<'a>) -> Suspect<'a> {
    let rank = incident.causes.iter().filter(|c| c.entity == *entity).map(|c| c.rank).min().unwrap_or(0);
    let evidence: Vec<_> =
        incident.members.iter().filter(|m| m.entity == *entity || acts_from(incident, &m.entity, entity)).collect();
    let (families, band) = if evidence.is_empty() {
        (incident.members.iter().map(|member| member.family).collect(), incident.band)
    } else {
        let band = evidence.iter().map(|member| member.band).max().unwrap_or_default();
        (evidence.iter().map(|member| member.family).collect(), band)
    };
    let pods = pods(incident, entity, &evidence);
    Suspect { entity, rank, evidence, families, band, pods }
}

/// The pods that the evidence names. Those of a principal are the workload's only where it acts from no other.
fn pods<'a>(incident: &Incident<'_>, entity: &Entity<'_>, evidence: &[&'a Member<'a>]) -> Vec<&'a str> {
    let elsewhere = |principal: &Entity<'_>| {
        let ends = incident.links.iter().flat_map(|link| [&link.from, &link.to]);
        ends.filter(|end| *end != entity).any(|end| acts_from(incident, principal, end))
    };
    let mut pods: Vec<&str> = Vec::new();
    for member in evidence.iter().filter(|member| member.entity == *entity || !elsewhere(&member.entity)) {
        for pod in member.instances.iter().map(|pod| pod.as_str()) {
            match pods.iter_mut().find(|known| are_one(known, pod)) {
                // Whoever says more about it is believed.
                Some(known) if known.len() < pod.len() => *known = pod,
                Some(_) => {}
                None => pods.push(pod),
            }
        }
    }
    pods
}

/// True for two references of one pod: the same uid, or the same name where one of them knows no uid.
fn are_one(one: &str, other: &str) -> bool {
    let ((name, uid), (other_name, other_uid)) = (pod::parts(one), pod::parts(other));
    if uid.is_empty() || other_uid.is_empty() { name == other_name } else { uid == other_uid }
}

/// True for a principal whose requests came from a workload's pods.
fn acts_from(incident: &Incident<'_>, principal: &Entity<'_>, workload: &Entity<'_>) -> bool {
    principal.kind == EntityKind::Principal
        && workload.kind == EntityKind::Workload
        && incident.links.iter().any(|link| {
            link.relation == ACTS_FROM
                && ((link.from == *principal && link.to == *workload)
                    || (link.from == *workload && link.to == *principal))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;
    use schemas::{Cause, Link, TimelineEntry};

    #[test]
    fn a_workload_answers_for_principals_that_act_from_its_pods_and_for_no_other() {
        let (cart, ci) = (example::workload("Deployment", "cart"), example::principal("ci"));
        let mut incident = example::incident(vec![
            example::member(&cart, Family::Saturation, &["cart-1"]),
            example::member(&ci, Family::Novelty, &["cart-2", "cart-1"]),
            example::member(&example::principal("other"), Family::Novelty, &["web-1"]),
        ]);
        assert_eq!(Case::new(&incident).suspects[0].pods, ["cart-1"]);
        let acts = |from: &Entity<'static>| Link {
            relation: "acts_from".into(),
            from: ci.clone(),
            to: from.clone(),
            ..Link::default()
        };
        incident.links = vec![acts(&cart)];
        let case = Case::new(&incident);
        assert_eq!(case.suspects.len(), 3);
        assert_eq!(case.suspects[0].pods, ["cart-1", "cart-2"]);
        assert_eq!(case.suspects[0].families, BTreeSet::from([Family::Saturation, Family::Novelty]));
        // From which of two workloads the pods are is not known.
        incident.links.push(acts(&example::workload("Deployment", "web")));
        let case = Case::new(&incident);
        assert_eq!(case.suspects[0].pods, ["cart-1"]);
        assert!(case.suspects[0].families.contains(&Family::Novelty));
    }

    #[test]
    fn a_pod_that_two_sources_name_differently_is_one_pod() {
        let uid = "0b1d5f1e-2c3d-4e5f-8a9b-0c1d2e3f4a5b";
        let cart = example::workload("Deployment", "cart");
        let both: &'static str = "cart-1/0b1d5f1e-2c3d-4e5f-8a9b-0c1d2e3f4a5b";
        let pods = |instances: &[&[&'static str]]| {
            let members = instances.iter().map(|instances| example::member(&cart, Family::Novelty, instances));
            let incident = example::incident(members.collect());
            Case::new(&incident).suspects[0].pods.iter().map(|pod| (*pod).to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(pods(&[&["cart-1", "cart-2"], &[both]]), [both, "cart-2"]);
        assert_eq!(pods(&[&[both], &["cart-1", uid]]), [both]);
        assert_eq!(pods(&[&["cart-1"], &[uid]]), ["cart-1".to_owned(), uid.to_owned()], "nobody says so");
    }

    #[test]
    fn a_cause_without_evidence_of_its_own_is_a_suspect_too() {
        let cart = example::workload("Deployment", "cart");
        let node = Entity { kind: EntityKind::Node, name: "worker-1".into(), ..Entity::default() };
        let mut incident = example::incident(vec![example::member(&cart, Family::Latency, &[])]);
        incident.causes = vec![Cause { rank: 1, entity: node.clone(), ..Cause::default() }];
        let case = Case::new(&incident);
        let suspect = &case.suspects[1];
        assert_eq!((suspect.entity, suspect.rank), (&node, 1));
        assert!(suspect.evidence.is_empty() && suspect.families.contains(&Family::Latency));
    }

    #[test]
    fn a_change_counts_when_it_came_before_and_concerned_the_same_entity() {
        let (cart, web) = (example::workload("Deployment", "cart"), example::workload("Deployment", "web"));
        let mut incident = example::incident(vec![example::member(&cart, Family::Errors, &[])]);
        for (at, entity) in [(100, &cart), (300, &cart), (200, &web), (900, &cart)] {
            let entity = entity.clone();
            incident.timeline.push(TimelineEntry {
                at,
                kind: TimelineKind::Change,
                entity,
                ..TimelineEntry::default()
            });
        }
        assert_eq!(Case::new(&incident).changed_before(&cart, 800), Some(300));
        assert_eq!(Case::new(&incident).changed_before(&cart, 50), None);
    }
}
