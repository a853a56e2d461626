//! Remedies that act on the pods a workload was seen on, one by one.

use super::quarantine_pod::{MAX_UNAVAILABLE, MIN_READY};
use super::{MINUTE, Parameters, Proposal, Proposals, Setting, action, incident_over, must};
use crate::case::{Case, Suspect};
use crate::refusal::{Refusal, Rule};
use crate::target;
use schemas::{Entity, Precondition, Target};

/// What is proposed for each pod a suspect was seen on, by its reference and as a target, where the workload is of one of
/// some kinds. One that cannot be named does not hide the others.
pub(super) fn each(
    suspect: &Suspect<'_>,
    kinds: Option<&[&str]>,
    propose: impl Fn(&str, Target<'static>) -> Proposal,
) -> Proposals {
    let entity = suspect.entity;
    let fits = kinds.map_or(Ok(()), |kinds| target::workload(entity, kinds).map(drop));
    let pods = match fits.and_then(|()| seen_on(suspect)) {
        Ok(pods) => pods,
        Err(refusal) => return vec![Err(refusal)],
    };
    let named = |pod: &&str| {
        let mut proposal = propose(pod, target::pod(entity, pod)?);
        proposal.what.push_str(&format!(" of {}/{}", entity.namespace, entity.name));
        Ok(proposal)
    };
    pods.iter().map(named).collect()
}

/// Controllers that start another pod.
const REPLACING: &[&str] = &["Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Rollout"];

/// What a policy may set where pods are ended.
pub(super) const ENDING: &[Setting] = &[MAX_UNAVAILABLE, MIN_READY];

/// Ends each pod a suspect was seen on, by an action and in a word, where its controller starts another, enough are left,
/// and one thing more holds.
pub(super) fn ended(
    case: &Case<'_>,
    suspect: &Suspect<'_>,
    parameters: &Parameters,
    (name, word): (&'static str, &str),
    only_if: &Precondition<'static>,
) -> Proposals {
    each(suspect, Some(REPLACING), |pod, target| Proposal {
        action: action(name, &[]),
        target,
        lock_domain: target::workload_domain(&case.incident.cluster, suspect.entity),
        preconditions: vec![
            must("max_workload_unavailable", parameters.get("max_unavailable")),
            must("min_ready", parameters.get("min_ready")),
            owned(suspect.entity),
            only_if.clone(),
        ],
        verify: incident_over(15 * MINUTE),
        inverse: None,
        what: format!("{word} pod {pod}"),
    })
}

/// Telemetry says which pods a workload has, and anybody who may send some can say so of another's: the object must too.
pub(super) fn owned(entity: &Entity<'_>) -> Precondition<'static> {
    must("owned_by", &format!("{}/{}", entity.workload_kind, entity.name))
}

/// The pods a suspect was seen on; a refusal where none is known.
fn seen_on<'a>(suspect: &'a Suspect<'_>) -> Result<&'a [&'a str], Refusal> {
    let pods = suspect.pods.as_slice();
    if pods.is_empty() {
        let sentence =
            format!("no pod is named by the evidence against {}; allowed are pods it was seen on", suspect.entity.name);
        return Err(Refusal::new(Rule::Unsupported, sentence).with("anomalies", suspect.evidence.len() as f64, ""));
    }
    Ok(pods)
}
