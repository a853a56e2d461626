//! Evict pod: end a pod as a drain would, within its disruption budget; its controller starts another.

use super::{Kind, Need, Order, Plan, Refusal, Request, Rule, Standing, once};
use crate::view::View;
use schemas::{RefusalRule, RiskClass};
use serde_json::json;

/// The line of this action in the list of all.
pub const KIND: Kind = Kind {
    name: "evict_pod",
    doc: "Ends one pod within its disruption budget; its controller starts another, and its evidence is gone.",
    risk: RiskClass::R2,
    targets: &["Pod"],
    needs: &[Need::Workload, Need::DisruptionBudgets],
    rules: &[
        Rule { group: "", resources: &["pods"], verbs: &["get", "list"] },
        Rule { group: "", resources: &["pods/eviction"], verbs: &["create"] },
        Rule { group: "policy", resources: &["poddisruptionbudgets"], verbs: &["get", "list"] },
        super::WORKLOADS,
    ],
    plan,
};

fn plan(order: &Order<'_>, view: &View) -> Result<Plan, Refusal> {
    if view.target.is_null() || !view.target["metadata"]["deletionTimestamp"].is_null() {
        return if order.standing == Standing::Begun {
            Ok(Plan::default())
        } else {
            Err(Refusal::precondition("the pod is gone, or going"))
        };
    }
    let metadata = &view.target["metadata"];
    if !metadata["ownerReferences"]
        .as_array()
        .is_some_and(|owners| owners.iter().any(|owner| owner["controller"] == true))
    {
        let sentence = "nobody would start another pod: it has no controller";
        return Err(Refusal::new(RefusalRule::Unsupported, sentence));
    }
    // kube's own body for this calls its options `delete_options`, which the server drops, and the precondition with it.
    let body = json!({
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": metadata["name"], "namespace": metadata["namespace"]},
        "deleteOptions": {"preconditions": {"uid": metadata["uid"]}},
    });
    let path = format!("{}/eviction", view.path);
    Ok(once(Request::new("POST", &path, "application/json", Some(body)).on(&view.target)))
}
