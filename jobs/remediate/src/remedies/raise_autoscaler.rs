//! Raise autoscaler: where an autoscaler has given a workload all the pods it may, it may give more, up to a bound.

use super::{Kind, MINUTE, Parameters, Proposal, Reversible, action, incident_over, must, scale_workload};
use crate::case::{Case, Suspect};
use crate::refusal::Refusal;
use crate::target;
use schemas::{EntityKind, RiskClass};

/// The line of this remedy in the list of all. Its settings are those of `scale_workload`, of the bound.
pub const KIND: Kind = Kind {
    name: "raise_autoscaler",
    doc: "Lets the autoscaler of a workload that is at its limit give it more pods, up to a bound.",
    risk: RiskClass::R3,
    reversible: Reversible::Automatically,
    applies_to: &[EntityKind::Workload],
    needs: scale_workload::KIND.needs,
    settings: scale_workload::KIND.settings,
    undo_after: 60 * MINUTE,
    propose: |case, suspect, parameters| vec![propose(case, suspect, parameters)],
};

const KINDS: &[&str] = &["Deployment", "StatefulSet", "ReplicaSet", "Rollout"];

fn propose(case: &Case<'_>, suspect: &Suspect<'_>, parameters: &Parameters) -> Result<Proposal, Refusal> {
    let entity = suspect.entity;
    let set = [("max_replicas", parameters.get("max_replicas")), ("percent", parameters.get("percent"))];
    Ok(Proposal {
        action: action(KIND.name, &set),
        target: target::workload(entity, KINDS)?,
        lock_domain: target::workload_domain(&case.incident.cluster, entity),
        preconditions: vec![must("autoscaler", "at_limit")],
        verify: incident_over(15 * MINUTE),
        // The actuator records what the limit was.
        inverse: Some(action(KIND.name, &[("max_replicas", "recorded")])),
        what: format!(
            "raise the autoscaler of {} {}/{} to {}%",
            entity.workload_kind,
            entity.namespace,
            entity.name,
            parameters.get("percent")
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;
    use crate::remedies::tests::proposed;
    use schemas::Family;

    #[test]
    fn the_limit_is_raised_by_a_share_where_it_is_what_holds_back() {
        let web = example::workload("Deployment", "web");
        let incident = example::incident(vec![example::member(&web, Family::Saturation, &[])]);
        let proposals = proposed(&KIND, &incident, &[("max_replicas", "30")]).unwrap();
        assert_eq!(proposals[0].action, action("raise_autoscaler", &[("max_replicas", "30"), ("percent", "150")]));
        assert_eq!(proposals[0].preconditions, [must("autoscaler", "at_limit")]);
        assert_eq!(proposals[0].inverse, Some(action("raise_autoscaler", &[("max_replicas", "recorded")])));
    }
}
