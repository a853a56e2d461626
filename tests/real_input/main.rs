//! What a real Collector and a real API server wrote, through the program: everything found, nothing lost, nothing told.
//!
//! The recording is `rig_capture` in the folder that `BELLBUOY_DATA` names; its README says what happened in it.

#[path = "../installation/mod.rs"]
mod installation;
mod planted;

use installation::{Configured, Installation, texts};
use schemas::{AnomalyBody, AnomalyRecord, Record as _};
use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;
use topics::declared::{ANOMALIES, DEAD_LETTERS};

/// Raw topics of the recording that ingest reads as it is configured by default.
const READ: [&str; 2] = ["k8s-audit", "otlp_metrics"];

#[test]
fn a_real_recording_is_read_whole_and_its_intruder_found_and_its_secret_kept() {
    let Some((capture, _unpacked)) = capture() else { return };
    let site = Installation::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("a bound port has a number").port();
    drop(listener);
    site.configure(&Configured { port: Some(port), ..Configured::default() });
    let (out, said) = site.done(&["produce", "--capture", &capture.display().to_string()]);
    let mut told = vec![out, said];

    // Its figures last as long as it runs.
    let mut life = site.start(&["run", "all", "--recorded"]);
    let metrics = || installation::get(port, "/metrics").map(|(_, text)| text).unwrap_or_default();
    let read = || installation::figures(&metrics(), "bellbuoy_records_total{").into_iter().sum::<f64>();
    let lag = || installation::figures(&metrics(), "bellbuoy_kafka_consumer_lag_records{").into_iter().sum::<f64>();
    life.until("everything is read", || read() > 3000.0 && lag() == 0.0);
    let figures = metrics();
    life.terminate();
    let (_, output) = life.wait();
    assert_eq!(output.status.code(), Some(0), "{}", texts(&output).1);
    told.extend([figures.clone(), texts(&output).0, texts(&output).1]);
    let (out, said) = site.done(&["run", "all", "--until-complete", "--recorded"]);
    told.extend([out, said]);

    let raw: usize = READ.iter().flat_map(|topic| site.records(topic)).map(|records| records.len()).sum();
    let accounted: f64 = installation::figures(&figures, "bellbuoy_records_total{").into_iter().sum();
    assert_eq!(accounted, raw as f64, "every raw record became signals, a counted reason or a dead letter");
    let letters: usize = site.records(DEAD_LETTERS.name).iter().map(Vec::len).sum();
    assert_eq!(letters, 0, "nothing of it is unreadable");

    let found = findings(&site);
    let cart = "system:serviceaccount:shop:cart";
    for wanted in [
        ("secrets_listed", cart, "403"),
        ("secrets_listed", cart, "200"),
        ("cluster_admin_bound", "admin", "debug-cart"),
    ] {
        let (detector, principal, word) = wanted;
        let is_there = found.iter().any(|(by, who, text)| by == detector && who == principal && text.contains(word));
        assert!(is_there, "{wanted:?} is not among {found:#?}");
    }

    planted::assert_told_nowhere(&site, &told);
}

/// Detector, entity and everything said, of each anomaly of the two rules.
fn findings(site: &Installation) -> BTreeSet<(String, String, String)> {
    let mut found = BTreeSet::new();
    for record in site.records(ANOMALIES.name).into_iter().flatten() {
        let record = AnomalyRecord::decode(record.value.as_deref().unwrap_or_default()).expect("an anomaly record");
        if let AnomalyBody::Anomaly(anomaly) = record.body {
            let detector = anomaly.detector.to_string();
            if detector == "secrets_listed" || detector == "cluster_admin_bound" {
                found.insert((
                    detector,
                    anomaly.entity.name.to_string(),
                    format!("{} {:?}", anomaly.sentence, anomaly.terms),
                ));
            }
        }
    }
    found
}

/// The recording's folder, unpacked if need be.
fn capture() -> Option<(PathBuf, Option<TempDir>)> {
    let data = std::env::var_os("BELLBUOY_DATA").map(PathBuf::from);
    let folder = data.as_deref().map(|data| data.join("rig_capture"));
    if let Some(folder) = folder.filter(|folder| folder.join("k8s-audit.jsonl").exists()) {
        return Some((folder, None));
    }
    let archive = data.as_deref().map(|data| data.join("rig_capture.tar.xz"));
    if let Some(archive) = archive.filter(|archive| archive.exists()) {
        let unpacked = tempfile::tempdir().expect("a temporary folder can be made");
        let status = Command::new("tar").arg("-xJf").arg(&archive).arg("-C").arg(unpacked.path()).status();
        assert!(status.is_ok_and(|status| status.success()), "{} cannot be unpacked", archive.display());
        let inside = |folder: &Path| folder.join("k8s-audit.jsonl").exists().then(|| folder.to_owned());
        let folder = inside(&unpacked.path().join("rig_capture")).or_else(|| inside(unpacked.path()));
        return Some((folder.expect("the archive holds rig_capture"), Some(unpacked)));
    }
    let required = std::env::var("BELLBUOY_DATA_REQUIRED").is_ok_and(|value| value == "1");
    assert!(!required, "BELLBUOY_DATA names no folder with rig_capture or rig_capture.tar.xz");
    println!("skipped, because BELLBUOY_DATA names no folder with rig_capture or rig_capture.tar.xz");
    None
}
