//! What a request becomes, in both encodings.

use crate::{Config, DropReason, Processed, Raw, TopicConfig, process};
use opentelemetry_proto::tonic::metrics::v1::MetricsData;
use prost::Message;
use schemas::Signal;
use schemas::signal::{Body, MetricSamples, Quality, SampleKind};

const TIME: i64 = 1_785_580_010_000;
const POD: &str = r#"{"key":"k8s.namespace.name","value":{"stringValue":"shop"}},
    {"key":"k8s.pod.name","value":{"stringValue":"cart-7848d6c4d5-th9v2"}},
    {"key":"k8s.pod.uid","value":{"stringValue":"u1"}}"#;

/// Reads JSON, and checks that the same request in protobuf gives the same signals.
fn read(resource: &str, metrics: &str) -> Processed {
    let text = request(resource, metrics);
    let from_json = processed(text.as_bytes(), "otlp_metrics_json", &Config::default());
    assert!(from_json.dead_letter.is_none(), "{from_json:?}");
    let bytes = super::json::decode(&text).expect("it was read").encode_to_vec();
    let from_proto = processed(&bytes, "otlp_metrics_proto", &Config::default());
    assert_eq!(from_json.reading.signals, from_proto.reading.signals, "both encodings say the same");
    assert_eq!(from_json.reading.dropped, from_proto.reading.dropped);
    from_json
}

fn request(resource: &str, metrics: &str) -> String {
    format!(
        r#"{{"resourceMetrics":[{{"resource":{{"attributes":[{resource}],"future":1}},
            "scopeMetrics":[{{"scope":{{"name":"x"}},"metrics":[{metrics}]}}],"schemaUrl":"u"}}]}}"#
    )
}

fn processed(value: &[u8], source: &str, config: &Config) -> Processed {
    let mut config = config.clone();
    config.topics.insert("t".to_owned(), TopicConfig { source: source.to_owned(), ..TopicConfig::default() });
    process(&Raw { topic: "t", offset: 7, timestamp: TIME, value: Some(value), ..Raw::default() }, &config)
}

fn point(attributes: &str, value: &str) -> String {
    format!(
        r#"{{"attributes":[{attributes}],"startTimeUnixNano":"1785580000000000000","timeUnixNano":"1785580010000000000",{value}}}"#
    )
}

fn text_attribute(key: &str, value: &str) -> String {
    format!(r#"{{"key":"{key}","value":{{"stringValue":"{value}"}}}}"#)
}

fn gauge(name: &str, unit: &str, points: &[String]) -> String {
    format!(r#"{{"name":"{name}","unit":"{unit}","gauge":{{"dataPoints":[{}]}}}}"#, points.join(","))
}

fn sum(name: &str, unit: &str, temporality: i32, monotonic: bool, points: &[String]) -> String {
    format!(
        r#"{{"name":"{name}","unit":"{unit}","sum":{{"aggregationTemporality":{temporality},"isMonotonic":{monotonic},
            "dataPoints":[{}]}}}}"#,
        points.join(",")
    )
}

fn samples<'a>(signal: &'a Signal<'static>) -> &'a MetricSamples<'static> {
    match &signal.body {
        Body::MetricSamples(samples) => samples,
        other => panic!("metrics become samples, not {other:?}"),
    }
}

/// `measure{attributes} kind value unit` of every sample of the only signal.
fn lines(processed: &Processed) -> Vec<String> {
    let [signal] = processed.reading.signals.as_slice() else { panic!("one signal: {:?}", processed.reading) };
    let line = |sample: &schemas::signal::Sample<'_>| {
        format!("{}{{{}}} {:?} {} {}", sample.measure, sample.attributes, sample.kind, sample.value, sample.unit)
    };
    samples(signal).samples.iter().map(line).collect()
}

fn dropped(processed: &Processed) -> Vec<(DropReason, u64)> {
    processed.reading.dropped.iter().map(|(reason, count)| (*reason, *count)).collect()
}

#[test]
fn a_scrape_of_a_pod_is_one_signal() {
    let read = read(
        POD,
        &[
            sum("k8s.pod.cpu.time", "s", 2, true, &[point("", r#""asDouble":42.5"#)]),
            gauge("k8s.pod.memory.working_set", "By", &[point("", r#""asInt":"134217728""#)]),
            sum("k8s.pod.volume.usage", "By", 2, false, &[point("", r#""asInt":5"#)]),
            sum("k8s.pod.network.io", "By", 1, true, &[point("", r#""asInt":"7""#)]),
        ]
        .join(","),
    );
    assert_eq!(
        lines(&read),
        [
            "k8s.pod.cpu.time{} Counter 42.5 s",
            "k8s.pod.memory.working_set{} Gauge 134217728 By",
            "k8s.pod.volume.usage{} Gauge 5 By",
            "k8s.pod.network.io{} Delta 7 By",
        ]
    );
    let signal = &read.reading.signals[0];
    assert_eq!(signal.entity.key(), "workload/shop/Deployment/cart");
    assert_eq!((signal.event_time, signal.record_time), (TIME, TIME));
    assert_eq!((signal.provenance.from, signal.provenance.to), (7, 8));
    assert_eq!(samples(signal).instance, "u1");
    let starts: Vec<i64> = samples(signal).samples.iter().map(|sample| sample.start_time).collect();
    assert_eq!(starts, [TIME - 10_000, 0, 0, TIME - 10_000], "only what counts has a start");
}

#[test]
fn what_is_no_number_is_counted_and_an_end_is_an_end() {
    let read = read(
        POD,
        &gauge(
            "k8s.pod.cpu.usage",
            "{cpu}",
            &[
                point("", r#""asDouble":"NaN""#),
                point("", r#""asDouble":"-Infinity""#),
                point("", r#""flags":0"#),
                point("", r#""flags":1"#),
            ],
        ),
    );
    assert_eq!(lines(&read), ["k8s.pod.cpu.usage{} Stale 0 {cpu}"]);
    assert_eq!(dropped(&read), [(DropReason::Malformed, 1), (DropReason::NotFinite, 2)]);
}

#[test]
fn both_spellings_become_one_series_and_the_new_one_wins() {
    let old = [text_attribute("interface", "eth0"), text_attribute("direction", "receive")].join(",");
    let new = [text_attribute("network.interface.name", "eth0"), text_attribute("network.io.direction", "receive")];
    let read = read(
        POD,
        &[
            sum("k8s.pod.network.io", "By", 2, true, &[point(&old, r#""asInt":"7""#)]),
            sum("k8s.pod.network.io", "By", 2, true, &[point(&new.join(","), r#""asInt":"7""#)]),
            gauge("k8s.container.restarts", "{restart}", &[point("", r#""asInt":"3""#)]),
            sum("k8s.container.restart.count", "{restart}", 2, false, &[point("", r#""asInt":"3""#)]),
            gauge("k8s.container.cpu_limit", "{cpu}", &[point("", r#""asDouble":0.5"#)]),
            gauge("container.memory.page_faults", "1", &[point("", r#""asInt":"9""#)]),
            gauge("container.memory.major_page_faults", "", &[point("", r#""asInt":"1""#)]),
        ]
        .join(","),
    );
    assert_eq!(
        lines(&read),
        [
            "k8s.pod.network.io{direction=receive,interface=eth0} Counter 7 By",
            "k8s.container.restart.count{} Gauge 3 {restart}",
            "k8s.container.cpu.limit.desired{} Gauge 0.5 {cpu}",
            "container.paging.faults{type=minor} Counter 9 {fault}",
            "container.paging.faults{type=major} Counter 1 {fault}",
        ]
    );
    assert_eq!(dropped(&read), [(DropReason::Duplicate, 1), (DropReason::Superseded, 1)]);
}

#[test]
fn processors_merge_and_unknown_levels_are_not_guessed() {
    let cpu = |number: &str, state: &str| [text_attribute("cpu", number), text_attribute("state", state)].join(",");
    let read = read(
        &text_attribute("host.name", "box"),
        &[
            sum(
                "system.cpu.time",
                "s",
                2,
                true,
                &[
                    point(&cpu("cpu0", "user"), r#""asDouble":1.5"#),
                    point(&cpu("cpu0", "idle"), r#""asDouble":10"#),
                    point(&cpu("cpu1", "user"), r#""asDouble":2"#),
                ],
            ),
            gauge(
                "queue.depth",
                "{item}",
                &[
                    point(&text_attribute("queue", "a"), r#""asInt":"1""#),
                    point(&text_attribute("queue", "b"), r#""asInt":"2""#),
                ],
            ),
        ]
        .join(","),
    );
    assert_eq!(
        lines(&read),
        [
            "system.cpu.time{state=user} Counter 3.5 s",
            "system.cpu.time{state=idle} Counter 10 s",
            "queue.depth{} Gauge 1 {item}",
        ]
    );
    assert_eq!(dropped(&read), [(DropReason::Ambiguous, 1)]);
    assert_eq!((read.reading.items, read.reading.carried), (5, 4), "a merged point is carried, not lost");
    assert_eq!(read.reading.signals[0].entity.key(), "node///box");
}

#[test]
fn units_are_canonical_and_old_quotas_count_in_thousandths() {
    let quota =
        [text_attribute("k8s.namespace.name", "shop"), text_attribute("k8s.resource_quota.name", "q")].join(",");
    let read = read(
        &quota,
        &[
            gauge(
                "k8s.resource_quota.used",
                "{resource}",
                &[
                    point(&text_attribute("resource", "requests.cpu"), r#""asInt":"1500""#),
                    point(&text_attribute("resource", "limits.memory"), r#""asInt":"1024""#),
                ],
            ),
            gauge("work.duration", "ms", &[point("", r#""asDouble":1500"#)]),
        ]
        .join(","),
    );
    assert_eq!(
        lines(&read),
        [
            "k8s.resourcequota.requests.cpu.used{} Gauge 1.5 {cpu}",
            "k8s.resourcequota.limits.memory.used{} Gauge 1024 By",
            "work.duration{} Gauge 1.5 s",
        ]
    );
    assert_eq!(read.reading.signals[0].entity.key(), "namespace///shop");
    assert_eq!(samples(&read.reading.signals[0]).scope, "q");
}

#[test]
fn histograms_keep_their_buckets() {
    let explicit = point("", r#""count":"6","sum":900,"bucketCounts":["1","2","3"],"explicitBounds":[100,200]"#);
    let broken = point("", r#""count":"6","sum":9,"bucketCounts":["1","2"],"explicitBounds":[100,200]"#);
    let exponential = point(
        "",
        r#""count":"5","sum":9.5,"scale":-1,"zeroCount":"2","positive":{"offset":-3,"bucketCounts":["1","2"]}"#,
    );
    let negative = point("", r#""count":"1","negative":{"offset":0,"bucketCounts":["1"]}"#);
    let read = read(
        &text_attribute("service.name", "api"),
        &format!(
            r#"{{"name":"a","unit":"ms","histogram":{{"aggregationTemporality":2,"dataPoints":[{explicit}]}}}},
               {{"name":"b","unit":"ms","histogram":{{"aggregationTemporality":2,"dataPoints":[{broken}]}}}},
               {{"name":"c","unit":"ms","exponentialHistogram":{{"aggregationTemporality":1,
                 "dataPoints":[{exponential},{negative}]}}}},
               {{"name":"d","unit":"s","histogram":{{"dataPoints":[{explicit}]}}}}"#
        ),
    );
    assert_eq!(dropped(&read), [(DropReason::Malformed, 2), (DropReason::Unsupported, 1)]);
    let [first, second] = samples(&read.reading.signals[0]).distributions.as_slice() else { panic!("two are good") };
    assert_eq!((first.kind, first.unit.as_str(), first.sum), (SampleKind::Counter, "s", 0.9));
    assert_eq!((first.bounds.as_slice(), first.counts.as_slice()), ([0.1, 0.2].as_slice(), [1, 2, 3].as_slice()));
    assert_eq!((second.kind, second.unit.as_str()), (SampleKind::Delta, "ms"), "its buckets cannot be scaled");
    assert_eq!((second.scale, second.first_bucket, second.zero_count, second.count), (-1, -3, 2, 5));
}

#[test]
fn a_summary_is_counters_and_levels_and_one_item() {
    let summary = point(
        "",
        r#""count":"6","sum":900,"quantileValues":[{"quantile":0.5,"value":100},{"quantile":0.99,"value":"NaN"}]"#,
    );
    let read = read(
        &text_attribute("service.name", "api"),
        &format!(r#"{{"name":"a","unit":"ms","summary":{{"dataPoints":[{summary}]}}}}"#),
    );
    assert_eq!(lines(&read), ["a.count{} Counter 6 1", "a.sum{} Counter 0.9 s", "a{quantile=0.5} Gauge 0.1 s"]);
    assert_eq!((read.reading.items, read.reading.carried), (1, 1));
}

#[test]
fn times_are_offsets_and_the_future_is_not_believed() {
    let at = |nanos: &str, value: i32| format!(r#"{{"timeUnixNano":"{nanos}","asInt":"{value}"}}"#);
    let good = read(POD, &gauge("m", "1", &[at("1785580000000000000", 1), at("1785580010000000000", 2), at("0", 3)]));
    let offsets = |processed: &Processed| -> Vec<i64> {
        samples(&processed.reading.signals[0]).samples.iter().map(|sample| sample.time_offset).collect()
    };
    assert_eq!(offsets(&good), [-10_000, 0], "the third has the record's time, and so is a duplicate");
    assert_eq!(dropped(&good), [(DropReason::Duplicate, 1)]);
    let future = read(POD, &gauge("m", "1", &[at("1999999999000000000", 1)]));
    let signal = &future.reading.signals[0];
    assert_eq!((signal.event_time, signal.quality.as_slice()), (TIME, [Quality::Skewed].as_slice()));
}

#[test]
fn limits_are_counted() {
    let mut config = Config::default();
    config.limits.items = 3;
    config.limits.samples = 2;
    let metrics: Vec<String> = (0..5).map(|n| gauge(&format!("m{n}"), "1", &[point("", r#""asInt":"1""#)])).collect();
    let value = request(POD, &metrics.join(","));
    let read = processed(value.as_bytes(), "otlp_metrics_json", &config);
    assert_eq!(dropped(&read), [(DropReason::Overflow, 3)]);
    assert!(read.reading.signals[0].quality.contains(&Quality::Truncated));
    config.limits.record_bytes = 10;
    let refused = processed(value.as_bytes(), "otlp_metrics_json", &config);
    assert!(refused.dead_letter.is_some() && refused.reading.signals.is_empty());
}

#[test]
fn an_empty_request_is_nothing_and_garbage_is_a_dead_letter() {
    let empty = processed(&MetricsData::default().encode_to_vec(), "otlp_metrics_proto", &Config::default());
    assert!(empty.dead_letter.is_none() && empty.reading.items == 0);
    for (source, value) in [("otlp_metrics_proto", "\u{7f}garbage"), ("otlp_metrics_json", "{\"resourceMetrics\":[1]}")]
    {
        let letter = processed(value.as_bytes(), source, &Config::default()).dead_letter.expect("it cannot be read");
        assert_eq!(letter.value.as_deref(), Some(value.as_bytes()));
    }
}

#[test]
fn separators_in_values_forge_nothing() {
    let evil = [text_attribute("interface", "a,direction=x"), text_attribute("direction", "receive")].join(",");
    let read = read(POD, &sum("k8s.pod.network.io", "By", 2, true, &[point(&evil, r#""asInt":"7""#)]));
    assert_eq!(lines(&read), ["k8s.pod.network.io{direction=receive,interface=a_direction_x} Counter 7 By"]);
}
