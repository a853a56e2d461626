//! What the real Alertmanager is told, and what it silences.

mod site;

use notify::config::Target;
use rig::alertmanager::Alertmanager;
use rig::receiver::{Receiver, Request};
use serde_json::{Value, json};
use site::{Site, a_while, until};

fn provided() -> bool {
    rig::provided(rig::alertmanager::available())
}

fn receiver() -> Receiver {
    Receiver::start().expect("a port is free")
}

fn json(request: &Request) -> Value {
    serde_json::from_str(&request.text).expect("what is sent is JSON")
}

fn targets(alertmanager: &Alertmanager, pages: &Receiver) -> Vec<Target> {
    let read = |value: Value| serde_json::from_value(value).expect("it is a target");
    let to = json!({"alertmanager": {"urls": [alertmanager.url()], "remind_every": "1s"}});
    vec![
        read(json!({"name": "alertmanager", "to": to})),
        read(json!({"name": "pages", "to": {"webhook": {"url": pages.url()}}})),
    ]
}

/// What the Alertmanager told its receiver: status, incident, grade and fingerprint of each alert, in order.
fn told(receiver: &Receiver) -> Vec<[String; 4]> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let groups = receiver.taken().into_iter().map(|request| json(&request));
    let alerts = groups.flat_map(|group| group["alerts"].as_array().cloned().unwrap_or_default());
    alerts
        .map(|alert| {
            let labels = &alert["labels"];
            [&alert["status"], &labels["incident_id"], &labels["severity"], &alert["fingerprint"]].map(text)
        })
        .collect()
}

fn get(alertmanager: &Alertmanager, path: &str) -> Value {
    let mut answer = ureq::get(format!("{}/api/v2/{path}", alertmanager.url())).call().expect("it answers");
    serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap()
}

fn post(alertmanager: &Alertmanager, path: &str, body: &Value) -> Value {
    let request =
        ureq::post(format!("{}/api/v2/{path}", alertmanager.url())).header("content-type", "application/json");
    let mut answer = request.send(body.to_string()).expect("it answers");
    serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap()
}

#[test]
fn an_incident_fires_is_kept_alive_and_is_resolved_as_one_alert() {
    if !provided() {
        return;
    }
    let (receiver, pages) = (receiver(), receiver());
    let alertmanager = Alertmanager::start(&receiver.url()).unwrap();
    let mut site = Site::new(targets(&alertmanager, &pages));
    site.start();
    let incident = site.incident("i1", "cart");
    site.publish(&incident);
    until("it fires", || told(&receiver).len() == 1);
    let ends = || get(&alertmanager, "alerts")[0]["endsAt"].as_str().unwrap().to_owned();
    let first = ends();
    until("its end is put off", || ends() > first);
    // Without a log it is kept alive all the same.
    site.faults.crash_at(1);
    let (without, mut later) = (ends(), String::new());
    for _ in 0..3 {
        later = ends();
        until("its end is put off without a log", || ends() > later);
    }
    assert!(later > without);
    site.faults.crash_at(0);
    let incident = site.change(&incident, |next| next.severity = 95.0);
    until("as a graver one it fires as another, and the milder one ends", || told(&receiver).len() == 3);
    site.close(&incident);
    until("it is resolved", || told(&receiver).len() == 4);
    let told = told(&receiver);
    let of = |status: &str, severity: &str| {
        let found = told.iter().find(|alert| alert[0] == status && alert[2] == severity);
        found.unwrap_or_else(|| panic!("{status} {severity} is not in {told:?}"))[3].clone()
    };
    assert!(told.iter().all(|alert| alert[1] == "i1"));
    assert_eq!(of("firing", "warning"), of("resolved", "warning"));
    assert_eq!(of("firing", "critical"), of("resolved", "critical"));
    assert_ne!(of("firing", "critical"), of("firing", "warning"));
}

#[test]
fn what_is_silenced_there_is_not_told_elsewhere_until_the_silence_ends() {
    if !provided() {
        return;
    }
    let (receiver, pages) = (receiver(), receiver());
    let alertmanager = Alertmanager::start(&receiver.url()).unwrap();
    let mut site = Site::new(targets(&alertmanager, &pages));
    let silence = json!({
        "matchers": [{"name": "workload", "value": "ca.*", "isRegex": true, "isEqual": true}],
        "startsAt": "2026-01-01T00:00:00Z",
        "endsAt": "2100-01-01T00:00:00Z",
        "createdBy": "ben",
        "comment": "we know",
    });
    let silence = post(&alertmanager, "silences", &silence)["silenceID"].as_str().unwrap().to_owned();
    site.start();
    site.publish(&site.incident("silenced", "cart"));
    site.publish(&site.incident("heard", "web"));
    until("the other one is told", || pages.taken().len() == 1);
    a_while();
    assert_eq!(json(&pages.taken()[0])["subject"], "heard");
    assert_eq!(site.counted("pages", "withheld"), 1, "{:?}", site.notices());
    let ended = ureq::delete(format!("{}/api/v2/silence/{silence}", alertmanager.url())).call();
    assert!(ended.is_ok(), "{ended:?}");
    until("what still goes on is told then", || pages.taken().len() == 2);
    assert_eq!(json(&pages.taken()[1])["subject"], "silenced");
}

#[test]
fn what_is_muted_here_is_silenced_there_until_it_is_unmuted() {
    if !provided() {
        return;
    }
    let (receiver, pages) = (receiver(), receiver());
    let alertmanager = Alertmanager::start(&receiver.url()).unwrap();
    let mut site = Site::new(targets(&alertmanager, &pages));
    site.start();
    site.mute("night", "namespace=shop,workload=cart", "on");
    let active = || {
        let all = get(&alertmanager, "silences");
        let active = all.as_array().unwrap().iter().filter(|silence| silence["status"]["state"] == "active");
        active.map(|silence| silence["createdBy"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    until("there is a silence", || active() == ["ann"]);
    site.stop();
    site.start();
    a_while();
    assert_eq!(active(), ["ann"], "another notifier makes no second one");
    site.mute("night", "namespace=shop,workload=cart", "off");
    until("there is none any more", || active().is_empty());
}
