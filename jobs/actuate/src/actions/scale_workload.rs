//! Scale workload: more pods, up to a bound; and back to as many as there were.

use super::{COMMAND, Kind, Need, Order, Plan, Refusal, Request, Rule, Standing, conflict};
use crate::view::View;
use schemas::{RefusalRule, RiskClass};
use serde_json::json;
use std::collections::BTreeMap;

/// The line of this action in the list of all; with `replicas=recorded` it is its own inverse.
pub const KIND: Kind = Kind {
    name: "scale_workload",
    doc: "Gives a workload more pods, up to a bound, where no autoscaler does, or as many as it had.",
    risk: RiskClass::R3,
    targets: &["Deployment", "ReplicaSet", "StatefulSet"],
    needs: &[Need::Autoscalers],
    rules: &[
        Rule { group: "apps", resources: &["deployments", "replicasets", "statefulsets"], verbs: &["get", "patch"] },
        Rule { group: "autoscaling", resources: &["horizontalpodautoscalers"], verbs: &["get", "list"] },
    ],
    plan,
};

/// Under these names a plan writes down how many there were, and how many it asked for.
const BEFORE: &str = "replicas";
const ASKED: &str = "replicas asked for";

fn plan(order: &Order<'_>, view: &View) -> Result<Plan, Refusal> {
    if order.parameter("replicas") == Some("recorded") { back(order, view) } else { up(order, view) }
}

fn up(order: &Order<'_>, view: &View) -> Result<Plan, Refusal> {
    let replicas = replicas(view);
    if order.marked(&view.target) {
        return Ok(Plan::default());
    }
    let number = |name: &str| order.parameter(name).and_then(|text| text.parse::<i64>().ok());
    let (Some(percent), Some(most)) = (number("percent"), number("max_replicas")) else {
        let sentence = "percent and max_replicas must be whole numbers";
        return Err(Refusal::new(RefusalRule::Unsupported, sentence));
    };
    let wanted = (replicas.saturating_mul(percent) + 99).div_euclid(100).min(most);
    if percent <= 100 || wanted <= replicas {
        let sentence =
            format!("it has {replicas} pods, {percent} % and at most {most} would be {wanted}: that is not more");
        let refusal = Refusal::precondition(sentence).with("replicas", replicas as f64);
        return Err(refusal.with("wanted", wanted as f64));
    }
    let recorded = [(BEFORE.to_owned(), replicas.to_string()), (ASKED.to_owned(), wanted.to_string())];
    let change = json!({"metadata": {"annotations": order.marks()}, "spec": {"replicas": wanted}});
    Ok(Plan { requests: vec![Request::merge(&view.path, &view.target, change)], recorded: BTreeMap::from(recorded) })
}

fn back(order: &Order<'_>, view: &View) -> Result<Plan, Refusal> {
    let recorded = |name: &str| order.recorded.get(name).and_then(|text| text.parse::<i64>().ok());
    let (Some(before), Some(asked)) = (recorded(BEFORE), recorded(ASKED)) else {
        return Err(conflict("it was not written down how many pods there were"));
    };
    let replicas = replicas(view);
    if !order.marked(&view.target) {
        let done = replicas == before && order.standing == Standing::Begun;
        return if done {
            Ok(Plan::default())
        } else {
            Err(conflict(&format!("it does not bear our mark ({COMMAND})")))
        };
    }
    if replicas != asked {
        return Err(conflict(&format!("it has {replicas} pods and we asked for {asked}")));
    }
    let change = json!({"metadata": {"annotations": super::unmarked()}, "spec": {"replicas": before}});
    Ok(super::once(Request::merge(&view.path, &view.target, change)))
}

fn replicas(view: &View) -> i64 {
    // Kubernetes itself fills it in.
    view.target["spec"]["replicas"].as_i64().unwrap_or(1)
}
