//! Quarantine pod: take a pod out of its service and of the network, and keep it for evidence.

use super::parameters::{is_number, is_share, is_truth};
use super::{Kind, MINUTE, Parameters, Proposal, Proposals, Reversible, Setting, action, must, pods};
use crate::case::{Case, Suspect};
use crate::target;
use schemas::{EntityKind, Family, RiskClass, VerifyPredicate};

/// The line of this remedy in the list of all.
pub const KIND: Kind = Kind {
    name: "quarantine_pod",
    doc: "Takes one pod out of its service and of the network and keeps it for evidence; its controller starts another.",
    risk: RiskClass::R2,
    reversible: Reversible::Automatically,
    applies_to: &[EntityKind::Workload],
    needs: &[Family::Novelty, Family::Network],
    settings: &[ALLOW_DNS, MAX_UNAVAILABLE, MIN_READY],
    undo_after: 30 * MINUTE,
    propose,
};

const ALLOW_DNS: Setting = Setting {
    name: "allow_dns",
    doc: "lets the pod ask for names, so that what it looks for can be seen",
    default: "false",
    allowed: "true or false",
    fits: is_truth,
};

/// Share of a workload's pods that may be missing while a remedy acts on one.
pub(super) const MAX_UNAVAILABLE: Setting = Setting {
    name: "max_unavailable",
    doc: "share of the workload's pods that may be missing",
    default: "25%",
    allowed: "1% to 100%",
    fits: is_share,
};

/// Pods that must be left.
pub(super) const MIN_READY: Setting = Setting {
    name: "min_ready",
    doc: "pods that must be left ready",
    default: "1",
    allowed: "a whole number from 0 to 100000",
    fits: |value| is_number(value, 0, 100_000),
};

/// Controllers whose next pod does not need the place or name of this one.
const KINDS: &[&str] = &["Deployment", "ReplicaSet", "Rollout"];

fn propose(case: &Case<'_>, suspect: &Suspect<'_>, parameters: &Parameters) -> Proposals {
    pods::each(suspect, Some(KINDS), |pod, target| Proposal {
        action: action(KIND.name, &[("allow_dns", parameters.get("allow_dns"))]),
        target,
        lock_domain: target::workload_domain(&case.incident.cluster, suspect.entity),
        preconditions: vec![
            must("host_network", "false"),
            must("max_workload_unavailable", parameters.get("max_unavailable")),
            must("min_ready", parameters.get("min_ready")),
            pods::owned(suspect.entity),
            must("residual_allow", "none"),
        ],
        verify: VerifyPredicate {
            name: "flows_from_target".into(),
            comparison: "=".into(),
            value: 0.0,
            within: 5 * MINUTE,
        },
        inverse: Some(action("release_pod", &[])),
        what: format!("quarantine pod {pod}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;
    use crate::refusal::Rule;
    use crate::remedies::tests::proposed;

    #[test]
    fn each_pod_the_evidence_names_is_proposed_with_its_inverse() {
        let cart = example::workload("Deployment", "cart");
        let incident = example::incident(vec![example::member(&cart, Family::Novelty, &["cart-1", "cart-2"])]);
        let proposals = proposed(&KIND, &incident, &[("allow_dns", "true")]).unwrap();
        let keys: Vec<_> = proposals.iter().map(|p| target::key(&p.target)).collect();
        assert_eq!(keys, ["Pod/shop/cart-1", "Pod/shop/cart-2"]);
        assert_eq!(proposals[0].lock_domain, "prod/shop/cart");
        assert_eq!(proposals[0].action, action("quarantine_pod", &[("allow_dns", "true")]));
        assert_eq!(proposals[0].inverse, Some(action("release_pod", &[])));
        assert!(proposals[0].preconditions.contains(&must("min_ready", "1")));
        assert!(proposals[0].preconditions.contains(&must("owned_by", "Deployment/cart")));
    }

    #[test]
    fn a_pod_whose_replacement_needs_its_name_is_refused() {
        let incident = example::incident(vec![example::member(
            &example::workload("StatefulSet", "db"),
            Family::Novelty,
            &["db-0"],
        )]);
        assert_eq!(proposed(&KIND, &incident, &[]).unwrap_err().rule, Rule::Unsupported);
    }

    #[test]
    fn a_pod_that_cannot_be_named_does_not_hide_the_others() {
        let cart = example::workload("Deployment", "cart");
        let incident = example::incident(vec![example::member(&cart, Family::Novelty, &["../x", "cart-1"])]);
        let case = Case::new(&incident);
        let proposals = KIND.proposals(&case, &case.suspects[0], &Default::default());
        assert_eq!(proposals[0].as_ref().unwrap_err().rule, Rule::Unsupported);
        assert_eq!(target::key(&proposals[1].as_ref().unwrap().target), "Pod/shop/cart-1");
    }

    #[test]
    fn without_a_pod_or_without_fitting_evidence_nothing_is_proposed() {
        let cart = example::workload("Deployment", "cart");
        let refused = |family, pods: &[&'static str]| {
            let incident = example::incident(vec![example::member(&cart, family, pods)]);
            proposed(&KIND, &incident, &[]).unwrap_err().rule
        };
        assert_eq!(refused(Family::Novelty, &[]), Rule::Unsupported);
        assert_eq!(refused(Family::Latency, &["cart-1"]), Rule::Quality);
    }
}
