//! Incidents for tests.

use schemas::{AnomalyId, Band, Entity, EntityKind, Family, Incident, Member, TaskName, Text};

/// A workload of namespace `shop`.
pub fn workload(kind: &'static str, name: &'static str) -> Entity<'static> {
    Entity { kind: EntityKind::Workload, namespace: "shop".into(), workload_kind: kind.into(), name: name.into() }
}

/// A service account of namespace `shop`.
pub fn principal(name: &'static str) -> Entity<'static> {
    Entity { kind: EntityKind::Principal, namespace: "shop".into(), name: name.into(), ..Entity::default() }
}

/// A node.
pub fn node(name: &'static str) -> Entity<'static> {
    Entity { kind: EntityKind::Node, name: name.into(), ..Entity::default() }
}

/// A grave anomaly, seen on some pods, that began at 1,000,000.
pub fn member(entity: &Entity<'static>, family: Family, pods: &[&'static str]) -> Member<'static> {
    Member {
        anomaly: AnomalyId { task: TaskName { job: "detect".into(), ..TaskName::default() }, out_seq: 7 },
        entity: entity.clone(),
        family,
        band: Band::Novel,
        detector: "univariate".into(),
        onset: 1_000_000,
        event_time: 1_000_000,
        instances: pods.iter().map(|pod| Text::from(*pod)).collect(),
        ..Member::default()
    }
}

/// An incident of cluster `prod` with these members, opened at 1,010,000.
pub fn incident(members: Vec<Member<'static>>) -> Incident<'static> {
    Incident {
        tenant: "acme".into(),
        cluster: "prod".into(),
        id: "i1".into(),
        revision: 1,
        severity: 80.0,
        peak_severity: 80.0,
        band: Band::Novel,
        onset: 1_000_000,
        opened_at: 1_010_000,
        last_evidence: 1_005_000,
        members_total: members.len() as i64,
        members,
        sentence: "cart is not itself".into(),
        ..Incident::default()
    }
}
