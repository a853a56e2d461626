//! What has to be in a cluster before the actuator works there: its account, exactly the rights of the actions that are
//! enabled, the kind of its records, and the policies that hold it back.

use crate::actions::{self, Kind, Rule};
use crate::admission;
use crate::config::{Config, Level};
use crate::ledger;
use serde_json::{Value, json};

/// Name of the account, and of what belongs to it.
pub const ACCOUNT: &str = "bellbuoy-actuator";
/// Roles with this label are part of the account's.
const AGGREGATE: &str = "bellbuoy.dev/aggregate-to-actuator";

/// Every manifest, in the order in which they are to be applied.
pub fn all(config: &Config) -> Vec<Value> {
    let mut all = vec![
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": config.namespace}}),
        definition(),
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT, "namespace": config.namespace}}),
        aggregate(),
        base(),
        ledger_role(config),
        binding(config, "ClusterRoleBinding", ACCOUNT),
        binding(config, "RoleBinding", ACCOUNT),
    ];
    all.extend(actions::ALL.iter().filter(|kind| is_enabled(kind, config)).map(role));
    all.extend(admission::policies(config));
    all
}

/// True for an action that may be done, and for its inverse, which may what the action may.
pub(crate) fn is_enabled(kind: &Kind, config: &Config) -> bool {
    actions::ALL.iter().any(|other| other.rules == kind.rules && config.level(other.name) > Level::Recommend)
}

/// The rights of one action.
pub fn role(kind: &Kind) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {
            "name": format!("{ACCOUNT}-{}", kind.name.replace('_', "-")),
            "labels": {AGGREGATE: "true", "app.kubernetes.io/part-of": "bellbuoy"},
        },
        "rules": kind.rules.iter().map(rule).collect::<Vec<_>>(),
    })
}

fn rule(rule: &Rule) -> Value {
    json!({"apiGroups": [rule.group], "resources": rule.resources, "verbs": rule.verbs})
}

fn aggregate() -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": ACCOUNT},
        "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {AGGREGATE: "true"}}]},
        "rules": [],
    })
}

/// What it needs whatever it does: to see a namespace's labels, and to leave Events.
fn base() -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": format!("{ACCOUNT}-base"), "labels": {AGGREGATE: "true"}},
        "rules": [
            {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get"]},
            {"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create"]},
        ],
    })
}

/// In its own namespace: the ledger, and to see the kill switch.
fn ledger_role(config: &Config) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": ACCOUNT, "namespace": config.namespace},
        "rules": [
            {"apiGroups": ["bellbuoy.dev"], "resources": [ledger::PLURAL], "verbs": ["get", "list", "create", "patch"]},
            {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["bellbuoy-kill-switch"], "verbs": ["get"]},
        ],
    })
}

fn binding(config: &Config, kind: &str, role: &str) -> Value {
    let cluster = kind == "ClusterRoleBinding";
    let mut binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": ACCOUNT},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": if cluster { "ClusterRole" } else { "Role" },
            "name": role,
        },
        "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": config.namespace}],
    });
    if !cluster {
        binding["metadata"]["namespace"] = json!(config.namespace);
    }
    binding
}

/// The kind of the ledger's records.
fn definition() -> Value {
    let column = |name: &str, path: &str| json!({"name": name, "type": "string", "jsonPath": path});
    let open = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{}.bellbuoy.dev", ledger::PLURAL)},
        "spec": {
            "group": "bellbuoy.dev",
            "scope": "Namespaced",
            "names": {"kind": ledger::KIND, "plural": ledger::PLURAL, "singular": "remediationaction", "shortNames": ["ra"]},
            "versions": [{
                "name": "v1alpha1",
                "served": true,
                "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": open, "status": open}}},
                "additionalPrinterColumns": [
                    column("Action", ".spec.action"),
                    column("Target", ".spec.target"),
                    column("Phase", ".status.phase"),
                    column("Undone", ".status.undone"),
                    column("Says", ".status.sentence"),
                ],
            }],
        },
    })
}
