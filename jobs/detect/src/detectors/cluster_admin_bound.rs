//! Somebody was made cluster admin: an absolute rule, from the first second.
//!
//! The role stands in the body of the request; where the audit level or the patch hides it, the finding is one band
//! lower and says so. The measure names the binding, `create clusterrolebindings NAME` or `create rolebindings
//! NAMESPACE/NAME`, because a remedy takes it back by that name.

use super::quiet::Quiet;
use super::secrets_listed::{outcome, pod};
use super::{Context, Detector, Finding, Kind, Observation, Reads, term};
use crate::state::Reader;
use crate::{DetectError, score, sentence};
use schemas::signal::AuditEvent;
use schemas::{Band, Entity, Family, Related, Relation};

/// The line of this detector in the list of all.
pub const KIND: Kind = Kind {
    name: "cluster_admin_bound",
    family: Family::Novelty,
    doc: "Somebody bound the role cluster-admin, or may have where the audit level hides the role.",
    keys: &["cluster_admin_bound.enabled", "cluster_admin_bound.allowed", "cluster_admin_bound.quiet"],
    reads: Reads::Audit,
    new: || Box::new(ClusterAdminBound::default()),
    decode: |from| Ok(Box::new(ClusterAdminBound::decode(from)?)),
};

const ROLE: &str = "ClusterRole/cluster-admin";

#[derive(Debug, Default)]
struct ClusterAdminBound {
    known: Quiet,
    hidden: Quiet,
}

impl Detector for ClusterAdminBound {
    fn observe(&mut self, observation: &Observation<'_>, context: &mut Context<'_>, out: &mut Vec<Finding>) {
        let Observation::Audit(event) = observation else { return };
        let rule = &context.config.cluster_admin_bound;
        if !rule.enabled || !binds(event) || rule.allows(&sentence::principal(context.entity)) {
            return;
        }
        let hidden = event.role.is_empty();
        let (band, quiet) =
            if hidden { (lower(outcome(event)), &mut self.hidden) } else { (outcome(event), &mut self.known) };
        if !quiet.tell(context.time, band, rule.quiet) {
            context.counts.repeated += 1;
            return;
        }
        let count = quiet.count();
        out.push(finding(event, band, count, context));
    }

    fn encode(&self, out: &mut Vec<u8>) {
        self.known.encode(out);
        self.hidden.encode(out);
    }

    fn heap_bytes(&self) -> usize {
        0
    }
}

impl ClusterAdminBound {
    fn decode(from: &mut Reader<'_>) -> Result<Self, DetectError> {
        Ok(ClusterAdminBound { known: Quiet::decode(from)?, hidden: Quiet::decode(from)? })
    }
}

/// True for a write of a binding that gives, or may give, the role.
fn binds(event: &AuditEvent<'_>) -> bool {
    let (resource, _) = event.resource.split_once('.').unwrap_or((&event.resource, ""));
    matches!(resource, "clusterrolebindings" | "rolebindings")
        && matches!(event.verb.as_str(), "create" | "update" | "patch")
        && event.subresource.is_empty()
        && (event.role.is_empty() || event.role == ROLE)
}

fn lower(band: Band) -> Band {
    if band == Band::Novel { Band::Sharp } else { Band::Unusual }
}

fn finding(event: &AuditEvent<'_>, band: Band, count: u64, context: &Context<'_>) -> Finding {
    let who = sentence::entity(context.entity);
    let (resource, _) = event.resource.split_once('.').unwrap_or((&event.resource, ""));
    let place = match event.namespace.as_str() {
        "" => "the whole cluster".to_owned(),
        namespace => format!("namespace `{namespace}`"),
    };
    let refused = if event.code >= 400 || event.decision == "forbid" { ", and was refused" } else { "" };
    let text = if event.role.is_empty() {
        format!(
            "{who} wrote {resource} `{}` for {place}{refused}; which role it binds is hidden (audit level {}, verb {})",
            event.name, event.level, event.verb
        )
    } else {
        format!("{who} bound cluster-admin by {resource} `{}` for {place}{refused} (verb {})", event.name, event.verb)
    };
    let binding = match event.namespace.as_str() {
        "" => event.name.as_str().to_owned(),
        namespace => format!("{namespace}/{}", event.name),
    };
    let given = event.subjects.iter().filter_map(|subject| Entity::from_key(subject));
    Finding {
        about: None,
        related: given.map(|entity| Related { relation: Relation::Grants, entity }).collect(),
        measure: format!("{} {resource} {binding}", event.verb),
        family: Family::Novelty,
        band,
        raw: 1.0,
        p: None,
        score: score::rule(band),
        sentence: text,
        terms: vec![
            term("status", f64::from(event.code), ""),
            term("role seen", if event.role.is_empty() { 0.0 } else { 1.0 }, ""),
            term("times seen", count as f64, ""),
        ],
        instances: pod(event),
        onset: context.time,
        baseline_count: count as i64,
        baseline_since: context.time,
    }
}
