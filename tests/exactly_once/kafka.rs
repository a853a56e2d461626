//! The same on a real Kafka, in short: `loadtest -- exactly-once` with few kills. Its full form takes a quarter of an hour.

use crate::installation::built;
use serde_json::Value;
use std::process::{Command, Stdio};

#[test]
fn processes_and_brokers_that_are_killed_lose_repeat_and_change_nothing() {
    if std::env::var_os("KAFKA_BOOTSTRAP").is_none() && !rig::provided(rig::kafka::available()) {
        return;
    }
    let mut ledger = Command::new(built("loadtest"));
    ledger.args(["exactly-once", "--json", "--kills", "10", "--seconds", "45", "--workloads", "8"]);
    ledger.args(["--scrape-seconds", "300", "--seed", "7"]);
    if let Ok(bootstrap) = std::env::var("KAFKA_BOOTSTRAP") {
        ledger.args(["--bootstrap", &bootstrap]);
    }
    let output = ledger.stdin(Stdio::null()).output().expect("the ledger can be started");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{told}");
    let verdict: Value = serde_json::from_slice(&output.stdout).expect("the ledger prints one object");
    println!("{verdict}");
    let number = |name: &str| verdict[name].as_u64().unwrap_or_else(|| panic!("{name} is not in {verdict}"));
    assert_eq!((number("lost"), number("duplicated"), number("differing")), (0, 0, 0), "{told}");
    assert_eq!(number("kills"), 10);
    assert!(number("samples") > 10_000 && number("outputs") > 1_000 && number("rebalances") > 10, "{verdict}");
}
