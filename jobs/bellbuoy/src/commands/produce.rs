//! `produce`: records from files into the log.

use crate::capture::{Captured, Parts};
use crate::cli::{InputFormat, Produce};
use crate::error::Error;
use crate::settings::Settings;
use crate::site::{Site, raw_spec};
use engine::log::{Headers, Message, Producer};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How much goes into one transaction.
const TRANSACTION_RECORDS: usize = 1000;
const TRANSACTION_BYTES: usize = 4 << 20;
/// Transactional id of the command.
const PRODUCER: &str = "bellbuoy-produce";

pub(super) fn execute(settings: Settings, produce: &Produce) -> Result<(), Error> {
    let site = Site::open(settings)?;
    site.create_missing()?;
    let mut loaded = Vec::new();
    match (&produce.capture, &produce.topic) {
        (Some(folder), _) => {
            for (topic, file) in captures(folder)? {
                if !site.log.topics()?.iter().any(|known| known.spec.name == topic) {
                    site.log.create_topic(&raw_spec(&topic, &site.settings))?;
                }
                let count = load(&site, &topic, Some(&file), &Lines::Captured)?;
                loaded.push((topic, count));
            }
        }
        (None, Some(topic)) => {
            let lines = match produce.format {
                InputFormat::Capture => Lines::Captured,
                InputFormat::Lines => Lines::Values {
                    key: produce.key.clone().map(String::into_bytes),
                    headers: produce
                        .header
                        .iter()
                        .map(|(name, value)| (name.clone(), value.clone().into_bytes().into()))
                        .collect(),
                    partition: produce.partition,
                },
            };
            let count = load(&site, topic, produce.file.as_deref(), &lines)?;
            loaded.push((topic.clone(), count));
        }
        (None, None) => return Err(Error::Usage("name a topic, or a folder by --capture".to_owned())),
    }
    let read = super::super::wiring::inputs("ingest", &site.settings);
    for (topic, count) in loaded {
        let unread = !read.contains(&topic) && topics::find(&topic).is_none();
        let note = if unread { "; no job reads this topic, ingest.topics says which are" } else { "" };
        eprintln!("{topic}: {count} records{note}");
    }
    Ok(())
}

/// What a line is.
enum Lines {
    /// A value.
    Values { key: Option<Vec<u8>>, headers: Headers, partition: Option<u32> },
    /// A whole record.
    Captured,
}

/// The files of a folder that hold captures, by topic; a file whose first line is something else is left out and said.
fn captures(folder: &Path) -> Result<BTreeMap<String, PathBuf>, Error> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).map_err(|e| Error::file(folder, e))? {
        let path = entry.map_err(|e| Error::file(folder, e))?.path();
        let Some(topic) = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".jsonl")) else { continue };
        let mut first = String::new();
        let file = File::open(&path).map_err(|e| Error::file(&path, e))?;
        BufReader::new(file).read_line(&mut first).map_err(|e| Error::file(&path, e))?;
        if first.is_empty() || serde_json::from_str::<Captured>(&first).is_ok() {
            found.insert(topic.to_owned(), path);
        } else {
            eprintln!("{}: left out, its first line is not a captured record", path.display());
        }
    }
    if found.is_empty() {
        let message = "there is no capture in it; allowed are files <topic>.jsonl";
        return Err(Error::Usage(format!("{}: {message}", folder.display())));
    }
    Ok(found)
}

/// Loads one file, or standard input, into a topic; gives the number of records.
fn load(site: &Site, topic: &str, file: Option<&Path>, lines: &Lines) -> Result<u64, Error> {
    let partitions = site.topic(topic)?.spec.partitions;
    let name: Arc<str> = topic.into();
    let (place, size, mut reader): (String, u64, Box<dyn BufRead>) = match file {
        Some(path) => {
            let file = File::open(path).map_err(|e| Error::file(path, e))?;
            let size = file.metadata().map_or(0, |meta| meta.len());
            (path.display().to_string(), size, Box::new(BufReader::new(file)))
        }
        None => ("standard input".to_owned(), 0, Box::new(BufReader::new(std::io::stdin()))),
    };
    let progress = crate::demo::byte_bar(size, topic);
    // One a process: two of the same id would end each other's transactions.
    let mut producer = site.log.producer(&format!("{PRODUCER}-{}", std::process::id()))?;
    let (mut count, mut number, mut bytes) = (0, 0, 0);
    let (mut line, mut messages) = (Vec::new(), Vec::new());
    loop {
        line.clear();
        let length =
            reader.read_until(b'\n', &mut line).map_err(|error| Error::File { place: place.clone(), error })?;
        if length == 0 {
            break;
        }
        number += 1;
        progress.inc(length as u64);
        let content = line.strip_suffix(b"\n").unwrap_or(&line);
        let message = message(&name, partitions, content, lines);
        let Some(message) = message.map_err(|message| Error::Line { place: place.clone(), line: number, message })?
        else {
            continue;
        };
        messages.push(message);
        (count, bytes) = (count + 1, bytes + length);
        if messages.len() >= TRANSACTION_RECORDS || bytes >= TRANSACTION_BYTES {
            commit(&mut *producer, &mut messages)?;
            bytes = 0;
        }
    }
    commit(&mut *producer, &mut messages)?;
    progress.finish_and_clear();
    Ok(count)
}

/// One transaction, opened only now: Kafka drops one that stays open while somebody types.
fn commit(producer: &mut dyn Producer, messages: &mut Vec<Message>) -> Result<(), Error> {
    if messages.is_empty() {
        return Ok(());
    }
    producer.begin()?;
    messages.drain(..).try_for_each(|message| producer.send(message))?;
    Ok(producer.commit(&[], None)?)
}

/// The record of a line; none for an empty line of a capture.
fn message(topic: &Arc<str>, partitions: u32, line: &[u8], lines: &Lines) -> Result<Option<Message>, String> {
    let message = match lines {
        Lines::Values { key, headers, partition } => {
            let of_key = || key.as_deref().map_or(0, |key| topics::partition_for(key, partitions));
            Message {
                topic: topic.clone(),
                partition: partition.unwrap_or_else(of_key),
                key: key.clone(),
                headers: headers.clone(),
                value: Some(line.to_vec()),
                timestamp: None,
            }
        }
        Lines::Captured if line.trim_ascii().is_empty() => return Ok(None),
        Lines::Captured => {
            let captured: Captured = serde_json::from_slice(line).map_err(|e| format!("not a captured record: {e}"))?;
            let Parts { key, headers, value } = captured.parts()?;
            let timestamp = Some(captured.timestamp_ms);
            Message { topic: topic.clone(), partition: captured.partition, key, headers, value, timestamp }
        }
    };
    if message.partition >= partitions {
        return Err(format!("partition {}: the topic has {partitions}, counted from 0", message.partition));
    }
    Ok(Some(message))
}
