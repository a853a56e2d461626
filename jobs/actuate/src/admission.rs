//! The API server's own check on the actuator: policies that let its account do nothing that its code would not do.
//!
//! A role that may patch pods may change their image; RBAC cannot tell. These policies can, and hold whatever becomes
//! of the code or of the account's token.

use crate::actions::attach_forensics::CONTAINER;
use crate::actions::quarantine_pod::{LABEL, POLICY};
use crate::actions::taint_node::TAINT;
use crate::actions::{COMMAND, roll_back_deployment};
use crate::config::Config;
use crate::manifests::{self, ACCOUNT};
use serde_json::{Value, json};

/// The policies, each with its binding.
pub fn policies(config: &Config) -> Vec<Value> {
    let annotations = "!has(object.metadata.annotations) || object.metadata.annotations.all(k, k.startsWith('bellbuoy.dev/') || \
        (has(oldObject.metadata.annotations) && k in oldObject.metadata.annotations && \
        oldObject.metadata.annotations[k] == object.metadata.annotations[k]))";
    let labels = format!(
        "!has(object.metadata.labels) || object.metadata.labels.all(k, k == '{LABEL}') || \
         (has(oldObject.metadata.labels) && (object.metadata.labels == oldObject.metadata.labels || '{LABEL}' in oldObject.metadata.labels))"
    );
    let same = |path: &str| {
        format!(
            "(has(object.{path}) ? dyn(object.{path}) : dyn(null)) == (has(oldObject.{path}) ? dyn(oldObject.{path}) : dyn(null))"
        )
    };
    let same_labels = same("metadata.labels");
    let only = "only marks of its own may be set on an object";
    let sets = [
        (
            "network-policies",
            ("networking.k8s.io", "v1", &["networkpolicies"][..], &["CREATE", "UPDATE", "DELETE"][..]),
            vec![(format!("request.name.startsWith('{POLICY}')"), "only its own network policies")],
        ),
        (
            "deny-policies",
            ("cilium.io", "v2", &["ciliumnetworkpolicies"][..], &["CREATE", "UPDATE", "DELETE"][..]),
            vec![
                (format!("request.name.startsWith('{POLICY}')"), "only its own network policies"),
                ("request.operation == 'DELETE' || !(has(object.spec.ingress) || has(object.spec.egress))".to_owned(), "its policies may deny, and allow nothing"),
            ],
        ),
        (
            "pods",
            ("", "v1", &["pods"][..], &["UPDATE"][..]),
            vec![
                ("object.spec == oldObject.spec".to_owned(), "what a pod runs may not be changed"),
                (labels, "labels may be taken away for quarantine and given back, no others set"),
                (annotations.to_owned(), only),
            ],
        ),
        ("ended-pods", ("", "v1", &["pods", "pods/eviction"][..], &["CREATE", "DELETE"][..]), Vec::new()),
        (
            "resizes",
            ("", "v1", &["pods/resize"][..], &["UPDATE"][..]),
            vec![("object.spec.containers.all(c, oldObject.spec.containers.exists(o, o.name == c.name && o.image == c.image))".to_owned(), "what a pod runs may not be changed")],
        ),
        (
            "attached-containers",
            ("", "v1", &["pods/ephemeralcontainers"][..], &["UPDATE"][..]),
            vec![(attached(config), "only allowed images, without privileges, may be attached to a pod")],
        ),
        (
            "workloads",
            ("apps", "v1", &["deployments", "statefulsets", "daemonsets", "replicasets"][..], &["UPDATE"][..]),
            vec![
                (pods_run(config), "what its pods run may not be changed"),
                ("object.spec.selector == oldObject.spec.selector".to_owned(), "its selector may not be changed"),
                (same_labels.clone(), "its labels may not be changed"),
                ("object.kind == 'DaemonSet' || object.spec.replicas > 0 || oldObject.spec.replicas == 0".to_owned(), "it may not be scaled to nothing"),
                (annotations.to_owned(), only),
            ],
        ),
        (
            "jobs",
            ("batch", "v1", &["jobs"][..], &["UPDATE"][..]),
            vec![
                ("object.spec.template.spec == oldObject.spec.template.spec".to_owned(), "what its pods run may not be changed"),
                (annotations.to_owned(), only),
            ],
        ),
        (
            "cron-jobs",
            ("batch", "v1", &["cronjobs"][..], &["UPDATE"][..]),
            vec![
                ("object.spec.jobTemplate == oldObject.spec.jobTemplate && object.spec.schedule == oldObject.spec.schedule".to_owned(), "what it runs and when may not be changed"),
                (annotations.to_owned(), only),
            ],
        ),
        (
            "nodes",
            ("", "v1", &["nodes"][..], &["UPDATE"][..]),
            vec![
                (format!("{} == {}", other_taints("object"), other_taints("oldObject")), "no taints but its own may be changed"),
                (same_labels.clone(), "its labels may not be changed"),
                (annotations.to_owned(), only),
            ],
        ),
        (
            "autoscalers",
            ("autoscaling", "v2", &["horizontalpodautoscalers"][..], &["UPDATE"][..]),
            vec![
                ("object.spec.scaleTargetRef == oldObject.spec.scaleTargetRef".to_owned(), "what it scales may not be changed"),
                ([same("spec.minReplicas"), same("spec.metrics"), same("spec.behavior")].join(" && "), "only its upper bound may be changed"),
                (same_labels, "its labels may not be changed"),
                (annotations.to_owned(), only),
            ],
        ),
        (
            "rollouts",
            ("argoproj.io", "v1alpha1", &["rollouts", "rollouts/status"][..], &["UPDATE"][..]),
            vec![("object.spec == oldObject.spec".to_owned(), "what it brings out may not be changed")],
        ),
        (
            "bindings",
            ("rbac.authorization.k8s.io", "v1", &["clusterrolebindings", "rolebindings"][..], &["DELETE"][..]),
            vec![("!request.name.startsWith('system:') && request.name != 'cluster-admin'".to_owned(), "the cluster's own bindings stay")],
        ),
    ];
    let user = format!("system:serviceaccount:{}:{ACCOUNT}", config.namespace);
    let mut all = Vec::new();
    for (name, rule, mut validations) in sets {
        validations.push((outside_protected(config), "the namespace is protected"));
        let name = format!("{ACCOUNT}-{name}");
        all.push(policy(&name, &user, rule, &validations));
        all.push(json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": name},
            "spec": {"policyName": name, "validationActions": ["Deny"]},
        }));
    }
    all
}

fn policy(name: &str, user: &str, rule: (&str, &str, &[&str], &[&str]), validations: &[(String, &str)]) -> Value {
    let (group, version, resources, operations) = rule;
    let validation = |(expression, message): &(String, &str)| json!({"expression": expression, "message": format!("{ACCOUNT}: {message}")});
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [{
                "apiGroups": [group], "apiVersions": [version], "operations": operations, "resources": resources,
            }]},
            "matchConditions": [{"name": "the-actuator", "expression": format!("request.userInfo.username == '{user}'")}],
            "validations": validations.iter().map(validation).collect::<Vec<_>>(),
        },
    })
}

/// A pattern in which `*` stands for any text, as RE2 knows it.
fn outside_protected(config: &Config) -> String {
    let escaped = |pattern: &String| {
        let parts: Vec<String> = pattern.split('*').map(|part| part.replace('.', "[.]")).collect();
        format!("^{}$", parts.join(".*"))
    };
    let patterns: Vec<String> = config.protected.iter().chain([&config.namespace]).map(escaped).collect();
    // What is in no namespace has none in its request, either.
    format!("!has(request.namespace) || !request.namespace.matches('{}')", patterns.join("|"))
}

/// The containers attached to a pod are those that were, and ours: of an allowed image, without privileges.
fn attached(config: &Config) -> String {
    let allowed = json!(config.images).to_string();
    format!(
        "!has(object.spec.ephemeralContainers) || object.spec.ephemeralContainers.all(c, \
         (has(oldObject.spec.ephemeralContainers) && oldObject.spec.ephemeralContainers.exists(o, o == c)) || \
         (c.name.startsWith('{CONTAINER}') && c.image in {allowed} && has(c.securityContext) && \
         has(c.securityContext.allowPrivilegeEscalation) && !c.securityContext.allowPrivilegeEscalation && \
         !(has(c.securityContext.privileged) && c.securityContext.privileged)))"
    )
}

/// The taints of a node that are not ours, as text of a policy.
fn other_taints(object: &str) -> String {
    format!("(has({object}.spec.taints) ? {object}.spec.taints.filter(t, t.key != '{TAINT}') : [])")
}

/// What a workload's pods run stays. A Deployment that may be rolled back gets another template, which the API server
/// cannot compare with its history; then it must bear the mark of another command than before, or none any more.
fn pods_run(config: &Config) -> String {
    let same = "object.spec.template.spec == oldObject.spec.template.spec";
    if !manifests::is_enabled(&roll_back_deployment::KIND, config) {
        return same.to_owned();
    }
    let mark = |object: &str| {
        format!(
            "(has({object}.metadata.annotations) && '{COMMAND}' in {object}.metadata.annotations ? {object}.metadata.annotations['{COMMAND}'] : '')"
        )
    };
    let (now, before) = (mark("object"), mark("oldObject"));
    format!("{same} || (object.kind == 'Deployment' && {now} != {before})")
}
