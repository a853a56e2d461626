//! Policies that deny, as the network plugin Cilium knows them; ordinary network policies only allow.
//!
//! A denial takes precedence over whatever allows (`https://docs.cilium.io/en/stable/security/policy/deny/`). A policy with
//! rules for a direction would also deny there whatever no other policy allows, unless it says that it does not
//! (`enableDefaultDeny`, Cilium 1.16 and newer); a server that does not know the field refuses the policy.

use crate::actions::{Order, Refusal, Request, Rule};
use crate::view::View;
use schemas::RefusalRule;
use serde_json::{Value, json};

/// API group and version of the policies.
pub const API_VERSION: &str = "cilium.io/v2";
/// Their plural.
pub const PLURAL: &str = "ciliumnetworkpolicies";
/// What an account needs that makes them and takes them away.
pub const RULE: Rule =
    Rule { group: "cilium.io", resources: &[PLURAL], verbs: &["get", "list", "create", "patch", "delete"] };

/// Path of the policies of a namespace.
pub fn collection(namespace: &str) -> String {
    format!("/apis/{API_VERSION}/namespaces/{namespace}/{PLURAL}")
}

/// Makes a policy that denies and nothing else; none where this order has made it. Refused where another has, and where
/// the cluster knows no such policies.
pub fn deny(
    order: &Order<'_>,
    view: &View,
    name: &str,
    selector: &Value,
    rules: Value,
) -> Result<Option<Request>, Refusal> {
    let Some(there) = &view.deny_policies else {
        let sentence = "the cluster has no CiliumNetworkPolicy, and other network policies cannot deny";
        return Err(Refusal::new(RefusalRule::Unsupported, sentence));
    };
    match there.iter().find(|policy| policy["metadata"]["name"] == name) {
        Some(ours) if order.marked(ours) => return Ok(None),
        Some(theirs) => {
            let by = &theirs["metadata"]["annotations"][crate::actions::COMMAND];
            return Err(Refusal::precondition(format!("a policy of that name is there already, by command {by}")));
        }
        None => {}
    }
    let mut spec = rules;
    spec["endpointSelector"] = selector.clone();
    spec["enableDefaultDeny"] = json!({"ingress": false, "egress": false});
    let policy = json!({
        "apiVersion": API_VERSION,
        "kind": "CiliumNetworkPolicy",
        "metadata": {
            "name": name,
            "namespace": view.namespace,
            "labels": {"app.kubernetes.io/managed-by": "bellbuoy"},
            "annotations": order.marks(),
        },
        "spec": spec,
    });
    let path = format!("{}/{name}", collection(&view.namespace));
    Ok(Some(Request::new("PATCH", &path, "application/apply-patch+yaml", Some(policy))))
}

/// Takes a policy of this order away; none where it is gone.
pub fn allow(order: &Order<'_>, view: &View, name: &str) -> Result<Option<Request>, Refusal> {
    let there = view.deny_policies.iter().flatten().find(|policy| policy["metadata"]["name"] == name);
    let Some(policy) = there else { return Ok(None) };
    if !order.marked(policy) {
        return Err(crate::actions::conflict("the policy is not the one we made"));
    }
    Ok(Some(Request::delete(&format!("{}/{name}", collection(&view.namespace)), policy)))
}
