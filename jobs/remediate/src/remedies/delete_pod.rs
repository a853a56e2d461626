//! Delete pod: end a pod that its disruption budget keeps from being evicted.

use super::{Kind, Parameters, Proposals, Reversible, evict_pod, must, pods};
use crate::case::{Case, Suspect};
use schemas::{EntityKind, RiskClass};

/// The line of this remedy in the list of all.
pub const KIND: Kind = Kind {
    name: "delete_pod",
    doc: "Ends one pod that a disruption budget keeps from being evicted; its evidence is gone.",
    risk: RiskClass::R4,
    reversible: Reversible::Never,
    applies_to: &[EntityKind::Workload],
    needs: evict_pod::KIND.needs,
    settings: pods::ENDING,
    undo_after: 0,
    propose,
};

fn propose(case: &Case<'_>, suspect: &Suspect<'_>, parameters: &Parameters) -> Proposals {
    // One that can be evicted is.
    pods::ended(case, suspect, parameters, (KIND.name, "delete"), &must("eviction", "refused"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;
    use crate::remedies::tests::proposed;
    use crate::target;
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
