//! What has to be in a cluster before the observer works there: an account that may read what it reads, and no more.

use crate::config::Config;
use crate::kinds;
use serde_json::{Value, json};

/// Name of the account, and of what belongs to it.
pub const ACCOUNT: &str = "bellbuoy-observer";

/// Every manifest, in the order in which they are to be applied.
pub fn all(config: &Config, namespace: &str) -> Vec<Value> {
    let wanted = kinds::ALL.iter().filter(|kind| config.kinds.iter().any(|name| name == kind.kind));
    let rules = wanted
        .map(|kind| json!({"apiGroups": [kind.group], "resources": [kind.plural], "verbs": ["get", "list", "watch"]}));
    vec![
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}),
        json!({
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": ACCOUNT, "namespace": namespace},
        }),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": ACCOUNT, "labels": {"app.kubernetes.io/part-of": "bellbuoy"}},
            "rules": rules.collect::<Vec<_>>(),
        }),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": ACCOUNT},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": ACCOUNT},
            "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": namespace}],
        }),
    ]
}
