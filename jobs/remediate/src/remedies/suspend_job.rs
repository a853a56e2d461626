//! Suspend job: a CronJob starts no more jobs, a Job no more pods.

use super::{Kind, MINUTE, Parameters, Proposal, Reversible, action, incident_over, must};
use crate::case::{Case, Suspect};
use crate::refusal::Refusal;
use crate::target;
use schemas::{EntityKind, Family, RiskClass};

/// The line of this remedy in the list of all.
pub const KIND: Kind = Kind {
    name: "suspend_job",
    doc: "Suspends a Job, which ends its pods, or a CronJob, which then starts no more jobs.",
    risk: RiskClass::R3,
    reversible: Reversible::Automatically,
    applies_to: &[EntityKind::Workload],
    needs: &[Family::Errors, Family::Saturation, Family::Novelty, Family::Network],
    settings: &[],
    undo_after: 60 * MINUTE,
    propose: |case, suspect, parameters| vec![propose(case, suspect, parameters)],
};

const KINDS: &[&str] = &["CronJob", "Job"];

fn propose(case: &Case<'_>, suspect: &Suspect<'_>, _: &Parameters) -> Result<Proposal, Refusal> {
    let entity = suspect.entity;
    Ok(Proposal {
        action: action(KIND.name, &[]),
        target: target::workload(entity, KINDS)?,
        lock_domain: target::workload_domain(&case.incident.cluster, entity),
        // One that a person suspended must not be resumed by us.
        preconditions: vec![must("suspended", "false")],
        verify: incident_over(15 * MINUTE),
        inverse: Some(action("resume_job", &[])),
        what: format!("suspend {} {}/{}", entity.workload_kind, entity.namespace, entity.name),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;
    use crate::refusal::Rule;
    use crate::remedies::tests::proposed;

    #[test]
    fn a_job_is_suspended_unless_somebody_did_and_resumed_afterwards() {
        for kind in KINDS {
            let incident =
                example::incident(vec![example::member(&example::workload(kind, "load"), Family::Saturation, &[])]);
            let proposals = proposed(&KIND, &incident, &[]).unwrap();
            assert_eq!(target::key(&proposals[0].target), format!("{kind}/shop/load"));
            assert_eq!(proposals[0].preconditions, [must("suspended", "false")]);
            assert_eq!(proposals[0].inverse, Some(action("resume_job", &[])));
        }
    }

    #[test]
    fn a_deployment_cannot_be_suspended() {
        let incident =
            example::incident(vec![example::member(&example::workload("Deployment", "cart"), Family::Saturation, &[])]);
        assert_eq!(proposed(&KIND, &incident, &[]).unwrap_err().rule, Rule::Unsupported);
    }
}
