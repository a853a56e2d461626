//! Resize pod: more memory or CPU for the containers of one pod, in place and up to a bound; and as much as they had.
//!
//! Requests and limits grow alike, so that the pod's quality of service stays what it is
//! (`https://kubernetes.io/docs/tasks/configure-pod-container/resize-container-resources/`). The pod's workload is not
//! changed: its next pod has what the workload says.

use super::{COMMAND, Kind, Need, Order, Plan, Refusal, Request, Rule, Standing, UNDONE_AT, conflict};
use crate::quantity;
use crate::view::View;
use schemas::{RefusalRule, RiskClass};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The line of this action in the list of all; with `resources=recorded` it is its own inverse.
pub const KIND: Kind = Kind {
    name: "resize_pod",
    doc: "Gives the containers of one pod more memory or CPU in place, up to a bound, or as much as they had.",
    risk: RiskClass::R3,
    targets: &["Pod"],
    needs: &[Need::Workload],
    rules: &[
        Rule { group: "", resources: &["pods"], verbs: &["get", "list", "patch"] },
        Rule { group: "", resources: &["pods/resize"], verbs: &["patch"] },
        super::WORKLOADS,
    ],
    plan,
};

/// Under these names a plan writes down what the containers had, and what it asked for.
const BEFORE: &str = "resources";
const ASKED: &str = "resources asked for";
/// More than this share is never given, whatever an order says.
const MOST: i64 = 300;

/// Amounts by their places in the pod: `/spec/containers/0/resources/limits/memory`.
type Amounts = BTreeMap<String, String>;

fn plan(order: &Order<'_>, view: &View) -> Result<Plan, Refusal> {
    if order.parameter("resources") == Some("recorded") { back(order, view) } else { more(order, view) }
}

fn more(order: &Order<'_>, view: &View) -> Result<Plan, Refusal> {
    let pod = &view.target;
    if order.marked(pod) {
        let (before, asked) = (recorded(order, BEFORE)?, recorded(order, ASKED)?);
        let requests = if has(pod, &asked) { Vec::new() } else { vec![resize(view, &before, &asked)] };
        return Ok(Plan { requests, ..Plan::default() });
    }
    if !pod["metadata"]["annotations"][COMMAND].is_null() {
        return Err(Refusal::precondition("the pod was changed by another command, which is not undone yet"));
    }
    let unfit = |sentence: String| Refusal::new(RefusalRule::Unsupported, sentence);
    let resource = order.parameter("resource").unwrap_or_default();
    if !matches!(resource, "cpu" | "memory") {
        return Err(unfit(format!("resource: `{resource}` is neither cpu nor memory")));
    }
    let percent = order.parameter("percent").and_then(|text| text.parse::<i64>().ok());
    let percent = percent
        .filter(|percent| (101..=MOST).contains(percent))
        .ok_or_else(|| unfit(format!("percent must be a whole number from 101 to {MOST}")))?;
    let before = amounts(pod, resource);
    if !before.keys().any(|place| place.contains("/limits/")) {
        return Err(Refusal::precondition(format!("no container of the pod has a limit of {resource} to raise")));
    }
    let mut asked = Amounts::new();
    for (place, amount) in &before {
        let share = quantity::percent(amount, percent, resource == "memory");
        let share = share.ok_or_else(|| unfit(format!("{place}: `{amount}` cannot be read as an amount")))?;
        asked.insert(place.clone(), share);
    }
    let text = |amounts: &Amounts| json!(amounts).to_string();
    let mark = json!({"metadata": {"annotations": order.marks()}});
    Ok(Plan {
        requests: vec![Request::merge(&view.path, pod, mark), resize(view, &before, &asked)],
        recorded: BTreeMap::from([(BEFORE.to_owned(), text(&before)), (ASKED.to_owned(), text(&asked))]),
    })
}

fn back(order: &Order<'_>, view: &View) -> Result<Plan, Refusal> {
    let pod = &view.target;
    // A pod that is gone took it along.
    if pod.is_null() || !pod["metadata"]["deletionTimestamp"].is_null() {
        return Ok(Plan::default());
    }
    let (before, asked) = (recorded(order, BEFORE)?, recorded(order, ASKED)?);
    if !order.marked(pod) {
        let done = has(pod, &before) && order.standing == Standing::Begun;
        return if done { Ok(Plan::default()) } else { Err(conflict("the pod does not bear our mark")) };
    }
    let unmark = json!([
        {"op": "test", "path": "/metadata/uid", "value": pod["metadata"]["uid"]},
        {"op": "test", "path": annotation(COMMAND), "value": order.command.id},
        {"op": "remove", "path": annotation(COMMAND)},
        {"op": "remove", "path": annotation(UNDONE_AT)},
    ]);
    let unmark = Request::new("PATCH", &view.path, "application/json-patch+json", Some(unmark)).on(pod);
    // Where it was marked and no more, or given back and no more, the mark alone is left.
    let requests = if has(pod, &before) {
        vec![unmark]
    } else if has(pod, &asked) {
        vec![resize(view, &asked, &before), unmark]
    } else {
        return Err(conflict("its containers have neither what they had nor what we asked for"));
    };
    Ok(Plan { requests, ..Plan::default() })
}

/// Changes amounts of a pod that must still be the one that was seen, with what was seen.
fn resize(view: &View, from: &Amounts, to: &Amounts) -> Request {
    let pod = &view.target;
    let mut change = vec![json!({"op": "test", "path": "/metadata/uid", "value": pod["metadata"]["uid"]})];
    for (place, amount) in to {
        // As the server wrote it: the same amount may be written in other ways.
        let seen = pod.pointer(place).cloned().unwrap_or_else(|| json!(from.get(place)));
        change.push(json!({"op": "test", "path": place, "value": seen}));
        change.push(json!({"op": "replace", "path": place, "value": amount}));
    }
    let path = format!("{}/resize", view.path);
    Request::new("PATCH", &path, "application/json-patch+json", Some(Value::Array(change))).on(pod)
}

/// What the containers of a pod request of a resource, and may have at most.
fn amounts(pod: &Value, resource: &str) -> Amounts {
    let containers = pod["spec"]["containers"].as_array().into_iter().flatten().enumerate();
    let places = containers.flat_map(|(at, _)| {
        ["limits", "requests"].map(|kind| format!("/spec/containers/{at}/resources/{kind}/{resource}"))
    });
    places.filter_map(|place| Some((place.clone(), pod.pointer(&place)?.as_str()?.to_owned()))).collect()
}

fn has(pod: &Value, amounts: &Amounts) -> bool {
    let same = |(place, amount): (&String, &String)| {
        pod.pointer(place).and_then(Value::as_str).is_some_and(|found| quantity::is_same(found, amount))
    };
    amounts.iter().all(same)
}

fn recorded(order: &Order<'_>, name: &str) -> Result<Amounts, Refusal> {
    let amounts = order.recorded.get(name).and_then(|text| serde_json::from_str(text).ok());
    amounts.ok_or_else(|| conflict("it was not written down what its containers had"))
}

/// The place of an annotation, as JSON Pointer writes it.
fn annotation(name: &str) -> String {
    format!("/metadata/annotations/{}", name.replace('/', "~1"))
}
