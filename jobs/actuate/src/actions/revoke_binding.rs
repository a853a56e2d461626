//! Revoke binding: take back a role that was given away, by the binding that gave it.
//!
//! Giving it back is for people: Kubernetes lets nobody bind a role that is more than what he may himself, and the
//! actuator may little. What was deleted is kept whole in the record of the command.

use super::{Kind, Order, Plan, Refusal, Request, Rule, Standing};
use crate::view::View;
use schemas::{RefusalRule, RiskClass};
use std::collections::BTreeMap;

/// The line of this action in the list of all.
pub const KIND: Kind = Kind {
    name: "revoke_binding",
    doc: "Deletes a role binding and keeps what it said; giving it back takes a person.",
    risk: RiskClass::R4,
    targets: &["ClusterRoleBinding", "RoleBinding"],
    needs: &[],
    rules: &[Rule {
        group: "rbac.authorization.k8s.io",
        resources: &["clusterrolebindings", "rolebindings"],
        verbs: &["get", "delete"],
    }],
    plan,
};

/// Under this name the binding is written down.
const BINDING: &str = "binding";

fn plan(order: &Order<'_>, view: &View) -> Result<Plan, Refusal> {
    let binding = &view.target;
    if binding.is_null() {
        return if order.standing == Standing::Begun {
            Ok(Plan::default())
        } else {
            Err(Refusal::precondition("the binding is gone"))
        };
    }
    let name = binding["metadata"]["name"].as_str().unwrap_or_default();
    let labelled = binding["metadata"]["labels"]["kubernetes.io/bootstrapping"] == "rbac-defaults";
    if name.starts_with("system:") || name == "cluster-admin" || labelled {
        return Err(Refusal::new(RefusalRule::DeniedScope, format!("{name} is the cluster's own binding")));
    }
    let mut kept = binding.clone();
    if let Some(metadata) = kept["metadata"].as_object_mut() {
        ["managedFields", "resourceVersion", "uid", "creationTimestamp"]
            .iter()
            .for_each(|field| drop(metadata.remove(*field)));
    }
    let mut request = Request::delete(&view.path, binding);
    if let Some(body) = &mut request.body {
        body["preconditions"]["resourceVersion"] = binding["metadata"]["resourceVersion"].clone();
    }
    Ok(Plan { requests: vec![request], recorded: BTreeMap::from([(BINDING.to_owned(), kept.to_string())]) })
}
