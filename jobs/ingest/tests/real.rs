//! Real bytes, as a Collector and an API server wrote them: golden files, the whole capture where it is at hand, and
//! mutations of both.
//!
//! `BELLBUOY_REGENERATE=1` writes the expected signals anew; look at the difference before it is committed.

#[path = "../../detect/tests/data/archive.rs"]
mod archive;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ingest::{Config, Processed, Raw, TopicConfig, process};
use schemas::{Record as _, Signal};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// The command line of the captured attack carries it.
const PLANTED: &str = "planted-not-a-secret";

#[derive(Deserialize)]
struct Line {
    topic: Option<String>,
    partition: i32,
    offset: i64,
    timestamp_ms: i64,
    value: Option<String>,
}

struct Record {
    topic: String,
    line: Line,
    value: Option<Vec<u8>>,
}

impl Record {
    fn process(&self, config: &Config) -> Processed {
        let raw = Raw {
            topic: &self.topic,
            partition: self.line.partition,
            offset: self.line.offset,
            timestamp: self.line.timestamp_ms,
            value: self.value.as_deref(),
            ..Raw::default()
        };
        process(&raw, config)
    }
}

fn records(path: &Path, topic: &str) -> Vec<Record> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let record = |line: &str| {
        let line: Line = serde_json::from_str(line).expect("a line is one record");
        let value = line.value.as_ref().map(|value| STANDARD.decode(value).expect("values are base64"));
        Record { topic: line.topic.clone().unwrap_or_else(|| topic.to_owned()), line, value }
    };
    text.lines().map(record).collect()
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

#[test]
fn golden_records_become_the_expected_signals() {
    let mut found = String::new();
    for record in records(&golden().join("records.jsonl"), "") {
        let read = record.process(&Config::default());
        assert!(read.reading.is_balanced());
        for signal in &read.reading.signals {
            let bytes = signal.encode().expect("a signal encodes");
            assert!(!holds(&bytes, PLANTED));
            assert_eq!(&Signal::decode(&bytes).expect("and decodes"), signal);
            let _ = writeln!(found, "{}", serde_json::to_string(signal).expect("a signal serialises"));
        }
        let account: BTreeMap<&str, u64> =
            read.reading.dropped.iter().map(|(reason, count)| (reason.as_str(), *count)).collect();
        let letter = read.dead_letter.as_ref().map(|letter| {
            let text = |(name, value): &(String, Vec<u8>)| format!("{name}={}", String::from_utf8_lossy(value));
            letter.headers.iter().map(text).collect::<Vec<_>>()
        });
        let _ = writeln!(
            found,
            "# {}/{} {} items {} carried {} dropped {account:?} dead letter {letter:?}",
            record.topic, record.line.offset, read.source, read.reading.items, read.reading.carried
        );
    }
    assert!(!found.contains(PLANTED));
    let path = golden().join("signals.txt");
    if std::env::var_os("BELLBUOY_REGENERATE").is_some() {
        std::fs::write(&path, &found).expect("the golden file can be written");
    }
    let expected = std::fs::read_to_string(&path).expect("the golden file is there");
    for (line, (found, expected)) in found.lines().zip(expected.lines()).enumerate() {
        assert_eq!(found, expected, "line {}", line + 1);
    }
    assert_eq!(found.lines().count(), expected.lines().count());
}

#[test]
fn the_whole_capture_is_accounted_for() {
    let Some(folder) = archive::folder("rig_capture") else { return };
    let mut kinds: BTreeMap<String, u64> = BTreeMap::new();
    let mut dropped: BTreeMap<&str, u64> = BTreeMap::new();
    let mut items = 0;
    for topic in ["otlp_metrics", "otlp_metrics_json", "k8s-audit"] {
        for record in records(&folder.join(format!("{topic}.jsonl")), topic) {
            let read = record.process(&Config::default());
            assert_eq!(read.dead_letter, None, "{topic}/{}", record.line.offset);
            assert!(read.reading.is_balanced() && read.reading.items > 0);
            items += read.reading.items;
            for (reason, count) in &read.reading.dropped {
                *dropped.entry(reason.as_str()).or_default() += count;
            }
            for signal in &read.reading.signals {
                *kinds.entry(format!("{} {}", read.source, signal.entity.kind.as_str())).or_default() += 1;
                let bytes = signal.encode().expect("a signal encodes");
                assert!(!holds(&bytes, PLANTED), "{topic}/{}", record.line.offset);
            }
        }
    }
    println!("{items} items; signals {kinds:?}; dropped {dropped:?}");
    assert!(kinds.keys().any(|kind| kind == "audit principal") && kinds.len() >= 6);
}

#[test]
fn mutated_records_never_panic_and_never_lose_an_item() {
    let mut seed = 1_u64;
    let mut next = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap_or_default() % below.max(1)
    };
    let mut config = Config::default();
    for source in ["audit", "auto", "hubble", "otlp_metrics_json", "otlp_metrics_proto"] {
        config.topics.insert(source.to_owned(), TopicConfig { source: source.to_owned(), ..TopicConfig::default() });
    }
    let topics: Vec<String> = config.topics.keys().cloned().collect();
    let mut letters = 0;
    for mut record in records(&golden().join("records.jsonl"), "") {
        let Some(original) = record.value.take() else { continue };
        for round in 0..24 {
            let mut value = original.clone();
            for _ in 0..=next(6) {
                match next(4) {
                    0 => value.truncate(next(value.len())),
                    1 => value.insert(next(value.len()), u8::try_from(next(256)).unwrap_or_default()),
                    2 => {
                        let (from, to) = (next(value.len()), next(value.len()));
                        let part = value.get(from.min(to)..from.max(to)).unwrap_or_default().to_vec();
                        value.extend(part.into_iter().take(64));
                    }
                    _ => {
                        let at = next(value.len());
                        if let Some(byte) = value.get_mut(at) {
                            *byte ^= 1 << next(8);
                        }
                    }
                }
            }
            record.value = Some(value);
            if round % 2 == 1 {
                record.topic.clone_from(&topics[next(topics.len())]);
            }
            let read = record.process(&config);
            assert!(read.reading.is_balanced());
            assert!(read.dead_letter.is_none() || read.reading.items == 0);
            letters += u64::from(read.dead_letter.is_some());
            let again = record.process(&config);
            assert_eq!(format!("{read:?}"), format!("{again:?}"), "the same record gives the same");
        }
    }
    assert!(letters > 100, "mutations break records: {letters}");
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}
