//! Raw telemetry in, signals out: decoding, normalising, resolving the entity, redacting. Pure code over records.
//!
//! Invariant: every record is accounted for. [`process`] returns signals and counted reasons that together make up the
//! record's items, or a dead letter for the whole of it. The same record, configuration and objects always give the same bytes.

pub mod config;
pub mod dead_letter;
mod envelope;
mod fingerprint;
pub mod identity;
pub mod job;
mod otlp;
mod peer;
mod raw;
mod reading;
pub mod redaction;
pub mod sources;
mod timestamp;
pub mod workload;

pub use config::{Config, ConfigError, TopicConfig};
pub use dead_letter::DeadLetter;
pub use identity::Identities;
pub use raw::Raw;
pub use reading::{DropReason, Reading, Reject};

use sources::Context;

/// What became of one record.
#[derive(Clone, Debug, Default)]
pub struct Processed {
    /// Name of the source that read it; empty for a tombstone and for what no source takes.
    pub source: &'static str,
    /// Signals and account; empty for a dead letter.
    pub reading: Reading,
    /// The record as a dead letter, where it could not be used.
    pub dead_letter: Option<DeadLetter>,
}

/// Reads one record by what it says itself.
pub fn process(raw: &Raw<'_>, config: &Config) -> Processed {
    process_knowing(raw, config, &Identities::default())
}

/// Reads one record; whom it names, `identities` may know better.
pub fn process_knowing(raw: &Raw<'_>, config: &Config, identities: &Identities) -> Processed {
    let Some(value) = raw.value else {
        let mut reading = Reading::default();
        reading.expect(1);
        reading.drop_items(DropReason::Tombstone, 1);
        return Processed { reading, ..Processed::default() };
    };
    let unlisted = TopicConfig::default();
    let topic = config.topics.get(raw.topic).unwrap_or(&unlisted);
    let context = Context { config, topic, identities };
    let mut source = "";
    let mut reading = Reading::default();
    let outcome = within_limit(value, config).and_then(|()| sources::choose(raw, value, &context)).and_then(|chosen| {
        source = chosen.name();
        chosen.read(raw, &context, &mut reading)
    });
    match outcome {
        Ok(()) => {
            debug_assert!(reading.is_balanced(), "every item is accounted for: {:?}", reading.dropped);
            Processed { source, reading, dead_letter: None }
        }
        Err(reject) => {
            Processed { source, reading: Reading::default(), dead_letter: Some(DeadLetter::new(raw, &reject, topic)) }
        }
    }
}

fn within_limit(value: &[u8], config: &Config) -> Result<(), Reject> {
    let limit = config.limits.record_bytes;
    if value.len() > limit {
        return Err(Reject::limit(format!("the record has {} bytes; allowed are {limit}", value.len())));
    }
    Ok(())
}
