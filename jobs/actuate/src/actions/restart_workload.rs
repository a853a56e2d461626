//! Restart workload: all pods anew, one after the other, as the workload's own update strategy says.

use super::{COMMAND, Kind, Order, Plan, Refusal, Request, Rule, once};
use crate::view::View;
use schemas::RiskClass;
use serde_json::json;

/// The line of this action in the list of all.
pub const KIND: Kind = Kind {
    name: "restart_workload",
    doc: "Starts all pods of a workload anew, as its own update strategy says.",
    risk: RiskClass::R3,
    targets: &["DaemonSet", "Deployment", "StatefulSet"],
    needs: &[],
    rules: &[Rule {
        group: "apps",
        resources: &["daemonsets", "deployments", "statefulsets"],
        verbs: &["get", "patch"],
    }],
    plan,
};

fn plan(order: &Order<'_>, view: &View) -> Result<Plan, Refusal> {
    let workload = &view.target;
    let template = &workload["spec"]["template"]["metadata"]["annotations"];
    if template[COMMAND].as_str() == Some(order.command.id.as_str()) {
        return Ok(Plan::default());
    }
    // Pods are made anew because their template differs, in this alone.
    let change = json!({"spec": {"template": {"metadata": {"annotations": {COMMAND: order.command.id}}}}});
    Ok(once(Request::merge(&view.path, workload, change)))
}
