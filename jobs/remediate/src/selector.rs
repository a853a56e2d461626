//! Which incidents and suspects a policy is about.
//!
//! Invariant: an empty selector matches everything, and each condition added matches less.

use crate::case::{Case, Suspect};
use schemas::glob::glob;
use schemas::{Band, EntityKind, Family};
use serde::{Deserialize, Serialize};

/// Conditions on an incident and one suspect of it; all must hold. In lists of names a `*` stands for any text.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Selector {
    /// Clusters; empty for all.
    pub clusters: Vec<String>,
    /// Namespaces of the suspect; empty for all.
    pub namespaces: Vec<String>,
    /// Names of the suspect; empty for all.
    pub names: Vec<String>,
    /// Kinds of entity; empty for all.
    pub kinds: Vec<EntityKind>,
    /// Kubernetes kinds of workloads; empty for all.
    pub workload_kinds: Vec<String>,
    /// Kinds of evidence that must all speak against the suspect.
    pub families_all: Vec<Family>,
    /// Kinds of evidence of which one must speak against it; empty for no condition.
    pub families_any: Vec<Family>,
    /// Detectors of which one must have found something about it; empty for no condition.
    pub detectors_any: Vec<String>,
    /// Severity of the incident from which it counts, 0–100.
    pub least_severity: f64,
    /// The gravest evidence against the suspect must be at least this grave.
    pub least_band: Band,
    /// Lowest place among the incident's likely causes, 1 for the most likely; 0 for any suspect.
    pub cause_rank: i32,
}

impl Selector {
    /// True for a suspect that the policy is about.
    pub fn matches(&self, case: &Case<'_>, suspect: &Suspect<'_>) -> bool {
        let entity = suspect.entity;
        let has = |family: &Family| suspect.families.contains(family);
        any(&self.clusters, |pattern| glob(pattern, &case.incident.cluster))
            && any(&self.namespaces, |pattern| glob(pattern, &entity.namespace))
            && any(&self.names, |pattern| glob(pattern, &entity.name))
            && any(&self.kinds, |kind| *kind == entity.kind)
            && any(&self.workload_kinds, |pattern| glob(pattern, &entity.workload_kind))
            && self.families_all.iter().all(has)
            && any(&self.families_any, has)
            && any(&self.detectors_any, |name| suspect.evidence.iter().any(|member| member.detector == name.as_str()))
            && case.incident.severity >= self.least_severity
            && suspect.band >= self.least_band
            && (self.cause_rank == 0 || (1..=self.cause_rank).contains(&suspect.rank))
    }
}

/// True where one of the conditions holds, or there is none.
fn any<T>(conditions: &[T], holds: impl FnMut(&T) -> bool) -> bool {
    conditions.is_empty() || conditions.iter().any(holds)
}
