//! Delete pod: end a pod that its disruption budget keeps from being evicted.

use super::quarantine_pod::{MAX_UNAVAILABLE, MIN_READY};
use super::{Kind, MINUTE, Parameters, Proposal, Proposals, Reversible, action, evict_pod, incident_over, must, pods};
use crate::case::{Case, Suspect};
use crate::target;
use schemas::{EntityKind, RiskClass};

/// The line of this remedy in the list of all.
pub const KIND: Kind = Kind {
    name: "delete_pod",
    doc: "Ends one pod that a disruption budget keeps from being evicted; its evidence is gone.",
    risk: RiskClass::R4,
    reversible: Reversible::Never,
    applies_to: &[EntityKind::Workload],
    needs: evict_pod::KIND.needs,
    settings: &[MAX_UNAVAILABLE, MIN_READY],
    undo_after: 0,
    propose,
};

fn propose(case: &Case<'_>, suspect: &Suspect<'_>, parameters: &Parameters) -> Proposals {
    pods::each(suspect, Some(evict_pod::KINDS), |pod, target| Proposal {
        action: action(KIND.name, &[]),
        target,
        lock_domain: target::workload_domain(&case.incident.cluster, suspect.entity),
        preconditions: vec![
            must("max_workload_unavailable", parameters.get("max_unavailable")),
            must("min_ready", parameters.get("min_ready")),
            pods::owned(suspect.entity),
            // One that can be evicted is.
            must("eviction", "refused"),
        ],
        verify: incident_over(15 * MINUTE),
        inverse: None,
        what: format!("delete pod {pod}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;
    use crate::remedies::tests::proposed;
    use schemas::Family;

    #[test]
    fn a_pod_is_deleted_only_where_it_cannot_be_evicted() {
        let db = example::workload("StatefulSet", "db");
        let incident = example::incident(vec![example::member(&db, Family::Novelty, &["db-0"])]);
        let proposals = proposed(&KIND, &incident, &[]).unwrap();
        assert_eq!(target::key(&proposals[0].target), "Pod/shop/db-0");
        assert!(proposals[0].preconditions.contains(&must("eviction", "refused")));
        assert_eq!(proposals[0].inverse, None);
    }
}
