//! The binary as people and scripts use it: exit codes, errors with their place, what goes in comes out.

use serde_json::Value;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// Runs the binary in a folder of its own, with nothing of the outside's configuration.
fn bellbuoy(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().unwrap()
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bellbuoy"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("BELLBUOY")) {
        command.env_remove(name);
    }
    command.current_dir(folder).args(arguments).stdin(Stdio::null());
    command
}

fn fed(folder: &Path, arguments: &[&str], input: &str) -> Output {
    let mut command = command(folder, arguments);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// Standard output of a command that succeeds.
fn done(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Exit code and standard error.
fn refused(output: Output) -> (i32, String) {
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn exit_codes_tell_usage_from_failure() {
    let at = folder();
    for help in [&["--help"][..], &["--version"], &["run", "--help"], &["version"]] {
        done(bellbuoy(at.path(), help));
    }
    for wrong in
        [&["fly"][..], &[], &["run"], &["run", "juggle"], &["consume"], &["produce"], &["--config", "none.yaml"]]
    {
        let (code, _) = refused(bellbuoy(at.path(), wrong));
        assert!(code == 64 || (wrong.first() == Some(&"--config") && code != 0), "{wrong:?} gave {code}");
    }
    let (code, text) = refused(bellbuoy(at.path(), &["consume", "otlp_metrics"]));
    assert_eq!(code, 1);
    assert!(text.contains("there is no log in bellbuoy-data/log"), "{text}");
    assert!(!at.path().join("bellbuoy-data").exists(), "looking creates nothing");
}

#[test]
fn a_fault_of_the_configuration_is_shown_where_it_is() {
    let at = folder();
    let told = |text: &str| {
        std::fs::write(at.path().join("bellbuoy.yaml"), text).unwrap();
        refused(bellbuoy(at.path(), &["--print-config"]))
    };
    let (code, text) = told("lanes:\n  detekt: 2\n");
    assert_eq!(code, 64);
    assert_eq!(
        text,
        "bellbuoy: bellbuoy.yaml:2:3: lanes.detekt: unknown field `detekt`; allowed are ingest, detect, correlate, remediate\n"
    );
    let (_, text) = told("# a comment\nlanes:\n  ingest: 1\n  detect: 0\n");
    assert_eq!(text, "bellbuoy: bellbuoy.yaml:4:3: lanes.detect: 0 is outside the allowed 1 to 256\n");
    let (_, text) = told("ingest:\n  topics:\n    t: {source: audti}\n");
    assert!(text.starts_with("bellbuoy: bellbuoy.yaml:3:9: ingest.topics.t.source: "), "{text}");
    assert!(text.contains("allowed are auto"), "{text}");

    std::fs::remove_file(at.path().join("bellbuoy.yaml")).unwrap();
    let output = command(at.path(), &["version"]).env("BELLBUOY__MEMORY", "lots").output().unwrap();
    let (code, text) = refused(output);
    assert_eq!(code, 64);
    assert!(text.starts_with("bellbuoy: BELLBUOY__MEMORY: memory: `lots` is no amount of memory"), "{text}");
}

#[test]
fn the_actuator_says_what_it_needs_before_it_obeys_anybody() {
    let at = folder();
    let wrong = |arguments: &[&str]| refused(bellbuoy(at.path(), arguments));
    let (code, error) = wrong(&["run", "actuate"]);
    assert!(code == 64 && error.contains("actuate.cluster is empty"), "{error}");
    let (code, error) = wrong(&["run", "all", "--with-actuator", "--kafka", "localhost:1"]);
    assert!(code == 64 && error.contains("bellbuoy run actuate"), "{error}");
    assert_eq!(wrong(&["run", "actuate", "--until-complete"]).0, 64);
    assert_eq!(wrong(&["actuate"]).0, 64);

    // Somebody whose key is wrong must be able to look at the right one.
    std::fs::write(at.path().join("bellbuoy.yaml"), "actuate: {cluster: prod, keys: [beef]}\n").unwrap();
    assert!(wrong(&["run", "actuate"]).1.contains("actuate.keys[0]: a public key is 64 hexadecimal digits"));
    let key = done(bellbuoy(at.path(), &["keys", "generate", "signing.pem"]));
    assert_eq!(done(bellbuoy(at.path(), &["keys", "show", "signing.pem"])), key);
    let key = key.split_whitespace().last().unwrap();
    std::fs::write(at.path().join("bellbuoy.yaml"), format!("actuate: {{cluster: prod, keys: [{key}]}}\n")).unwrap();

    let manifests = done(bellbuoy(at.path(), &["actuate", "--manifests", "--json"]));
    let manifests: Value = serde_json::from_str(&manifests).unwrap();
    let named = |kind: &str| manifests["items"].as_array().unwrap().iter().filter(|one| one["kind"] == kind).count();
    assert_eq!(named("ServiceAccount"), 1);
    assert_eq!(named("ClusterRole"), 2, "what only recommends needs no right to act");
    assert!(named("ValidatingAdmissionPolicy") > 5);
}

#[test]
fn what_is_printed_is_a_configuration_that_prints_the_same() {
    let at = folder();
    let printed = done(command(at.path(), &["--print-config"]).env("BELLBUOY__LANES__DETECT", "3").output().unwrap());
    std::fs::write(at.path().join("other.yaml"), &printed).unwrap();
    assert_eq!(done(bellbuoy(at.path(), &["config", "--config", "other.yaml"])), printed);
    assert!(printed.contains("detect: 3"), "{printed}");

    let commented = done(bellbuoy(at.path(), &["config", "--default"]));
    std::fs::write(at.path().join("default.yaml"), commented).unwrap();
    let defaults = done(bellbuoy(at.path(), &["--print-config"]));
    assert_eq!(done(bellbuoy(at.path(), &["--print-config", "--config", "default.yaml"])), defaults);
}

#[test]
fn applying_topics_twice_changes_nothing() {
    let at = folder();
    let json = |arguments: &[&str]| -> Value { serde_json::from_str(&done(bellbuoy(at.path(), arguments))).unwrap() };
    let planned = json(&["topics", "diff", "--json"]);
    assert!(planned.as_array().unwrap().iter().all(|change| change["change"] == "create"));
    assert!(!at.path().join("bellbuoy-data").exists(), "looking creates nothing");
    assert_eq!(json(&["topics", "apply", "--json"]), planned);
    assert_eq!(json(&["topics", "apply", "--json"]), Value::Array(Vec::new()));
    assert_eq!(done(bellbuoy(at.path(), &["topics", "diff"])), "nothing differs\n");
    let listed = json(&["topics", "list", "--json"]);
    let names: Vec<&str> = listed.as_array().unwrap().iter().map(|topic| topic["topic"].as_str().unwrap()).collect();
    assert!(names.contains(&"bellbuoy.signals.v1") && names.contains(&"otlp_metrics"), "{names:?}");

    let shorter = "topics:\n  bellbuoy.signals.v1: {retention: 1h}\n";
    std::fs::write(at.path().join("bellbuoy.yaml"), shorter).unwrap();
    let (code, text) = refused(bellbuoy(at.path(), &["topics", "apply"]));
    assert!(code == 64 && text.contains("--allow-removal lets it"), "{text}");
    done(bellbuoy(at.path(), &["topics", "apply", "--allow-removal"]));
    assert_eq!(done(bellbuoy(at.path(), &["topics", "diff"])), "nothing differs\n");
}

#[test]
fn what_is_produced_is_consumed_with_keys_headers_and_times() {
    let at = folder();
    let capture = concat!(
        r#"{"partition": 2, "offset": 90, "timestamp_ms": 1772409600000, "key": "a2V5", "#,
        r#""headers": [["h", "MQ=="], ["h", "Mg=="]], "value": "AP8="}"#,
        "\n",
        r#"{"partition": 0, "offset": 7, "timestamp_ms": 1772409600001, "key": null, "headers": [], "value": null}"#,
        "\n",
    );
    done(fed(at.path(), &["produce", "otlp_metrics", "--format", "capture"], capture));
    done(fed(at.path(), &["produce", "k8s-audit", "--key", "k", "--header", "a=b"], "one\ntwo\n"));
    let lines = |arguments: &[&str]| -> Vec<Value> {
        done(bellbuoy(at.path(), arguments)).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let captured = lines(&["consume", "otlp_metrics", "--format", "capture"]);
    assert_eq!((&captured[0]["partition"], &captured[0]["timestamp_ms"]), (&0.into(), &1_772_409_600_001_i64.into()));
    assert_eq!((&captured[0]["key"], &captured[0]["value"]), (&Value::Null, &Value::Null));
    assert_eq!((&captured[1]["key"], &captured[1]["value"]), (&"a2V5".into(), &"AP8=".into()));
    assert_eq!(captured[1]["headers"], serde_json::json!([["h", "MQ=="], ["h", "Mg=="]]));

    assert_eq!(done(bellbuoy(at.path(), &["consume", "k8s-audit"])), "one\ntwo\n");
    assert_eq!(done(bellbuoy(at.path(), &["consume", "k8s-audit", "--max", "1"])), "one\n");
    assert_eq!(done(bellbuoy(at.path(), &["consume", "k8s-audit", "--from", "latest"])), "");
    let readable = lines(&["consume", "k8s-audit", "--format", "json"]);
    assert_eq!((&readable[0]["key"], &readable[0]["value"]), (&"k".into(), &"one".into()));
    assert_eq!(readable[0]["headers"], serde_json::json!([["a", "b"]]));
}

#[test]
fn a_line_that_is_no_record_is_named() {
    let at = folder();
    let (code, text) = refused(fed(at.path(), &["produce", "k8s-audit", "--format", "capture"], "\n{}\n"));
    assert_eq!(code, 1);
    assert!(text.starts_with("bellbuoy: standard input:2: not a captured record: "), "{text}");
    let (code, text) = refused(fed(at.path(), &["produce", "nowhere"], "x\n"));
    assert!(code == 1 && text.contains("topic nowhere does not exist"), "{text}");
    let (_, text) = refused(fed(at.path(), &["produce", "k8s-audit", "--partition", "9"], "x\n"));
    assert!(text.contains("partition 9: the topic has 4"), "{text}");
}

#[test]
fn a_folder_of_captures_is_loaded_whole() {
    let at = folder();
    let captures = folder();
    let line = r#"{"partition":0,"offset":0,"timestamp_ms":1,"key":null,"headers":[],"value":"eA=="}"#;
    std::fs::write(captures.path().join("k8s-audit.jsonl"), format!("{line}\n{line}\n")).unwrap();
    std::fs::write(captures.path().join("otlp_logs.jsonl"), format!("{line}\n")).unwrap();
    std::fs::write(captures.path().join("story.jsonl"), "{\"what\": \"a story\"}\n").unwrap();
    let output = bellbuoy(at.path(), &["produce", "--capture", captures.path().to_str().unwrap()]);
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    done(output);
    assert!(text.contains("story.jsonl: left out") && text.contains("k8s-audit: 2 records\n"), "{text}");
    assert!(text.contains("otlp_logs: 1 records; no job reads this topic"), "{text}");
    assert_eq!(done(bellbuoy(at.path(), &["consume", "otlp_logs"])), "x\n");
}

#[test]
fn completions_schemas_and_version_answer_without_a_log() {
    let at = folder();
    for shell in ["bash", "zsh", "fish"] {
        assert!(done(bellbuoy(at.path(), &["completions", shell])).contains("bellbuoy"));
    }
    let schemas: Value = serde_json::from_str(&done(bellbuoy(at.path(), &["schemas", "list", "--json"]))).unwrap();
    assert!(schemas.as_array().unwrap().iter().any(|schema| schema["schema"] == "signal" && schema["version"] == 1));
    let checked: Value = serde_json::from_str(&done(bellbuoy(at.path(), &["schemas", "check", "--json"]))).unwrap();
    assert_eq!(checked["ok"], true);
    let version: Value = serde_json::from_str(&done(bellbuoy(at.path(), &["version", "--json"]))).unwrap();
    assert!(version["logic"]["detect"]["semantics"].as_i64().unwrap() >= 1);
}

#[test]
fn the_doctor_finds_a_sound_installation_sound_and_a_short_retention_wrong() {
    let at = folder();
    done(bellbuoy(at.path(), &["topics", "apply"]));
    let found: Value = serde_json::from_str(&done(bellbuoy(at.path(), &["doctor", "--json"]))).unwrap();
    assert!(found.as_array().unwrap().iter().all(|finding| finding["verdict"] != "fail"), "{found}");
    std::fs::write(at.path().join("bellbuoy.yaml"), "topics:\n  bellbuoy.signals.v1: {retention: 1m}\n").unwrap();
    let output = bellbuoy(at.path(), &["doctor"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("FAIL  retention") && text.contains("shorten checkpoints.every"), "{text}");
}

#[test]
fn a_run_to_the_end_of_its_input_leaves_state_offsets_and_a_digest_that_a_replay_repeats() {
    let at = folder();
    std::fs::write(at.path().join("bellbuoy.yaml"), "http: {address: null}\n").unwrap();
    done(fed(at.path(), &["produce", "k8s-audit"], "no audit event\n"));
    done(bellbuoy(at.path(), &["run", "all", "--until-complete", "--recorded"]));
    let letters = done(bellbuoy(at.path(), &["consume", "bellbuoy.dead-letters.v1", "--format", "json"]));
    assert_eq!(letters.lines().count(), 1, "{letters}");
    let replay = || done(bellbuoy(at.path(), &["replay", "--job", "ingest", "--json"]));
    assert_eq!(replay(), replay());
    done(bellbuoy(at.path(), &["doctor"]));
    done(bellbuoy(at.path(), &["state", "inspect", "--json"]));
    assert_eq!(done(bellbuoy(at.path(), &["checkpoint", "list", "--json"])), "[]\n");
}
