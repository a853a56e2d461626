//! Collect evidence: what a pod is, its Events and its logs, kept before anything is done to it or it is gone.

use super::{ANY, Kind, Parameters, Proposal, Proposals, Reversible, action, as_ordered, pods};
use crate::case::{Case, Suspect};
use crate::target;
use schemas::{EntityKind, RiskClass};

/// The line of this remedy in the list of all.
pub const KIND: Kind = Kind {
    name: "collect_evidence",
    doc: "Keeps what a pod is, its Events and the ends of its logs; changes nothing.",
    risk: RiskClass::R0,
    reversible: Reversible::Automatically,
    applies_to: &[EntityKind::Workload],
    needs: ANY,
    settings: &[],
    undo_after: 0,
    propose,
};

fn propose(case: &Case<'_>, suspect: &Suspect<'_>, _: &Parameters) -> Proposals {
    pods::each(suspect, None, |pod, target| Proposal {
        action: action(KIND.name, &[]),
        target,
        lock_domain: target::workload_domain(&case.incident.cluster, suspect.entity),
        preconditions: vec![pods::owned(suspect.entity)],
        verify: as_ordered(),
        inverse: None,
        what: format!("collect evidence of pod {pod}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;
    use crate::refusal::Rule;
    use crate::remedies::tests::proposed;
    use schemas::Family;

    #[test]
    fn every_pod_the_evidence_names_is_looked_at_whatever_the_evidence_is() {
        let db = example::workload("StatefulSet", "db");
        let incident = example::incident(vec![example::member(&db, Family::Peers, &["db-0", "db-1"])]);
        let proposals = proposed(&KIND, &incident, &[]).unwrap();
        let keys: Vec<_> = proposals.iter().map(|p| target::key(&p.target)).collect();
        assert_eq!(keys, ["Pod/shop/db-0", "Pod/shop/db-1"]);
        let nobody = example::incident(vec![example::member(&db, Family::Peers, &[])]);
        assert_eq!(proposed(&KIND, &nobody, &[]).unwrap_err().rule, Rule::Unsupported);
    }
}
