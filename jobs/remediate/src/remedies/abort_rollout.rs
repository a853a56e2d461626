//! Abort rollout: an Argo Rollout whose trouble began while it brought out a new version goes back to the stable one.

use super::{Kind, MINUTE, Parameters, Proposal, Reversible, action, incident_over, must, roll_back_deployment};
use crate::case::{Case, Suspect};
use crate::refusal::Refusal;
use crate::target;
use schemas::{EntityKind, RiskClass};

/// The line of this remedy in the list of all. It asks for a change shortly before, as a rollback does.
pub const KIND: Kind = Kind {
    name: "abort_rollout",
    doc: "Stops an Argo Rollout that is under way and sends it back to the stable version.",
    risk: RiskClass::R3,
    // Trying again by itself would bring the trouble back.
    reversible: Reversible::ByHand,
    applies_to: &[EntityKind::Workload],
    needs: roll_back_deployment::KIND.needs,
    settings: roll_back_deployment::KIND.settings,
    undo_after: 0,
    propose: |case, suspect, parameters| vec![propose(case, suspect, parameters)],
};

fn propose(case: &Case<'_>, suspect: &Suspect<'_>, parameters: &Parameters) -> Result<Proposal, Refusal> {
    let entity = suspect.entity;
    let target = target::workload(entity, &["Rollout"])?;
    roll_back_deployment::changed_shortly_before(case, suspect, parameters)?;
    Ok(Proposal {
        action: action(KIND.name, &[]),
        target,
        lock_domain: target::workload_domain(&case.incident.cluster, entity),
        preconditions: vec![must("aborted", "false")],
        verify: incident_over(15 * MINUTE),
        inverse: Some(action("retry_rollout", &[])),
        what: format!("abort Rollout {}/{}", entity.namespace, entity.name),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;
    use crate::refusal::Rule;
    use crate::remedies::tests::proposed;
    use schemas::{Family, TimelineEntry, TimelineKind};

    #[test]
    fn a_rollout_is_aborted_where_it_changed_shortly_before_and_a_deployment_never() {
        let of = |kind: &'static str, minutes_before: i64| {
            let cart = example::workload(kind, "cart");
            let mut incident = example::incident(vec![example::member(&cart, Family::Errors, &[])]);
            let at = incident.onset - minutes_before * MINUTE;
            incident.timeline =
                vec![TimelineEntry { at, kind: TimelineKind::Change, entity: cart, ..TimelineEntry::default() }];
            proposed(&KIND, &incident, &[("within_minutes", "5")])
        };
        let proposals = of("Rollout", 2).unwrap();
        assert_eq!(target::key(&proposals[0].target), "Rollout/shop/cart");
        assert_eq!(proposals[0].inverse, Some(action("retry_rollout", &[])));
        assert_eq!(of("Rollout", 9).unwrap_err().rule, Rule::Unsupported);
        assert_eq!(of("Deployment", 2).unwrap_err().rule, Rule::Unsupported);
    }
}
