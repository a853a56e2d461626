//! Restart workload: all pods anew, one after the other, as the workload's own update strategy says.

use super::{Kind, MINUTE, Parameters, Proposal, Reversible, action, incident_over, must};
use crate::case::{Case, Suspect};
use crate::refusal::Refusal;
use crate::target;
use schemas::{EntityKind, Family, RiskClass};

/// The line of this remedy in the list of all.
pub const KIND: Kind = Kind {
    name: "restart_workload",
    doc: "Starts all pods of a workload anew, as its own update strategy says.",
    risk: RiskClass::R3,
    reversible: Reversible::ByHand,
    applies_to: &[EntityKind::Workload],
    needs: &[Family::Latency, Family::Errors, Family::Saturation, Family::Logs, Family::Forecast],
    settings: &[],
    undo_after: 0,
    propose: |case, suspect, parameters| vec![propose(case, suspect, parameters)],
};

const KINDS: &[&str] = &["Deployment", "StatefulSet", "DaemonSet"];

fn propose(case: &Case<'_>, suspect: &Suspect<'_>, _: &Parameters) -> Result<Proposal, Refusal> {
    let entity = suspect.entity;
    Ok(Proposal {
        action: action(KIND.name, &[]),
        target: target::workload(entity, KINDS)?,
        lock_domain: target::workload_domain(&case.incident.cluster, entity),
        preconditions: vec![must("paused", "false"), must("rollout_in_progress", "false")],
        verify: incident_over(15 * MINUTE),
        // The template before differs in an annotation only; going back would be one more restart.
        inverse: Some(action("roll_back_deployment", &[])).filter(|_| entity.workload_kind == "Deployment"),
        what: format!("restart {} {}/{}", entity.workload_kind, entity.namespace, entity.name),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;
    use crate::refusal::Rule;
    use crate::remedies::tests::proposed;

    #[test]
    fn a_workload_is_restarted_unless_a_rollout_is_under_way() {
        for kind in KINDS {
            let incident =
                example::incident(vec![example::member(&example::workload(kind, "cart"), Family::Errors, &[])]);
            let proposals = proposed(&KIND, &incident, &[]).unwrap();
            assert_eq!(target::key(&proposals[0].target), format!("{kind}/shop/cart"));
            assert!(proposals[0].preconditions.contains(&must("rollout_in_progress", "false")));
        }
    }

    #[test]
    fn a_job_is_not_restarted() {
        let incident = example::incident(vec![example::member(&example::workload("Job", "load"), Family::Errors, &[])]);
        assert_eq!(proposed(&KIND, &incident, &[]).unwrap_err().rule, Rule::Unsupported);
    }
}
