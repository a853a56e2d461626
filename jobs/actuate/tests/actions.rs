//! Every action on a real control plane: carried out, seen, undone where it can be, and refused for its reasons.

mod site;

use actuate::actions;
use schemas::{Action, Command, Mode, Precondition, RefusalRule, ResultState, RiskClass, Rollback, Target};
use serde_json::Value;
use site::{MINUTE, Site, provided};
use std::collections::BTreeSet;

/// An action, what it is for, and what its remedy asks of the object.
struct Story {
    action: &'static str,
    parameters: &'static [(&'static str, &'static str)],
    kind: &'static str,
    name: &'static str,
    must: &'static [(&'static str, &'static str)],
    inverse: Option<(&'static str, &'static [(&'static str, &'static str)])>,
    /// Where the object shows what was done: path and value, and the value it has otherwise.
    shows: (&'static str, Value, Value),
}

fn stories() -> Vec<Story> {
    vec![
        Story {
            action: "cordon_node",
            parameters: &[],
            kind: "Node",
            name: "node-1",
            must: &[("max_cordoned_nodes", "50%"), ("unschedulable", "false")],
            inverse: Some(("uncordon_node", &[])),
            shows: ("/spec/unschedulable", Value::Bool(true), Value::Null),
        },
        Story {
            action: "scale_workload",
            parameters: &[("percent", "150"), ("max_replicas", "10")],
            kind: "Deployment",
            name: "cart",
            must: &[("autoscaler", "none")],
            inverse: Some(("scale_workload", &[("replicas", "recorded")])),
            shows: ("/spec/replicas", Value::from(6), Value::from(4)),
        },
        Story {
            action: "suspend_job",
            parameters: &[],
            kind: "CronJob",
            name: "nightly",
            must: &[("suspended", "false")],
            inverse: Some(("resume_job", &[])),
            shows: ("/spec/suspend", Value::Bool(true), Value::Bool(false)),
        },
        Story {
            action: "restart_workload",
            parameters: &[],
            kind: "Deployment",
            name: "web",
            must: &[("paused", "false"), ("rollout_in_progress", "false")],
            inverse: None,
            shows: ("/spec/template/metadata/annotations/bellbuoy.dev~1command-id", Value::Null, Value::Null),
        },
    ]
}

fn version_of(kind: &str) -> &'static str {
    match kind {
        "Deployment" | "StatefulSet" => "apps/v1",
        "CronJob" => "batch/v1",
        "ClusterRoleBinding" => "rbac.authorization.k8s.io/v1",
        _ => "v1",
    }
}

fn action(name: &'static str, parameters: &[(&'static str, &'static str)]) -> Action<'static> {
    let parameters =
        parameters.iter().map(|&(name, value)| schemas::Parameter { name: name.into(), value: value.into() });
    Action { name: name.into(), parameters: parameters.collect() }
}

/// An order of a story, signed, under an id of its own.
fn order(site: &Site, story: &Story, id: &str) -> Command<'static> {
    let object = site.object(&[&story.kind.to_lowercase(), story.name]);
    let cluster_wide = matches!(story.kind, "Node" | "ClusterRoleBinding");
    let now = site.now();
    let kind = actions::by_name(story.action).expect("it is an action");
    let must = story.must.iter().map(|&(name, value)| Precondition { name: name.into(), value: value.into() });
    let command = Command {
        tenant: "default".into(),
        cluster: "prod".into(),
        attempt: 1,
        mode: Mode::Enforce,
        risk: kind.risk,
        action: action(story.action, story.parameters),
        target: Target {
            api_version: version_of(story.kind).into(),
            kind: story.kind.into(),
            namespace: if cluster_wide { "".into() } else { "shop".into() },
            name: story.name.into(),
            uid: object["metadata"]["uid"].as_str().expect("it has one").to_owned().into(),
            ..Target::default()
        },
        lock_domain: format!("prod/{}", story.name).into(),
        reason: "a test".into(),
        issued_at: now,
        not_before: now,
        expires_at: now + 10 * MINUTE,
        preconditions: must.collect(),
        inverse: story.inverse.map(|(name, parameters)| action(name, parameters)),
        rollback: if story.inverse.is_some() { Rollback::Automatic } else { Rollback::Never },
        undo_after: if story.inverse.is_some() { 30 * MINUTE } else { 0 },
        approvals: 1,
        ..Command::default()
    };
    site.signed(command, &format!("{} {id}", story.action))
}

fn field(site: &Site, story: &Story) -> Value {
    let object = site.object(&[&story.kind.to_lowercase(), story.name]);
    object.pointer(story.shows.0).cloned().unwrap_or_default()
}

fn refused(site: &Site, order: &Command<'_>, rule: RefusalRule) {
    site.send(order);
    site.until(&format!("{} is refused", order.id), |site| site.refusal(order).is_some());
    assert_eq!(site.refusal(order), Some(rule), "{}", order.id);
}

#[test]
fn every_action_is_done_seen_and_undone_and_refused_where_somebody_else_has_a_hand_in_it() {
    if !provided() {
        return;
    }
    let site = Site::start();
    site.kubectl(&["create", "cronjob", "nightly", "--image=job:1", "--schedule=0 3 * * *", "--namespace=shop"]);
    for story in stories() {
        let before = field(&site, &story);
        let done = order(&site, &story, "done");
        site.send(&done);
        site.until(story.action, |site| site.states(&done).contains(&ResultState::Verified));
        let (_, shown, otherwise) = &story.shows;
        if story.inverse.is_some() {
            assert_eq!((&before, &field(&site, &story)), (otherwise, shown), "{}", story.action);
            site.advance(done.undo_after + 1_000);
            site.until(story.action, |site| site.states(&done).ends_with(&[ResultState::RolledBack]));
            assert_eq!(field(&site, &story), *otherwise, "{}: it is as before", story.action);
            let marks = site.object(&[&story.kind.to_lowercase(), story.name])["metadata"]["annotations"].to_string();
            assert!(!marks.contains("bellbuoy.dev/"), "{}: no mark of ours is left: {marks}", story.action);
        } else {
            assert_eq!(field(&site, &story), Value::from(done.id.as_str()), "{}", story.action);
        }
        site.advance(60 * MINUTE);
    }

    // What people did in between is left to people.
    let scaled = stories().remove(1);
    let changed = order(&site, &scaled, "changed by somebody");
    site.send(&changed);
    site.until("it is scaled", |site| site.states(&changed).contains(&ResultState::Verified));
    site.kubectl(&["scale", "deployment/cart", "--replicas=5", "--namespace=shop"]);
    site.advance(changed.undo_after + 1_000);
    site.until("it is left", |site| site.states(&changed).ends_with(&[ResultState::RollbackConflict]));
    assert_eq!(field(&site, &scaled), Value::from(5));
    site.kubectl(&["annotate", "deployment/cart", "bellbuoy.dev/command-id-", "--namespace=shop"]);
    site.kubectl(&["scale", "deployment/cart", "--replicas=4", "--namespace=shop"]);
    site.advance(60 * MINUTE);

    let [cordon, scale, suspend, restart] =
        <[Story; 4]>::try_from(stories()).unwrap_or_else(|_| panic!("there are four"));
    site.kubectl(&["autoscale", "deployment/cart", "--min=2", "--max=9", "--cpu=80%", "--namespace=shop"]);
    refused(&site, &order(&site, &scale, "with an autoscaler"), RefusalRule::ManagedElsewhere);
    site.kubectl(&["patch", "cronjob/nightly", "--namespace=shop", "--patch", r#"{"spec": {"suspend": true}}"#]);
    refused(&site, &order(&site, &suspend, "that is suspended"), RefusalRule::PreconditionFailed);
    site.kubectl(&["rollout", "pause", "deployment/web", "--namespace=shop"]);
    refused(&site, &order(&site, &restart, "that is paused"), RefusalRule::PreconditionFailed);
    site.kubectl(&["rollout", "resume", "deployment/web", "--namespace=shop"]);
    site.kubectl(&["annotate", "deployment/web", "argocd.argoproj.io/tracking-id=web", "--namespace=shop"]);
    refused(&site, &order(&site, &restart, "that others keep"), RefusalRule::ManagedElsewhere);
    site.kubectl(&["label", "namespace", "shop", "bellbuoy.dev/opt-out=true"]);
    refused(&site, &order(&site, &suspend, "that opted out"), RefusalRule::DeniedScope);
    site.kubectl(&["cordon", "node-0"]);
    refused(&site, &order(&site, &cordon, "as the last node"), RefusalRule::PreconditionFailed);
    site.chain_is_whole();
}

#[test]
fn a_workload_whose_uid_nobody_saw_is_the_one_of_its_name_that_was_there_or_nobody() {
    if !provided() {
        return;
    }
    let site = Site::start();
    let scale = stories().remove(1);
    let by_name = |seen: Option<i64>, id: &str| {
        let mut command = order(&site, &scale, id);
        command.target.uid = "".into();
        let before = seen.map(|seen| Precondition { name: "created_before".into(), value: seen.to_string().into() });
        command.preconditions.extend(before);
        site.signed(command, id)
    };
    // Objects say when they were made to the second.
    std::thread::sleep(std::time::Duration::from_secs(2));
    let seen = site.now();
    let done = by_name(Some(seen), "by name and time");
    site.send(&done);
    site.until("it is scaled", |site| site.states(&done).contains(&ResultState::Verified));
    assert_eq!(field(&site, &scale), Value::from(6));
    refused(&site, &by_name(Some(seen), "too soon after"), RefusalRule::Cooldown);
    site.advance(done.undo_after + 1_000);
    site.until("it is undone", |site| site.states(&done).ends_with(&[ResultState::RolledBack]));
    site.advance(60 * MINUTE);

    refused(&site, &by_name(None, "by name alone"), RefusalRule::PreconditionFailed);
    site.kubectl(&["delete", "deployment", "cart", "--namespace=shop"]);
    site.kubectl(&["create", "deployment", "cart", "--image=app:1", "--replicas=4", "--namespace=shop"]);
    refused(&site, &by_name(Some(seen), "of another of that name"), RefusalRule::PreconditionFailed);
    assert_eq!(field(&site, &scale), Value::from(4), "the other one is left alone");
    site.chain_is_whole();
}

#[test]
fn a_deployment_goes_back_to_the_revision_before_and_not_where_that_is_not_what_was_meant() {
    if !provided() {
        return;
    }
    let site = Site::start();
    let back = |must: &'static [(&'static str, &'static str)]| Story {
        action: "roll_back_deployment",
        parameters: &[],
        kind: "Deployment",
        name: "web",
        must,
        inverse: None,
        shows: ("/spec/template/spec/containers/0/image", Value::from("app:1"), Value::from("app:2")),
    };
    let plain = back(&[("paused", "false"), ("previous_revision", "exists")]);
    refused(&site, &order(&site, &plain, "without a history"), RefusalRule::PreconditionFailed);
    let before = site.now();
    std::thread::sleep(std::time::Duration::from_secs(2));
    site.kubectl(&["set", "image", "deployment/web", "app=app:2", "--namespace=shop"]);
    site.kubectl(&["rollout", "status", "deployment/web", "--namespace=shop", "--timeout=60s"]);
    assert_eq!(field(&site, &plain), plain.shows.2);

    let since = |since: i64, id: &str| {
        let mut command = order(&site, &plain, id);
        command.preconditions.push(Precondition { name: "not_changed_since".into(), value: since.to_string().into() });
        site.signed(command, id)
    };
    refused(&site, &since(before, "of what was there before the change"), RefusalRule::PreconditionFailed);
    let done = since(site.now(), "back to the revision before");
    site.send(&done);
    site.until("it is back", |site| site.states(&done).contains(&ResultState::Verified));
    assert_eq!(field(&site, &plain), plain.shows.1);
    site.kubectl(&["rollout", "status", "deployment/web", "--namespace=shop", "--timeout=60s"]);
    site.advance(60 * MINUTE);
    refused(&site, &since(site.now(), "twice"), RefusalRule::PreconditionFailed);
    assert_eq!(field(&site, &plain), plain.shows.1, "nobody goes back and forth");
    site.chain_is_whole();
}

#[test]
fn a_pod_is_evicted_within_its_budget_and_a_binding_revoked_when_two_people_agree() {
    if !provided() {
        return;
    }
    let site = Site::start();
    let pod = site.pod_of("cart");
    let evict = |pod: &site::Pod, id: &str| {
        let mut command = site.quarantine(pod, Mode::Enforce);
        command.action = action("evict_pod", &[]);
        command.preconditions.retain(|one| one.name != "residual_allow" && one.name != "host_network");
        command.preconditions.push(Precondition { name: "pdb".into(), value: "respect".into() });
        (command.inverse, command.rollback, command.undo_after) = (None, Rollback::Never, 0);
        site.signed(command, id)
    };
    let evicted = evict(&pod, "evicted");
    site.send(&evicted);
    site.until("it is evicted", |site| site.states(&evicted).contains(&ResultState::Verified));
    site.until("it is gone", |site| !site.kubectl(&["get", "pods", "--namespace=shop"]).contains(&pod.name));

    site.kubectl(&[
        "create",
        "poddisruptionbudget",
        "cart",
        "--selector=app=cart",
        "--min-available=4",
        "--namespace=shop",
    ]);
    let fresh = site.oldest_pod_of("cart");
    refused(&site, &evict(&fresh, "without a budget"), RefusalRule::PreconditionFailed);

    site.kubectl(&["create", "clusterrolebinding", "debug", "--clusterrole=cluster-admin", "--user=mallory"]);
    let revoke = Story {
        action: "revoke_binding",
        parameters: &[],
        kind: "ClusterRoleBinding",
        name: "debug",
        must: &[("built_in", "false")],
        inverse: None,
        shows: ("", Value::Null, Value::Null),
    };
    let revoked = order(&site, &revoke, "by two");
    assert_eq!(revoked.risk, RiskClass::R4);
    site.send(&revoked);
    site.approve(&revoked, "ada");
    site.until("it waits for a second person", |site| site.states(&revoked) == [ResultState::Accepted]);
    assert!(site.kubectl(&["get", "clusterrolebindings"]).contains("debug"), "one person is not enough");
    site.approve(&revoked, "grace");
    site.until("it is revoked", |site| site.states(&revoked).contains(&ResultState::Verified));
    let left: BTreeSet<String> =
        site.kubectl(&["get", "clusterrolebindings", "--output=name"]).lines().map(str::to_owned).collect();
    assert!(!left.contains("clusterrolebinding.rbac.authorization.k8s.io/debug"), "{left:?}");
    let kept = site.kubectl(&["get", "remediationactions", "--namespace=bellbuoy", "--output=json"]);
    assert!(kept.contains("mallory"), "what was taken back is written down");

    let built_in = Story { name: "cluster-admin", ..revoke };
    let order = order(&site, &built_in, "of the cluster");
    site.send(&order);
    site.approve(&order, "ada");
    site.approve(&order, "grace");
    site.until("it is refused", |site| site.refusal(&order) == Some(RefusalRule::PreconditionFailed));
    site.chain_is_whole();
}
