//! Attach forensics: a container of an image that was agreed on, beside those of a suspected pod, to look into it.
//!
//! A container that was attached cannot be taken out of its pod again
//! (`https://kubernetes.io/docs/concepts/workloads/pods/ephemeral-containers/`): it ends by itself or with the pod.

use super::{Kind, Need, Order, Plan, Refusal, Request, Rule};
use crate::view::View;
use schemas::{RefusalRule, RiskClass};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// What the names of the containers begin with.
pub const CONTAINER: &str = "bellbuoy-";
/// The parameter with the image; which are allowed the configuration says.
pub const IMAGE: &str = "image";

/// The line of this action in the list of all. It has no inverse.
pub const KIND: Kind = Kind {
    name: "attach_forensics",
    doc: "Starts a container of an allowed image beside those of a pod, to look into it; it stays until the pod ends.",
    risk: RiskClass::R2,
    targets: &["Pod"],
    needs: &[Need::Workload],
    rules: &[
        Rule { group: "", resources: &["pods"], verbs: &["get", "list"] },
        Rule { group: "", resources: &["pods/ephemeralcontainers"], verbs: &["patch"] },
        super::WORKLOADS,
    ],
    plan,
};

fn plan(order: &Order<'_>, view: &View) -> Result<Plan, Refusal> {
    let image = order.parameter(IMAGE).unwrap_or_default();
    if !is_pinned(image) {
        let sentence = format!("image: `{image}` is not pinned by its digest (name@sha256:…)");
        return Err(Refusal::new(RefusalRule::Unsupported, sentence));
    }
    let pod = &view.target;
    if pod.is_null() || !pod["metadata"]["deletionTimestamp"].is_null() {
        return Err(Refusal::precondition("the pod is gone, or going"));
    }
    let name = container(order);
    let attached = pod["spec"]["ephemeralContainers"].as_array().cloned().unwrap_or_default();
    if attached.iter().any(|one| one["name"] == name.as_str()) {
        return Ok(Plan::default());
    }
    // The whole list, on the version that was seen: a pod that was changed meanwhile is looked at again.
    let own = json!({
        "name": name,
        "image": image,
        "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
    });
    let all: Vec<Value> = attached.into_iter().chain([own]).collect();
    let change = json!({"metadata": {}, "spec": {"ephemeralContainers": all}});
    let request = Request::merge(&format!("{}/ephemeralcontainers", view.path), pod, change);
    Ok(super::once(request))
}

/// The name of an order's container: the same for one order always, and for no other.
fn container(order: &Order<'_>) -> String {
    let digest = schemas::signing::hex(&Sha256::digest(order.command.id.as_bytes()));
    format!("{CONTAINER}{}", &digest[..12])
}

/// True for an image that cannot become another one under its name.
pub(crate) fn is_pinned(image: &str) -> bool {
    let digest = image.split_once("@sha256:").map(|(name, digest)| (!name.is_empty(), digest));
    digest.is_some_and(|(named, digest)| named && digest.len() == 64 && digest.bytes().all(|b| b.is_ascii_hexdigit()))
}
