//! The actions, one file each with its inverse beside it. A new one is a file here and a line in [`ALL`], in
//! alphabetical order.
//!
//! Invariant: a plan is a function of the order and of the objects seen, and where everything is as wanted already it
//! asks for nothing: so an order that was interrupted is planned again and goes on where it stopped.

pub mod abort_rollout;
pub mod annotate_pod;
pub mod attach_forensics;
pub mod block_egress;
pub mod collect_evidence;
pub mod cordon_node;
pub mod delete_pod;
pub mod evict_pod;
pub mod quarantine_pod;
pub mod raise_autoscaler;
pub mod resize_pod;
pub mod restart_workload;
pub mod revoke_binding;
pub mod roll_back_deployment;
pub mod scale_workload;
pub mod suspend_job;
pub mod taint_node;

use crate::view::View;
use schemas::{Command, RefusalRule, RiskClass};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Every action there is, in alphabetical order.
pub const ALL: &[Kind] = &[
    abort_rollout::KIND,
    annotate_pod::KIND,
    attach_forensics::KIND,
    block_egress::KIND,
    annotate_pod::CLEAR,
    collect_evidence::KIND,
    cordon_node::KIND,
    delete_pod::KIND,
    evict_pod::KIND,
    quarantine_pod::KIND,
    raise_autoscaler::KIND,
    quarantine_pod::RELEASE,
    resize_pod::KIND,
    restart_workload::KIND,
    suspend_job::RESUME,
    abort_rollout::RETRY,
    revoke_binding::KIND,
    roll_back_deployment::KIND,
    roll_back_deployment::FORWARD,
    scale_workload::KIND,
    suspend_job::KIND,
    taint_node::KIND,
    block_egress::UNBLOCK,
    cordon_node::UNCORDON,
    taint_node::UNTAINT,
];

/// Annotation with the command that an object was changed by.
pub const COMMAND: &str = "bellbuoy.dev/command-id";
/// Annotation with the time at which that is undone, milliseconds since 1970.
pub const UNDONE_AT: &str = "bellbuoy.dev/expires-at";

/// Reading the workload of a pod.
const WORKLOADS: Rule =
    Rule { group: "apps", resources: &["daemonsets", "deployments", "replicasets", "statefulsets"], verbs: &["get"] };

/// What an action is: for execution, RBAC, help and documentation.
pub struct Kind {
    /// Its name in commands.
    pub name: &'static str,
    /// What it does, in one sentence.
    pub doc: &'static str,
    /// How much can go wrong.
    pub risk: RiskClass,
    /// The Kubernetes kinds it is for.
    pub targets: &'static [&'static str],
    /// What must be seen beside the target.
    pub needs: &'static [Need],
    /// What the actuator's account must be allowed.
    pub rules: &'static [Rule],
    /// The requests that carry it out.
    pub plan: fn(&Order<'_>, &View) -> Result<Plan, Refusal>,
}

/// What must be seen beside the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// The workload of a pod, and the pods it has.
    Workload,
    /// The network policies of the namespace.
    NetworkPolicies,
    /// The policies of the namespace that can deny, where the cluster has such.
    DenyPolicies,
    /// The disruption budgets of the namespace.
    DisruptionBudgets,
    /// The autoscalers of the namespace.
    Autoscalers,
    /// The ReplicaSets of the namespace.
    ReplicaSets,
    /// All nodes.
    Nodes,
    /// What can be read about a pod, after its workload.
    Evidence,
}

/// One rule of a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// API group, empty for the core.
    pub group: &'static str,
    /// Resources, with `/subresource` where that is meant.
    pub resources: &'static [&'static str],
    /// Verbs.
    pub verbs: &'static [&'static str],
}

/// An order under way.
pub struct Order<'a> {
    /// The command.
    pub command: &'a Command<'a>,
    /// What an earlier plan wrote down: for its continuation, and for the inverse.
    pub recorded: &'a BTreeMap<String, String>,
    /// When it will be undone, milliseconds; 0 for never.
    pub undo_at: i64,
    /// Whether it may have begun before.
    pub standing: Standing,
}

/// Whether an order may have begun before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing of it was sent.
    New,
    /// Some of it may have been done.
    Begun,
}

/// What is to be sent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// The requests, in order; none where everything is as wanted.
    pub requests: Vec<Request>,
    /// What to write down before the first is sent.
    pub recorded: BTreeMap<String, String>,
}

/// One request to the API server.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// HTTP method.
    pub method: &'static str,
    /// Path.
    pub path: String,
    /// Query, without what every request has.
    pub query: Vec<(&'static str, String)>,
    /// Type of the body.
    pub content_type: &'static str,
    /// The body.
    pub body: Option<Value>,
    /// Version of the object that the plan was made on; empty where it is new.
    pub version_before: String,
}

/// Why a plan is not made.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// The rule.
    pub rule: RefusalRule,
    /// What was found and what is allowed.
    pub sentence: String,
    /// The numbers it compared.
    pub numbers: Vec<(&'static str, f64)>,
}

impl Refusal {
    /// A refusal without numbers.
    pub fn new(rule: RefusalRule, sentence: impl Into<String>) -> Self {
        Refusal { rule, sentence: sentence.into(), numbers: Vec::new() }
    }

    /// With one number more.
    pub fn with(mut self, name: &'static str, value: f64) -> Self {
        self.numbers.push((name, value));
        self
    }

    /// The object is not as the command says.
    pub fn precondition(sentence: impl Into<String>) -> Self {
        Refusal::new(RefusalRule::PreconditionFailed, sentence)
    }
}

impl Order<'_> {
    /// A parameter of the command's action.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.command.action.parameters.iter().find(|parameter| parameter.name == name);
        found.map(|parameter| parameter.value.as_str())
    }

    /// The annotations that tell whose change it is and until when.
    pub fn marks(&self) -> Value {
        json!({COMMAND: self.command.id, UNDONE_AT: self.undo_at.to_string()})
    }

    /// True for an object that this command has changed, as far as it or its pod template says itself.
    pub fn marked(&self, object: &Value) -> bool {
        let template = &object["spec"]["template"];
        let says =
            |object: &Value| object["metadata"]["annotations"][COMMAND].as_str() == Some(self.command.id.as_str());
        says(object) || says(template)
    }
}

impl Request {
    /// Reads.
    pub fn get(path: &str) -> Self {
        Request::new("GET", path, "application/json", None)
    }

    /// Changes some fields of an object that must still be the one that was seen, and as it was.
    pub fn merge(path: &str, object: &Value, mut change: Value) -> Self {
        change["metadata"]["uid"] = object["metadata"]["uid"].clone();
        change["metadata"]["resourceVersion"] = object["metadata"]["resourceVersion"].clone();
        Request::new("PATCH", path, "application/merge-patch+json", Some(change)).on(object)
    }

    /// Deletes an object that must still be the one that was seen.
    pub fn delete(path: &str, object: &Value) -> Self {
        let body = json!({
            "apiVersion": "v1", "kind": "DeleteOptions",
            "preconditions": {"uid": object["metadata"]["uid"]},
        });
        Request::new("DELETE", path, "application/json", Some(body)).on(object)
    }

    /// Any other request.
    pub fn new(method: &'static str, path: &str, content_type: &'static str, body: Option<Value>) -> Self {
        let version_before = String::new();
        Request { method, path: path.to_owned(), query: Vec::new(), content_type, body, version_before }
    }

    /// Made on this object.
    pub fn on(mut self, object: &Value) -> Self {
        self.version_before = object["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned();
        self
    }
}

/// The action of a name.
pub fn by_name(name: &str) -> Option<&'static Kind> {
    ALL.iter().find(|kind| kind.name == name)
}

/// A plan of one request.
pub(crate) fn once(request: Request) -> Plan {
    Plan { requests: vec![request], ..Plan::default() }
}

/// The annotations that take our marks away.
pub(crate) fn unmarked() -> Value {
    json!({COMMAND: null, UNDONE_AT: null})
}

/// What has become of an object since we changed it, for inverses.
pub(crate) fn conflict(what: &str) -> Refusal {
    Refusal::precondition(format!("{what}; somebody has changed it since, so it is left to people"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_have_one_name_each_a_sentence_and_the_rights_they_need() {
        for (at, kind) in ALL.iter().enumerate() {
            assert!(kind.doc.ends_with('.') && !kind.targets.is_empty() && !kind.rules.is_empty(), "{}", kind.name);
            assert!(ALL[..at].iter().all(|earlier| earlier.name != kind.name), "{}", kind.name);
            for rule in kind.rules {
                let broad =
                    rule.verbs.contains(&"*") || rule.resources.contains(&"*") || rule.resources.contains(&"secrets");
                assert!(!broad, "{}: {rule:?}", kind.name);
            }
        }
    }
}
