//! Annotate pod: the incident that a pod is suspected in, for whoever looks at the pod; and take that away.
//!
//! Its annotations are others than those of actions that change what a pod does, so that either may come first.

use super::{Kind, Need, Order, Plan, Refusal, Request, Rule, Standing, conflict, once};
use crate::view::View;
use schemas::RiskClass;
use serde_json::json;

/// The annotation with the incident.
pub const INCIDENT: &str = "bellbuoy.dev/incident";
/// The annotation with the command that says so.
pub const BY: &str = "bellbuoy.dev/suspected-by";

const RULES: &[Rule] = &[Rule { group: "", resources: &["pods"], verbs: &["get", "list", "patch"] }, super::WORKLOADS];

/// The line of this action in the list of all.
pub const KIND: Kind = Kind {
    name: "annotate_pod",
    doc: "Writes on a pod which incident it is suspected in.",
    risk: RiskClass::R1,
    targets: &["Pod"],
    needs: &[Need::Workload],
    rules: RULES,
    plan: annotate,
};

/// The line of its inverse.
pub const CLEAR: Kind = Kind {
    name: "clear_pod",
    doc: "Takes away what we wrote on a pod about the incident it was suspected in.",
    risk: RiskClass::R1,
    targets: &["Pod"],
    needs: &[],
    rules: RULES,
    plan: clear,
};

fn annotate(order: &Order<'_>, view: &View) -> Result<Plan, Refusal> {
    match by(view) {
        Some(by) if order.command.id == by => return Ok(Plan::default()),
        Some(by) => return Err(Refusal::precondition(format!("it bears the word of another command already: {by}"))),
        None => {}
    }
    let annotations = json!({INCIDENT: order.command.incident, BY: order.command.id});
    Ok(once(Request::merge(&view.path, &view.target, json!({"metadata": {"annotations": annotations}}))))
}

fn clear(order: &Order<'_>, view: &View) -> Result<Plan, Refusal> {
    match by(view) {
        Some(by) if order.command.id == by => {
            let annotations = json!({INCIDENT: null, BY: null});
            Ok(once(Request::merge(&view.path, &view.target, json!({"metadata": {"annotations": annotations}}))))
        }
        // A pod that is gone took it along.
        None if view.target.is_null() || order.standing == Standing::Begun => Ok(Plan::default()),
        _ => Err(conflict("the pod does not bear our word")),
    }
}

fn by(view: &View) -> Option<&str> {
    view.target["metadata"]["annotations"][BY].as_str()
}
