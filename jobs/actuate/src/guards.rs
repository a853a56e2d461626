//! What must hold of the objects an order is about, whatever it says: scope, and the command's own preconditions.
//!
//! Invariant: a precondition that is not known here is not met.

use crate::actions::Refusal;
use crate::actions::attach_forensics::IMAGE;
use crate::actions::raise_autoscaler::limit;
use crate::actions::roll_back_deployment::{has_revision_before, last_change};
use crate::actions::taint_node::is_tainted;
use crate::config::Config;
use crate::view::{View, labels};
use schemas::glob::glob;
use schemas::{Command, RefusalRule};
use serde_json::Value;

/// With this label or annotation people keep us away from an object or a namespace.
pub const OPT_OUT: &str = "bellbuoy.dev/opt-out";

/// Annotations and labels of controllers that would undo a change of what they keep.
const KEEPERS: [&str; 4] = [
    "argocd.argoproj.io/tracking-id",
    "kustomize.toolkit.fluxcd.io/name",
    "helm.toolkit.fluxcd.io/name",
    "config.k8s.io/owning-inventory",
];

/// The precondition that the object was there before a time: then one of that name is the one that was seen.
pub const CREATED_BEFORE: &str = "created_before";

/// Asks all guards.
pub fn check(command: &Command<'_>, view: &View, config: &Config) -> Result<(), Refusal> {
    scope(view, config)?;
    if view.target.is_null() {
        let target = &command.target;
        return Err(Refusal::precondition(if target.uid.is_empty() {
            let before = "that was there when the trouble was seen: it is gone, or another has its name";
            format!("there is no {} {} {before}", target.kind, target.name)
        } else {
            format!("there is no {} of uid {}", target.kind, target.uid)
        }));
    }
    image(command, config)?;
    if command.target.kind != "Pod" && command.risk >= schemas::RiskClass::R3 {
        managed_elsewhere(&view.target)?;
    }
    command.preconditions.iter().try_for_each(|wanted| precondition(&wanted.name, &wanted.value, view))
}

fn scope(view: &View, config: &Config) -> Result<(), Refusal> {
    let denied = |sentence: String| Err(Refusal::new(RefusalRule::DeniedScope, sentence));
    let namespace = &view.namespace;
    if !namespace.is_empty() {
        if let Some(pattern) =
            config.protected.iter().chain([&config.namespace]).find(|pattern| glob(pattern, namespace))
        {
            return denied(format!("namespace {namespace} is protected (`{pattern}`)"));
        }
        if !config.namespaces.iter().any(|pattern| glob(pattern, namespace)) {
            return denied(format!(
                "namespace {namespace} is not among those allowed: {}",
                config.namespaces.join(", ")
            ));
        }
    }
    for (object, what) in
        [(&view.target, "the object"), (&view.workload, "its workload"), (&view.within, "its namespace")]
    {
        let metadata = &object["metadata"];
        if metadata["labels"][OPT_OUT] == "true" || metadata["annotations"][OPT_OUT] == "true" {
            return denied(format!("{what} bears {OPT_OUT}=true"));
        }
    }
    let class = view.target["spec"]["priorityClassName"].as_str().unwrap_or_default();
    if class.starts_with("system-") {
        return denied(format!("the pod's priority is {class}: the cluster itself needs it"));
    }
    Ok(())
}

/// Refuses to start what nobody agreed on.
fn image(command: &Command<'_>, config: &Config) -> Result<(), Refusal> {
    let image = command.action.parameters.iter().find(|parameter| parameter.name == IMAGE);
    match image {
        Some(image) if !config.images.iter().any(|allowed| *allowed == image.value.as_str()) => {
            let sentence = format!("the image `{}` is not among actuate.images", image.value);
            Err(Refusal::new(RefusalRule::DeniedScope, sentence))
        }
        _ => Ok(()),
    }
}

/// Refuses what another controller would undo.
pub(crate) fn managed_elsewhere(object: &Value) -> Result<(), Refusal> {
    let metadata = &object["metadata"];
    let keeper = KEEPERS
        .into_iter()
        .find(|name| !metadata["annotations"][name].is_null() || !metadata["labels"][name].is_null());
    let Some(keeper) = keeper else { return Ok(()) };
    let sentence = format!("{keeper} says that another controller keeps the object as it is and would undo the change");
    Err(Refusal::new(RefusalRule::ManagedElsewhere, sentence))
}

fn precondition(name: &str, wanted: &str, view: &View) -> Result<(), Refusal> {
    let target = &view.target;
    let spec = &target["spec"];
    let is = |found: bool| wanted == if found { "true" } else { "false" };
    let met = |met: bool, found: String| {
        if met { Ok(()) } else { Err(Refusal::precondition(format!("{name} must be {wanted}; {found}"))) }
    };
    match name {
        "host_network" => met(is(spec["hostNetwork"] == true), "the pod uses its node's network".to_owned()),
        "owned_by" => owned_by(wanted, view),
        "min_ready" => min_ready(wanted, view),
        "max_workload_unavailable" => max_unavailable(wanted, view),
        // The plan of the action that asks it knows what it would leave.
        "residual_allow" => met(wanted == "none", "only `none` is known".to_owned()),
        "pdb" => disruption_budget(view),
        "eviction" => met(
            wanted == "refused" && disruption_budget(view).is_err(),
            "the pod can be evicted, within its disruption budget".to_owned(),
        ),
        "autoscaler" => autoscaler(wanted, view),
        "deny_policies" => met(
            wanted == "supported" && view.deny_policies.is_some(),
            "the cluster's network policies can only allow".to_owned(),
        ),
        "tainted" => met(is(is_tainted(target)) || marked(target), "the node bears the taint already".to_owned()),
        "aborted" => met(is(target["status"]["abort"] == true), "it is aborted already".to_owned()),
        "paused" => met(is(spec["paused"] == true), "it is paused, or not".to_owned()),
        "rollout_in_progress" => met(is(rolling(target)), "a rollout is under way".to_owned()),
        "suspended" => met(is(spec["suspend"] == true) || marked(target), "it is suspended already".to_owned()),
        "unschedulable" => {
            met(is(spec["unschedulable"] == true) || marked(target), "the node is cordoned already".to_owned())
        }
        "previous_revision" => met(
            wanted == "exists" && has_revision_before(view),
            "there is no revision before with other pods".to_owned(),
        ),
        "not_changed_since" => not_changed_since(wanted, view),
        "max_cordoned_nodes" => cordoned(wanted, view),
        "built_in" => {
            let name = target["metadata"]["name"].as_str().unwrap_or_default();
            met(is(name.starts_with("system:") || name == "cluster-admin"), "it is the cluster's own".to_owned())
        }
        "created_since" => created_since(wanted, target),
        CREATED_BEFORE => created_before(wanted, target),
        _ => Err(Refusal::new(RefusalRule::Unsupported, format!("the precondition {name} is not known here"))),
    }
}

/// True for an object that we have changed: an order that goes on finds its own work.
fn marked(object: &Value) -> bool {
    !object["metadata"]["annotations"][crate::actions::COMMAND].is_null()
}

fn owned_by(wanted: &str, view: &View) -> Result<(), Refusal> {
    let text = |field: &Value| field.as_str().unwrap_or_default().to_owned();
    let found = format!("{}/{}", text(&view.workload["kind"]), text(&view.workload["metadata"]["name"]));
    // A pod in quarantine has left its controller; that it is ours the plan sees.
    if found == wanted || marked(&view.target) {
        return Ok(());
    }
    let sentence = format!("the pod must belong to {wanted}, it belongs to {found}: what names it may be forged");
    Err(Refusal::precondition(sentence))
}

/// Pods the workload should have, and those that are ready.
fn standing(view: &View) -> (i64, i64) {
    let ready = view.pods.iter().filter(|pod| is_ready(pod)).count() as i64;
    let status = &view.workload["status"];
    let desired = view.workload["spec"]["replicas"].as_i64().or(status["desiredNumberScheduled"].as_i64());
    (desired.unwrap_or(view.pods.len() as i64), ready)
}

fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array();
    pod["metadata"]["deletionTimestamp"].is_null()
        && conditions.is_some_and(|all| all.iter().any(|one| one["type"] == "Ready" && one["status"] == "True"))
}

/// Pods that will be ready when the target no longer counts.
fn ready_afterwards(view: &View) -> i64 {
    let counted = view.pods.iter().any(|pod| pod["metadata"]["uid"] == view.uid.as_str() && is_ready(pod));
    standing(view).1 - i64::from(counted)
}

fn min_ready(wanted: &str, view: &View) -> Result<(), Refusal> {
    let least: i64 = number(wanted, "min_ready")?;
    let left = ready_afterwards(view);
    if left >= least {
        return Ok(());
    }
    let sentence = format!("{left} pods of the workload would be left ready; at least {least} are needed");
    Err(Refusal::precondition(sentence).with("ready afterwards", left as f64).with("needed", least as f64))
}

/// A share is rounded down.
fn max_unavailable(wanted: &str, view: &View) -> Result<(), Refusal> {
    let percent: i64 = number(wanted.strip_suffix('%').unwrap_or_default(), "max_workload_unavailable")?;
    let desired = standing(view).0;
    let (allowed, missing) = ((desired * percent).div_euclid(100), desired - ready_afterwards(view));
    if missing <= allowed {
        return Ok(());
    }
    let sentence =
        format!("{missing} of {desired} pods of the workload would be missing; allowed are {allowed} ({wanted})");
    let refusal = Refusal::precondition(sentence).with("missing", missing as f64);
    Err(refusal.with("of", desired as f64).with("allowed", allowed as f64))
}

fn disruption_budget(view: &View) -> Result<(), Refusal> {
    let labels = labels(&view.target);
    let selects = |one: &&Value| crate::isolation::selects(&one["spec"]["selector"], &labels);
    let matching: Vec<&Value> = view.disruption_budgets.iter().filter(selects).collect();
    if matching.len() > 1 {
        let sentence = "several disruption budgets are about the pod, and then the API server evicts none";
        return Err(Refusal::precondition(sentence).with("disruption budgets", matching.len() as f64));
    }
    for budget in matching {
        let allowed = budget["status"]["disruptionsAllowed"].as_i64().unwrap_or(0);
        if allowed < 1 {
            let name = budget["metadata"]["name"].as_str().unwrap_or_default();
            let sentence = format!("the disruption budget {name} allows none now");
            return Err(Refusal::precondition(sentence).with("disruptions allowed", allowed as f64));
        }
    }
    Ok(())
}

/// `none`: the order would be undone by it; `at_limit`: the workload has all the pods that it may give.
fn autoscaler(wanted: &str, view: &View) -> Result<(), Refusal> {
    let scaler = view.autoscaler();
    let name = scaler.map_or("", |scaler| scaler["metadata"]["name"].as_str().unwrap_or_default());
    match (wanted, scaler) {
        ("none", None) => Ok(()),
        ("none", Some(_)) => {
            let sentence = format!("the autoscaler {name} decides how many pods it has");
            Err(Refusal::new(RefusalRule::ManagedElsewhere, sentence))
        }
        ("at_limit", None) => Err(Refusal::precondition("no autoscaler decides how many pods it has")),
        ("at_limit", Some(scaler)) => {
            let (pods, limit) = (view.target["spec"]["replicas"].as_i64().unwrap_or(1), limit(scaler));
            if pods >= limit || marked(scaler) {
                return Ok(());
            }
            let sentence =
                format!("it has {pods} pods and the autoscaler {name} may give it {limit}: more would not help");
            Err(Refusal::precondition(sentence).with("pods", pods as f64).with("limit", limit as f64))
        }
        _ => Err(Refusal::new(RefusalRule::Unsupported, "autoscaler must be `none` or `at_limit`")),
    }
}

fn rolling(workload: &Value) -> bool {
    let (status, wanted) = (&workload["status"], workload["spec"]["replicas"].as_i64());
    let seen = status["observedGeneration"].as_i64() >= workload["metadata"]["generation"].as_i64();
    let wanted = wanted.or(status["desiredNumberScheduled"].as_i64()).unwrap_or(0);
    let updated = status["updatedReplicas"].as_i64().or(status["updatedNumberScheduled"].as_i64()).unwrap_or(0);
    !seen || updated < wanted
}

fn cordoned(wanted: &str, view: &View) -> Result<(), Refusal> {
    let percent: i64 = number(wanted.strip_suffix('%').unwrap_or_default(), "max_cordoned_nodes")?;
    let others = view.nodes.iter().filter(|node| node["metadata"]["uid"] != view.uid.as_str());
    let shut = |node: &&Value| node["spec"]["unschedulable"] == true || is_tainted(node);
    let cordoned = 1 + others.filter(shut).count() as i64;
    let (nodes, allowed) = (view.nodes.len() as i64, (view.nodes.len() as i64 * percent).div_euclid(100));
    if cordoned <= allowed {
        return Ok(());
    }
    let sentence =
        format!("{cordoned} of {nodes} nodes would be cordoned or tainted; allowed are {allowed} ({wanted})");
    let refusal = Refusal::precondition(sentence).with("cordoned", cordoned as f64);
    Err(refusal.with("of", nodes as f64).with("allowed", allowed as f64))
}

/// When an object was made, milliseconds, and as it says so. Objects say it to the second.
fn created(object: &Value) -> Result<(i64, &str), Refusal> {
    let text = object["metadata"]["creationTimestamp"].as_str().unwrap_or_default();
    let millis = crate::ledger::millis(text);
    Ok((millis.ok_or_else(|| Refusal::precondition("the object does not say when it was made"))?, text))
}

/// Two objects of one name are never there at the same time: one that is there now and was there then has been all along.
pub(crate) fn created_before(wanted: &str, target: &Value) -> Result<(), Refusal> {
    let before: i64 = number(wanted, CREATED_BEFORE)?;
    let (created, text) = created(target)?;
    if created + 1_000 <= before {
        return Ok(());
    }
    let sentence = format!("the object was made at {text}, after what was seen: it is another of that name");
    Err(Refusal::precondition(sentence).with("made after, ms", (created - before) as f64))
}

fn not_changed_since(wanted: &str, view: &View) -> Result<(), Refusal> {
    let since: i64 = number(wanted, "not_changed_since")?;
    let Some(revision) = last_change(view) else {
        return Err(Refusal::precondition("it is not at its newest revision: somebody has gone back already"));
    };
    let (created, text) = created(revision)?;
    if created <= since {
        return Ok(());
    }
    let sentence = format!("it was changed at {text}, after the trouble began: what it was then is gone already");
    Err(Refusal::precondition(sentence).with("changed after, ms", (created - since) as f64))
}

fn created_since(wanted: &str, target: &Value) -> Result<(), Refusal> {
    let since: i64 = number(wanted, "created_since")?;
    let (created, text) = created(target)?;
    if created + 1_000 > since {
        return Ok(());
    }
    let sentence = format!("the object was made at {text}, before the trouble: it serves others, too");
    Err(Refusal::precondition(sentence).with("made before, ms", (since - created) as f64))
}

fn number(text: &str, name: &str) -> Result<i64, Refusal> {
    text.parse().map_err(|_| Refusal::new(RefusalRule::Unsupported, format!("{name}: `{text}` is no whole number")))
}
