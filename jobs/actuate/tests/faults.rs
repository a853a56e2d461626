//! Whatever the way to the API server does to a request, an order is done once and undone once.

mod site;

use rig::kubernetes::{Fault, Rule};
use schemas::{Mode, ResultState};
use site::{Pod, Site, provided};
use std::time::Duration;

/// An answer of the proxy's own.
const fn answer(status: u16) -> Fault {
    Fault::Answer { status, retry_after: None }
}

/// Too many requests, for now.
const BUSY: Fault = Fault::Answer { status: 429, retry_after: Some(1) };
/// Where the ledger's records are.
const LEDGER: &str = "/remediationactions";

/// The faults of the way there, and of the way back.
fn there() -> Vec<Rule> {
    let mut rules = Vec::new();
    for fault in [Fault::LoseReply, Fault::Refuse, answer(500), answer(401), BUSY] {
        rules.push(Rule::once("POST", LEDGER, fault));
        rules.push(Rule::once("PATCH", "/networkpolicies/", fault));
        rules.push(Rule::once("PATCH", "/pods/", fault));
    }
    for fault in [answer(409), Fault::LoseReply, Fault::Refuse, answer(503)] {
        // The record that says that requests are being sent, and the one that says they were.
        rules.push(Rule::once("PATCH", LEDGER, fault));
        rules.push(Rule { after: 1, ..Rule::once("PATCH", LEDGER, fault) });
    }
    rules.push(Rule::once("PATCH", "/pods/", answer(409)));
    rules.push(Rule::once("PATCH", "/networkpolicies/", answer(409)));
    rules.push(Rule { dry_run: Some(true), ..Rule::once("PATCH", "/networkpolicies/", answer(500)) });
    rules.push(Rule { dry_run: Some(true), ..Rule::once("PATCH", "/pods/", BUSY) });
    rules.push(Rule::once("GET", "/pods", answer(500)));
    rules.push(Rule::once("GET", "/configmaps/bellbuoy-kill-switch", Fault::Slow(Duration::from_millis(700))));
    rules
}

fn back() -> Vec<Rule> {
    let mut rules = Vec::new();
    for fault in [Fault::LoseReply, Fault::Refuse, answer(500), answer(401), answer(409), BUSY] {
        rules.push(Rule::once("DELETE", "/networkpolicies/", fault));
        rules.push(Rule::once("PATCH", "/pods/", fault));
        rules.push(Rule::once("PATCH", LEDGER, fault));
    }
    rules
}

#[test]
fn whatever_happens_to_a_request_an_order_is_done_once_and_undone_once() {
    if !provided() {
        return;
    }
    let site = Site::start_behind_proxy();
    let (there, back) = (there(), back());
    for number in 0..there.len().max(back.len()) {
        let (there, back) = (there.get(number), back.get(number));
        let pod = site.oldest_pod_of("cart");
        let before = (site.changes(&pod), site.labels(&pod));
        let order = site.signed(site.quarantine(&pod, Mode::Enforce), &format!("order {number}"));
        let told = format!("{there:?} and {back:?}");
        meets(&site, there, &told, || {
            site.send(&order);
            site.until(&told, |site| site.states(&order).contains(&ResultState::Verified));
        });
        meets(&site, back, &told, || {
            site.advance(order.undo_after + 1_000);
            site.until(&told, |site| site.states(&order).ends_with(&[ResultState::RolledBack]));
        });
        let ((made, relabelled, deleted), labels) = (site.changes(&pod), site.labels(&pod));
        assert_eq!(labels, before.1, "{told}: the pod is as before");
        let ((made_before, relabelled_before, deleted_before), _) = before;
        let changed = (made - made_before, relabelled - relabelled_before, deleted - deleted_before);
        assert_eq!(changed, (1, 2, 1), "{told}: policy made, pod changed and back, policy removed");
    }
    site.chain_is_whole();
}

/// Does something while a fault waits, and sees that it was met.
fn meets(site: &Site, rule: Option<&Rule>, told: &str, act: impl FnOnce()) {
    let before = site.faults_met();
    site.faults(rule.cloned());
    act();
    site.faults([]);
    assert_eq!(site.faults_met() - before, usize::from(rule.is_some()), "{told}: the fault was met");
}

#[test]
fn while_the_api_server_cannot_be_reached_nothing_is_lost_and_what_expired_meanwhile_is_not_done() {
    if !provided() {
        return;
    }
    let site = Site::start_behind_proxy();
    let away = || Rule { times: usize::MAX, dry_run: None, ..Rule::once("", "/", Fault::Refuse) };
    let (late, in_time): (Pod, Pod) = (site.oldest_pod_of("cart"), site.oldest_pod_of("web"));

    site.faults([away()]);
    let order = site.quarantine(&late, Mode::Enforce);
    site.send(&order);
    site.until("requests are refused", |site| site.faults_met() > 2);
    site.advance(order.expires_at - order.issued_at + 1_000);
    site.faults([]);
    site.until("it is refused", |site| site.refusal(&order) == Some(schemas::RefusalRule::Expired));
    assert_eq!(site.changes(&late), (0, 0, 0), "what came too late is not done");

    let order = site.quarantine(&in_time, Mode::Enforce);
    site.send(&order);
    site.until("it is done", |site| site.states(&order).contains(&ResultState::Verified));
    site.faults([away()]);
    site.advance(order.undo_after + 1_000);
    let met = site.faults_met();
    site.until("requests are refused", |site| site.faults_met() > met + 2);
    site.faults([]);
    site.until("it is undone", |site| site.states(&order).ends_with(&[ResultState::RolledBack]));
    assert_eq!(site.changes(&in_time), (1, 2, 1), "the policy made, the pod changed and back, the policy removed");
    site.chain_is_whole();
}
