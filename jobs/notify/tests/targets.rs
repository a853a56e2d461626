//! What people are told of incidents, by a webhook, Slack and PagerDuty on the loopback interface.

mod site;

use notify::Step;
use notify::config::Target;
use rig::receiver::{Answer, Receiver, Request};
use schemas::notification::{NoticeEvent, NoticeState};
use schemas::{IncidentBody, IncidentState, Notice as Wish, Resync};
use serde_json::{Value, json};
use site::{MINUTE, Site, a_while, until};
use std::collections::BTreeSet;

fn receiver() -> Receiver {
    Receiver::start().expect("a port is free")
}

fn json(request: &Request) -> Value {
    serde_json::from_str(&request.text).expect("what we send is JSON")
}

fn target(name: &str, to: &Value) -> Target {
    serde_json::from_value(json!({"name": name, "to": to})).expect("it is a target")
}

fn webhook(receiver: &Receiver) -> Target {
    target("hook", &json!({"webhook": {"url": receiver.url()}}))
}

/// The types and subjects of the events that a webhook has taken, each identity once.
fn events(receiver: &Receiver) -> Vec<(String, String)> {
    let mut seen = BTreeSet::new();
    let bodies = receiver.taken().into_iter().map(|request| json(&request));
    let once = bodies.filter(|event| seen.insert(event["id"].as_str().expect("every event has one").to_owned()));
    let text = |value: &Value| value.as_str().expect("it is a text").to_owned();
    let word = |event: &Value| text(&event["type"]).replace("dev.bellbuoy.", "").replace(".v1", "");
    once.map(|event| (word(&event), text(&event["subject"]))).collect()
}

fn pair(word: &str, subject: &str) -> (String, String) {
    (word.to_owned(), subject.to_owned())
}

#[test]
fn an_incident_is_told_when_it_opens_when_it_becomes_graver_and_when_it_is_over() {
    let receiver = receiver();
    let mut site = Site::new(vec![webhook(&receiver)]);
    site.start();
    let incident = site.incident("i1", "cart");
    site.publish(&incident);
    until("it is told", || events(&receiver) == [pair("incident.opened", "i1")]);
    let incident = site.change(&incident, |next| next.severity = 60.0);
    let incident = site.change(&incident, |next| next.severity = 90.0);
    until("it is told to be graver", || events(&receiver).len() == 2);
    let incident = site.close(&incident);
    until("it is told to be over", || events(&receiver).len() == 3);
    let words = ["incident.opened", "incident.worsened", "incident.closed"].map(|word| pair(word, "i1"));
    assert_eq!(events(&receiver), words, "and of the small change nothing was told");
    assert_eq!(json(&receiver.taken()[2])["data"]["incident"]["closing"], "quiet again");
    site.change(&incident, |next| (next.state, next.closed_at) = (IncidentState::Reopen, 0));
    until("it is told to have begun again", || events(&receiver).len() == 4);
    assert_eq!(events(&receiver)[3], pair("incident.opened", "i1"));
}

#[test]
fn a_server_of_a_private_authority_is_told_once_it_is_trusted_and_never_before() {
    let (trusted, distrusted) = (Receiver::start_secured().unwrap(), Receiver::start_secured().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let (ca, token) = (folder.path().join("ca.pem"), folder.path().join("token"));
    std::fs::write(&token, "open sesame\n").unwrap();
    let access = json!({"ca_file": ca, "bearer_file": token});
    let hook =
        |name: &str, receiver: &Receiver| target(name, &json!({"webhook": {"url": receiver.url(), "access": access}}));
    let mut site = Site::new(vec![hook("trusted", &trusted), hook("another", &distrusted)]);
    site.start();
    site.publish(&site.incident("i1", "cart"));
    // The certificate comes later than the configuration, as one does that the cluster mounts.
    a_while();
    assert!(trusted.taken().is_empty(), "nobody is told whose certificate is not known");
    std::fs::write(&ca, trusted.certificate()).unwrap();
    until("it is told", || events(&trusted) == [pair("incident.opened", "i1")]);
    assert_eq!(trusted.taken()[0].header("authorization"), Some("Bearer open sesame"));
    a_while();
    assert!(distrusted.taken().is_empty(), "another certificate is none of that authority");
}

#[test]
fn a_telling_is_a_cloud_event_with_the_incident_as_it_is_published_and_a_signature() {
    let receiver = receiver();
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "swordfish\n").unwrap();
    let hook = target("hook", &json!({"webhook": {"url": receiver.url(), "secret_file": secret}}));
    let mut site = Site::new(vec![hook]);
    site.start();
    let incident = site.incident("i1", "cart");
    site.publish(&incident);
    until("it is told", || !receiver.taken().is_empty());
    let request = &receiver.taken()[0];
    let event = json(request);
    assert_eq!(request.header("content-type"), Some("application/cloudevents+json"));
    let of_envelope = ["specversion", "id", "source", "type", "subject", "datacontenttype"].map(|name| &event[name]);
    let expected = ["1.0", "i1/1", "bellbuoy/acme/prod", "dev.bellbuoy.incident.opened.v1", "i1", "application/json"];
    assert_eq!(of_envelope, expected);
    assert_eq!(event["data"]["incident"], serde_json::to_value(&incident).unwrap());
    let signature = request.header(notify::SIGNATURE).expect("it is signed");
    let seconds: i64 = signature[2..].split(',').next().unwrap().parse().unwrap();
    assert_eq!(signature, notify::sign(b"swordfish", seconds, request.text.as_bytes()));
    assert_ne!(signature, notify::sign(b"another", seconds, request.text.as_bytes()));
}

#[test]
fn of_each_incident_one_opening_and_one_end_are_told_wherever_the_notifier_dies() {
    for step in [Step::Read, Step::Intended, Step::Sending, Step::Sent, Step::Told] {
        let receiver = receiver();
        let mut site = Site::new(vec![webhook(&receiver)]);
        site.start_ending_at(Some(step));
        // A first look without incidents, so that what is published now is not taken for history.
        until("it has begun", || site.log.producer("test").is_ok());
        let (one, two) = (site.incident("i1", "cart"), site.incident("i2", "web"));
        site.publish(&one);
        site.publish(&two);
        let opened = BTreeSet::from(["i1", "i2"].map(|id| pair("incident.opened", id)));
        until(&format!("both are told, ended at {step:?}"), || {
            opened.is_subset(&events(&receiver).into_iter().collect())
        });
        site.close(&one);
        until(&format!("one is told to be over, ended at {step:?}"), || {
            events(&receiver).contains(&pair("incident.closed", "i1"))
        });
        a_while();
        assert_eq!(events(&receiver).len(), 3, "ended at {step:?}: {:?}", events(&receiver));
        // What comes twice has one identity: at most the one message that was on its way.
        assert!(receiver.taken().len() <= 4, "ended at {step:?}: {} messages", receiver.taken().len());
    }
}

#[test]
fn of_each_incident_one_opening_is_told_whichever_call_to_the_log_fails() {
    let receiver = receiver();
    let mut hook = webhook(&receiver);
    // What is sent again counts, too.
    hook.at_most = 10_000;
    let mut site = Site::new(vec![hook]);
    site.start();
    until("it has begun", || site.faults.passed() > 0);
    // More than it calls in a look at which it reads, writes, sends and writes again.
    for point in 1..=60_u64 {
        site.faults.crash_at(point);
        site.publish(&site.incident(&format!("i{point:02}"), "cart"));
        // From that call on nothing works for a while.
        std::thread::sleep(std::time::Duration::from_millis(250));
        site.faults.crash_at(0);
        until(&format!("it is told, call {point} failed"), || events(&receiver).len() as u64 == point);
    }
    a_while();
    let subjects: BTreeSet<String> = events(&receiver).into_iter().map(|(_, subject)| subject).collect();
    assert_eq!((subjects.len(), events(&receiver).len()), (60, 60), "each once, under one identity");
}

#[test]
fn what_opened_and_ended_while_nobody_could_tell_is_told_all_the_same() {
    let receiver = receiver();
    let mut site = Site::new(vec![webhook(&receiver)]);
    let long_over = site.incident("i0", "old");
    site.publish(&long_over);
    site.close(&long_over);
    let open = site.incident("i1", "cart");
    site.publish(&open);
    site.start();
    until("what goes on is told", || events(&receiver).len() == 1);
    site.stop();
    let brief = site.incident("i2", "web");
    site.publish(&brief);
    site.close(&brief);
    site.close(&open);
    site.start();
    until("the others are told", || events(&receiver).len() == 4);
    let told: BTreeSet<_> = events(&receiver).into_iter().collect();
    let expected = [
        pair("incident.opened", "i1"),
        pair("incident.closed", "i1"),
        pair("incident.opened", "i2"),
        pair("incident.closed", "i2"),
    ];
    assert_eq!(told, BTreeSet::from(expected), "and nothing of what was over before it first began");
}

#[test]
fn a_target_that_fails_is_tried_again_in_its_time_and_one_that_refuses_is_not() {
    let receiver = receiver();
    let mut site = Site::new(vec![webhook(&receiver)]);
    site.start();
    receiver.answers([Answer::Status(500), Answer::RetryAfter(1), Answer::Lost, Answer::Taken, Answer::Status(400)]);
    let incident = site.incident("i1", "cart");
    site.publish(&incident);
    until("it is taken", || site.counted("hook", "sent") == 1);
    assert_eq!((receiver.refused().len(), site.counted("hook", "failed")), (2, 3));
    let ids: BTreeSet<String> = receiver.taken().iter().map(|request| json(request)["id"].to_string()).collect();
    assert_eq!((receiver.taken().len(), ids.len()), (2, 1), "what was taken without an answer came again as the same");
    site.close(&incident);
    until("its end is refused", || site.counted("hook", "refused") == 1);
    a_while();
    assert_eq!(receiver.refused().len(), 3, "what was refused is not tried again");
    let notice = &site.notices()[0];
    assert_eq!((notice.event, notice.state), (NoticeEvent::Closed, NoticeState::Refused));
    assert!(notice.answer.starts_with("400"), "{}", notice.answer);
}

#[test]
fn one_target_that_is_away_delays_no_other() {
    let (away, receiver) = (receiver(), receiver());
    away.answers([Answer::Status(503); 1000]);
    let mut site = Site::new(vec![target("away", &json!({"webhook": {"url": away.url()}})), webhook(&receiver)]);
    site.start();
    for number in 0..5 {
        site.publish(&site.incident(&format!("i{number}"), "cart"));
        until("the other is told", || events(&receiver).len() == number + 1);
    }
    assert!(away.taken().is_empty());
}

#[test]
fn in_a_storm_what_is_over_the_rate_is_told_as_one() {
    let receiver = receiver();
    let mut hook = webhook(&receiver);
    (hook.at_most, hook.per) = (4, engine::span::Span::minutes(10));
    let mut site = Site::new(vec![hook]);
    site.start();
    let one = site.incident("alone", "cart");
    site.publish(&one);
    until("one alone is told by itself", || events(&receiver) == [pair("incident.opened", "alone")]);
    let many: Vec<_> = (0..30).map(|number| site.incident(&format!("i{number:02}"), "cart")).collect();
    site.publish_all(&many);
    until("the many are told", || events(&receiver).len() == 2);
    let digest = json(&receiver.taken()[1]);
    assert_eq!(digest["type"], "dev.bellbuoy.digest.opened.v1");
    assert_eq!(digest["data"]["incidents"].as_array().unwrap().len(), 30);
    // Those that come right behind wait for their time, and are told together, too.
    let more: Vec<_> = (30..40).map(|number| site.incident(&format!("i{number}"), "cart")).collect();
    site.publish_all(&more);
    a_while();
    assert_eq!(events(&receiver).len(), 2);
    site.advance(5 * MINUTE);
    until("the later ones are told", || events(&receiver).len() == 3);
    assert_eq!(json(&receiver.taken()[2])["data"]["incidents"].as_array().unwrap().len(), 10);
    // A digest is over with the last of its incidents, and not before.
    site.advance(10 * MINUTE);
    let (last, others) = many.split_last().unwrap();
    others.iter().for_each(|incident| drop(site.close(incident)));
    a_while();
    assert_eq!(events(&receiver).len(), 3);
    site.close(last);
    until("the digest is over", || events(&receiver).len() == 4);
    assert_eq!(json(&receiver.taken()[3])["subject"], digest["subject"]);
}

#[test]
fn who_wants_less_hears_less() {
    let (all, few) = (receiver(), receiver());
    let mut picky = target("picky", &json!({"webhook": {"url": few.url()}}));
    (picky.least_severity, picky.selector) = (70.0, "namespace=shop,workload=ca*".parse().unwrap());
    let mut site = Site::new(vec![webhook(&all), picky]);
    site.start();
    let mild = site.incident("mild", "cart");
    site.publish(&mild);
    let mut grave = site.incident("elsewhere", "web");
    grave.severity = 95.0;
    site.publish(&grave);
    let mut held_back = site.incident("held back", "cart");
    (held_back.severity, held_back.notice) = (95.0, Wish::HeldBack);
    site.publish(&held_back);
    until("who wants all hears all that is to be told", || events(&all).len() == 2);
    let mild = site.change(&mild, |next| next.severity = 75.0);
    until("what has become grave enough is told", || events(&few) == [pair("incident.opened", "mild")]);
    site.close(&held_back);
    site.close(&mild);
    until("and its end", || events(&few).len() == 2);
    a_while();
    assert!(events(&all).iter().all(|(_, subject)| subject != "held back"));
}

#[test]
fn what_a_recovered_task_no_longer_names_is_over() {
    let receiver = receiver();
    let mut site = Site::new(vec![webhook(&receiver)]);
    site.start();
    site.publish(&site.incident("i1", "cart"));
    site.publish(&site.incident("i2", "web"));
    until("both are told", || events(&receiver).len() == 2);
    site.publish_body(IncidentBody::Resync(Resync { offset: 0, open: vec!["i2".into()] }));
    until("one is told to be over", || events(&receiver).len() == 3);
    assert_eq!(events(&receiver)[2], pair("incident.closed", "i1"));
}

#[test]
fn slack_is_told_in_plain_text_and_pager_duty_with_one_key() {
    let (slack, pager) = (receiver(), receiver());
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let to_slack = json!({"slack": {"url_file": file("slack", &slack.url())}});
    let to_pager = json!({"pagerduty": {"routing_key_file": file("key", "R0UT1NG"), "url": pager.url()}});
    let mut site = Site::new(vec![target("chat", &to_slack), target("oncall", &to_pager)]);
    site.start();
    let mut incident = site.incident("i1", "<!channel>");
    incident.severity = 85.0;
    site.publish(&incident);
    until("both are told", || slack.taken().len() == 1 && pager.taken().len() == 1);
    site.close(&incident);
    until("both are told its end", || slack.taken().len() == 2 && pager.taken().len() == 2);
    let message = json(&slack.taken()[0]);
    assert_eq!(message["blocks"][0]["text"]["type"], "plain_text");
    assert!(!message["text"].as_str().unwrap().contains("<!channel>"), "{message}");
    let (trigger, resolve) = (json(&pager.taken()[0]), json(&pager.taken()[1]));
    let of = |event: &Value| {
        ["routing_key", "event_action", "dedup_key"].map(|name| event[name].as_str().unwrap().to_owned())
    };
    assert_eq!(of(&trigger), ["R0UT1NG", "trigger", "i1"]);
    assert_eq!(of(&resolve), ["R0UT1NG", "resolve", "i1"]);
    assert_eq!(trigger["payload"]["severity"], "critical");
    let everything = format!("{:?}", site.notices());
    assert!(!everything.contains("R0UT1NG") && !everything.contains(&slack.url()), "secrets are not remembered");
}
