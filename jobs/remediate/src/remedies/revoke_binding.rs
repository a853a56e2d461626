//! Revoke binding: take back a role that was given away, by the binding that gave it.
//!
//! The binding must stand in the measure of the anomaly (`create clusterrolebindings NAME`, `create rolebindings
//! NAMESPACE/NAME`); out of a sentence it is never read.

use super::{Kind, MINUTE, Parameters, Proposal, Proposals, Reversible, action, incident_over, must};
use crate::case::{Case, Suspect};
use crate::refusal::{Refusal, Rule};
use schemas::{Band, EntityKind, Family, Member, RiskClass, Target};

/// The line of this remedy in the list of all.
pub const KIND: Kind = Kind {
    name: "revoke_binding",
    doc: "Deletes a role binding that somebody made to give cluster-admin away; giving it back takes a person.",
    risk: RiskClass::R4,
    reversible: Reversible::ByHand,
    applies_to: &[EntityKind::Principal],
    needs: &[Family::Novelty],
    settings: &[],
    undo_after: 0,
    propose,
};

const DETECTOR: &str = "cluster_admin_bound";

fn propose(case: &Case<'_>, suspect: &Suspect<'_>, _: &Parameters) -> Proposals {
    let members: Vec<_> = suspect.evidence.iter().filter(|member| member.detector == DETECTOR).collect();
    if members.is_empty() {
        let sentence =
            format!("no anomaly of {} is by {DETECTOR}; only a binding that it found is revoked", suspect.entity.name);
        let refusal = Refusal::new(Rule::Unsupported, sentence).with("anomalies", suspect.evidence.len() as f64, "");
        return vec![Err(refusal)];
    }
    members.into_iter().map(|member| revoke(case, suspect, member)).collect()
}

fn revoke(case: &Case<'_>, suspect: &Suspect<'_>, member: &Member<'_>) -> Result<Proposal, Refusal> {
    let unsupported = |sentence: String| Refusal::new(Rule::Unsupported, sentence);
    if member.band < Band::Novel {
        let sentence =
            "the binding was refused, or its role is hidden; only one that is known to give cluster-admin is revoked";
        return Err(unsupported(sentence.to_owned()).with("band", f64::from(member.band as u8), ""));
    }
    let mut words = member.measure.splitn(3, ' ');
    let (verb, resource, binding) = (words.next(), words.next().unwrap_or_default(), words.next());
    if verb != Some("create") {
        let sentence = format!(
            "the measure is `{}`: a binding that was there before also serves others; only a new one is revoked",
            member.measure
        );
        return Err(unsupported(sentence));
    }
    let Some(binding) = binding else {
        let sentence = format!(
            "the measure is `{}` and does not name the binding; allowed is `create {resource} NAME`",
            member.measure
        );
        return Err(unsupported(sentence));
    };
    let (kind, namespace, name) = match (resource, binding.split_once('/')) {
        ("clusterrolebindings", None) => ("ClusterRoleBinding", "", binding),
        ("rolebindings", Some((namespace, name))) => ("RoleBinding", namespace, name),
        _ => {
            return Err(unsupported(format!("`{}` names no binding of the cluster or of a namespace", member.measure)));
        }
    };
    if name.is_empty() || name.len() > 253 || name.contains(['/', '%']) || matches!(name, "." | "..") {
        return Err(unsupported(format!("`{}` is no name of a binding", name.escape_debug())));
    }
    if name.starts_with("system:") || name == "cluster-admin" {
        let sentence = format!("{kind} {name} is the cluster's own; allowed are bindings that are not built in");
        return Err(Refusal::new(Rule::DeniedScope, sentence));
    }
    Ok(Proposal {
        action: action(KIND.name, &[]),
        target: Target {
            entity: suspect.entity.to_owned(),
            api_version: "rbac.authorization.k8s.io/v1".into(),
            kind: kind.into(),
            namespace: namespace.to_owned().into(),
            name: name.to_owned().into(),
            ..Target::default()
        },
        lock_domain: topics::lock_domain(&case.incident.cluster, &["rbac", kind, binding]),
        preconditions: vec![must("built_in", "false"), must("created_since", &member.onset.to_string())],
        verify: incident_over(15 * MINUTE),
        inverse: Some(action("restore_binding", &[])),
        what: format!("revoke {kind} {binding}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;
    use crate::remedies::tests::proposed;
    use crate::target;

    fn found(measure: &'static str, band: Band) -> Result<Vec<Proposal>, Refusal> {
        let mut member = example::member(&example::principal("ci"), Family::Novelty, &[]);
        (member.detector, member.measure, member.band) = (DETECTOR.into(), measure.into(), band);
        proposed(&KIND, &example::incident(vec![member]), &[])
    }

    #[test]
    fn a_new_binding_that_is_named_is_revoked_and_can_be_restored_by_a_person() {
        let proposals = found("create clusterrolebindings let me in", Band::Novel).unwrap();
        assert_eq!(target::key(&proposals[0].target), "ClusterRoleBinding/let me in");
        assert_eq!(proposals[0].lock_domain, "prod/rbac/ClusterRoleBinding/let me in");
        let proposals = found("create rolebindings shop/evil", Band::Novel).unwrap();
        assert_eq!(target::key(&proposals[0].target), "RoleBinding/shop/evil");
    }

    #[test]
    fn a_binding_that_is_not_named_was_there_before_or_is_built_in_is_refused() {
        let refused = |measure, band| found(measure, band).unwrap_err().rule;
        assert_eq!(refused("create clusterrolebindings", Band::Novel), Rule::Unsupported);
        assert_eq!(refused("patch clusterrolebindings admins", Band::Novel), Rule::Unsupported);
        assert_eq!(refused("create clusterrolebindings evil", Band::Sharp), Rule::Unsupported);
        assert_eq!(refused("create clusterrolebindings a/b", Band::Novel), Rule::Unsupported);
        assert_eq!(refused("create rolebindings shop/..", Band::Novel), Rule::Unsupported);
        assert_eq!(refused("create clusterrolebindings system:node", Band::Novel), Rule::DeniedScope);
    }

    #[test]
    fn an_incident_of_other_detectors_gives_nothing_to_revoke() {
        let incident = example::incident(vec![example::member(&example::principal("ci"), Family::Novelty, &[])]);
        assert_eq!(proposed(&KIND, &incident, &[]).unwrap_err().rule, Rule::Unsupported);
    }
}
