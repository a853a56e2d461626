//! Incidents and orders to the actuator as people see and answer them, kill switches and mutes, beside a process that has the log or none.

use engine::clock::SystemClock;
use engine::log::{Limit, Log, Message, TopicPartition, embedded};
use schemas::{
    Action, Command, CommandResult, Control, ControlKind, Incident, IncidentBody, IncidentRecord, IncidentState, Mode,
    Policy, Record as _, ResultState, Target, TargetWorkload, Term,
};
use serde_json::Value;
use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::Arc;
use tempfile::TempDir;
use topics::declared::{COMMANDS, CONTROL, INCIDENTS, RESULTS};

const LATER: i64 = 900_000;
const PENDING: &str = "3f0a11aa-1111-5111-8111-000000000001";
const EXPIRED: &str = "3f0a22bb-2222-5222-8222-000000000002";
const FINAL: &str = "88bb44dd-4444-5444-8444-000000000004";
const DONE: &str = "77aa33cc-3333-5333-8333-000000000003";

fn bellbuoy(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_bellbuoy"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("BELLBUOY")) {
        command.env_remove(name);
    }
    command.current_dir(folder).args(arguments).stdin(Stdio::null()).env("USER", "ada").output().unwrap()
}

fn done(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn refused(output: Output) -> (i32, String) {
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

fn open(folder: &Path) -> Arc<dyn Log> {
    embedded::open(&folder.join("bellbuoy-data/log"), Arc::new(SystemClock::new())).unwrap()
}

fn now() -> i64 {
    use engine::clock::WallClock as _;
    SystemClock::new().now_millis()
}

fn order(id: &'static str, mode: Mode, expires_at: i64) -> Command<'static> {
    Command {
        tenant: "default".into(),
        cluster: "prod".into(),
        id: id.into(),
        attempt: 1,
        mode,
        approvals: 1,
        action: Action { name: "quarantine_pod".into(), parameters: vec![] },
        target: Target {
            kind: "Pod".into(),
            namespace: "shop".into(),
            name: "cart-1".into(),
            workload: Some(TargetWorkload { kind: "Deployment".into(), name: "cart".into(), ..Default::default() }),
            ..Target::default()
        },
        reason: "quarantine pod cart-1: it talks to 203.0.113.7".into(),
        incident: "i1".into(),
        issued_at: expires_at - LATER,
        expires_at,
        policy: Policy { id: "takeover".into(), version: "3".into(), hash: "sha256:1".into() },
        digest: format!("sha256:{id}").into(),
        ..Command::default()
    }
}

/// A site with an order that waits, one that has expired and one that was carried out.
fn site() -> TempDir {
    let at = tempfile::tempdir().unwrap();
    done(bellbuoy(at.path(), &["topics", "apply"]));
    let log = open(at.path());
    let now = now();
    let release = Action { name: "release_pod".into(), parameters: vec![] };
    let orders = [
        order(PENDING, Mode::Approve, now + LATER),
        order(EXPIRED, Mode::Approve, now - 5_000),
        Command { inverse: Some(release), ..order(DONE, Mode::Enforce, now + LATER) },
        order(FINAL, Mode::Enforce, now + LATER),
    ];
    let result = |command: &'static str| CommandResult {
        command: command.into(),
        state: ResultState::Succeeded,
        at: now,
        sentence: "the pod is in quarantine".into(),
        ..CommandResult::default()
    };
    let mut producer = log.producer("test").unwrap();
    producer.begin().unwrap();
    let message = |topic: &str, value: Vec<u8>| Message {
        topic: topic.into(),
        key: Some(b"k".to_vec()),
        value: Some(value),
        ..Message::default()
    };
    for order in &orders {
        producer.send(message(COMMANDS.name, order.encode().unwrap())).unwrap();
    }
    for command in [DONE, FINAL] {
        producer.send(message(RESULTS.name, result(command).encode().unwrap())).unwrap();
    }
    producer.commit(&[], None).unwrap();
    at
}

/// What was said on the control topic: kind, id, value, author.
fn said(folder: &Path) -> Vec<(ControlKind, String, String, String)> {
    let log = open(folder);
    let partition = TopicPartition::new(CONTROL.name, 0);
    let batch = log.read(&partition, 0, Limit { records: 100, bytes: 1 << 20 }).unwrap();
    let read = |value: &[u8]| {
        let control = Control::decode(value).unwrap();
        (control.kind, control.id.to_string(), control.value.to_string(), control.author.to_string())
    };
    batch.records.iter().filter_map(|record| record.value.as_deref()).map(read).collect()
}

#[test]
fn orders_are_listed_with_what_became_of_them() {
    let at = site();
    let table = done(bellbuoy(at.path(), &["commands", "list"]));
    for words in ["waits for consent", "expired unheard", "succeeded", "quarantine_pod Pod shop/cart-1 of cart"] {
        assert!(table.contains(words), "{words} is not in\n{table}");
    }
    let waiting = done(bellbuoy(at.path(), &["commands", "list", "--waiting", "--json"]));
    let waiting: Value = serde_json::from_str(&waiting).unwrap();
    assert_eq!(waiting.as_array().unwrap().len(), 1);
    assert_eq!(waiting[0]["id"], PENDING);

    let text = done(bellbuoy(at.path(), &["commands", "show", "77aa"]));
    assert!(text.contains("the pod is in quarantine") && text.contains("takeover version 3"), "{text}");
    let whole: Value = serde_json::from_str(&done(bellbuoy(at.path(), &["commands", "show", DONE, "--json"]))).unwrap();
    assert_eq!((&whole["state"], &whole["steps"][0]["state"]), (&Value::from("succeeded"), &Value::from("Succeeded")));
}

#[test]
fn consent_is_bound_to_the_digest_and_each_person_has_a_voice() {
    let at = site();
    done(bellbuoy(at.path(), &["commands", "approve", "3f0a11", "--reason", "seen it"]));
    done(bellbuoy(at.path(), &["commands", "reject", "3f0a11", "--by", "eve"]));
    let digest = format!("sha256:{PENDING}");
    let voice = |kind, who: &str| (kind, format!("{PENDING}/{who}"), digest.clone(), who.to_owned());
    assert_eq!(said(at.path()), [voice(ControlKind::Approval, "ada"), voice(ControlKind::Rejection, "eve")]);
}

#[test]
fn an_answer_to_what_does_not_wait_is_refused_with_the_reason() {
    let at = site();
    for (arguments, code, words) in [
        (["approve", "3f0a22"], 1, "expired"),
        (["approve", DONE], 1, "in mode enforce"),
        (["approve", "3f0a"], 64, "several"),
        (["reject", "ffff"], 1, "no order's id begins"),
        (["show", "3f0"], 64, "at least 4 characters"),
    ] {
        let answer = refused(bellbuoy(at.path(), &["commands", arguments[0], arguments[1]]));
        assert!(answer.0 == code && answer.1.contains(words), "{arguments:?}: {answer:?}");
    }
    assert_eq!(said(at.path()), []);
}

#[test]
fn what_was_carried_out_is_taken_back_where_it_can_be_undone() {
    let at = site();
    let told = done(bellbuoy(at.path(), &["commands", "undo", DONE, "--by", "eve"]));
    assert!(told.starts_with("taken back: "), "{told}");
    let voice = (ControlKind::Rejection, format!("{DONE}/eve"), format!("sha256:{DONE}"), "eve".to_owned());
    assert_eq!(said(at.path()), [voice]);
    for (id, words) in [("3f0a11", "not in force: it is open"), ("88bb", "has no inverse")] {
        let (code, text) = refused(bellbuoy(at.path(), &["commands", "undo", id]));
        assert!(code == 1 && text.contains(words), "{id}: {text}");
    }
}

#[test]
fn a_kill_switch_is_turned_and_shown() {
    let at = site();
    let status = |words: &[&str]| {
        let status = done(bellbuoy(at.path(), &["kill-switch", "status"]));
        assert!(words.iter().all(|word| status.contains(word)), "{status}");
    };
    status(&["ever touched"]);
    done(bellbuoy(at.path(), &["kill-switch", "on", "--selector", "namespace=shop", "--reason", "release night"]));
    status(&["on", "namespace=shop", "ada", "release night", "taken back"]);
    done(bellbuoy(at.path(), &["kill-switch", "off", "--by", "bob"]));
    status(&["off", "everywhere", "bob"]);
    let words = said(at.path());
    let kill = |value: &str, by: &str| (ControlKind::KillSwitch, "all".to_owned(), value.to_owned(), by.to_owned());
    // The topic is compacted, so the first word may be gone.
    assert!(words.ends_with(&[kill("off", "bob")]), "{words:?}");
}

/// A site where one incident goes on, one is over and one was taken in.
fn site_in_trouble() -> TempDir {
    let at = tempfile::tempdir().unwrap();
    done(bellbuoy(at.path(), &["topics", "apply"]));
    let told = |id: &'static str, state, revision, severity, sentence: &'static str| Incident {
        tenant: "acme".into(),
        cluster: "prod".into(),
        id: id.into(),
        state,
        revision,
        severity,
        sentence: sentence.into(),
        terms: vec![Term { name: "before looking".into(), value: -6.0, unit: "".into() }],
        ..Incident::default()
    };
    let incidents = [
        told("inc-1a00", IncidentState::Open, 1, 40.0, "workload shop/cart: errors. 3 of 10 failed"),
        told("inc-1a00", IncidentState::Update, 2, 77.0, "workload shop/cart: errors. 9 of 10 failed"),
        told("inc-1a11", IncidentState::Close, 3, 50.0, "node node-1: network. 3 MiB/s"),
        told("inc-2b22", IncidentState::Merge, 2, 30.0, "workload shop/web: errors. 1 of 10 failed"),
    ];
    let log = open(at.path());
    let mut producer = log.producer("test").unwrap();
    producer.begin().unwrap();
    for incident in incidents {
        let body = IncidentBody::Incident(Box::new(incident));
        let value = IncidentRecord { body, ..IncidentRecord::default() }.encode().unwrap();
        let (topic, key) = (INCIDENTS.name.into(), Some(b"acme/prod".to_vec()));
        producer.send(Message { topic, key, value: Some(value), ..Message::default() }).unwrap();
    }
    producer.commit(&[], None).unwrap();
    at
}

#[test]
fn incidents_are_listed_as_they_were_told_last_and_shown_with_their_arithmetic() {
    let at = site_in_trouble();
    let table = done(bellbuoy(at.path(), &["incidents", "list"]));
    assert!(table.contains("inc-1a00") && table.contains("77") && table.contains("shop/cart: errors\n"), "{table}");
    assert!(!table.contains("inc-1a11") && !table.contains("inc-2b22"), "what is over is not listed: {table}");
    let all = done(bellbuoy(at.path(), &["incidents", "list", "--all", "--json"]));
    let all: Value = serde_json::from_str(&all).unwrap();
    assert_eq!(all.as_array().unwrap().len(), 3);
    let text = done(bellbuoy(at.path(), &["incidents", "show", "inc-1a0"]));
    assert!(text.contains("9 of 10 failed") && text.contains("-6.00  before looking"), "{text}");
    for (id, code, words) in
        [("inc-1a", 64, "several"), ("inc-9", 1, "no incident's id begins"), ("inc", 64, "at least")]
    {
        let answer = refused(bellbuoy(at.path(), &["incidents", "show", id]));
        assert!(answer.0 == code && answer.1.contains(words), "{id}: {answer:?}");
    }
    let empty = site();
    assert!(done(bellbuoy(empty.path(), &["incidents", "list"])).contains("nothing is wrong"));
}

#[test]
fn an_incident_bears_the_judgement_of_a_person() {
    let at = site_in_trouble();
    done(bellbuoy(at.path(), &["incidents", "label", "inc-1a11", "known", "--reason", "load test"]));
    assert_eq!(said(at.path()), [(ControlKind::Label, "inc-1a11".to_owned(), "known".to_owned(), "ada".to_owned())]);
    for (arguments, words) in [
        (&["incidents", "label", "inc-1a11", "maybe"][..], "possible values: true, false, known"),
        (&["incidents", "label", "inc-1a11", "false", "--by", " "], "say who"),
    ] {
        let (code, text) = refused(bellbuoy(at.path(), arguments));
        assert!(code == 64 && text.contains(words), "{text}");
    }
}

#[test]
fn a_mute_has_an_end_and_is_taken_back_by_its_name() {
    let at = site();
    let list = || done(bellbuoy(at.path(), &["mute", "list"]));
    assert!(list().contains("nothing was ever muted"));
    let night = ["mute", "on", "namespace=batch, workload=etl*", "--for", "2h", "--reason", "planned load test"];
    let told = done(bellbuoy(at.path(), &night));
    assert_eq!(told, "namespace=batch,workload=etl* is muted for 2h, said by ada\n");
    for words in ["on", "namespace=batch,workload=etl*", "ada", "planned load test"] {
        assert!(list().contains(words), "{words} is not in {}", list());
    }
    let (code, text) = refused(bellbuoy(at.path(), &["mute", "off", "namespace=bach"]));
    assert!(code == 1 && text.contains("in force: namespace=batch,workload=etl*"), "{text}");
    done(bellbuoy(at.path(), &["mute", "off", "namespace=batch,workload=etl*", "--by", "bob"]));
    let (code, text) = refused(bellbuoy(at.path(), &["mute", "off", "namespace=batch,workload=etl*"]));
    assert!(code == 1 && text.contains("is off since 20"), "{text}");
    assert!(list().contains("off") && list().contains("bob"), "{}", list());
}

#[test]
fn a_mute_of_everything_without_end_or_of_what_cannot_be_read_is_refused() {
    let at = site();
    for (arguments, words) in [
        (&["mute", "on", "", "--for", "1h"][..], "`cluster=*` is everything"),
        (&["mute", "on", "namespace=shop"], "--for"),
        (&["mute", "on", "pod=cart-1", "--for", "1h"], "write key=value"),
        (&["mute", "on", "namespace=shop", "--for", "long"], "allowed is a whole number"),
        (&["kill-switch", "on", "--selector", "pod=cart-1"], "write key=value"),
    ] {
        let (code, text) = refused(bellbuoy(at.path(), arguments));
        assert!(code == 64 && text.contains(words), "{arguments:?}: {text}");
    }
    assert_eq!(said(at.path()), []);
}

#[test]
fn beside_a_process_that_has_the_log_orders_are_shown_and_answers_refused_with_the_way_to_give_them() {
    let at = site();
    let log = open(at.path());
    let table = done(bellbuoy(at.path(), &["commands", "list"]));
    assert!(table.contains("waits for consent"), "{table}");
    // That process serves no HTTP interface.
    std::fs::write(at.path().join("bellbuoy.yaml"), "http: {address: null}\n").unwrap();
    let (code, text) = refused(bellbuoy(at.path(), &["commands", "approve", "3f0a11"]));
    assert!(code == 1 && text.contains("another process has this folder open"), "{text}");
    drop(log);
    done(bellbuoy(at.path(), &["commands", "approve", "3f0a11"]));
    assert_eq!(said(at.path()).len(), 1);
}
