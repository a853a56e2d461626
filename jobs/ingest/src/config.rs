//! Configuration of ingest: which topic holds what, and how much of it is let through.

use crate::{redaction::Redaction, sources};
use engine::span::Span;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Configuration of ingest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What each raw topic holds; a topic that is not listed is sniffed.
    pub topics: BTreeMap<String, TopicConfig>,
    /// Tenant of topics that name none.
    pub tenant: String,
    /// Cluster of records that name none, of topics that name none.
    pub cluster: String,
    /// Hard caps on one record.
    pub limits: Limits,
    /// Which times are believed.
    pub time: TimeLimits,
    /// What may be kept of bodies and secrets: by default nothing.
    pub redaction: Redaction,
}

/// What one raw topic holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TopicConfig {
    /// Name of a source, or `auto`.
    pub source: String,
    /// Tenant of everything on it.
    pub tenant: Option<String>,
    /// Cluster of records that do not name theirs.
    pub cluster: Option<String>,
    /// Node name of host metrics that do not name their host.
    pub host: Option<String>,
    /// Whether a dead letter keeps the original bytes; by default only for a source that holds no bodies.
    pub dead_letter_bytes: Option<bool>,
}

/// Hard caps on one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Bytes of a record; more is a dead letter.
    pub record_bytes: usize,
    /// Items (points, events, lines) of a record; the rest is dropped and counted.
    pub items: usize,
    /// Samples and distributions of one signal; the rest is dropped and counted.
    pub samples: usize,
    /// Attributes looked at of one resource or point; the rest is not seen.
    pub attributes: usize,
    /// Bytes of any text that is kept; the rest is cut off.
    pub text_bytes: usize,
    /// Buckets of a distribution; more and it is dropped and counted.
    pub buckets: usize,
    /// Envelopes around an event; more is a dead letter.
    pub envelopes: usize,
}

/// Which times of the payload are believed, and for how long late data is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TimeLimits {
    /// How far a payload's time may lie after its record's; beyond it the record's is used.
    pub future: Span,
    /// How far a payload's time may lie before its record's without a mark.
    pub skew: Span,
    /// How long OTLP metrics may be late.
    pub late_otlp_metrics: Span,
    /// How long audit events may be late.
    pub late_audit: Span,
    /// How long flows may be late.
    pub late_flows: Span,
}

/// What is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A topic names a source that does not exist.
    #[error("topics.{topic}.source: no source is called `{source_name}`; allowed are {allowed}")]
    UnknownSource {
        /// The topic.
        topic: String,
        /// The name given.
        source_name: String,
        /// The names that exist.
        allowed: String,
    },
    /// A limit that lets nothing through.
    #[error("limits.{limit}: must be at least 1")]
    ZeroLimit {
        /// The limit.
        limit: &'static str,
    },
    /// An empty name where one is needed.
    #[error("{field}: must not be empty")]
    Empty {
        /// The field.
        field: String,
    },
}

impl Config {
    /// A number that changes with anything in here: the first bytes of the SHA-256 over the fields in their order.
    pub fn logic_hash(&self) -> i64 {
        let text = serde_json::to_vec(self).expect("a struct of numbers and texts always serializes");
        let digest = Sha256::digest(&text);
        digest.iter().take(8).fold(0, |hash, byte| hash << 8 | i64::from(*byte))
    }

    /// Checks what the types cannot: names of sources, limits, empty names.
    pub fn check(&self) -> Result<(), ConfigError> {
        for (topic, config) in &self.topics {
            if config.source != sources::AUTO && sources::by_name(&config.source).is_none() {
                let mut allowed = vec![sources::AUTO];
                allowed.extend(sources::ALL.iter().map(|source| source.name()));
                return Err(ConfigError::UnknownSource {
                    topic: topic.clone(),
                    source_name: config.source.clone(),
                    allowed: allowed.join(", "),
                });
            }
            for (field, value) in [("tenant", &config.tenant), ("cluster", &config.cluster), ("host", &config.host)] {
                if value.as_deref() == Some("") {
                    return Err(ConfigError::Empty { field: format!("topics.{topic}.{field}") });
                }
            }
        }
        for (field, value) in [("tenant", &self.tenant), ("cluster", &self.cluster)] {
            if value.is_empty() {
                return Err(ConfigError::Empty { field: field.to_owned() });
            }
        }
        let limits = &self.limits;
        for (limit, value) in [
            ("record_bytes", limits.record_bytes),
            ("items", limits.items),
            ("samples", limits.samples),
            ("attributes", limits.attributes),
            ("text_bytes", limits.text_bytes),
            ("buckets", limits.buckets),
            ("envelopes", limits.envelopes),
        ] {
            if value == 0 {
                return Err(ConfigError::ZeroLimit { limit });
            }
        }
        Ok(())
    }
}

impl Default for Config {
    fn default() -> Self {
        let topic = |source: &str| TopicConfig { source: source.to_owned(), ..TopicConfig::default() };
        Config {
            // The exporter's default topic may carry either encoding, and a topic of shipped lines any envelope.
            topics: BTreeMap::from([
                ("hubble-flows".to_owned(), topic("hubble")),
                ("k8s-audit".to_owned(), topic("audit")),
                ("otlp_metrics".to_owned(), topic(sources::AUTO)),
            ]),
            tenant: "default".to_owned(),
            cluster: "default".to_owned(),
            limits: Limits::default(),
            time: TimeLimits::default(),
            redaction: Redaction::default(),
        }
    }
}

impl Default for TopicConfig {
    fn default() -> Self {
        TopicConfig {
            source: sources::AUTO.to_owned(),
            tenant: None,
            cluster: None,
            host: None,
            dead_letter_bytes: None,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            record_bytes: 16 * 1024 * 1024,
            items: 100_000,
            samples: 2_000,
            attributes: 128,
            text_bytes: 253,
            buckets: 512,
            envelopes: 4,
        }
    }
}

impl Default for TimeLimits {
    fn default() -> Self {
        TimeLimits {
            future: Span::seconds(120),
            skew: Span::seconds(600),
            late_otlp_metrics: Span::seconds(60),
            late_audit: Span::seconds(120),
            late_flows: Span::seconds(60),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_valid_and_survives_a_round_trip() {
        let config = Config::default();
        assert_eq!(config.check(), Ok(()));
        let text = serde_json::to_string(&config).expect("a configuration serialises");
        assert_eq!(serde_json::from_str::<Config>(&text).expect("and reads back"), config);
    }

    #[test]
    fn an_unknown_source_is_told_with_what_is_allowed() {
        let config: Config =
            serde_json::from_str(r#"{"topics":{"t":{"source":"audti"}}}"#).expect("the shape is right");
        let error = config.check().expect_err("there is no such source").to_string();
        assert!(error.contains("topics.t.source") && error.contains("audti") && error.contains("audit"), "{error}");
    }

    #[test]
    fn unknown_fields_and_units_are_refused() {
        assert!(serde_json::from_str::<Config>(r#"{"topic":{}}"#).is_err());
        assert!(serde_json::from_str::<Config>(r#"{"time":{"future":"2 minutes"}}"#).is_err());
        assert!(serde_json::from_str::<Config>(r#"{"time":{"future":120}}"#).is_err());
    }
}
