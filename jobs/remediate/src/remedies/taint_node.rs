//! Taint node: new pods go elsewhere where they can, those there stay; milder than a cordon.

use super::parameters::is_share;
use super::{Kind, MINUTE, Parameters, Proposal, Reversible, Setting, action, cordon_node, incident_over, must};
use crate::case::{Case, Suspect};
use crate::refusal::Refusal;
use crate::target;
use schemas::{EntityKind, RiskClass};

/// The line of this remedy in the list of all.
pub const KIND: Kind = Kind {
    name: "taint_node",
    doc: "Keeps new pods off a node unless they tolerate the taint, or there is no other node; those there stay.",
    risk: RiskClass::R3,
    reversible: Reversible::Automatically,
    applies_to: &[EntityKind::Node],
    needs: cordon_node::KIND.needs,
    settings: &[
        Setting {
            name: "effect",
            doc: "whether pods that do not tolerate the taint come there never, or only where there is no other node",
            default: "PreferNoSchedule",
            allowed: "NoSchedule or PreferNoSchedule",
            fits: |value| matches!(value, "NoSchedule" | "PreferNoSchedule"),
        },
        Setting {
            name: "max_cordoned",
            doc: "share of the cluster's nodes that may be cordoned or tainted",
            default: "10%",
            allowed: "1% to 100%",
            fits: is_share,
        },
    ],
    undo_after: 60 * MINUTE,
    propose: |case, suspect, parameters| vec![propose(case, suspect, parameters)],
};

fn propose(case: &Case<'_>, suspect: &Suspect<'_>, parameters: &Parameters) -> Result<Proposal, Refusal> {
    let name = &suspect.entity.name;
    Ok(Proposal {
        action: action(KIND.name, &[("effect", parameters.get("effect"))]),
        target: target::node(suspect.entity)?,
        lock_domain: topics::lock_domain(&case.incident.cluster, &[name]),
        preconditions: vec![must("max_cordoned_nodes", parameters.get("max_cordoned")), must("tainted", "false")],
        verify: incident_over(30 * MINUTE),
        inverse: Some(action("untaint_node", &[])),
        what: format!("taint node {name}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;
    use crate::remedies::tests::proposed;
    use schemas::Family;

    #[test]
    fn a_node_is_tainted_as_policy_says_and_untainted_afterwards() {
        let member = example::member(&example::node("worker-1"), Family::Saturation, &[]);
        let proposals = proposed(&KIND, &example::incident(vec![member]), &[("effect", "NoSchedule")]).unwrap();
        assert_eq!(target::key(&proposals[0].target), "Node/worker-1");
        assert_eq!(proposals[0].action, action("taint_node", &[("effect", "NoSchedule")]));
        assert_eq!(proposals[0].inverse, Some(action("untaint_node", &[])));
        // The one effect that ends pods is none that a policy may ask for.
        assert!(KIND.check(&[("effect".to_owned(), "NoExecute".to_owned())].into()).is_err());
    }
}
