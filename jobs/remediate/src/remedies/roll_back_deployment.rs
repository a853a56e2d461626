//! Roll back deployment: the pod template of the revision before, where a change preceded the trouble.

use super::parameters::is_number;
use super::{Kind, MINUTE, Parameters, Proposal, Reversible, Setting, action, incident_over, must};
use crate::case::{Case, Suspect};
use crate::refusal::{Refusal, Rule};
use crate::target;
use schemas::{EntityKind, Family, RiskClass};

/// The line of this remedy in the list of all.
pub const KIND: Kind = Kind {
    name: "roll_back_deployment",
    doc: "Gives a Deployment the pod template of the revision before, where a change preceded the trouble.",
    risk: RiskClass::R3,
    reversible: Reversible::ByHand,
    applies_to: &[EntityKind::Workload],
    needs: &[Family::Latency, Family::Errors, Family::Saturation, Family::Logs, Family::Network, Family::Novelty],
    settings: &[Setting {
        name: "within_minutes",
        doc: "minutes before the trouble in which the change must lie",
        default: "60",
        allowed: "a whole number from 1 to 1440",
        fits: |value| is_number(value, 1, 1440),
    }],
    undo_after: 0,
    propose: |case, suspect, parameters| vec![propose(case, suspect, parameters)],
};

fn propose(case: &Case<'_>, suspect: &Suspect<'_>, parameters: &Parameters) -> Result<Proposal, Refusal> {
    let entity = suspect.entity;
    let target = target::workload(entity, &["Deployment"])?;
    let onset = changed_shortly_before(case, suspect, parameters)?;
    Ok(Proposal {
        action: action(KIND.name, &[]),
        target,
        lock_domain: target::workload_domain(&case.incident.cluster, entity),
        preconditions: vec![
            must("not_changed_since", &onset.to_string()),
            must("paused", "false"),
            must("previous_revision", "exists"),
        ],
        verify: incident_over(15 * MINUTE),
        inverse: Some(action("roll_forward_deployment", &[])),
        what: format!("roll back Deployment {}/{}", entity.namespace, entity.name),
    })
}

/// When the trouble began, where a change came shortly before; a refusal where none did.
pub(super) fn changed_shortly_before(
    case: &Case<'_>,
    suspect: &Suspect<'_>,
    parameters: &Parameters,
) -> Result<i64, Refusal> {
    let entity = suspect.entity;
    let (onset, within) = (suspect.onset(case.incident), parameters.number("within_minutes") * MINUTE);
    let before = case.changed_before(entity, onset).map(|changed| onset - changed);
    if before.is_none_or(|before| before > within) {
        let found = before.map_or_else(
            || "none is known".to_owned(),
            |before| format!("the last came {} min before", before / MINUTE),
        );
        let sentence = format!(
            "a rollback of {} needs a change at most {} min before the trouble; {found}",
            entity.name,
            within / MINUTE
        );
        let refusal = Refusal::new(Rule::Unsupported, sentence).with("allowed before", within as f64, "ms");
        return Err(match before {
            Some(before) => refusal.with("change before", before as f64, "ms"),
            None => refusal,
        });
    }
    Ok(onset)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;
    use crate::remedies::tests::proposed;
    use schemas::{Incident, TimelineEntry, TimelineKind};

    fn changed(minutes_before: i64) -> Incident<'static> {
        let cart = example::workload("Deployment", "cart");
        let mut incident = example::incident(vec![example::member(&cart, Family::Errors, &[])]);
        let at = incident.onset - minutes_before * MINUTE;
        incident.timeline =
            vec![TimelineEntry { at, kind: TimelineKind::Change, entity: cart, ..TimelineEntry::default() }];
        incident
    }

    #[test]
    fn a_change_before_the_trouble_is_undone_unless_somebody_changed_more_since() {
        let proposals = proposed(&KIND, &changed(2), &[]).unwrap();
        assert_eq!(target::key(&proposals[0].target), "Deployment/shop/cart");
        assert!(proposals[0].preconditions.contains(&must("not_changed_since", "1000000")));
    }

    #[test]
    fn without_a_change_shortly_before_there_is_nothing_to_go_back_to() {
        let refusal = proposed(&KIND, &changed(6), &[("within_minutes", "5")]).unwrap_err();
        assert_eq!(refusal.rule, Rule::Unsupported);
        assert_eq!(refusal.numbers.iter().map(|n| n.value).collect::<Vec<_>>(), [300_000.0, 360_000.0]);
        // A change after the onset explains nothing.
        let refusal = proposed(&KIND, &changed(-1), &[]).unwrap_err();
        assert!(refusal.sentence.ends_with("none is known"), "{}", refusal.sentence);
    }
}
