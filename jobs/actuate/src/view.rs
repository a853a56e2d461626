//! The objects an order is about, as they are at this moment.
//!
//! Invariant: the target is the object of the command's uid, or, where nobody saw a uid, the one of its name that was there
//! before the time the command says; another of its name is not shown.

use crate::actions::{Kind, Need, Refusal};
use crate::api::{Api, Refused};
use crate::cilium;
use crate::evidence;
use crate::guards;
use crate::isolation;
use schemas::{Command, RefusalRule, Target};
use serde_json::Value;
use std::collections::BTreeMap;

/// What is seen of a cluster for one order.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// Path of the target.
    pub path: String,
    /// Its namespace; empty for what has none.
    pub namespace: String,
    /// Its uid; empty where there is none of that name.
    pub uid: String,
    /// The target; null where there is none that is meant.
    pub target: Value,
    /// The namespace; null for what is in none.
    pub within: Value,
    /// The workload of a pod, or the target where it is one; null where there is none.
    pub workload: Value,
    /// The pods of the workload.
    pub pods: Vec<Value>,
    /// Network policies of the namespace.
    pub policies: Vec<Value>,
    /// Disruption budgets of the namespace.
    pub disruption_budgets: Vec<Value>,
    /// Autoscalers of the namespace.
    pub autoscalers: Vec<Value>,
    /// ReplicaSets of the namespace.
    pub replica_sets: Vec<Value>,
    /// All nodes.
    pub nodes: Vec<Value>,
    /// Policies of the namespace that can deny; none where the cluster knows no such.
    pub deny_policies: Option<Vec<Value>>,
    /// What was read about a pod, each text under its name.
    pub evidence: BTreeMap<String, String>,
}

/// Why nothing could be seen.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// The command does not name what can be looked for.
    #[error("{}", .0.sentence)]
    Unfit(Refusal),
    /// The API server does not answer, or says no.
    #[error(transparent)]
    Refused(#[from] Refused),
}

impl View {
    /// The autoscaler of the target, where it has one.
    pub(crate) fn autoscaler(&self) -> Option<&Value> {
        let of = |scaler: &&Value| {
            let scaled = &scaler["spec"]["scaleTargetRef"];
            scaled["kind"] == self.target["kind"] && scaled["name"] == self.target["metadata"]["name"]
        };
        self.autoscalers.iter().find(of)
    }
}

/// Looks at what an action needs to know about the target of a command.
pub async fn look(api: &Api, command: &Command<'_>, kind: &Kind) -> Result<View, LookError> {
    let target = &command.target;
    let (namespace, uid) = (target.namespace.to_string(), target.uid.to_string());
    if !kind.targets.contains(&target.kind.as_str()) {
        let sentence = format!("{} is for {}, not for a {}", kind.name, kind.targets.join(", "), target.kind);
        return Err(LookError::Unfit(Refusal::new(RefusalRule::Unsupported, sentence)));
    }
    let before = command.preconditions.iter().find(|wanted| wanted.name == guards::CREATED_BEFORE);
    if uid.is_empty() && (before.is_none() || target.name.is_empty()) {
        let sentence =
            "the command says neither the object's uid nor its name and since when it is meant (created_before)";
        return Err(LookError::Unfit(Refusal::precondition(sentence)));
    }
    let mut view = View { namespace, uid, ..View::default() };
    let collection = collection(target).map_err(LookError::Unfit)?;
    if target.name.is_empty() {
        // Telemetry knows some pods by their uid only.
        let all = api.list(&collection).await?;
        if let Some(found) = all.into_iter().find(|object| object["metadata"]["uid"] == view.uid.as_str()) {
            view.path = format!("{collection}/{}", found["metadata"]["name"].as_str().unwrap_or_default());
            view.target = found;
        }
    } else {
        view.path = format!("{collection}/{}", target.name);
        let found = api.get(&view.path).await?.unwrap_or_default();
        let is_meant = |found: &Value| match before {
            Some(before) if view.uid.is_empty() => guards::created_before(&before.value, found).is_ok(),
            _ => found["metadata"]["uid"] == view.uid.as_str(),
        };
        view.target = Some(found).filter(is_meant).unwrap_or_default();
        if view.uid.is_empty() {
            view.uid = view.target["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        }
    }
    if !view.namespace.is_empty() {
        view.within = api.get(&format!("/api/v1/namespaces/{}", view.namespace)).await?.unwrap_or_default();
    }
    view.workload = if target.kind == "Pod" { Value::Null } else { view.target.clone() };
    for need in kind.needs {
        fill(api, &mut view, *need).await?;
    }
    Ok(view)
}

async fn fill(api: &Api, view: &mut View, need: Need) -> Result<(), Refused> {
    let namespace = &view.namespace;
    match need {
        Need::Workload => {
            let owner = controller(api, namespace, &view.target).await?;
            let owner = match owner {
                Some(owner) if owner["kind"] == "ReplicaSet" => {
                    controller(api, namespace, &owner).await?.unwrap_or(owner)
                }
                owner => owner.unwrap_or_default(),
            };
            let selector = owner["spec"]["selector"].clone();
            view.workload = owner;
            if !selector.is_null() {
                let pods = api.list(&format!("/api/v1/namespaces/{namespace}/pods")).await?;
                view.pods = pods.into_iter().filter(|pod| isolation::selects(&selector, &labels(pod))).collect();
            }
        }
        Need::NetworkPolicies => {
            view.policies =
                api.list(&format!("/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies")).await?;
        }
        Need::DenyPolicies => {
            let listed = api.get(&cilium::collection(namespace)).await?;
            view.deny_policies = listed.map(|listed| listed["items"].as_array().cloned().unwrap_or_default());
        }
        Need::DisruptionBudgets => {
            let path = format!("/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets");
            view.disruption_budgets = api.list(&path).await?;
        }
        Need::Autoscalers => {
            let path = format!("/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers");
            view.autoscalers = api.list(&path).await?;
        }
        Need::ReplicaSets => {
            view.replica_sets = api.list(&format!("/apis/apps/v1/namespaces/{namespace}/replicasets")).await?;
        }
        Need::Nodes => view.nodes = api.list("/api/v1/nodes").await?,
        Need::Evidence if view.target.is_null() => {}
        Need::Evidence => view.evidence = evidence::collect(api, &view.path, &view.target, &view.workload).await?,
    }
    Ok(())
}

/// The controller of an object, where it is a workload that we may read.
async fn controller(api: &Api, namespace: &str, object: &Value) -> Result<Option<Value>, Refused> {
    let owners = object["metadata"]["ownerReferences"].as_array();
    let Some(owner) = owners.and_then(|owners| owners.iter().find(|owner| owner["controller"] == true)) else {
        return Ok(None);
    };
    let text = |field: &str| owner[field].as_str().unwrap_or_default();
    let Some(plural) = plural(text("kind")).filter(|_| text("apiVersion") == "apps/v1") else { return Ok(None) };
    let found = api.get(&format!("/apis/apps/v1/namespaces/{namespace}/{plural}/{}", text("name"))).await?;
    Ok(found.filter(|found| found["metadata"]["uid"] == owner["uid"]))
}

/// Path of the objects of the target's kind in its namespace.
fn collection(target: &Target<'_>) -> Result<String, Refusal> {
    let unsupported = || {
        Refusal::new(RefusalRule::Unsupported, format!("a {} of {} is not known here", target.kind, target.api_version))
    };
    let plural = plural(&target.kind).ok_or_else(unsupported)?;
    for name in [&target.namespace, &target.name] {
        if !is_path_segment(name) {
            let sentence = format!("`{}` is no name of an object", name.escape_debug());
            return Err(Refusal::new(RefusalRule::Unsupported, sentence));
        }
    }
    let version = match target.api_version.as_str() {
        "v1" => "/api/v1".to_owned(),
        version @ ("apps/v1" | "batch/v1" | "rbac.authorization.k8s.io/v1" | "argoproj.io/v1alpha1") => {
            format!("/apis/{version}")
        }
        _ => return Err(unsupported()),
    };
    Ok(match target.namespace.as_str() {
        "" => format!("{version}/{plural}"),
        namespace => format!("{version}/namespaces/{namespace}/{plural}"),
    })
}

/// True for what may stand in a path: names of roles hold colons, no name holds what leads elsewhere.
fn is_path_segment(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b':' | b'_');
    name.len() <= 253 && name.bytes().all(allowed) && name != "." && name != ".."
}

fn plural(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "Pod" => "pods",
        "Node" => "nodes",
        "Deployment" => "deployments",
        "StatefulSet" => "statefulsets",
        "DaemonSet" => "daemonsets",
        "ReplicaSet" => "replicasets",
        "Job" => "jobs",
        "CronJob" => "cronjobs",
        "Rollout" => "rollouts",
        "RoleBinding" => "rolebindings",
        "ClusterRoleBinding" => "clusterrolebindings",
        _ => return None,
    })
}

/// The labels of an object.
pub(crate) fn labels(object: &Value) -> BTreeMap<String, String> {
    let labels = object["metadata"]["labels"].as_object();
    let text = |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
    labels.map(|labels| labels.iter().filter_map(text).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_lead_to_another_object() {
        let target = |namespace: &'static str, name: &'static str| Target {
            api_version: "v1".into(),
            kind: "Pod".into(),
            namespace: namespace.into(),
            name: name.into(),
            ..Target::default()
        };
        assert_eq!(collection(&target("shop", "cart-1")).unwrap(), "/api/v1/namespaces/shop/pods");
        for (namespace, name) in
            [("shop/../kube-system", "a"), ("shop", "../secrets/a"), ("shop", "a?dryRun=All"), ("shop", "..")]
        {
            assert!(collection(&target(namespace, name)).is_err(), "{namespace} {name}");
        }
    }
}
