//! The actuator on a real control plane: what it does, what it refuses, and that it ends what it began, once.

mod site;

use actuate::Step;
use schemas::{Mode, RefusalRule, ResultState};
use site::{Site, provided};

#[test]
fn a_quarantine_is_carried_out_shown_verified_and_undone_when_its_time_is_over() {
    if !provided() {
        return;
    }
    let site = Site::start();
    let pod = site.pod_of("cart");
    let before = site.object(&["pod", &pod.name]);
    let order = site.quarantine(&pod, Mode::Enforce);
    site.send(&order);
    site.until("it is in quarantine", |site| site.states(&order).contains(&ResultState::Verified));

    let now = site.object(&["pod", &pod.name]);
    let labels = now["metadata"]["labels"].as_object().unwrap();
    assert_eq!(labels.keys().map(String::as_str).collect::<Vec<_>>(), ["bellbuoy.dev/quarantine"]);
    let policies = site.kubectl(&["get", "networkpolicies", "--namespace=shop", "--output=name"]);
    assert!(policies.contains("networkpolicy.networking.k8s.io/bellbuoy-q-"), "{policies}");
    let listed = site.kubectl(&["get", "remediationactions", "--namespace=bellbuoy"]);
    assert!(listed.contains("quarantine_pod") && listed.contains("Verified"), "{listed}");
    let events = site.kubectl(&["get", "events", "--namespace=shop"]);
    assert!(events.contains("Verified") && events.contains(&format!("pod/{}", pod.name)), "{events}");

    site.advance(order.undo_after + 1_000);
    site.until("it is undone", |site| site.states(&order).ends_with(&[ResultState::RolledBack]));
    let after = site.object(&["pod", &pod.name]);
    assert_eq!(after["metadata"]["labels"], before["metadata"]["labels"]);
    assert_eq!(after["metadata"]["annotations"], before["metadata"]["annotations"]);
    assert_eq!(after["spec"], before["spec"]);
    let left = site.kubectl(&["get", "networkpolicies", "--namespace=shop", "--output=name"]);
    assert_eq!(left, "networkpolicy.networking.k8s.io/theirs");
    site.chain_is_whole();
}

#[test]
fn an_order_waits_for_people_and_is_refused_with_its_rule() {
    if !provided() {
        return;
    }
    let site = Site::start();
    let pod = site.pod_of("cart");
    let approved = site.quarantine(&pod, Mode::Approve);
    site.send(&approved);
    site.until("it waits", |site| site.states(&approved) == [ResultState::Accepted]);
    site.approve(&approved, "ada");
    site.until("it is done", |site| {
        site.states(&approved).contains(&ResultState::Succeeded)
            || site.states(&approved).contains(&ResultState::Verified)
    });

    let other = site.pod_of("web");
    let mut refused = Vec::new();
    let mut forged = site.quarantine(&other, Mode::Enforce);
    forged.reason = "written by somebody else".into();
    refused.push((forged, RefusalRule::BadSignature));
    let mut expired = site.quarantine(&other, Mode::Enforce);
    (expired.issued_at, expired.expires_at) = (expired.issued_at - 600_000, expired.expires_at - 900_000);
    refused.push((site.signed(expired, "expired"), RefusalRule::Expired));
    let mut ahead = site.quarantine(&other, Mode::Enforce);
    (ahead.issued_at, ahead.expires_at) = (ahead.issued_at + 600_000, ahead.expires_at + 600_000);
    refused.push((site.signed(ahead, "ahead"), RefusalRule::NotYet));
    let mut another = site.quarantine(&other, Mode::Enforce);
    another.target.uid = "0b1d0b1d-0b1d-0b1d-0b1d-0b1d0b1d0b1d".into();
    refused.push((site.signed(another, "another object"), RefusalRule::PreconditionFailed));
    let mut stranger = site.quarantine(&other, Mode::Enforce);
    stranger.preconditions[0].value = "Deployment/cart".into();
    refused.push((site.signed(stranger, "another's pod"), RefusalRule::PreconditionFailed));
    let mut elsewhere = site.quarantine(&other, Mode::Enforce);
    elsewhere.target.namespace = "kube-system".into();
    refused.push((site.signed(elsewhere, "protected"), RefusalRule::DeniedScope));
    for (order, _) in &refused {
        site.send(order);
    }
    for (order, rule) in &refused {
        site.until("it is refused", |site| site.refusal(order) == Some(*rule));
    }
    site.chain_is_whole();
}

#[test]
fn whatever_ends_the_actuator_an_order_is_done_once_and_undone_once() {
    if !provided() {
        return;
    }
    for step in [
        Step::Claimed,
        Step::DryRun,
        Step::Executing,
        Step::Request,
        Step::Done,
        Step::Succeeded,
        Step::Undoing,
        Step::Undone,
        Step::Told,
    ] {
        let site = Site::start_ending_at(step);
        let pod = site.pod_of("cart");
        let order = site.quarantine(&pod, Mode::Enforce);
        site.send(&order);
        site.until("it is done and told", |site| site.states(&order).contains(&ResultState::Verified));
        site.advance(order.undo_after + 1_000);
        site.until("it is undone", |site| site.states(&order).ends_with(&[ResultState::RolledBack]));
        site.until("the step was reached", Site::was_ended);
        let (made, relabelled, deleted) = site.changes(&pod);
        assert_eq!(
            (made, relabelled, deleted),
            (1, 2, 1),
            "{step:?}: policy made, pod changed and back, policy removed"
        );
        site.chain_is_whole();
    }
}

#[test]
fn the_account_may_do_its_actions_and_nothing_else() {
    if !provided() {
        return;
    }
    let site = Site::start();
    let pod = site.pod_of("cart");
    for refused in [
        &["get", "secrets", "--namespace=shop"][..],
        &["delete", "deployment", "cart", "--namespace=shop"],
        &["delete", "namespace", "shop"],
        &["run", "another", "--image=evil:1", "--namespace=shop"],
        &["create", "clusterrolebinding", "x", "--clusterrole=cluster-admin", "--user=x"],
        &["create", "token", "default", "--namespace=shop"],
        &["create", "configmap", "x", "--namespace=bellbuoy"],
        &["exec", &pod.name, "--namespace=shop", "--", "id"],
    ] {
        let said = site.kubectl_as_actuator(refused).expect_err("it may not");
        assert!(said.contains("orbidden"), "{refused:?}: {said}");
    }
    // RBAC lets these through; the admission policies do not.
    site.kubectl(&["run", "theirs", "--image=app:1", "--namespace=kube-system"]);
    let eviction = site.file(
        "eviction.json",
        r#"{"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "theirs", "namespace": "kube-system"}}"#,
    );
    let evict = ["create", "--raw", "/api/v1/namespaces/kube-system/pods/theirs/eviction", "--filename", &eviction];
    for (held, words) in [
        (&evict[..], "the namespace is protected"),
        (&["delete", "pod", "theirs", "--namespace=kube-system"], "the namespace is protected"),
        (&["set", "image", "pod/CART", "--namespace=shop", "*=evil:1"], "what a pod runs"),
        (&["label", "pod", "CART", "--namespace=shop", "app=other", "--overwrite"], "no others set"),
        (&["annotate", "pod", "CART", "--namespace=shop", "iam.example/role=admin"], "only marks of its own"),
        (&["delete", "networkpolicy", "theirs", "--namespace=shop"], "its own network policies"),
    ] {
        let held: Vec<String> = held.iter().map(|word| word.replace("CART", &pod.name)).collect();
        let held: Vec<&str> = held.iter().map(String::as_str).collect();
        let said = site.kubectl_as_actuator(&held).expect_err("it is held back");
        assert!(said.contains(words), "{held:?}: {said}");
    }
}
