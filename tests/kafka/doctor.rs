//! `bellbuoy doctor` against real clusters: what is well, what is told, and that its advice is what helps.

use crate::installation::{Installation, texts};
use rig::kafka::{Brokers, Kafka, Settings, available};
use serde_json::Value;
use std::fs;
use std::process::Output;
use std::time::Duration;

const ACLS: &str = "org.apache.kafka.tools.AclCommand";
const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
/// More steps than these no list of permissions takes: of what is not allowed nothing behind it can be tried.
const STEPS: usize = 10;

/// What is told, as `verdict what: seen`.
fn findings(output: &Output) -> Vec<String> {
    let (out, error) = texts(output);
    let found: Vec<Value> = serde_json::from_str(&out).unwrap_or_else(|fault| panic!("{fault} in {out}{error}"));
    let text = |finding: &Value, field: &str| finding[field].as_str().unwrap_or_default().to_owned();
    let line = |finding| format!("{} {}: {}", text(finding, "verdict"), text(finding, "what"), text(finding, "seen"));
    found.iter().map(line).collect()
}

fn faults(output: &Output) -> Vec<String> {
    findings(output).into_iter().filter(|line| !line.starts_with("ok ")).collect()
}

/// What stands between backticks.
fn quoted(output: &Output) -> Vec<String> {
    let (out, _) = texts(output);
    let found: Vec<Value> = serde_json::from_str(&out).expect("findings are JSON");
    let advice = found.iter().filter_map(|finding| finding["advice"].as_str());
    advice.filter_map(|advice| advice.split('`').nth(1)).map(str::to_owned).collect()
}

#[test]
fn a_single_broker_is_well_and_what_it_lacks_is_told() {
    if !rig::provided(available()) {
        return;
    }
    let settings = Settings::new(Brokers::One).property("auto.create.topics.enable", "true");
    let kafka = settings.property("offsets.retention.minutes", "1440").start().expect("a broker starts");
    let (here, at) = (Installation::new(), kafka.bootstrap());
    let before = here.run(&["doctor", "--json", "--kafka", &at]);
    assert!(before.status.success(), "{:#?}", findings(&before));
    assert!(faults(&before).iter().any(|line| line.starts_with("warn topics: create bellbuoy.signals.v1")));

    here.done(&["topics", "apply", "--kafka", &at]);
    let output = here.run(&["doctor", "--json", "--kafka", &at]);
    assert!(output.status.success(), "{:#?}", findings(&output));
    let alone = format!("warn brokers: 1 at {at}");
    assert_eq!(
        faults(&output),
        [
            alone.as_str(),
            "warn broker settings: offsets.retention.minutes=1440: broker 1",
            "warn broker settings: auto.create.topics.enable=true: broker 1",
        ]
    );
    let all = findings(&output);
    for wanted in ["ok version: 4.0 or newer", "ok clock: at most ", "ok topic state: ", "ok topics: as declared"] {
        assert!(all.iter().any(|line| line.starts_with(wanted)), "{wanted} is not in {all:#?}");
    }
    assert!(all.iter().any(|line| line.contains("no authorizer")), "{all:#?}");
    let left = kafka.tool(TOPICS, &["--list"]).expect("topics can be listed");
    assert!(!left.contains("doctor"), "doctor leaves its topic: {left}");
}

#[test]
fn three_brokers_give_no_warning_and_one_that_is_away_is_missed() {
    if !rig::provided(available()) {
        return;
    }
    let kafka = Kafka::start(Brokers::Three).expect("three brokers start");
    let (here, at) = (Installation::new(), kafka.bootstrap());
    here.done(&["topics", "apply", "--kafka", &at]);
    let output = here.run(&["doctor", "--json", "--kafka", &at]);
    assert!(output.status.success(), "{:#?}", findings(&output));
    assert_eq!(faults(&output), [""; 0]);
    let all = findings(&output);
    assert!(all.iter().any(|line| line.starts_with("ok clock: ") && line.contains("of 3 brokers")), "{all:#?}");

    kafka.kill(3).expect("it is ours");
    while kafka.alive_for(1).expect("the first broker answers").contains(&3) {
        std::thread::sleep(Duration::from_millis(200));
    }
    let output = here.run(&["doctor", "--json", "--kafka", &at]);
    let faults = faults(&output);
    assert!(faults.iter().any(|line| line.starts_with("warn topic state: 2 of 3 copies are whole: ")), "{faults:#?}");
    assert!(output.status.success(), "two of three suffice: {faults:#?}");
}

#[test]
fn an_address_where_nobody_is_fails_and_is_named() {
    let here = Installation::new();
    let output = here.run(&["doctor", "--json", "--kafka", "127.0.0.1:1"]);
    assert_eq!(output.status.code(), Some(1));
    let faults = faults(&output);
    assert!(faults.iter().any(|line| line.starts_with("fail log: ") && line.contains("127.0.0.1:1")), "{faults:#?}");
}

/// The proof of the advice: a user who may do nothing gets what doctor asks for, line by line, and nothing else.
#[test]
fn the_permissions_that_are_asked_for_are_those_that_suffice() {
    if !rig::provided(available()) {
        return;
    }
    let kafka = Settings::new(Brokers::One)
        .secured()
        .property("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer")
        .property("super.users", "User:ANONYMOUS")
        .start()
        .expect("a broker starts");
    let at = kafka.secured().expect("it is secured");
    let here = Installation::new();
    let file = here.path().join("bellbuoy.yaml");
    let kept = fs::read_to_string(&file).expect("the configuration can be read");
    let security = format!(
        "log: {{kafka: {{bootstrap: \"{}\", settings: {{security.protocol: SASL_SSL, ssl.ca.location: \"{}\", \
         sasl.mechanism: SCRAM-SHA-512, sasl.username: {}, sasl.password: {}}}}}}}\n",
        at.sasl_bootstrap,
        at.ca_pem.display(),
        at.user,
        at.password
    );
    fs::write(&file, kept + &security).expect("the configuration can be written");

    let first = here.run(&["doctor", "--json"]);
    assert_eq!(first.status.code(), Some(1), "{:#?}", findings(&first));
    assert!(faults(&first).iter().any(|line| line.starts_with("fail permissions: no Describe on ")));
    let mut last = first;
    for _ in 0..STEPS {
        let lines: Vec<String> = quoted(&last).into_iter().filter(|line| line.starts_with("kafka-acls.sh ")).collect();
        for line in &lines {
            let given = line.split(' ').skip(3).collect::<Vec<_>>();
            kafka.tool(ACLS, &given).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
        // Before it may remove its topic, doctor asks that somebody does.
        let removed = kafka.tool(TOPICS, &["--delete", "--if-exists", "--topic", r"bellbuoy\.doctor-.*"]);
        removed.expect("what doctor left can be removed");
        if lines.is_empty() {
            here.done(&["topics", "apply"]);
        }
        last = here.run(&["doctor", "--json"]);
        if faults(&last).len() == 1 {
            break;
        }
    }
    assert!(last.status.success(), "{:#?}", findings(&last));
    assert_eq!(faults(&last), [format!("warn brokers: 1 at {}", at.sasl_bootstrap)]);
    here.done(&["run", "all", "--until-complete"]);
}
