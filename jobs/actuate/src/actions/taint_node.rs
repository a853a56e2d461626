//! Taint node: pods that do not tolerate it come to a node no more, or only where there is no other; and untaint it.

use super::{COMMAND, Kind, Need, Order, Plan, Refusal, Request, Rule, Standing, conflict, once};
use crate::view::View;
use schemas::{RefusalRule, RiskClass};
use serde_json::{Value, json};

/// Key of the taint.
pub const TAINT: &str = "bellbuoy.dev/suspect";
/// What the taint may do. `NoExecute` would end the pods that are there.
const EFFECTS: [&str; 2] = ["NoSchedule", "PreferNoSchedule"];

const RULES: &[Rule] = &[Rule { group: "", resources: &["nodes"], verbs: &["get", "list", "patch"] }];

/// The line of this action in the list of all.
pub const KIND: Kind = Kind {
    name: "taint_node",
    doc: "Keeps new pods off a node unless they tolerate the taint, or there is no other node; those there stay.",
    risk: RiskClass::R3,
    targets: &["Node"],
    needs: &[Need::Nodes],
    rules: RULES,
    plan: taint,
};

/// The line of its inverse.
pub const UNTAINT: Kind = Kind {
    name: "untaint_node",
    doc: "Takes our taint off a node.",
    risk: RiskClass::R3,
    targets: &["Node"],
    needs: &[],
    rules: RULES,
    plan: untaint,
};

fn taint(order: &Order<'_>, view: &View) -> Result<Plan, Refusal> {
    let effect = order.parameter("effect").unwrap_or(EFFECTS[0]);
    if !EFFECTS.contains(&effect) {
        let sentence = format!("effect: `{effect}` is not among {}", EFFECTS.join(", "));
        return Err(Refusal::new(RefusalRule::Unsupported, sentence));
    }
    let node = &view.target;
    if is_tainted(node) {
        return if order.marked(node) {
            Ok(Plan::default())
        } else {
            Err(Refusal::precondition("the node bears the taint already, by somebody else"))
        };
    }
    let mut taints = taints(node);
    taints.push(json!({"key": TAINT, "effect": effect}));
    let change = json!({"metadata": {"annotations": order.marks()}, "spec": {"taints": taints}});
    Ok(once(Request::merge(&view.path, node, change)))
}

fn untaint(order: &Order<'_>, view: &View) -> Result<Plan, Refusal> {
    let node = &view.target;
    if !order.marked(node) {
        return if !is_tainted(node) && order.standing == Standing::Begun {
            Ok(Plan::default())
        } else {
            Err(conflict(&format!("the node does not bear our mark ({COMMAND})")))
        };
    }
    if !is_tainted(node) {
        return Err(conflict("the taint is gone already"));
    }
    let left: Vec<Value> = taints(node).into_iter().filter(|taint| taint["key"] != TAINT).collect();
    let left = if left.is_empty() { Value::Null } else { Value::Array(left) };
    let change = json!({"metadata": {"annotations": super::unmarked()}, "spec": {"taints": left}});
    Ok(once(Request::merge(&view.path, node, change)))
}

/// True for a node with the taint.
pub(crate) fn is_tainted(node: &Value) -> bool {
    taints(node).iter().any(|taint| taint["key"] == TAINT)
}

fn taints(node: &Value) -> Vec<Value> {
    node["spec"]["taints"].as_array().cloned().unwrap_or_default()
}
