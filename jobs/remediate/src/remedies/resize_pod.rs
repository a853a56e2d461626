//! Resize pod: more memory or CPU for one pod that is at its limit, in place; what its workload says stays.

use super::parameters::is_number;
use super::{Kind, MINUTE, Parameters, Proposal, Proposals, Reversible, Setting, action, incident_over, pods};
use crate::case::{Case, Suspect};
use crate::target;
use schemas::{EntityKind, Family, RiskClass};

/// The line of this remedy in the list of all.
pub const KIND: Kind = Kind {
    name: "resize_pod",
    doc: "Gives the containers of one pod more memory or CPU in place, up to three times as much.",
    risk: RiskClass::R3,
    reversible: Reversible::Automatically,
    applies_to: &[EntityKind::Workload],
    needs: &[Family::Latency, Family::Saturation, Family::Forecast],
    settings: &[
        Setting {
            name: "resource",
            doc: "what there is to be more of",
            default: "memory",
            allowed: "memory or cpu",
            fits: |value| matches!(value, "memory" | "cpu"),
        },
        Setting {
            name: "percent",
            doc: "requests and limits afterwards, in hundredths of what they are",
            default: "150",
            allowed: "a whole number from 101 to 300",
            fits: |value| is_number(value, 101, 300),
        },
    ],
    undo_after: 60 * MINUTE,
    propose,
};

fn propose(case: &Case<'_>, suspect: &Suspect<'_>, parameters: &Parameters) -> Proposals {
    let set = [("percent", parameters.get("percent")), ("resource", parameters.get("resource"))];
    pods::each(suspect, None, |pod, target| Proposal {
        action: action(KIND.name, &set),
        target,
        lock_domain: target::workload_domain(&case.incident.cluster, suspect.entity),
        preconditions: vec![pods::owned(suspect.entity)],
        verify: incident_over(15 * MINUTE),
        // The actuator records what the containers had.
        inverse: Some(action(KIND.name, &[("resources", "recorded")])),
        what: format!("resize pod {pod}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;
    use crate::remedies::tests::proposed;

    #[test]
    fn a_pod_gets_more_of_what_policy_says_and_as_much_as_it_had_in_the_end() {
        let db = example::workload("StatefulSet", "db");
        let incident = example::incident(vec![example::member(&db, Family::Saturation, &["db-0"])]);
        let proposals = proposed(&KIND, &incident, &[("resource", "cpu")]).unwrap();
        assert_eq!(target::key(&proposals[0].target), "Pod/shop/db-0");
        assert_eq!(proposals[0].action, action("resize_pod", &[("percent", "150"), ("resource", "cpu")]));
        assert_eq!(proposals[0].inverse, Some(action("resize_pod", &[("resources", "recorded")])));
        assert!(KIND.check(&[("percent".to_owned(), "301".to_owned())].into()).is_err());
    }
}
