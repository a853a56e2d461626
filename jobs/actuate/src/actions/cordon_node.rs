//! Cordon node: no new pods on a node, those there stay; and uncordon it.

use super::{Kind, Need, Order, Plan, Refusal, Request, Rule, Standing, conflict, once};
use crate::view::View;
use schemas::RiskClass;
use serde_json::json;

const RULES: &[Rule] = &[Rule { group: "", resources: &["nodes"], verbs: &["get", "list", "patch"] }];

/// The line of this action in the list of all.
pub const KIND: Kind = Kind {
    name: "cordon_node",
    doc: "Lets no new pods onto a node; those there stay.",
    risk: RiskClass::R3,
    targets: &["Node"],
    needs: &[Need::Nodes],
    rules: RULES,
    plan: cordon,
};

/// The line of its inverse.
pub const UNCORDON: Kind = Kind {
    name: "uncordon_node",
    doc: "Lets pods onto a node again that was cordoned by us.",
    risk: RiskClass::R3,
    targets: &["Node"],
    needs: &[],
    rules: RULES,
    plan: uncordon,
};

fn cordon(order: &Order<'_>, view: &View) -> Result<Plan, Refusal> {
    let node = &view.target;
    if node["spec"]["unschedulable"] == true {
        // Only who cordoned it may uncordon it, so one that is cordoned already is left alone.
        return if order.marked(node) {
            Ok(Plan::default())
        } else {
            Err(Refusal::precondition("the node is cordoned already, by somebody else"))
        };
    }
    let change = json!({"metadata": {"annotations": order.marks()}, "spec": {"unschedulable": true}});
    Ok(once(Request::merge(&view.path, node, change)))
}

fn uncordon(order: &Order<'_>, view: &View) -> Result<Plan, Refusal> {
    let node = &view.target;
    let open = node["spec"]["unschedulable"] != true;
    if !order.marked(node) {
        return if open && order.standing == Standing::Begun {
            Ok(Plan::default())
        } else {
            Err(conflict("the node does not bear our mark"))
        };
    }
    if open {
        return Err(conflict("the node takes pods again already"));
    }
    let change = json!({"metadata": {"annotations": super::unmarked()}, "spec": {"unschedulable": null}});
    Ok(once(Request::merge(&view.path, node, change)))
}
