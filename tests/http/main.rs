//! What a running process says of itself over HTTP, and what it lets people say.

#[path = "../installation/mod.rs"]
mod installation;

use estate::Plan;
use installation::{Configured, Installation, Life, texts};
use schemas::signal::Body;
use schemas::{AnomalyBody, AnomalyRecord, ControlKind, Record as _, Signal};
use std::time::Duration;
use topics::declared::{ANOMALIES, CONTROL, SIGNALS};

/// Names that dashboards and alarms are written against.
const METRICS: [&str; 12] = [
    "bellbuoy_anomalies_total{",
    "bellbuoy_build_info{",
    "bellbuoy_checkpoint_duration_seconds_bucket{",
    "bellbuoy_entity_resolution_total{",
    "bellbuoy_event_to_detection_seconds_bucket{",
    "bellbuoy_kafka_consumer_lag_records{",
    "bellbuoy_partitions_assigned{",
    "bellbuoy_rebalances_total ",
    "bellbuoy_records_total{",
    "bellbuoy_series_active{",
    "bellbuoy_state_bytes{",
    "bellbuoy_watermark_delay_seconds{",
];

#[test]
fn a_running_process_tells_how_it_is_and_takes_control_records() {
    let plan = Plan { days: 1, workloads: 8, scrape_interval: Duration::from_secs(600), ..Plan::default() };
    let site = Installation::of_estate(&plan, 20_000);
    let port = installation::free_port();
    site.configure(&Configured { port: Some(port), ..Configured::default() });
    let mut life = site.start(&["run", "all", "--recorded"]);
    life.until("it is ready", || installation::get(port, "/readyz").is_some_and(|(code, _)| code == 200));
    assert_eq!(installation::get(port, "/livez").map(|(code, _)| code), Some(200));
    life.until("everything is read", || {
        let text = metrics(port);
        let read: f64 = installation::figures(&text, "bellbuoy_records_total{").into_iter().sum();
        let lag: f64 = installation::figures(&text, "bellbuoy_kafka_consumer_lag_records{").into_iter().sum();
        read > 0.0 && lag == 0.0 && text.contains("bellbuoy_anomalies_total{")
    });
    let text = metrics(port);
    let missing: Vec<_> = METRICS.iter().filter(|name| !text.contains(*name)).collect();
    assert!(missing.is_empty(), "{missing:?} in\n{text}");
    assert!(text.contains("bellbuoy_divergences_total 0"), "{text}");

    let mute = r#"{"kind": "Mute", "id": "night", "selector": "namespace=batch", "reason": "planned load test"}"#;
    assert_eq!(installation::post(port, "/control", mute).map(|(code, _)| code), Some(200));
    let wrong = installation::post(port, "/control", r#"{"kind": "Mute", "until": "tomorrow"}"#);
    assert!(wrong.as_ref().is_some_and(|(code, text)| *code == 400 && text.contains("`until`")), "{wrong:?}");
    // Seen from outside: the record that was appended has been read by ingest, and its signals by detect.
    life.until("the control record is read", || {
        let read = installation::figures(&metrics(port), "bellbuoy_messages_sent_total ");
        let lag: f64 = installation::figures(&metrics(port), "bellbuoy_kafka_consumer_lag_records{").into_iter().sum();
        lag == 0.0 && read != installation::figures(&text, "bellbuoy_messages_sent_total ")
    });
    assert_ends_well(life);
    site.done(&["run", "all", "--until-complete", "--recorded"]);
    assert!(installation::get(port, "/livez").is_none(), "nobody answers any more");

    let appended: usize = site.records(CONTROL.name).iter().map(Vec::len).sum();
    assert_eq!(appended, 1, "what was refused is not there");
    for (partition, records) in site.records(SIGNALS.name).into_iter().enumerate() {
        let forwarded = records.iter().filter_map(|record| match Signal::decode(record.value.as_deref()?).ok()?.body {
            Body::Control(control) => Some((control.kind, control.id.to_string())),
            _ => None,
        });
        assert_eq!(forwarded.collect::<Vec<_>>(), [(ControlKind::Mute, "night".to_owned())], "signals {partition}");
    }
    let mut forwarded = 0;
    for record in site.records(ANOMALIES.name).into_iter().flatten() {
        let record = AnomalyRecord::decode(record.value.as_deref().unwrap_or_default()).expect("an anomaly record");
        if let AnomalyBody::Control(control) = record.body {
            assert_eq!((control.kind, &*control.selector), (ControlKind::Mute, "namespace=batch"));
            forwarded += 1;
        }
    }
    assert!(forwarded > 0, "those who read anomalies hear it too");
}

fn metrics(port: u16) -> String {
    installation::get(port, "/metrics").map(|(_, text)| text).unwrap_or_default()
}

fn assert_ends_well(life: Life) {
    life.terminate();
    let (_, output) = life.wait();
    assert_eq!(output.status.code(), Some(0), "{}", texts(&output).1);
}
