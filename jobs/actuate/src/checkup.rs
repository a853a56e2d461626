//! Whether an actuator of this configuration could work: what the cluster says to its account.

use crate::actions::{self, Kind, Request, Rule};
use crate::api::{Api, Dry, Refused};
use crate::config::{Config, Level};
use crate::error::ActuateError;
use crate::ledger::Ledger;
use crate::manifests;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What an actuator must never be allowed, because no action asks for it: group, resource, verb.
const TOO_MUCH: [(&str, &str, &str); 5] = [
    ("", "secrets", "get"),
    ("", "pods/exec", "create"),
    ("", "serviceaccounts/token", "create"),
    ("rbac.authorization.k8s.io", "clusterroles", "escalate"),
    ("", "users", "impersonate"),
];

/// One thing looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How it is to be taken.
    pub grade: Grade,
    /// What was seen.
    pub seen: String,
    /// What to change; empty where nothing.
    pub advice: &'static str,
}

/// How a finding is to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grade {
    /// As it should be.
    Good,
    /// It works, and somebody should look.
    Doubtful,
    /// It would stop the actuator, or every command.
    Bad,
}

/// Looks at the configuration and at the cluster.
pub fn look(config: &Config) -> Result<Vec<Finding>, ActuateError> {
    config.check()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(ActuateError::Runtime)?.block_on(look_at(config))
}

async fn look_at(config: &Config) -> Result<Vec<Finding>, ActuateError> {
    let mut findings = vec![obeyed(config)];
    let api = Api::connect(config.kubeconfig.as_deref()).await?;
    let version = match api.get("/version").await {
        Ok(version) => version.unwrap_or_default(),
        Err(error) => {
            findings.push(bad(error.to_string(), "check actuate.kubeconfig, and that the API server can be reached"));
            return Ok(findings);
        }
    };
    findings.push(good(format!("Kubernetes {} answers", version["gitVersion"].as_str().unwrap_or("?"))));
    findings.push(match Ledger::new(api.clone(), &config.namespace).entries().await {
        Ok(entries) => {
            let in_force = entries.iter().filter(|entry| entry.phase.in_force()).count();
            good(format!(
                "the ledger in namespace {} has {} records, {in_force} in force",
                config.namespace,
                entries.len()
            ))
        }
        Err(error) => bad(format!("the ledger cannot be read: {error}"), INSTALL),
    });
    findings.push(kill_switch(&api, config).await);
    findings.extend(rights(&api, config).await?);
    Ok(findings)
}

const INSTALL: &str = "`bellbuoy actuate --manifests | kubectl apply -f -`, as an administrator";

/// Whom it obeys, and how far.
fn obeyed(config: &Config) -> Finding {
    let acting = actions::ALL.iter().filter(|kind| config.level(kind.name) > Level::Recommend).count();
    let seen = format!(
        "cluster `{}`: obeys {} keys, acts in {acting} of {} actions",
        config.cluster,
        config.keys.len(),
        actions::ALL.len()
    );
    match (config.keys.is_empty(), acting) {
        (true, _) => bad(seen, "give actuate.keys the public key that `bellbuoy keys show FILE` prints"),
        (_, 0) => Finding {
            grade: Grade::Doubtful,
            seen,
            advice: "it only tells people; actuate.mode and actuate.modes let it act",
        },
        _ => good(seen),
    }
}

async fn kill_switch(api: &Api, config: &Config) -> Finding {
    let path = format!("/api/v1/namespaces/{}/configmaps/bellbuoy-kill-switch", config.namespace);
    match api.get(&path).await {
        Ok(None) => good("no kill switch is set in the cluster".to_owned()),
        Ok(Some(map)) if map["data"]["state"] == "off" => good("the kill switch in the cluster is off".to_owned()),
        Ok(Some(_)) => Finding {
            grade: Grade::Doubtful,
            seen: "the kill switch in the cluster is on: nothing new is done".to_owned(),
            advice: "delete the ConfigMap bellbuoy-kill-switch, or give it the data `state: off`, when it may act again",
        },
        Err(error) => bad(format!("the kill switch cannot be read, so nothing new would be done: {error}"), INSTALL),
    }
}

/// What it lacks, and what it should not have.
async fn rights(api: &Api, config: &Config) -> Result<Vec<Finding>, ActuateError> {
    let enabled = actions::ALL.iter().filter(|kind| manifests::is_enabled(kind, config));
    let rules: BTreeSet<(&str, &str, &str)> = enabled.flat_map(|kind: &Kind| kind.rules).flat_map(asked).collect();
    let (mut missing, mut asked) = (Vec::new(), 0);
    for (group, resource, verb) in rules {
        asked += 1;
        if !may(api, group, resource, verb).await? {
            missing.push(format!("{verb} {resource}"));
        }
    }
    let mut findings = vec![match missing.is_empty() {
        true => good(format!("its account has all {asked} rights that its actions need")),
        false => bad(format!("its account may not {}", missing.join(", ")), INSTALL),
    }];
    let mut excess = Vec::new();
    for (group, resource, verb) in TOO_MUCH {
        if may(api, group, resource, verb).await? {
            excess.push(format!("{verb} {resource}"));
        }
    }
    if !excess.is_empty() {
        findings.push(Finding {
            grade: Grade::Doubtful,
            seen: format!("its account may also {}, which no action needs", excess.join(", ")),
            advice: "run it under the account bellbuoy-actuator, with exactly the roles that `actuate --manifests` prints",
        });
    }
    Ok(findings)
}

fn asked(rule: &Rule) -> impl Iterator<Item = (&'static str, &'static str, &'static str)> + use<> {
    let Rule { group, resources, verbs } = *rule;
    resources.iter().flat_map(move |resource| verbs.iter().map(move |verb| (group, *resource, *verb)))
}

async fn may(api: &Api, group: &str, resource: &str, verb: &str) -> Result<bool, ActuateError> {
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    let attributes = json!({"group": group, "resource": resource, "subresource": subresource, "verb": verb});
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    });
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let request = Request::new("POST", path, "application/json", Some(review));
    let answer = api.call(&request, Dry::No).await.map_err(|error| ActuateError::Cluster(error.to_string()))?;
    if !answer.is_success() {
        return Err(ActuateError::Cluster(Refused::of(&answer).to_string()));
    }
    Ok(answer.body["status"]["allowed"] == Value::Bool(true))
}

fn good(seen: String) -> Finding {
    Finding { grade: Grade::Good, seen, advice: "" }
}

fn bad(seen: String, advice: &'static str) -> Finding {
    Finding { grade: Grade::Bad, seen, advice }
}
