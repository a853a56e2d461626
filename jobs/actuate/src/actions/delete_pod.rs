//! Delete pod: end a pod that a disruption budget keeps from being evicted. Two people must say that it is worth it.

use super::{Kind, Need, Order, Plan, Refusal, Request, Rule, Standing, once};
use crate::view::View;
use schemas::RiskClass;
use serde_json::json;

/// The line of this action in the list of all.
pub const KIND: Kind = Kind {
    name: "delete_pod",
    doc: "Ends one pod that a disruption budget keeps from being evicted; its evidence is gone.",
    risk: RiskClass::R4,
    targets: &["Pod"],
    needs: &[Need::Workload, Need::DisruptionBudgets],
    rules: &[
        Rule { group: "", resources: &["pods"], verbs: &["get", "list", "delete"] },
        Rule { group: "policy", resources: &["poddisruptionbudgets"], verbs: &["get", "list"] },
        super::WORKLOADS,
    ],
    plan,
};

fn plan(order: &Order<'_>, view: &View) -> Result<Plan, Refusal> {
    let metadata = &view.target["metadata"];
    if view.target.is_null() || !metadata["deletionTimestamp"].is_null() {
        return if order.standing == Standing::Begun {
            Ok(Plan::default())
        } else {
            Err(Refusal::precondition("the pod is gone, or going"))
        };
    }
    // Without a grace period of ours the pod has its own to end in. What has changed since it was looked at stays.
    let mut request = Request::delete(&view.path, &view.target);
    if let Some(body) = &mut request.body {
        body["preconditions"]["resourceVersion"] = json!(metadata["resourceVersion"]);
    }
    Ok(once(request))
}
