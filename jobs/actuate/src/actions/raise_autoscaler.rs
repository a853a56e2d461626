//! Raise autoscaler: the autoscaler of a workload may give it more pods, up to a bound; and as many as it might before.

use super::{Kind, Need, Order, Plan, Refusal, Request, Rule, Standing, conflict, once};
use crate::guards;
use crate::view::View;
use schemas::{RefusalRule, RiskClass};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The line of this action in the list of all; with `max_replicas=recorded` it is its own inverse.
pub const KIND: Kind = Kind {
    name: "raise_autoscaler",
    doc: "Lets the autoscaler of a workload give it more pods, up to a bound, or as many as it might before.",
    risk: RiskClass::R3,
    targets: &["Deployment", "ReplicaSet", "Rollout", "StatefulSet"],
    needs: &[Need::Autoscalers],
    rules: &[
        Rule { group: "apps", resources: &["deployments", "replicasets", "statefulsets"], verbs: &["get"] },
        Rule { group: "argoproj.io", resources: &["rollouts"], verbs: &["get"] },
        Rule { group: "autoscaling", resources: &["horizontalpodautoscalers"], verbs: &["get", "list", "patch"] },
    ],
    plan,
};

/// Under these names a plan writes down the bound there was, and the one it asked for.
const BEFORE: &str = "max_replicas";
const ASKED: &str = "max_replicas asked for";

fn plan(order: &Order<'_>, view: &View) -> Result<Plan, Refusal> {
    let scaler = view.autoscaler();
    if order.parameter("max_replicas") == Some("recorded") {
        back(order, view, scaler)
    } else {
        up(order, view, scaler)
    }
}

fn up(order: &Order<'_>, view: &View, scaler: Option<&Value>) -> Result<Plan, Refusal> {
    let Some(scaler) = scaler else {
        return Err(Refusal::precondition("no autoscaler decides how many pods it has"));
    };
    if order.marked(scaler) {
        return Ok(Plan::default());
    }
    if let Some(owner) = scaler["metadata"]["ownerReferences"].as_array().and_then(|owners| owners.first()) {
        let sentence =
            format!("the autoscaler is kept by {} {}, which would undo the change", owner["kind"], owner["name"]);
        return Err(Refusal::new(RefusalRule::ManagedElsewhere, sentence));
    }
    guards::managed_elsewhere(scaler)?;
    let number = |name: &str| order.parameter(name).and_then(|text| text.parse::<i64>().ok());
    let (Some(percent), Some(most)) = (number("percent"), number("max_replicas")) else {
        let sentence = "percent and max_replicas must be whole numbers";
        return Err(Refusal::new(RefusalRule::Unsupported, sentence));
    };
    let limit = limit(scaler);
    let wanted = (limit.saturating_mul(percent) + 99).div_euclid(100).min(most);
    if percent <= 100 || wanted <= limit {
        let sentence =
            format!("it may have {limit} pods, {percent} % and at most {most} would be {wanted}: that is not more");
        return Err(Refusal::precondition(sentence).with("limit", limit as f64).with("wanted", wanted as f64));
    }
    let recorded = [(BEFORE.to_owned(), limit.to_string()), (ASKED.to_owned(), wanted.to_string())];
    let change = json!({"metadata": {"annotations": order.marks()}, "spec": {"maxReplicas": wanted}});
    let request = Request::merge(&path(view, scaler), scaler, change);
    Ok(Plan { requests: vec![request], recorded: BTreeMap::from(recorded) })
}

fn back(order: &Order<'_>, view: &View, scaler: Option<&Value>) -> Result<Plan, Refusal> {
    let recorded = |name: &str| order.recorded.get(name).and_then(|text| text.parse::<i64>().ok());
    let (Some(before), Some(asked)) = (recorded(BEFORE), recorded(ASKED)) else {
        return Err(conflict("it was not written down how many pods there might be"));
    };
    let Some(scaler) = scaler else { return Err(conflict("the autoscaler is gone")) };
    let limit = limit(scaler);
    if !order.marked(scaler) {
        let done = limit == before && order.standing == Standing::Begun;
        return if done { Ok(Plan::default()) } else { Err(conflict("the autoscaler does not bear our mark")) };
    }
    if limit != asked {
        return Err(conflict(&format!("it may have {limit} pods and we asked for {asked}")));
    }
    let change = json!({"metadata": {"annotations": super::unmarked()}, "spec": {"maxReplicas": before}});
    Ok(once(Request::merge(&path(view, scaler), scaler, change)))
}

/// Pods that an autoscaler may give.
pub(crate) fn limit(scaler: &Value) -> i64 {
    scaler["spec"]["maxReplicas"].as_i64().unwrap_or(0)
}

fn path(view: &View, scaler: &Value) -> String {
    let name = scaler["metadata"]["name"].as_str().unwrap_or_default();
    format!("/apis/autoscaling/v2/namespaces/{}/horizontalpodautoscalers/{name}", view.namespace)
}
