//! Evict pod: end a pod as a drain would, within its disruption budget; its controller starts another.

use super::{Kind, Parameters, Proposals, Reversible, must, pods};
use crate::case::{Case, Suspect};
use schemas::{EntityKind, Family, RiskClass};

/// The line of this remedy in the list of all.
pub const KIND: Kind = Kind {
    name: "evict_pod",
    doc: "Ends one pod within its disruption budget; its controller starts another, and its evidence is gone.",
    risk: RiskClass::R2,
    reversible: Reversible::Never,
    applies_to: &[EntityKind::Workload],
    needs: &[
        Family::Latency,
        Family::Errors,
        Family::Saturation,
        Family::Novelty,
        Family::Network,
        Family::Logs,
        Family::Peers,
    ],
    settings: pods::ENDING,
    undo_after: 0,
    propose,
};

fn propose(case: &Case<'_>, suspect: &Suspect<'_>, parameters: &Parameters) -> Proposals {
    pods::ended(case, suspect, parameters, (KIND.name, "evict"), &must("pdb", "respect"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;
    use crate::refusal::Rule;
    use crate::remedies::tests::proposed;
    use crate::target;

    #[test]
    fn a_pod_is_evicted_within_its_budget_and_cannot_be_brought_back() {
        let db = example::workload("StatefulSet", "db");
        let incident = example::incident(vec![example::member(&db, Family::Novelty, &["db-0"])]);
        let proposals = proposed(&KIND, &incident, &[]).unwrap();
        assert_eq!(target::key(&proposals[0].target), "Pod/shop/db-0");
        assert!(proposals[0].preconditions.contains(&must("pdb", "respect")));
        assert_eq!(proposals[0].inverse, None);
    }

    #[test]
    fn a_pod_that_nobody_would_start_again_is_refused() {
        let incident =
            example::incident(vec![example::member(&example::workload("Job", "load"), Family::Errors, &["load-1"])]);
        assert_eq!(proposed(&KIND, &incident, &[]).unwrap_err().rule, Rule::Unsupported);
    }
}
