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
            action: "taint_node",
            parameters: &[("effect", "NoSchedule")],
            kind: "Node",
            name: "node-1",
            must: &[("max_cordoned_nodes", "50%"), ("tainted", "false")],
            inverse: Some(("untaint_node", &[])),
            shows: ("/spec/taints/0/key", Value::from("bellbuoy.dev/suspect"), Value::Null),
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
        "Rollout" => "argoproj.io/v1alpha1",
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

    let [cordon, scale, suspend, taint, restart] =
        <[Story; 5]>::try_from(stories()).unwrap_or_else(|_| panic!("there are five"));
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
    refused(&site, &order(&site, &taint, "as the last node"), RefusalRule::PreconditionFailed);
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
        inverse: Some(("roll_forward_deployment", &[])),
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
        (command.rollback, command.undo_after) = (Rollback::Manual, 0);
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
    site.reject(&done, "ada");
    site.until("it goes forward when a person says so", |site| {
        site.states(&done).ends_with(&[ResultState::RolledBack])
    });
    assert_eq!(field(&site, &plain), plain.shows.2);
    let marks = site.object(&["deployment", "web"])["metadata"]["annotations"].to_string();
    assert!(!marks.contains("bellbuoy.dev/"), "no mark of ours is left: {marks}");
    site.chain_is_whole();
}

#[test]
fn a_pod_gets_more_in_place_and_what_it_had_and_is_looked_into_by_an_allowed_image_only() {
    if !provided() {
        return;
    }
    let site = Site::start();
    let about = |pod: &site::Pod, name: &'static str, parameters: &[(&'static str, &'static str)], id: &str| {
        let mut command = site.quarantine(pod, Mode::Enforce);
        command.action = action(name, parameters);
        command.risk = actions::by_name(name).expect("it is an action").risk;
        command.preconditions.retain(|one| one.name == "owned_by");
        command.inverse = (name == "resize_pod").then(|| action("resize_pod", &[("resources", "recorded")]));
        command.undo_after = if command.inverse.is_some() { command.undo_after } else { 0 };
        site.signed(command, id)
    };
    let more: &[(&str, &str)] = &[("percent", "150"), ("resource", "memory")];
    refused(&site, &about(&site.pod_of("web"), "resize_pod", more, "without a limit"), RefusalRule::PreconditionFailed);
    let resources = ["set", "resources", "deployment/cart", "--limits=memory=128Mi,cpu=500m", "--namespace=shop"];
    site.kubectl(&[&resources[..], &["--requests=memory=64Mi,cpu=500m"]].concat());
    let pod = site.oldest_pod_of("cart");
    // What a kubelet says that knows how to resize; the one here is none.
    let reports = r#"[{"op": "add", "path": "/status/containerStatuses/0/resources", "value":
        {"limits": {"memory": "128Mi", "cpu": "500m"}, "requests": {"memory": "64Mi", "cpu": "500m"}}}]"#;
    let report =
        ["patch", "pod", &pod.name, "--namespace=shop", "--subresource=status", "--type=json", "--patch", reports];
    site.kubectl(&report);
    let before = site.object(&["pod", &pod.name]);
    let of = |kind: &str| site.object(&["pod", &pod.name])["spec"]["containers"][0]["resources"][kind].clone();
    let resized = about(&pod, "resize_pod", more, "at its limit");
    site.send(&resized);
    site.until("it is resized", |site| site.states(&resized).contains(&ResultState::Verified));
    assert_eq!(of("limits"), serde_json::json!({"memory": "192Mi", "cpu": "500m"}));
    assert_eq!(of("requests"), serde_json::json!({"memory": "96Mi", "cpu": "500m"}));
    site.advance(resized.undo_after + 1_000);
    site.until("it is as it was", |site| site.states(&resized).ends_with(&[ResultState::RolledBack]));
    let after = site.object(&["pod", &pod.name]);
    assert_eq!(after["spec"]["containers"], before["spec"]["containers"]);
    assert_eq!(after["metadata"]["annotations"], before["metadata"]["annotations"]);
    site.advance(60 * MINUTE);

    let stranger = format!("registry.example/other@sha256:{}", "0".repeat(64)).leak();
    let look = |image: &'static str, id: &str| about(&pod, "attach_forensics", &[("image", image)], id);
    refused(&site, &look(stranger, "of another image"), RefusalRule::DeniedScope);
    let looked = look(site::FORENSICS, "of the allowed image");
    site.send(&looked);
    site.until("it is looked into", |site| site.states(&looked).ends_with(&[ResultState::Verified]));
    let attached = site.object(&["pod", &pod.name])["spec"]["ephemeralContainers"].clone();
    assert_eq!(attached.as_array().map(Vec::len), Some(1), "{attached}");
    assert_eq!(attached[0]["image"], site::FORENSICS);
    // kubectl reads before it writes.
    site.kubectl(&["create", "clusterrole", "reader", "--verb=get", "--resource=pods/ephemeralcontainers"]);
    let account = "--serviceaccount=bellbuoy:bellbuoy-actuator";
    site.kubectl(&["create", "clusterrolebinding", "reader", "--clusterrole=reader", account]);
    let change =
        serde_json::json!({"spec": {"ephemeralContainers": [{"name": "bellbuoy-x", "image": stranger}]}}).to_string();
    let held = ["patch", "pod", &pod.name, "--namespace=shop", "--subresource=ephemeralcontainers", "--patch", &change];
    let said = site.kubectl_as_actuator(&held).expect_err("it is held back");
    assert!(said.contains("only allowed images"), "{said}");
    site.chain_is_whole();
}

#[test]
fn the_limit_of_an_autoscaler_is_raised_where_it_holds_back_and_put_back() {
    if !provided() {
        return;
    }
    let site = Site::start();
    let limit = || site.object(&["horizontalpodautoscaler", "cart"])["spec"]["maxReplicas"].clone();
    let raise = Story {
        action: "raise_autoscaler",
        parameters: &[("percent", "150"), ("max_replicas", "10")],
        kind: "Deployment",
        name: "cart",
        must: &[("autoscaler", "at_limit")],
        inverse: Some(("raise_autoscaler", &[("max_replicas", "recorded")])),
        shows: ("", Value::Null, Value::Null),
    };
    refused(&site, &order(&site, &raise, "without one"), RefusalRule::PreconditionFailed);
    site.kubectl(&["autoscale", "deployment/cart", "--min=2", "--max=8", "--cpu=80%", "--namespace=shop"]);
    refused(&site, &order(&site, &raise, "below its limit"), RefusalRule::PreconditionFailed);
    let patch = r#"{"spec": {"maxReplicas": 4}}"#;
    site.kubectl(&["patch", "horizontalpodautoscaler/cart", "--namespace=shop", "--patch", patch]);

    let raised = order(&site, &raise, "at its limit");
    site.send(&raised);
    site.until("it is raised", |site| site.states(&raised).contains(&ResultState::Verified));
    assert_eq!(limit(), 6);
    site.advance(raised.undo_after + 1_000);
    site.until("it is put back", |site| site.states(&raised).ends_with(&[ResultState::RolledBack]));
    assert_eq!(limit(), 4);
    let left = site.object(&["horizontalpodautoscaler", "cart"])["metadata"]["annotations"].to_string();
    assert!(!left.contains("bellbuoy.dev/"), "no mark of ours is left: {left}");
    site.advance(60 * MINUTE);

    let changed = order(&site, &raise, "changed by somebody");
    site.send(&changed);
    site.until("it is raised", |site| site.states(&changed).contains(&ResultState::Verified));
    site.kubectl(&["patch", "horizontalpodautoscaler/cart", "--namespace=shop", "--patch", patch]);
    site.advance(changed.undo_after + 1_000);
    site.until("it is left", |site| site.states(&changed).ends_with(&[ResultState::RollbackConflict]));
    site.chain_is_whole();
}

#[test]
fn a_suspected_pod_is_looked_at_and_bears_a_note_and_neither_keeps_it_from_being_isolated() {
    if !provided() {
        return;
    }
    let site = Site::start();
    let pod = site.pod_of("cart");
    let before = site.object(&["pod", &pod.name])["metadata"].clone();
    let about_the_pod = |name: &'static str, inverse: Option<&'static str>| {
        let mut command = site.quarantine(&pod, Mode::Enforce);
        command.action = action(name, &[]);
        command.risk = actions::by_name(name).expect("it is an action").risk;
        command.incident = "incident-7".into();
        command.preconditions.retain(|one| one.name == "owned_by");
        command.inverse = inverse.map(|name| action(name, &[]));
        command.undo_after = if inverse.is_some() { command.undo_after } else { 0 };
        site.signed(command, name)
    };
    let evidence = about_the_pod("collect_evidence", None);
    site.send(&evidence);
    site.until("it is looked at", |site| site.states(&evidence).ends_with(&[ResultState::Verified]));
    assert_eq!(site.object(&["pod", &pod.name])["metadata"], before, "nothing was changed");
    let kept = site.kubectl(&["get", "remediationactions", "--namespace=bellbuoy", "--output=json"]);
    let kept: Value = serde_json::from_str(&kept).expect("kubectl prints JSON");
    let recorded = &kept["items"][0]["status"]["recorded"];
    let text = |name: &str| recorded[name].as_str().unwrap_or_default().to_owned();
    assert!(text("pod").contains(&pod.uid) && text("pod").contains("app:1"), "{recorded}");
    assert!(text("events").contains("Scheduled"), "{recorded}");
    // There is no kubelet to ask for a log; that is what is kept then.
    assert!(text("log of app").starts_with("not to be had"), "{recorded}");

    let noted = about_the_pod("annotate_pod", Some("clear_pod"));
    site.send(&noted);
    site.until("it bears a note", |site| site.states(&noted).contains(&ResultState::Verified));
    let isolated = site.quarantine(&pod, Mode::Enforce);
    site.send(&isolated);
    site.until("it is in quarantine", |site| site.states(&isolated).contains(&ResultState::Verified));
    let note =
        |site: &Site| site.object(&["pod", &pod.name])["metadata"]["annotations"]["bellbuoy.dev/incident"].clone();
    assert_eq!(note(&site), "incident-7");
    site.advance(isolated.undo_after + 1_000);
    for order in [&noted, &isolated] {
        site.until("it is undone", |site| site.states(order).ends_with(&[ResultState::RolledBack]));
    }
    let after = site.object(&["pod", &pod.name])["metadata"].clone();
    assert_eq!((&after["labels"], &after["annotations"]), (&before["labels"], &before["annotations"]));
    site.chain_is_whole();
}

/// What the test has of somebody else's kind: its name, and that it has a status of its own.
fn definition(group: &str, version: &str, kind: &str, plural: &str) -> String {
    let open = serde_json::json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let schema = serde_json::json!({"type": "object", "properties": {"spec": open, "status": open}});
    let definition = serde_json::json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural},
            "versions": [{
                "name": version, "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": schema},
            }],
        },
    });
    definition.to_string()
}

#[test]
fn where_the_network_plugin_can_deny_ways_out_are_closed_and_quarantines_hold_whatever_allows() {
    if !provided() {
        return;
    }
    let site = Site::start();
    let block = Story {
        action: "block_egress",
        parameters: &[("networks", "203.0.113.0/24")],
        kind: "Deployment",
        name: "web",
        must: &[("deny_policies", "supported")],
        inverse: Some(("unblock_egress", &[("networks", "203.0.113.0/24")])),
        shows: ("", Value::Null, Value::Null),
    };
    // A policy of theirs for all pods, which a pod without labels is one of.
    site.apply(
        r#"{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "all", "namespace": "shop"},
        "spec": {"podSelector": {}, "policyTypes": ["Egress"], "egress": [{}]}}"#,
    );
    let pod = site.pod_of("cart");
    let quarantine = |id: &str| site.signed(site.quarantine(&pod, Mode::Enforce), id);
    refused(&site, &order(&site, &block, "that nobody can deny"), RefusalRule::PreconditionFailed);
    refused(&site, &quarantine("that would not hold"), RefusalRule::ResidualAllow);

    site.apply(&definition("cilium.io", "v2", "CiliumNetworkPolicy", "ciliumnetworkpolicies"));
    site.kubectl(&["wait", "--for=condition=Established", "crd/ciliumnetworkpolicies.cilium.io", "--timeout=60s"]);
    let policies = || site.object(&["ciliumnetworkpolicies"])["items"].as_array().cloned().unwrap_or_default();
    let blocked = order(&site, &block, "that can be denied");
    site.send(&blocked);
    site.until("it is denied", |site| site.states(&blocked).contains(&ResultState::Verified));
    let spec = &policies()[0]["spec"];
    assert_eq!(spec["egressDeny"][0]["toCIDR"][0], "203.0.113.0/24");
    assert_eq!(spec["endpointSelector"]["matchLabels"]["app"], "web");
    assert_eq!(spec["enableDefaultDeny"]["egress"], false, "what is not denied stays allowed");
    let isolated = quarantine("that holds");
    site.send(&isolated);
    site.until("it is in quarantine", |site| site.states(&isolated).contains(&ResultState::Verified));
    assert_eq!(policies().len(), 2);
    site.advance(isolated.undo_after + 1_000);
    for order in [&blocked, &isolated] {
        site.until("it is undone", |site| site.states(order).ends_with(&[ResultState::RolledBack]));
    }
    assert_eq!(policies(), [Value::Null; 0]);

    let theirs = r#"{"apiVersion": "cilium.io/v2", "kind": "CiliumNetworkPolicy", "metadata": {"name": "bellbuoy-q-x", "namespace": "shop"},
        "spec": {"endpointSelector": {}, "egress": [{"toEntities": ["all"]}]}}"#;
    let file = tempfile::NamedTempFile::new().expect("a temporary file can be made");
    std::fs::write(file.path(), theirs).expect("it can be written");
    let name = file.path().to_str().expect("it is a text");
    let said = site.kubectl_as_actuator(&["create", "--filename", name]).expect_err("it is held back");
    assert!(said.contains("allow nothing"), "{said}");
    site.chain_is_whole();
}

#[test]
fn a_rollout_under_way_is_aborted_and_goes_on_when_a_person_takes_that_back() {
    if !provided() {
        return;
    }
    let site = Site::start();
    site.apply(&definition("argoproj.io", "v1alpha1", "Rollout", "rollouts"));
    site.kubectl(&["wait", "--for=condition=Established", "crd/rollouts.argoproj.io", "--timeout=60s"]);
    site.apply(
        r#"{"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": {"name": "pay", "namespace": "shop"},
        "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "pay"}}}}"#,
    );
    let status = |text: &str| {
        let patch = format!(r#"{{"status": {text}}}"#);
        let path =
            ["patch", "rollout/pay", "--namespace=shop", "--subresource=status", "--type=merge", "--patch", &patch];
        site.kubectl(&path);
    };
    let abort = Story {
        action: "abort_rollout",
        parameters: &[],
        kind: "Rollout",
        name: "pay",
        must: &[("aborted", "false")],
        inverse: Some(("retry_rollout", &[])),
        shows: ("/status/abort", Value::Bool(true), Value::Bool(false)),
    };
    let by_hand = |id: &str| {
        let mut command = order(&site, &abort, id);
        (command.rollback, command.undo_after) = (Rollback::Manual, 0);
        site.signed(command, id)
    };
    status(r#"{"currentPodHash": "a", "stableRS": "a"}"#);
    refused(&site, &by_hand("that is not under way"), RefusalRule::PreconditionFailed);
    status(r#"{"currentPodHash": "b", "stableRS": "a"}"#);
    let aborted = by_hand("that is under way");
    site.send(&aborted);
    site.until("it is aborted", |site| site.states(&aborted).contains(&ResultState::Verified));
    assert_eq!(field(&site, &abort), abort.shows.1);
    site.reject(&aborted, "ada");
    site.until("it goes on", |site| site.states(&aborted).ends_with(&[ResultState::RolledBack]));
    assert_eq!(field(&site, &abort), abort.shows.2);
    site.chain_is_whole();
}

#[test]
fn a_pod_is_evicted_within_its_budget_and_deleted_beyond_it_when_two_people_agree() {
    if !provided() {
        return;
    }
    let site = Site::start();
    let end = |pod: &site::Pod, what: &'static str, must: (&'static str, &'static str), id: &str| {
        let mut command = site.quarantine(pod, Mode::Enforce);
        (command.action, command.risk) = (action(what, &[]), actions::by_name(what).expect("it is an action").risk);
        command.preconditions.retain(|one| one.name != "residual_allow" && one.name != "host_network");
        command.preconditions.push(Precondition { name: must.0.into(), value: must.1.into() });
        (command.inverse, command.rollback, command.undo_after) = (None, Rollback::Never, 0);
        site.signed(command, id)
    };
    let evict = |pod, id| end(pod, "evict_pod", ("pdb", "respect"), id);
    let delete = |pod, id| end(pod, "delete_pod", ("eviction", "refused"), id);
    let is_gone = |pod: &site::Pod| {
        let name = pod.name.clone();
        site.until("it is gone", |site| !site.kubectl(&["get", "pods", "--namespace=shop"]).contains(&name));
    };
    let both_agree = |order: &Command<'_>| {
        site.send(order);
        site.approve(order, "ada");
        site.until("it waits for a second person", |site| site.states(order) == [ResultState::Accepted]);
        site.approve(order, "grace");
    };

    let pod = site.pod_of("cart");
    let needless = delete(&pod, "needless");
    both_agree(&needless);
    site.until("it is refused", |site| site.refusal(&needless) == Some(RefusalRule::PreconditionFailed));
    let evicted = evict(&pod, "evicted");
    site.send(&evicted);
    site.until("it is evicted", |site| site.states(&evicted).contains(&ResultState::Verified));
    is_gone(&pod);

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
    let deleted = delete(&fresh, "by two");
    both_agree(&deleted);
    site.until("it is deleted", |site| site.states(&deleted).contains(&ResultState::Verified));
    is_gone(&fresh);
    site.chain_is_whole();
}

#[test]
fn a_binding_is_revoked_when_two_people_agree() {
    if !provided() {
        return;
    }
    let site = Site::start();
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
