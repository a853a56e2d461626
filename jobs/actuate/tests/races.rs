//! Two actuators at once, orders that come again, and switches that people turn while something is under way.

mod site;

use rig::kubernetes::{Fault, Rule};
use schemas::signal::Verdict;
use schemas::{Command, IncidentState, Mode, RefusalRule, ResultState, VerifyPredicate};
use site::{MINUTE, Pod, Site, provided};
use std::time::Duration;

fn verified(site: &Site, order: &Command<'_>) -> bool {
    site.states(order).contains(&ResultState::Verified)
}

#[test]
fn an_order_has_helped_when_its_incident_is_over_in_time_and_not_when_it_goes_on() {
    if !provided() {
        return;
    }
    let site = Site::start();
    let watched = |pod: &Pod, incident: &'static str| {
        let mut command = site.quarantine(pod, Mode::Enforce);
        command.incident = incident.into();
        let (name, comparison, within) = ("incident_closed".into(), "=".into(), 10 * MINUTE);
        command.verify = Some(VerifyPredicate { name, comparison, value: 1.0, within });
        site.signed(command, incident)
    };
    let orders = [watched(&site.pod_of("cart"), "helped"), watched(&site.pod_of("web"), "in vain")];
    for order in &orders {
        site.incident(&order.incident, IncidentState::Open);
        site.send(order);
        site.until("it is done", |site| site.states(order).contains(&ResultState::Succeeded));
    }
    site.incident("helped", IncidentState::Close);
    site.until("it has helped", |site| site.states(&orders[0]).ends_with(&[ResultState::Verified]));
    assert!(site.states(&orders[1]).ends_with(&[ResultState::Succeeded]), "the other one has its time");
    site.advance(10 * MINUTE + 1_000);
    site.until("it was in vain", |site| site.states(&orders[1]).ends_with(&[ResultState::Ineffective]));
    site.advance(20 * MINUTE);
    for order in &orders {
        site.until("both are undone in time", |site| site.states(order).ends_with(&[ResultState::RolledBack]));
    }
    site.chain_is_whole();
}

#[test]
fn a_quarantine_has_helped_when_no_flow_leaves_the_pod_and_not_when_one_does() {
    if !provided() {
        return;
    }
    let site = Site::start();
    let watched = |pod: &Pod, within: i64, id: &str| {
        let mut command = site.quarantine(pod, Mode::Enforce);
        let (name, comparison) = ("flows_from_target".into(), "=".into());
        command.verify = Some(VerifyPredicate { name, comparison, value: 0.0, within });
        site.signed(command, id)
    };
    let (cart, web) = (site.pod_of("cart"), site.pod_of("web"));
    let orders = [watched(&cart, 5 * MINUTE, "holds"), watched(&web, 5 * MINUTE, "leaks")];
    for order in &orders {
        site.send(order);
        site.until("it is done", |site| site.states(order).contains(&ResultState::Succeeded));
    }
    // Connections that stand may end yet; after a third of the time none may be left.
    site.flow(&cart, site.now(), Verdict::Forwarded);
    site.advance(2 * MINUTE);
    site.flow(&cart, site.now(), Verdict::Dropped);
    site.flow(&web, site.now(), Verdict::Forwarded);
    site.until("it leaks", |site| site.states(&orders[1]).ends_with(&[ResultState::Ineffective]));
    assert!(site.states(&orders[0]).ends_with(&[ResultState::Succeeded]), "the other one has its time");
    site.advance(3 * MINUTE + 1_000);
    site.until("it holds", |site| site.states(&orders[0]).ends_with(&[ResultState::Verified]));
    site.chain_is_whole();
}

#[test]
fn when_too_many_orders_were_in_vain_nothing_new_is_done_until_people_have_looked() {
    if !provided() {
        return;
    }
    let site = Site::start();
    let watched = |app: &str, id: &str| {
        let mut command = site.quarantine(&site.oldest_pod_of(app), Mode::Enforce);
        command.incident = "goes on".into();
        let (name, comparison) = ("incident_closed".into(), "=".into());
        command.verify = Some(VerifyPredicate { name, comparison, value: 1.0, within: MINUTE });
        site.signed(command, id)
    };
    site.incident("goes on", IncidentState::Open);
    for number in 0..site.config().breaker.failed {
        let app = if number % 2 == 0 { "cart" } else { "web" };
        let order = watched(app, &format!("in vain {number}"));
        site.send(&order);
        site.until("it is done", |site| site.states(&order).contains(&ResultState::Succeeded));
        site.advance(MINUTE + 1_000);
        site.until("it was in vain", |site| site.states(&order).ends_with(&[ResultState::Ineffective]));
        site.advance(30 * MINUTE);
        site.until("it is undone", |site| site.states(&order).ends_with(&[ResultState::RolledBack]));
    }
    let stopped = watched("web", "one too many");
    site.send(&stopped);
    site.until("it is refused", |site| site.refusal(&stopped) == Some(RefusalRule::Quality));

    site.kubectl(&["delete", "remediationactions", "--all", "--namespace=bellbuoy"]);
    // The ledger is looked at once a second.
    std::thread::sleep(Duration::from_secs(2));
    let again = watched("cart", "after people have looked");
    site.send(&again);
    site.until("it is done", |site| site.states(&again).contains(&ResultState::Succeeded));
    site.chain_is_whole();
}

#[test]
fn what_a_person_takes_back_is_undone_at_once_and_what_others_say_of_other_orders_is_not() {
    if !provided() {
        return;
    }
    let site = Site::start();
    let (kept, taken) = (site.pod_of("cart"), site.pod_of("web"));
    let labels = site.labels(&taken);
    let orders = [site.quarantine(&kept, Mode::Enforce), site.quarantine(&taken, Mode::Enforce)];
    for order in &orders {
        site.send(order);
        site.until("it is in force", |site| site.states(order).contains(&ResultState::Verified));
    }
    site.reject(&orders[1], "eve");
    site.until("it is taken back", |site| site.states(&orders[1]).ends_with(&[ResultState::RolledBack]));
    assert_eq!(site.labels(&taken), labels);
    assert!(site.states(&orders[0]).ends_with(&[ResultState::Verified]), "the other one stays");
    site.chain_is_whole();
}

#[test]
fn of_two_actuators_one_does_it_and_what_comes_again_is_not_done_again() {
    if !provided() {
        return;
    }
    let mut site = Site::start();
    site.start_another();
    let pods: Vec<Pod> = ["cart", "web"].into_iter().map(|app| site.oldest_pod_of(app)).collect();
    let orders: Vec<Command<'static>> = pods.iter().map(|pod| site.quarantine(pod, Mode::Enforce)).collect();
    // Twice, and the later one first.
    for order in orders.iter().rev().chain(&orders) {
        site.send(order);
    }
    for order in &orders {
        site.until("it is done", |site| verified(site, order));
    }
    // An actuator that remembers nothing reads them all again, and once more from somebody who kept them.
    site.start_anew();
    site.start_another();
    orders.iter().for_each(|order| site.send(order));
    let next = site.quarantine(&site.oldest_pod_of("cart"), Mode::Enforce);
    let next = site.signed(next, "the next");
    site.send(&next);
    site.until("the next is told of", |site| !site.states(&next).is_empty());
    for order in &orders {
        site.advance(0);
        let done = site.states(order).into_iter().filter(|state| *state == ResultState::Verified).count();
        assert_eq!(done, 1, "{}: it is told once", order.id);
    }
    site.advance(31 * MINUTE);
    for (order, pod) in orders.iter().zip(&pods) {
        site.until("it is undone", |site| site.states(order).ends_with(&[ResultState::RolledBack]));
        assert_eq!(site.changes(pod).1, 2, "{}: the pod was changed once and changed back once", order.id);
    }
    site.chain_is_whole();
}

#[test]
fn a_kill_switch_stops_what_is_new_and_what_is_half_done_and_never_the_undoing() {
    if !provided() {
        return;
    }
    let site = Site::start_behind_proxy();
    let order = |app: &str, id: &str| {
        let order = site.quarantine(&site.oldest_pod_of(app), Mode::Enforce);
        site.signed(order, id)
    };
    let before = order("web", "before the switch");
    site.send(&before);
    site.until("it is done", |site| verified(site, &before));

    site.kill_switch("on");
    let on_topic = order("cart", "while the topic says no");
    site.send(&on_topic);
    site.until("it is refused", |site| site.refusal(&on_topic) == Some(RefusalRule::Killed));
    site.advance(31 * MINUTE);
    site.until("it is undone all the same", |site| site.states(&before).ends_with(&[ResultState::RolledBack]));
    site.kill_switch("off");

    // Between two requests of one order: what was done of it is undone.
    let pod = site.oldest_pod_of("cart");
    let (labels, changed) = (site.labels(&pod), site.changes(&pod));
    let half_way = site.signed(site.quarantine(&pod, Mode::Enforce), "half way");
    site.faults([Rule::once("PATCH", "/networkpolicies/", Fault::Slow(Duration::from_secs(4)))]);
    site.send(&half_way);
    site.until("the first request is on its way", |site| site.faults_met() == 1);
    site.kubectl(&["create", "configmap", "bellbuoy-kill-switch", "--namespace=bellbuoy", "--from-literal=state=on"]);
    site.until("it is undone", |site| site.states(&half_way).ends_with(&[ResultState::RolledBack]));
    assert_eq!(site.labels(&pod), labels);
    let (made, relabelled, removed) = site.changes(&pod);
    assert_eq!((made - changed.0, relabelled - changed.1, removed - changed.2), (1, 0, 1), "policy made and removed");

    let in_cluster = order("web", "while the cluster says no");
    site.send(&in_cluster);
    site.until("it is refused", |site| site.refusal(&in_cluster) == Some(RefusalRule::Killed));
    site.faults([Rule { times: usize::MAX, ..Rule::once("GET", "bellbuoy-kill-switch", Fault::Refuse) }]);
    site.kubectl(&["delete", "configmap", "bellbuoy-kill-switch", "--namespace=bellbuoy"]);
    let unreadable = order("web", "while nobody can tell");
    site.send(&unreadable);
    site.until("it is refused", |site| site.refusal(&unreadable) == Some(RefusalRule::Killed));
    site.faults([]);
    site.chain_is_whole();
}
