//! A backtest of a demo's log: the same report with any lanes, and reasons for what a change of configuration does.

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

fn bellbuoy(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bellbuoy"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("BELLBUOY")) {
        command.env_remove(name);
    }
    command.env("BELLBUOY__LOG__EMBEDDED", "kept/log");
    command.current_dir(folder).args(arguments).stdin(Stdio::null()).output().expect("the binary is there")
}

fn done(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).expect("it is text")
}

fn report(folder: &Path, arguments: &[&str]) -> Value {
    let told = done(&bellbuoy(folder, &[&["backtest", "--json"], arguments].concat()));
    serde_json::from_str(&told).expect("a report is JSON")
}

/// A folder with the log of a demo, and two configurations.
fn recorded() -> TempDir {
    let at = tempfile::tempdir().expect("a folder");
    done(&bellbuoy(at.path(), &["demo", "--json", "--days", "1", "--seed", "7", "--keep", "kept"]));
    let quiet = "detect:\n  secrets_listed:\n    enabled: false\n";
    std::fs::write(at.path().join("quiet.yaml"), quiet).expect("it can be written");
    std::fs::write(at.path().join("usual.yaml"), "revision: 0\n").expect("it can be written");
    at
}

fn changes<'r>(report: &'r Value, kind: &str, change: &str) -> Vec<&'r Value> {
    let items = report[kind]["items"].as_array().expect("there is a list");
    items.iter().filter(|item| item["change"] == change).collect()
}

#[test]
fn a_backtest_gives_the_same_bytes_with_any_lanes_and_says_why_it_differs() {
    let at = recorded();
    let one = done(&bellbuoy(at.path(), &["backtest", "--json"]));
    let three = done(&bellbuoy(at.path(), &["backtest", "--json", "--lanes", "3"]));
    assert_eq!(one, three, "lanes are not seen");

    // The same program over the same records finds what was published.
    let same: Value = serde_json::from_str(&one).expect("a report is JSON");
    assert!(same["anomalies"]["before"].as_u64() > Some(0), "an empty demo proves nothing: {same}");
    for kind in ["anomalies", "incidents", "commands"] {
        assert_eq!(same[kind]["items"], Value::Array(Vec::new()), "{kind}");
    }

    let against = ["--config", "quiet.yaml", "--against", "usual.yaml"];
    let quiet = report(at.path(), &against);
    assert_eq!(quiet["configuration"][0]["key"], "detect.secrets_listed.enabled");
    let lost = changes(&quiet, "anomalies", "lost");
    assert!(!lost.is_empty() && changes(&quiet, "anomalies", "gained").is_empty(), "{quiet}");
    for item in lost {
        assert_eq!(item["reason"], "detect.secrets_listed.enabled true → false");
        assert!(item["what"].as_str().is_some_and(|what| what.starts_with("secrets_listed: ")), "{item}");
    }
    let incidents = [changes(&quiet, "incidents", "lost"), changes(&quiet, "incidents", "changed")].concat();
    assert!(!incidents.is_empty(), "an incident lives on what is lost: {quiet}");
    assert!(incidents.iter().all(|item| item["reason"].as_str().is_some_and(|why| why.contains("members"))));
    let lanes = report(at.path(), &[&against[..], &["--lanes", "2"]].concat());
    assert_eq!(lanes, quiet);

    let part = report(at.path(), &["--compare-from", "2030-01-01T00:00Z"]);
    assert_eq!((&part["anomalies"]["before"], &part["anomalies"]["after"]), (&Value::from(0), &Value::from(0)));
    assert_eq!(part["digest"], same["digest"]);
}

#[test]
fn a_chain_with_a_gap_and_an_unknown_job_are_usage() {
    let at = tempfile::tempdir().expect("a folder");
    for (jobs, word) in [("detect,remediate", "lacks correlate"), ("detect,juggle", "no job juggle")] {
        let output = bellbuoy(at.path(), &["backtest", "--jobs", jobs]);
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(64) && text.contains(word), "{jobs}: {text}");
    }
}
