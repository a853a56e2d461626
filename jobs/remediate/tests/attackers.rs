//! Whoever writes telemetry writes names, labels and sentences. Stories of what they try, and what comes of it.

use remediate::config::{Guards, PolicyMode, PolicyRule, Storm};
use remediate::selector::Selector;
use remediate::{Config, Decision, State};
use schemas::{Band, Cause, Command, Entity, EntityKind, Family, Incident, IncidentBody, Member, Mode};

const NOW: i64 = 1_800_000_000_000;
const UID: &str = "0b1d5f1e-2c3d-4e5f-8a9b-0c1d2e3f4a5b";

/// Quarantine, scaling and evicting go by themselves: the boldest policy there can be.
fn bold() -> Config {
    let rule = |remedy: &str| PolicyRule {
        id: remedy.to_owned(),
        version: "1".to_owned(),
        selector: Selector::default(),
        remedy: remedy.to_owned(),
        mode: PolicyMode::Enforce,
        ..PolicyRule::default()
    };
    let config = Config {
        policies: vec![rule("quarantine_pod"), rule("evict_pod"), rule("scale_workload"), rule("restart_workload")],
        storm: Storm { open_incidents: 10_000, ..Storm::default() },
        guards: Guards { per_namespace: 3, ..Guards::default() },
        signing: remediate::config::Signing { key_file: Some("key.pem".into()) },
        ..Config::default()
    };
    config.check().unwrap();
    config
}

fn workload(namespace: &str, name: &str) -> Entity<'static> {
    Entity {
        kind: EntityKind::Workload,
        namespace: namespace.to_owned().into(),
        workload_kind: "Deployment".into(),
        name: name.to_owned().into(),
    }
}

fn incident(id: &str, entity: &Entity<'static>, pods: &[&str]) -> Incident<'static> {
    let member = |family| Member {
        entity: entity.clone(),
        family,
        band: Band::Novel,
        onset: NOW - 60_000,
        instances: pods.iter().map(|pod| (*pod).to_owned().into()).collect(),
        ..Member::default()
    };
    Incident {
        cluster: "prod".into(),
        id: id.to_owned().into(),
        severity: 99.0,
        opened_at: NOW,
        onset: NOW - 60_000,
        members: vec![member(Family::Novelty), member(Family::Saturation), member(Family::Errors)],
        members_total: 3,
        ..Incident::default()
    }
}

fn ordered(state: &mut State, incident: Incident<'static>, config: &Config) -> Vec<Command<'static>> {
    let body = IncidentBody::Incident(Box::new(incident));
    let orders = state.observe(&body, NOW, config).into_iter().filter_map(|decision| match decision {
        Decision::Ordered { command, .. } => Some(*command),
        _ => None,
    });
    orders.collect()
}

#[test]
fn a_pod_whose_name_leads_elsewhere_leads_nowhere() {
    for name in [
        "../../kube-system/pods/coredns",
        "cart-1/../coredns",
        "kube-system/coredns",
        "cart-1?dryRun=All",
        "cart-1; quarantine_pod kube-system/coredns",
        "{\"action\": \"quarantine_pod\", \"target\": \"coredns\"}",
        "CART-1",
        "cart-1\n",
        "",
        &"a".repeat(300),
    ] {
        let told = incident("i1", &workload("shop", "cart"), &[name]);
        for order in ordered(&mut State::default(), told, &bold()) {
            assert_eq!(order.target.namespace, "shop", "{name:?}: {order:?}");
            let of_the_workload = order.target.kind == "Deployment" && order.target.name == "cart";
            assert!(of_the_workload, "{name:?} became an object: {order:?}");
        }
    }
}

#[test]
fn a_workload_that_calls_itself_a_protected_one_is_left_alone() {
    for (namespace, name) in [
        ("kube-system", "coredns"),
        ("shop/../kube-system", "coredns"),
        ("shop", "../kube-system/coredns"),
        ("bellbuoy", "actuator"),
    ] {
        let orders = ordered(&mut State::default(), incident("i1", &workload(namespace, name), &[UID]), &bold());
        let touched: Vec<_> = orders.iter().filter(|order| order.mode > Mode::Recommend).collect();
        assert!(touched.is_empty(), "{namespace} {name}: {touched:?}");
    }
}

#[test]
fn what_sentences_measures_and_causes_say_is_not_done() {
    let mut told = incident("i1", &workload("shop", "cart"), &[UID]);
    let plain = ordered(&mut State::default(), told.clone(), &bold());
    let orders = "quarantine_pod coredns of kube-system; approve: yes; mode: enforce; scale_workload percent=0";
    told.sentence = orders.into();
    told.explanation = vec![orders.into()];
    for member in &mut told.members {
        (member.sentence, member.measure, member.detector) = (orders.into(), orders.into(), orders.into());
    }
    // A cause without evidence of its own is a suspicion, and names an object that may not be touched.
    told.causes =
        vec![Cause { rank: 1, entity: workload("kube-system", "coredns"), what: orders.into(), ..Cause::default() }];
    let then = ordered(&mut State::default(), told, &bold());
    let what = |orders: &[Command<'static>]| -> Vec<(String, String, String)> {
        let text = |order: &Command<'_>| {
            (
                order.action.name.to_string(),
                order.target.namespace.to_string(),
                format!("{:?}", order.action.parameters),
            )
        };
        orders.iter().map(text).collect()
    };
    assert_eq!(what(&plain), what(&then));
    assert!(!plain.is_empty());
}

#[test]
fn a_flood_from_one_namespace_leaves_the_others_their_budget() {
    let config = bold();
    let mut state = State::default();
    let mut spent = 0;
    for number in 0..200 {
        let uid = format!("{number:08x}-2c3d-4e5f-8a9b-0c1d2e3f4a5b");
        let flood = incident(&format!("flood-{number}"), &workload("evil", &format!("app-{number}")), &[&uid]);
        spent += ordered(&mut state, flood, &config).iter().filter(|order| order.mode == Mode::Enforce).count();
    }
    assert!(spent <= 3, "{spent} orders were spent on the flood");
    let real = ordered(&mut state, incident("real", &workload("shop", "cart"), &[UID]), &config);
    assert!(real.iter().any(|order| order.mode == Mode::Enforce), "{real:?}");
}

#[test]
fn a_flood_that_looks_like_a_storm_has_people_asked_and_nothing_done() {
    let config = Config { storm: Storm { open_incidents: 20, ..Storm::default() }, ..bold() };
    let mut state = State::default();
    for number in 0..100 {
        let flood = incident(&format!("flood-{number}"), &workload("evil", &format!("app-{number}")), &[]);
        ordered(&mut state, flood, &config);
    }
    let real = ordered(&mut state, incident("real", &workload("shop", "cart"), &[UID]), &config);
    assert!(!real.is_empty() && real.iter().all(|order| order.mode == Mode::Recommend), "{real:?}");
}
