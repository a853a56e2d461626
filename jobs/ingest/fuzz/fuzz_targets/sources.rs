//! Any bytes as a record of any source: no panic, and every item accounted for.
#![no_main]

use ingest::{Config, Raw, TopicConfig, process};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((first, value)) = data.split_first() else { return };
    let sources = ["audit", "auto", "hubble", "otlp_metrics_json", "otlp_metrics_proto"];
    let source = sources[usize::from(*first) % sources.len()];
    let mut config = Config::default();
    config.topics.insert("t".to_owned(), TopicConfig { source: source.to_owned(), ..TopicConfig::default() });
    let read = process(&Raw { topic: "t", timestamp: 1_785_580_010_000, value: Some(value), ..Raw::default() }, &config);
    assert!(read.reading.is_balanced());
});
