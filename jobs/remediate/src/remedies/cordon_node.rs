//! Cordon node: no new pods on a node, those there stay.

use super::parameters::is_share;
use super::{Kind, MINUTE, Parameters, Proposal, Reversible, Setting, action, incident_over, must};
use crate::case::{Case, Suspect};
use crate::refusal::Refusal;
use crate::target;
use schemas::{EntityKind, Family, RiskClass};

/// The line of this remedy in the list of all.
pub const KIND: Kind = Kind {
    name: "cordon_node",
    doc: "Lets no new pods onto a node; those there stay.",
    risk: RiskClass::R3,
    reversible: Reversible::Automatically,
    applies_to: &[EntityKind::Node],
    needs: &[
        Family::Latency,
        Family::Errors,
        Family::Saturation,
        Family::Novelty,
        Family::Network,
        Family::Peers,
        Family::Forecast,
    ],
    settings: &[Setting {
        name: "max_cordoned",
        doc: "share of the cluster's nodes that may be cordoned",
        default: "10%",
        allowed: "1% to 100%",
        fits: is_share,
    }],
    undo_after: 60 * MINUTE,
    propose: |case, suspect, parameters| vec![propose(case, suspect, parameters)],
};

fn propose(case: &Case<'_>, suspect: &Suspect<'_>, parameters: &Parameters) -> Result<Proposal, Refusal> {
    let name = &suspect.entity.name;
    Ok(Proposal {
        action: action(KIND.name, &[]),
        target: target::node(suspect.entity)?,
        lock_domain: topics::lock_domain(&case.incident.cluster, &[name]),
        // Only who cordoned it may uncordon it: a node that was cordoned before is left alone.
        preconditions: vec![must("max_cordoned_nodes", parameters.get("max_cordoned")), must("unschedulable", "false")],
        verify: incident_over(30 * MINUTE),
        inverse: Some(action("uncordon_node", &[])),
        what: format!("cordon node {name}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;
    use crate::remedies::tests::proposed;

    #[test]
    fn a_node_is_cordoned_unless_it_is_and_uncordoned_afterwards() {
        let member = example::member(&example::node("worker-1"), Family::Saturation, &[]);
        let proposals = proposed(&KIND, &example::incident(vec![member]), &[("max_cordoned", "20%")]).unwrap();
        assert_eq!(target::key(&proposals[0].target), "Node/worker-1");
        assert_eq!(proposals[0].lock_domain, "prod/worker-1");
        assert_eq!(proposals[0].preconditions, [must("max_cordoned_nodes", "20%"), must("unschedulable", "false")]);
        assert_eq!(proposals[0].inverse, Some(action("uncordon_node", &[])));
    }
}
