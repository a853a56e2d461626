//! Abort rollout: an Argo Rollout that brings out a new version goes back to the stable one; and tries again.
//!
//! As `kubectl argo rollouts abort` and `retry` do: `status.abort` of the Rollout's status
//! (`https://argo-rollouts.readthedocs.io/en/stable/generated/kubectl-argo-rollouts/kubectl-argo-rollouts_abort/`).

use super::{Kind, Order, Plan, Refusal, Request, Rule, Standing, conflict, once};
use crate::view::View;
use schemas::RiskClass;
use serde_json::{Value, json};

const RULES: &[Rule] = &[
    Rule { group: "argoproj.io", resources: &["rollouts"], verbs: &["get"] },
    Rule { group: "argoproj.io", resources: &["rollouts/status"], verbs: &["patch"] },
];

/// The line of this action in the list of all.
pub const KIND: Kind = Kind {
    name: "abort_rollout",
    doc: "Stops an Argo Rollout that is under way and sends it back to the stable version.",
    risk: RiskClass::R3,
    targets: &["Rollout"],
    needs: &[],
    rules: RULES,
    plan: abort,
};

/// The line of its inverse.
pub const RETRY: Kind = Kind {
    name: "retry_rollout",
    doc: "Lets an Argo Rollout that we aborted go on.",
    risk: RiskClass::R3,
    targets: &["Rollout"],
    needs: &[],
    rules: RULES,
    plan: retry,
};

/// Under this name a plan writes down which version it aborted.
const ABORTED: &str = "aborted";

fn abort(order: &Order<'_>, view: &View) -> Result<Plan, Refusal> {
    let status = &view.target["status"];
    let version = version(view);
    if status["abort"] == true {
        return match order.recorded.get(ABORTED) {
            Some(ours) if order.standing == Standing::Begun && *ours == version => Ok(Plan::default()),
            _ => Err(Refusal::precondition("it is aborted already")),
        };
    }
    if version.is_empty() || status["stableRS"] == status["currentPodHash"] {
        return Err(Refusal::precondition("no new version is being brought out: there is nothing to abort"));
    }
    let mut plan = once(set(view, Value::Bool(true)));
    plan.recorded.insert(ABORTED.to_owned(), version);
    Ok(plan)
}

fn retry(order: &Order<'_>, view: &View) -> Result<Plan, Refusal> {
    if order.recorded.get(ABORTED) != Some(&version(view)) {
        return Err(conflict("it is not at the version that we aborted"));
    }
    if view.target["status"]["abort"] != true {
        return match order.standing {
            Standing::Begun => Ok(Plan::default()),
            Standing::New => Err(conflict("it is not aborted any more")),
        };
    }
    Ok(once(set(view, Value::Bool(false))))
}

fn set(view: &View, abort: Value) -> Request {
    Request::merge(&format!("{}/status", view.path), &view.target, json!({"metadata": {}, "status": {"abort": abort}}))
}

/// The version that it is at, or on its way to.
fn version(view: &View) -> String {
    view.target["status"]["currentPodHash"].as_str().unwrap_or_default().to_owned()
}
