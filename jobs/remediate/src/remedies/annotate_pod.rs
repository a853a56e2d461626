//! Annotate pod: the incident that a pod is suspected in, written on the pod for whoever looks at it.

use super::{ANY, Kind, MINUTE, Parameters, Proposal, Proposals, Reversible, action, as_ordered, pods};
use crate::case::{Case, Suspect};
use crate::target;
use schemas::{EntityKind, RiskClass};

/// The line of this remedy in the list of all.
pub const KIND: Kind = Kind {
    name: "annotate_pod",
    doc: "Writes on a pod which incident it is suspected in.",
    risk: RiskClass::R1,
    reversible: Reversible::Automatically,
    applies_to: &[EntityKind::Workload],
    needs: ANY,
    settings: &[],
    undo_after: 24 * 60 * MINUTE,
    propose,
};

fn propose(case: &Case<'_>, suspect: &Suspect<'_>, _: &Parameters) -> Proposals {
    pods::each(suspect, None, |pod, target| Proposal {
        action: action(KIND.name, &[]),
        target,
        lock_domain: target::workload_domain(&case.incident.cluster, suspect.entity),
        preconditions: vec![pods::owned(suspect.entity)],
        verify: as_ordered(),
        inverse: Some(action("clear_pod", &[])),
        what: format!("annotate pod {pod}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;
    use crate::remedies::tests::proposed;
    use schemas::Family;

    #[test]
    fn what_is_written_is_taken_away_after_a_day() {
        let cart = example::workload("Deployment", "cart");
        let incident = example::incident(vec![example::member(&cart, Family::Logs, &["cart-1"])]);
        let proposals = proposed(&KIND, &incident, &[]).unwrap();
        assert_eq!(target::key(&proposals[0].target), "Pod/shop/cart-1");
        assert_eq!(proposals[0].inverse, Some(action("clear_pod", &[])));
        assert_eq!(KIND.undo_after, 86_400_000);
    }
}
