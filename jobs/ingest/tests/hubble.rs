//! What Hubble's lines become.

use ingest::{Config, DropReason, Processed, Raw, process};
use schemas::signal::{Body, Direction, FlowAgg, Quality, SampleKind, Verdict};

fn read(lines: &[String]) -> Processed {
    let value = lines.join("\n");
    let raw =
        Raw { topic: "hubble-flows", timestamp: 1_785_578_401_000, value: Some(value.as_bytes()), ..Raw::default() };
    let read = process(&raw, &Config::default());
    assert!(read.reading.is_balanced());
    read
}

fn line(flow: &str) -> String {
    format!(
        r#"{{"flow":{{"time":"2026-08-01T10:00:00.5Z",{flow}}},"node_name":"prod/node-1","time":"2026-08-01T10:00:00.5Z"}}"#
    )
}

fn flows(read: &Processed) -> Vec<(String, FlowAgg<'static>)> {
    let flow = |signal: &schemas::Signal<'static>| match &signal.body {
        Body::FlowAgg(flow) => (signal.entity.key(), flow.clone()),
        other => panic!("a flow: {other:?}"),
    };
    read.reading.signals.iter().map(flow).collect()
}

const CART: &str =
    r#"{"namespace":"shop","pod_name":"cart-7848d6c4d5-th9v2","workloads":[{"name":"cart","kind":"Deployment"}]}"#;
const DATABASE: &str = r#"{"namespace":"db","pod_name":"pg-0"}"#;
const WORLD: &str = r#"{"identity":2,"labels":["reserved:world"]}"#;

fn tcp(source: u16, destination: u16, flags: &str) -> String {
    format!(r#""l4":{{"TCP":{{"source_port":{source},"destination_port":{destination},"flags":{{{flags}}}}}}}"#)
}

#[test]
fn a_connection_is_counted_once_on_its_opening_side() {
    let there = |flags: &str| {
        line(&format!(
            r#""verdict":"FORWARDED","source":{CART},"destination":{DATABASE},{},"traffic_direction":"EGRESS","is_reply":false"#,
            tcp(40112, 5432, flags)
        ))
    };
    let back = line(&format!(
        r#""verdict":"FORWARDED","source":{DATABASE},"destination":{CART},{},"traffic_direction":"EGRESS","is_reply":true"#,
        tcp(5432, 40112, r#""SYN":true,"ACK":true"#)
    ));
    let read = read(&[there(r#""SYN":true"#), there(r#""ACK":true"#), back]);
    let [(entity, flow)] = flows(&read).try_into().expect("one aggregate");
    assert_eq!(entity, "workload/shop/Deployment/cart");
    assert_eq!((flow.peer.as_str(), flow.external), ("workload/db/StatefulSet/pg", false));
    assert_eq!((flow.port, flow.protocol.as_str(), flow.direction), (5432, "tcp", Direction::Egress));
    assert_eq!((flow.events, flow.connections), (3, 1));
    assert_eq!(flow.instance, "cart-7848d6c4d5-th9v2");
}

#[test]
fn the_receiving_side_reports_ingress() {
    let read = read(&[line(&format!(
        r#""verdict":"DROPPED","drop_reason_desc":"POLICY_DENIED","source":{CART},"destination":{DATABASE},{},"traffic_direction":"INGRESS","is_reply":false"#,
        tcp(1, 5432, r#""SYN":true"#)
    ))]);
    let [(entity, flow)] = flows(&read).try_into().expect("one aggregate");
    assert_eq!((entity.as_str(), flow.direction), ("workload/db/StatefulSet/pg", Direction::Ingress));
    assert_eq!(flow.peer, "workload/shop/Deployment/cart");
    assert_eq!((flow.verdict, flow.drop_reason.as_str()), (Verdict::Dropped, "POLICY_DENIED"));
}

#[test]
fn outside_peers_are_bounded_classes() {
    let out = |names: &str, address: &str| {
        line(&format!(
            r#""verdict":"FORWARDED","source":{CART},"destination":{WORLD},"destination_names":[{names}],"IP":{{"source":"10.1.0.5","destination":"{address}"}},{},"traffic_direction":"EGRESS""#,
            tcp(1, 443, "")
        ))
    };
    let incoming = line(&format!(
        r#""verdict":"FORWARDED","source":{WORLD},"destination":{CART},"IP":{{"source":"198.51.100.20"}},{},"traffic_direction":"INGRESS""#,
        tcp(1, 443, "")
    ));
    let read = read(&[
        out(r#""api.example.com.""#, "198.51.100.20"),
        out("", "198.51.100.20"),
        out("", "198.51.100.77"),
        out("", "2001:db8:1:2::3"),
        out("", ""),
        incoming,
    ]);
    let peers: Vec<(String, i64, bool)> =
        flows(&read).into_iter().map(|(_, flow)| (flow.peer.to_string(), flow.events, flow.external)).collect();
    let expected =
        [("fqdn:example.com", 1), ("net:198.51.100.0/24", 2), ("net:2001:db8:1::/48", 1), ("world", 1), ("world", 1)];
    assert_eq!(peers, expected.map(|(peer, events)| (peer.to_owned(), events, true)));
}

#[test]
fn lost_events_are_told_and_doubted() {
    let lost = r#"{"lost_events":{"source":"PERF_EVENT_RING_BUFFER","num_events_lost":"42"},"node_name":"prod/node-1","time":"2026-08-01T10:00:00Z"}"#;
    let read = read(&[line(&format!(r#""source":{CART},"destination":{DATABASE}"#)), lost.to_owned()]);
    let [flow, loss] = read.reading.signals.as_slice() else { panic!("a flow and a loss") };
    assert_eq!(
        (flow.quality.as_slice(), loss.quality.as_slice()),
        ([Quality::Lossy].as_slice(), [Quality::Lossy].as_slice())
    );
    assert_eq!((loss.entity.key().as_str(), loss.cluster.as_str()), ("node///node-1", "prod"));
    let Body::MetricSamples(samples) = &loss.body else { panic!("a sample: {loss:?}") };
    assert_eq!((samples.samples[0].value, samples.samples[0].kind), (42.0, SampleKind::Delta));
}

#[test]
fn duplicates_and_other_kinds_are_counted() {
    let flow = line(&format!(r#""uuid":"u","source":{CART},"destination":{DATABASE}"#));
    let read = read(&[
        flow.clone(),
        flow,
        r#"{"node_status":{},"node_name":"n"}"#.to_owned(),
        "{\"cut".to_owned(),
        "{}".to_owned(),
    ]);
    assert_eq!((read.reading.items, read.reading.carried), (5, 1));
    let dropped: Vec<_> = read.reading.dropped.iter().map(|(reason, count)| (*reason, *count)).collect();
    assert_eq!(dropped, [(DropReason::Malformed, 2), (DropReason::Unsupported, 1), (DropReason::Duplicate, 1)]);
}

#[test]
fn urls_and_headers_do_not_come_out() {
    let flow = line(&format!(
        r#""source":{CART},"destination":{DATABASE},"l7":{{"type":"REQUEST","http":{{"method":"GET","url":"http://x/?token=planted-not-a-secret","headers":[{{"key":"Authorization","value":"planted-not-a-secret"}}]}}}}"#
    ));
    for value in [flow.clone(), flow[..flow.len() - 1].to_owned()] {
        let read = read(&[value]);
        assert!(!format!("{read:?}").contains("planted"), "{read:?}");
    }
    assert_eq!(read(&[flow]).reading.signals[0].redacted, ["flow.l7.http.url"]);
}

#[test]
fn names_are_kept_bounded() {
    let query = |n: usize| {
        line(&format!(r#""source":{CART},"destination":{DATABASE},"l7":{{"dns":{{"query":"Host{n}.Example.com."}}}}"#))
    };
    let read = read(&(0..20).map(query).collect::<Vec<_>>());
    let [(_, flow)] = flows(&read).try_into().expect("one aggregate");
    assert_eq!((flow.names.len(), flow.names[0].as_str()), (8, "host0.example.com"));
    assert!(read.reading.signals[0].quality.contains(&Quality::Truncated));
}
