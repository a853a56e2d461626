//! `topics`: those the log has, those it should have, and the way from one to the other.

use crate::cli::Topics;
use crate::error::Error;
use crate::listing;
use crate::settings::Settings;
use crate::site::{Difference, Site, differences, has_log};
use engine::log::{CleanupPolicy, TimestampSource, TopicPartition};
use serde_json::json;

pub(super) fn execute(settings: Settings, command: &Topics) -> Result<(), Error> {
    match command {
        Topics::List(listed) => list(settings, listed.json),
        Topics::Diff(listed) => diff(settings, listed.json),
        Topics::Apply { json, allow_removal } => apply(settings, *json, *allow_removal),
    }
}

fn list(settings: Settings, as_json: bool) -> Result<(), Error> {
    let site = Site::look(settings)?;
    let (mut rows, mut values) = (Vec::new(), Vec::new());
    for topic in site.log.topics()? {
        let spec = topic.spec;
        let mut partitions = Vec::new();
        for partition in 0..spec.partitions {
            partitions.push(site.log.bounds(&TopicPartition::new(spec.name.as_str(), partition))?);
        }
        // Offsets have gaps, so this is a bound and not a count.
        let span: i64 = partitions.iter().map(|bounds| bounds.end - bounds.start).sum();
        let declared = topics::find(&spec.name);
        let time = match spec.timestamps {
            TimestampSource::LogAppendTime => "append",
            TimestampSource::CreateTime => "source",
        };
        let cleanup = match spec.cleanup {
            CleanupPolicy::Delete => "delete",
            CleanupPolicy::Compact => "compact",
        };
        let age = spec.retention_ms.map(listing::span);
        let size = spec.retention_bytes.map(listing::bytes);
        let keeps: Vec<String> = match spec.cleanup {
            CleanupPolicy::Compact => vec!["last of each key".to_owned()],
            CleanupPolicy::Delete => age.into_iter().chain(size).collect(),
        };
        rows.push(vec![
            spec.name.clone(),
            spec.partitions.to_string(),
            listing::count(u64::try_from(span).unwrap_or(0)),
            if keeps.is_empty() { "all".to_owned() } else { keeps.join(", ") },
            time.to_owned(),
            declared.and_then(|topic| topic.schema).unwrap_or("-").to_owned(),
        ]);
        values.push(json!({
            "topic": spec.name,
            "declared": declared.is_some(),
            "schema": declared.and_then(|topic| topic.schema),
            "cleanup": cleanup,
            "retention_ms": spec.retention_ms,
            "retention_bytes": spec.retention_bytes,
            "timestamps": time,
            "partitions": partitions.iter().map(|b| json!({"start": b.start, "end": b.end})).collect::<Vec<_>>(),
        }));
    }
    if as_json {
        return listing::json(&values);
    }
    listing::table(&["TOPIC", "PARTITIONS", "OFFSETS", "KEEPS", "TIME", "SCHEMA"], &[1, 2], &rows)
}

fn diff(settings: Settings, as_json: bool) -> Result<(), Error> {
    let found = if has_log(&settings.log) {
        Site::open(settings)?.differences()?
    } else {
        // Looking must not create anything.
        differences(&settings, &[])?
    };
    show(&found, as_json, "nothing differs")
}

fn apply(settings: Settings, as_json: bool, allow_removal: bool) -> Result<(), Error> {
    let site = Site::open(settings)?;
    let found = site.differences()?;
    let removing: Vec<&str> = found.iter().filter(|d| d.removes_records).map(|d| d.text.as_str()).collect();
    if !removing.is_empty() && !allow_removal {
        return Err(Error::Usage(format!("{}; --allow-removal lets it", removing.join("; "))));
    }
    for difference in &found {
        if let Some(spec) = &difference.spec {
            match difference.kind {
                "create" => site.log.create_topic(spec)?,
                _ => site.log.alter_topic(spec)?,
            }
        }
    }
    show(&found, as_json, "nothing to do")
}

fn show(found: &[Difference], as_json: bool, nothing: &str) -> Result<(), Error> {
    if as_json {
        let value = |d: &Difference| {
            json!({
                "change": d.kind,
                "topic": d.topic,
                "text": d.text,
                "applicable": d.spec.is_some(),
                "removes_records": d.removes_records,
            })
        };
        return listing::json(&found.iter().map(value).collect::<Vec<_>>());
    }
    let lines: String = found.iter().map(|difference| format!("{}\n", difference.text)).collect();
    listing::text(if lines.is_empty() { format!("{nothing}\n") } else { lines }.as_str())
}
