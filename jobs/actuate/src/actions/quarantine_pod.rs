//! Quarantine pod: take a pod out of its service and of the network, and keep it for evidence; and release it.
//!
//! Network policies add up: a pod may do whatever any policy that selects it allows. So the pod loses its labels, which
//! policies, services and its controller go by, and a policy of our own that allows nothing selects it by the one it
//! gets. Whatever still allows it something (a policy for all pods) refuses the order, unless the cluster's network plugin
//! knows how to deny: then a policy that denies everything holds whatever allows.

use super::{Kind, Need, Order, Plan, Refusal, Request, Rule, Standing, conflict};
use crate::cilium;
use crate::isolation;
use crate::view::View;
use schemas::{RefusalRule, RiskClass};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

/// The one label of a pod in quarantine.
pub const LABEL: &str = "bellbuoy.dev/quarantine";
/// The annotation that keeps its labels.
pub const LABELS: &str = "bellbuoy.dev/labels";
/// What the names of our policies begin with.
pub const POLICY: &str = "bellbuoy-q-";

const RULES: &[Rule] = &[
    Rule { group: "", resources: &["pods"], verbs: &["get", "list", "patch"] },
    Rule {
        group: "networking.k8s.io",
        resources: &["networkpolicies"],
        verbs: &["get", "list", "create", "patch", "delete"],
    },
    cilium::RULE,
    super::WORKLOADS,
];

/// The line of this action in the list of all.
pub const KIND: Kind = Kind {
    name: "quarantine_pod",
    doc: "Takes one pod out of its service and of the network and keeps it for evidence; its controller starts another.",
    risk: RiskClass::R2,
    targets: &["Pod"],
    needs: &[Need::Workload, Need::NetworkPolicies, Need::DenyPolicies],
    rules: RULES,
    plan: quarantine,
};

/// The line of its inverse.
pub const RELEASE: Kind = Kind {
    name: "release_pod",
    doc: "Gives a pod in quarantine its labels back, and removes the policy that isolates it.",
    risk: RiskClass::R2,
    targets: &["Pod"],
    needs: &[Need::NetworkPolicies, Need::DenyPolicies],
    rules: RULES,
    plan: release,
};

fn quarantine(order: &Order<'_>, view: &View) -> Result<Plan, Refusal> {
    let pod = &view.target;
    if pod.is_null() || !pod["metadata"]["deletionTimestamp"].is_null() {
        return Err(Refusal::precondition("the pod is gone, or going"));
    }
    let mark = mark(view);
    let label = pod["metadata"]["labels"][LABEL].as_str();
    let labelled = label == Some(mark.as_str()) && order.marked(pod);
    if label.is_some() && !labelled {
        return Err(Refusal::precondition("the pod is in quarantine already, by another command"));
    }
    let alone = [(LABEL.to_owned(), mark.clone())].into();
    let others = view.policies.iter().filter(|policy| name(policy) != policy_name(&mark));
    let residual = isolation::allowing(others, &alone);
    // A denial holds whatever else allows; but it leaves no name to be asked for.
    let denies = view.deny_policies.is_some() && order.parameter("allow_dns") != Some("true");
    if !residual.is_empty() && !denies {
        let sentence = format!(
            "the policies {} would still allow it something, whatever labels it has; a policy that denies needs a network plugin that knows one",
            residual.join(", ")
        );
        return Err(Refusal::new(RefusalRule::ResidualAllow, sentence).with("policies", residual.len() as f64));
    }
    let mut plan = Plan::default();
    if !view.policies.iter().any(|policy| name(policy) == policy_name(&mark) && order.marked(policy)) {
        plan.requests.push(isolate(order, view, &mark)?);
    }
    if denies {
        let selector = json!({"matchLabels": {LABEL: mark}});
        let all = json!({"ingressDeny": [{"fromEntities": ["all"]}], "egressDeny": [{"toEntities": ["all"]}]});
        plan.requests.extend(cilium::deny(order, view, &policy_name(&mark), &selector, all)?);
    }
    if !labelled {
        plan.requests.push(relabel(order, view, &mark));
    }
    Ok(plan)
}

/// The policy that allows the pod nothing, or to ask for names only.
fn isolate(order: &Order<'_>, view: &View, mark: &str) -> Result<Request, Refusal> {
    if let Some(theirs) = view.policies.iter().find(|policy| name(policy) == policy_name(mark)) {
        let by = &theirs["metadata"]["annotations"][super::COMMAND];
        return Err(Refusal::precondition(format!("a policy of that name is there already, by command {by}")));
    }
    let egress = match order.parameter("allow_dns") {
        Some("true") => json!([{"ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]}]),
        _ => json!([]),
    };
    let policy = json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {
            "name": policy_name(mark),
            "namespace": view.namespace,
            "labels": {"app.kubernetes.io/managed-by": "bellbuoy"},
            "annotations": order.marks(),
        },
        "spec": {
            "podSelector": {"matchLabels": {LABEL: mark}},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [],
            "egress": egress,
        },
    });
    Ok(Request::new("PATCH", &policy_path(view, mark), "application/apply-patch+yaml", Some(policy)))
}

/// Takes all labels but ours off the pod, which must still be the one that was seen, and as it was.
fn relabel(order: &Order<'_>, view: &View, mark: &str) -> Request {
    let pod = &view.target["metadata"];
    let labels = pod["labels"].as_object().cloned().unwrap_or_default();
    let mut annotations = pod["annotations"].as_object().cloned().unwrap_or_default();
    annotations.extend(order.marks().as_object().cloned().unwrap_or_default());
    annotations.insert(LABELS.to_owned(), Value::Object(labels).to_string().into());
    let patch = json!([
        {"op": "test", "path": "/metadata/uid", "value": pod["uid"]},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": pod["resourceVersion"]},
        {"op": "add", "path": "/metadata/labels", "value": {LABEL: mark}},
        {"op": "add", "path": "/metadata/annotations", "value": annotations},
    ]);
    Request::new("PATCH", &view.path, "application/json-patch+json", Some(patch)).on(&view.target)
}

fn release(order: &Order<'_>, view: &View) -> Result<Plan, Refusal> {
    let pod = &view.target;
    let mark = mark(view);
    let mut plan = Plan::default();
    // A pod that is gone needs no labels; its policy is removed all the same.
    if !pod.is_null() && pod["metadata"]["deletionTimestamp"].is_null() {
        let labels = pod["metadata"]["labels"].as_object().cloned().unwrap_or_default();
        let alone = labels.len() == 1 && labels.get(LABEL).and_then(Value::as_str) == Some(mark.as_str());
        match (alone, order.marked(pod)) {
            (true, true) => plan.requests.push(give_back(view)?),
            // Done before we were interrupted.
            (false, false) if order.standing == Standing::Begun && !labels.contains_key(LABEL) => {}
            _ => return Err(conflict("the pod's labels are not those we left")),
        }
    }
    if let Some(policy) = view.policies.iter().find(|policy| name(policy) == policy_name(&mark)) {
        if !order.marked(policy) {
            return Err(conflict("the policy is not the one we made"));
        }
        plan.requests.push(Request::delete(&policy_path(view, &mark), policy));
    }
    plan.requests.extend(cilium::allow(order, view, &policy_name(&mark))?);
    Ok(plan)
}

fn give_back(view: &View) -> Result<Request, Refusal> {
    let pod = &view.target["metadata"];
    let mut annotations = pod["annotations"].as_object().cloned().unwrap_or_default();
    let labels = annotations.remove(LABELS);
    let labels: Option<Map<String, Value>> = labels.and_then(|text| serde_json::from_str(text.as_str()?).ok());
    let labels = labels.ok_or_else(|| conflict("the pod's labels are not written down"))?;
    [super::COMMAND, super::UNDONE_AT].iter().for_each(|name| drop(annotations.remove(*name)));
    let patch = json!([
        {"op": "test", "path": "/metadata/uid", "value": pod["uid"]},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": pod["resourceVersion"]},
        {"op": "replace", "path": "/metadata/labels", "value": labels},
        {"op": "replace", "path": "/metadata/annotations", "value": annotations},
    ]);
    Ok(Request::new("PATCH", &view.path, "application/json-patch+json", Some(patch)).on(&view.target))
}

/// A mark of the target, in names and labels: the same for one object always, and for no other.
pub(super) fn mark(view: &View) -> String {
    let mut mark = schemas::signing::hex(&Sha256::digest(&view.uid));
    mark.truncate(16);
    mark
}

fn policy_name(mark: &str) -> String {
    format!("{POLICY}{mark}")
}

fn policy_path(view: &View, mark: &str) -> String {
    format!("/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies/{}", view.namespace, policy_name(mark))
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}
