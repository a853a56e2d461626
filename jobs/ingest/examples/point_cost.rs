//! What decoding and normalising cost, over a capture: `cost FILE.jsonl TOPIC [ROUNDS]`.
#![allow(clippy::disallowed_methods, reason = "it measures time")]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ingest::{Config, Raw, process};
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("cost FILE.jsonl TOPIC [ROUNDS]")?;
    let topic = arguments.next().ok_or("cost FILE.jsonl TOPIC [ROUNDS]")?;
    let rounds: u32 = arguments.next().map_or(Ok(3), |rounds| rounds.parse())?;
    let mut values = Vec::new();
    for line in std::fs::read_to_string(path)?.lines() {
        let line: serde_json::Value = serde_json::from_str(line)?;
        values.push((STANDARD.decode(line["value"].as_str().unwrap_or_default())?, line["timestamp_ms"].as_i64()));
    }
    let config = Config::default();
    let (mut items, mut bytes, mut signals) = (0, 0, 0);
    let begin = Instant::now();
    for _ in 0..rounds {
        for (value, timestamp) in &values {
            let timestamp = timestamp.unwrap_or_default();
            let read = process(&Raw { topic: &topic, timestamp, value: Some(value), ..Raw::default() }, &config);
            items += read.reading.items;
            signals += read.reading.signals.len();
            bytes += value.len();
        }
    }
    let seconds = begin.elapsed().as_secs_f64();
    println!(
        "{topic}: {items} items, {signals} signals, {:.0} items/s, {:.1} MB/s on one core",
        items as f64 / seconds,
        bytes as f64 / seconds / 1e6
    );
    Ok(())
}
