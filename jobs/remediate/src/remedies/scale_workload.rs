//! Scale workload: more pods, up to a bound.

use super::parameters::is_number;
use super::{Kind, MINUTE, Parameters, Proposal, Reversible, Setting, action, incident_over, must};
use crate::case::{Case, Suspect};
use crate::refusal::Refusal;
use crate::target;
use schemas::{EntityKind, Family, RiskClass};

/// The line of this remedy in the list of all.
pub const KIND: Kind = Kind {
    name: "scale_workload",
    doc: "Gives a workload more pods, up to a bound, where no autoscaler does.",
    risk: RiskClass::R3,
    reversible: Reversible::Automatically,
    applies_to: &[EntityKind::Workload],
    needs: &[Family::Latency, Family::Saturation, Family::Forecast],
    settings: &[
        Setting {
            name: "percent",
            doc: "replicas afterwards, in hundredths of those there are; rounded up",
            default: "150",
            allowed: "a whole number from 101 to 1000",
            fits: |value| is_number(value, 101, 1_000),
        },
        Setting {
            name: "max_replicas",
            doc: "replicas it must not exceed",
            default: "20",
            allowed: "a whole number from 1 to 10000",
            fits: |value| is_number(value, 1, 10_000),
        },
    ],
    undo_after: 60 * MINUTE,
    propose: |case, suspect, parameters| vec![propose(case, suspect, parameters)],
};

const KINDS: &[&str] = &["Deployment", "StatefulSet", "ReplicaSet"];

fn propose(case: &Case<'_>, suspect: &Suspect<'_>, parameters: &Parameters) -> Result<Proposal, Refusal> {
    let entity = suspect.entity;
    let set = [("max_replicas", parameters.get("max_replicas")), ("percent", parameters.get("percent"))];
    Ok(Proposal {
        action: action(KIND.name, &set),
        target: target::workload(entity, KINDS)?,
        lock_domain: target::workload_domain(&case.incident.cluster, entity),
        preconditions: vec![must("autoscaler", "none")],
        verify: incident_over(15 * MINUTE),
        // The actuator records how many there were.
        inverse: Some(action(KIND.name, &[("replicas", "recorded")])),
        what: format!(
            "scale {} {}/{} to {}%",
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
    use crate::refusal::Rule;
    use crate::remedies::tests::proposed;

    #[test]
    fn a_workload_is_scaled_by_a_share_up_to_a_bound_unless_an_autoscaler_does() {
        let incident =
            example::incident(vec![example::member(&example::workload("Deployment", "cart"), Family::Saturation, &[])]);
        let proposals = proposed(&KIND, &incident, &[("percent", "200")]).unwrap();
        assert_eq!(proposals[0].action, action("scale_workload", &[("max_replicas", "20"), ("percent", "200")]));
        assert_eq!(proposals[0].preconditions, [must("autoscaler", "none")]);
        assert_eq!(proposals[0].inverse, Some(action("scale_workload", &[("replicas", "recorded")])));
    }

    #[test]
    fn what_cannot_be_scaled_is_refused() {
        let incident =
            example::incident(vec![example::member(&example::workload("DaemonSet", "agent"), Family::Saturation, &[])]);
        assert_eq!(proposed(&KIND, &incident, &[]).unwrap_err().rule, Rule::Unsupported);
    }
}
