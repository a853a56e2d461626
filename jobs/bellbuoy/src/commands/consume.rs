//! `consume`: a topic's records on standard output. It reads outside every group and changes nothing.

use crate::capture::Captured;
use crate::cli::{Consume, OutputFormat};
use crate::error::Error;
use crate::settings::Settings;
use crate::site::Site;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use engine::log::{Limit, Record, TopicPartition};
use serde_json::{Value, json};
use std::io::{BufWriter, Write};
use std::time::Duration;

/// How much is read at a time.
const READ: Limit = Limit { records: 1000, bytes: 4 << 20 };
/// How long to wait at the end.
const WAIT: Duration = Duration::from_millis(200);

pub(super) fn execute(settings: Settings, consume: &Consume) -> Result<(), Error> {
    let site = if consume.follow { Site::follow(settings)? } else { Site::look(settings)? };
    let topic = site.topic(&consume.topic)?;
    let partitions = match consume.partition {
        Some(partition) => partition..partition + 1,
        None => 0..topic.spec.partitions,
    };
    let mut positions = Vec::new();
    for partition in partitions {
        let partition = TopicPartition::new(consume.topic.as_str(), partition);
        let from = site.offset(&partition, consume.from)?;
        positions.push((partition, from));
    }
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut left = consume.max.unwrap_or(u64::MAX);
    while left > 0 {
        let mut moved = false;
        // Partition by partition: their order among each other means nothing.
        for (partition, from) in &mut positions {
            loop {
                let batch = site.log.read(partition, *from, READ)?;
                moved |= batch.next > *from;
                *from = batch.next;
                for record in batch.records.iter().take(usize::try_from(left).unwrap_or(usize::MAX)) {
                    write(&mut out, partition, record, consume.format).map_err(Error::output)?;
                    left -= 1;
                }
                if batch.next >= batch.end || left == 0 {
                    break;
                }
            }
        }
        if !consume.follow {
            break;
        }
        if !moved {
            out.flush().map_err(Error::output)?;
            std::thread::sleep(WAIT);
        }
    }
    out.flush().map_err(Error::output)
}

fn write(out: &mut impl Write, at: &TopicPartition, record: &Record, format: OutputFormat) -> std::io::Result<()> {
    match format {
        OutputFormat::Lines => out.write_all(record.value.as_deref().unwrap_or_default())?,
        OutputFormat::Capture => serde_json::to_writer(&mut *out, &Captured::of(at.partition, record))?,
        OutputFormat::Json => serde_json::to_writer(&mut *out, &readable(at, record))?,
    }
    out.write_all(b"\n")
}

/// A record as people read it: text where it is text, the value by its schema.
fn readable(at: &TopicPartition, record: &Record) -> Value {
    let text = |bytes: &[u8]| match std::str::from_utf8(bytes) {
        Ok(text) => Value::from(text),
        Err(_) => json!({"base64": STANDARD.encode(bytes)}),
    };
    let mut value = json!({
        "topic": &*at.topic,
        "partition": at.partition,
        "offset": record.offset,
        "timestamp_ms": record.timestamp,
        "key": record.key.as_deref().map(text),
        "headers": record.headers.iter().map(|(name, value)| json!([name, text(value)])).collect::<Vec<_>>(),
    });
    let Some(bytes) = &record.value else {
        value["value"] = Value::Null;
        return value;
    };
    match schemas::json::render(bytes) {
        Ok(rendered) => {
            value["schema"] = format!("{} v{}", rendered.schema, rendered.version).into();
            value["value"] = rendered.value;
        }
        // A raw topic's record, or a dead letter: as it came.
        Err(_) => value["value"] = serde_json::from_slice(bytes).unwrap_or_else(|_| text(bytes)),
    }
    value
}
