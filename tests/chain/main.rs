//! The whole chain, as its page tells it: telemetry on a real Kafka, an intruder on a real control plane, one incident,
//! one order, one person's consent, one quarantine, and everything as before at its end.

#[path = "../installation/mod.rs"]
mod installation;
mod shipper;
mod site;
mod telemetry;

use engine::clock::WallClock as _;
use installation::records;
use rig::{alertmanager, collector, kafka, kubernetes, provided};
use schemas::{EntityKind, Incident, IncidentBody, IncidentRecord, Notice, Record as _};
use serde_json::Value;
use shipper::Shipping;
use site::Site;
use std::collections::BTreeSet;
use std::fs;
use telemetry::{Behaviour, Pod, SCRAPE};
use topics::declared::INCIDENTS;

/// Scrapes of ordinary life before the story: sixty hours, because a baseline is not believed before it has seen days.
const HISTORY: i64 = 60 * 60 * 3;
/// A connection of each pod in so many scrapes of the past.
const CONNECT_EVERY: i64 = 6;
/// Times the cart reads what it always reads.
const ORDINARY_READS: usize = 20;

#[test]
fn an_intruder_is_told_of_once_isolated_when_a_person_agrees_and_the_pod_is_put_back_in_the_end() {
    if !provided(kafka::available()) || !provided(kubernetes::available()) || !provided(alertmanager::available()) {
        return;
    }
    // Without being asked nobody builds a Collector; then its envelopes are made here.
    if collector::is_wanted() && !provided(collector::available()) {
        return;
    }
    let site = Site::start();
    let collector = collector::is_wanted().then(|| site.collector());
    let (cart, web, db) = (site.pods("cart"), site.pods("web"), site.pods("db"));
    let (intruded, database) = (cart[0].clone(), db[0].clone());
    let mut pods: Vec<Pod> = cart.into_iter().chain(web).chain(db).collect();
    let named = pods.clone();
    let end = site.clock.now_millis() / SCRAPE * SCRAPE;
    let begin = end - HISTORY * SCRAPE;
    let mut history = Vec::new();
    for at in (begin..end).step_by(SCRAPE as usize) {
        history.push(telemetry::scrape(&mut pods, at, begin, "cart", Behaviour::Ordinary));
        if at / SCRAPE % CONNECT_EVERY == 0 {
            history.extend(telemetry::flows(&pods, &database, at, None, None));
        }
    }
    site.write(history);
    let running = [site.start_program(&["run", "all"]), site.start_program(&["run", "actuate"])];
    let shipping = Shipping::start(&site, pods, database, end, begin, collector.is_none());

    let token = site.kubernetes.pod_token("shop", "cart", &intruded.name).expect("the pod has a token");
    let as_cart = site.kubernetes.kubeconfig_of(&token).expect("a file can be written");
    let cart_says = |arguments: &[&str]| site.kubernetes.kubectl_as(&as_cart, arguments).expect("its role lets it");
    for _ in 0..ORDINARY_READS {
        cart_says(&["get", "pods", "--namespace=shop"]);
    }
    let labels = site.object("pod", &intruded.name)["metadata"]["labels"].clone();

    println!("The intruder is in pod {}.", intruded.name);
    cart_says(&["get", "secrets", "--all-namespaces"]);
    cart_says(&[
        "create",
        "clusterrolebinding",
        "debug-cart",
        "--clusterrole=cluster-admin",
        "--serviceaccount=shop:cart",
    ]);
    shipping.take_over(&intruded);

    let order = site.until("an order waits for consent", || waiting(&site));
    let incidents = site.shown(&["incidents", "list"]);
    assert!(incidents.contains("novelty"), "{incidents}");
    site.shown(&["commands", "list"]);
    site.shown(&["commands", "show", &order]);
    rehearse(&site, &order);
    site.shown(&["commands", "approve", &order, "--by", "ada", "--reason", "she has looked"]);
    site.until("it is carried out", || (state(&site, &order) == "succeeded").then_some(()));
    shipping.isolate(&intruded);
    site.until("it has helped", || (state(&site, &order) == "verified").then_some(()));
    let said = site.shown(&["commands", "show", &order]);
    assert!(said.contains("no such flow went through"), "{said}");
    site.kubectl(&["get", "remediationactions", "--namespace=bellbuoy"]);
    site.kubectl(&["get", "pods", "--namespace=shop", "--show-labels"]);
    site.kubectl(&["get", "networkpolicies", "--namespace=shop"]);
    site.kubectl(&[
        "get",
        "events",
        "--namespace=shop",
        &format!("--field-selector=involvedObject.name={}", intruded.name),
    ]);
    let now = site.object("pod", &intruded.name);
    let marked = now["metadata"]["labels"].as_object().expect("it has labels");
    assert_eq!(marked.keys().map(String::as_str).collect::<Vec<_>>(), ["bellbuoy.dev/quarantine"]);
    shipping.calm();

    site.until("it is undone", || (state(&site, &order) == "rolled back").then_some(()));
    site.kubectl(&["get", "remediationactions", "--namespace=bellbuoy"]);
    site.shown(&["commands", "show", &order]);
    assert_eq!(site.object("pod", &intruded.name)["metadata"]["labels"], labels);

    let seen = site.objects();
    for pod in &named {
        assert!(seen.contains(&pod.uid), "the observer has told of {}", pod.name);
    }
    let told = of_the_cart(&site);
    assert_eq!(told.len(), 1, "one story is one incident: {told:?}");
    site.shown(&["notify", "list"]);
    let pages: Vec<_> = pages(&site).into_iter().filter(|(id, _)| told.contains(id)).collect();
    assert!(!pages.is_empty(), "somebody was paged");
    // As a graver one it pages again; as what it was it pages once.
    assert_eq!(pages.len(), pages.iter().collect::<BTreeSet<_>>().len(), "each is paged once: {pages:?}");
    drop(shipping);
    for life in running {
        life.terminate();
        let (_, output) = life.wait();
        assert_eq!(output.status.code(), Some(0), "{}", installation::texts(&output).1);
    }
}

/// What would become of the order, and of one that somebody has altered on its way.
fn rehearse(site: &Site, order: &str) {
    let whole = site.done(&["commands", "show", order, "--json"]);
    let file = site.path().join("order.json");
    fs::write(&file, &whole).expect("a file can be written");
    let said = site.shown(&["actuate", "--dry-run", "order.json"]);
    assert!(said.contains("it would be carried out once 1 more"), "{said}");
    fs::write(&file, whole.replace("\"shop\"", "\"web\"")).expect("a file can be written");
    let refused = site.refused(&["actuate", "--dry-run", "order.json"]);
    assert!(refused.contains("rule BadSignature"), "{refused}");
}

/// The order that waits for a person, once there is one.
fn waiting(site: &Site) -> Option<String> {
    let orders = site.done(&["commands", "list", "--waiting", "--json"]);
    let orders: Value = serde_json::from_str(&orders).expect("it writes JSON");
    Some(orders[0]["id"].as_str()?.to_owned())
}

/// What has become of an order.
fn state(site: &Site, order: &str) -> String {
    let shown = site.done(&["commands", "show", order, "--json"]);
    let shown: Value = serde_json::from_str(&shown).expect("it writes JSON");
    shown["state"].as_str().unwrap_or_default().to_owned()
}

/// The incidents about the cart that people are told of.
fn of_the_cart(site: &Site) -> BTreeSet<String> {
    let mut told = BTreeSet::new();
    for record in records(&*site.log, INCIDENTS.name).into_iter().flatten() {
        let record = IncidentRecord::decode(record.value.as_deref().unwrap_or_default()).expect("an incident record");
        let IncidentBody::Incident(incident) = record.body else { continue };
        if incident.notice == Notice::Notify && is_about_the_cart(&incident) {
            told.insert(incident.id.to_string());
        }
    }
    told
}

/// Incident and grade of each page that began.
fn pages(site: &Site) -> Vec<(String, String)> {
    let groups = site.pager.taken().into_iter().map(|request| serde_json::from_str::<Value>(&request.text));
    let groups = groups.map(|group| group.expect("the Alertmanager sends JSON"));
    let alerts: Vec<Value> = groups.flat_map(|group| group["alerts"].as_array().cloned().unwrap_or_default()).collect();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let fired = alerts.iter().filter(|alert| alert["status"] == "firing");
    fired.map(|alert| (text(&alert["labels"]["incident_id"]), text(&alert["labels"]["severity"]))).collect()
}

fn is_about_the_cart(incident: &Incident<'_>) -> bool {
    let named = |entity: &schemas::Entity<'_>| entity.kind == EntityKind::Workload && entity.name == "cart";
    incident.members.iter().any(|member| named(&member.entity))
}
