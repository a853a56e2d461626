//! Attach forensics: a container that looks into a suspected pod; which image that is, people decide beforehand.

use super::{ANY, Kind, Parameters, Proposal, Proposals, Reversible, Setting, action, as_ordered, pods};
use crate::case::{Case, Suspect};
use crate::refusal::{Refusal, Rule};
use crate::target;
use schemas::{EntityKind, RiskClass};

/// The line of this remedy in the list of all.
pub const KIND: Kind = Kind {
    name: "attach_forensics",
    doc: "Starts a container of an allowed image beside those of a pod, to look into it; it stays until the pod ends.",
    risk: RiskClass::R2,
    reversible: Reversible::Never,
    applies_to: &[EntityKind::Workload],
    needs: ANY,
    settings: &[Setting {
        name: "image",
        doc: "the image, which the actuator's configuration must allow, too",
        default: "",
        allowed: "an image with its digest, name@sha256:…; without one nothing is attached",
        fits: |value| value.is_empty() || value.contains("@sha256:"),
    }],
    undo_after: 0,
    propose,
};

fn propose(case: &Case<'_>, suspect: &Suspect<'_>, parameters: &Parameters) -> Proposals {
    let image = parameters.get("image");
    if image.is_empty() {
        let sentence = "the policy names no image to attach; parameters.image does";
        return vec![Err(Refusal::new(Rule::Unsupported, sentence.to_owned()))];
    }
    pods::each(suspect, None, |pod, target| Proposal {
        action: action(KIND.name, &[("image", image)]),
        target,
        lock_domain: target::workload_domain(&case.incident.cluster, suspect.entity),
        preconditions: vec![pods::owned(suspect.entity)],
        verify: as_ordered(),
        inverse: None,
        what: format!("look into pod {pod}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;
    use crate::remedies::tests::proposed;
    use schemas::Family;

    #[test]
    fn only_an_image_that_policy_names_by_its_digest_is_attached() {
        let cart = example::workload("Deployment", "cart");
        let incident = example::incident(vec![example::member(&cart, Family::Novelty, &["cart-1"])]);
        assert_eq!(proposed(&KIND, &incident, &[]).unwrap_err().rule, Rule::Unsupported);
        let image = "registry.example/forensics@sha256:0123";
        let proposals = proposed(&KIND, &incident, &[("image", image)]).unwrap();
        assert_eq!(proposals[0].action, action("attach_forensics", &[("image", image)]));
        assert!(KIND.check(&[("image".to_owned(), "busybox:1".to_owned())].into()).is_err());
    }
}
