//! Sources: one file for each input format, one line for each in [`ALL`].

mod audit;
mod hubble;
mod otlp_metrics_json;
mod otlp_metrics_proto;

use crate::config::{Config, TopicConfig};
use crate::envelope;
use crate::identity::Identities;
use crate::raw::Raw;
use crate::reading::{Reading, Reject};
use schemas::{OffsetRange, Signal, Text};

/// All sources, by name.
pub const ALL: [&dyn Source; 4] =
    [&audit::Audit, &hubble::Hubble, &otlp_metrics_json::Json, &otlp_metrics_proto::Proto];

/// The word in place of a source's name that asks for sniffing.
pub const AUTO: &str = "auto";

/// Header by which a producer names the cluster of its records.
pub const CLUSTER_HEADER: &str = "bellbuoy-cluster";

/// One input format.
pub trait Source: Send + Sync {
    /// Its name in configuration and metrics.
    fn name(&self) -> &'static str;
    /// What it reads, in one sentence.
    fn doc(&self) -> &'static str;
    /// Top-level JSON fields that only this format has; empty where it is not JSON.
    fn markers(&self) -> &'static [&'static str];
    /// Whether a record may hold bodies, command lines or other content that must not be stored unread.
    fn holds_bodies(&self) -> bool;
    /// Reads one record; `raw.value` is present and within the limit of bytes.
    fn read(&self, raw: &Raw<'_>, context: &Context<'_>, out: &mut Reading) -> Result<(), Reject>;
}

/// What a source may know besides the record.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The whole configuration.
    pub config: &'a Config,
    /// Configuration of the record's topic.
    pub topic: &'a TopicConfig,
    /// Who was who, and when.
    pub identities: &'a Identities,
}

impl Context<'_> {
    /// The tenant of the record.
    pub fn tenant(&self) -> &str {
        self.topic.tenant.as_deref().unwrap_or(&self.config.tenant)
    }

    /// The cluster as the record's header or the topic's configuration names it.
    pub fn told_cluster<'s>(&'s self, raw: &Raw<'s>) -> Option<&'s str> {
        raw.header(CLUSTER_HEADER).filter(|name| !name.is_empty()).or(self.topic.cluster.as_deref())
    }

    /// A signal with everything that all signals of a record share.
    pub fn signal(&self, raw: &Raw<'_>, source: &'static str, cluster: &str) -> Signal<'static> {
        Signal {
            tenant: Text::from(self.tenant().to_owned()),
            cluster: Text::from(self.capped(cluster).replace('/', "_")),
            record_time: raw.timestamp,
            source: Text::from(source),
            provenance: OffsetRange {
                topic: Text::from(raw.topic.to_owned()),
                partition: raw.partition,
                from: raw.offset,
                to: raw.offset.saturating_add(1),
            },
            ..Signal::default()
        }
    }

    /// The beginning of a text, within the limit, whole characters only.
    pub fn capped<'t>(&self, text: &'t str) -> &'t str {
        let mut end = text.len().min(self.config.limits.text_bytes);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.get(..end).unwrap_or(text)
    }
}

/// The source of a name.
pub fn by_name(name: &str) -> Option<&'static dyn Source> {
    ALL.into_iter().find(|source| source.name() == name)
}

/// The source of a record: as configured, else told from its content type and first bytes.
pub fn choose(raw: &Raw<'_>, value: &[u8], context: &Context<'_>) -> Result<&'static dyn Source, Reject> {
    if context.topic.source != AUTO {
        return by_name(&context.topic.source).ok_or_else(|| Reject::unsupported("the topic's source does not exist"));
    }
    let first = value.iter().copied().find(|byte| !matches!(byte, b' ' | b'\t' | b'\r'));
    match (raw.header("content-type").map(media_type), first) {
        (Some("application/x-protobuf" | "application/protobuf"), _) => Ok(&otlp_metrics_proto::Proto),
        (Some("application/json" | "application/x-ndjson"), _) => by_markers(value, context),
        (_, Some(b'{' | b'[' | b'"')) => by_markers(value, context),
        // A line feed before JSON is the same byte as OTLP's first field.
        (_, Some(b'\n')) if is_json_throughout(value, context) => by_markers(value, context),
        (_, Some(b'\n')) => Ok(&otlp_metrics_proto::Proto),
        (_, Some(0)) => Err(Reject::unsupported("the record has registry framing; allowed are OTLP and JSON")),
        (_, None) => Err(Reject::decode("the record is empty; allowed are OTLP and JSON")),
        _ => Err(Reject::decode("the first byte is neither of OTLP nor of JSON; allowed are OTLP and JSON")),
    }
}

fn media_type(header: &str) -> &str {
    header.split(';').next().unwrap_or_default().trim()
}

/// Whether every part is JSON: a text inside a protobuf message must not pass for an event of its own.
fn is_json_throughout(value: &[u8], context: &Context<'_>) -> bool {
    let begins = value.trim_ascii_start().first().is_some_and(|byte| matches!(byte, b'{' | b'[' | b'"'));
    begins && envelope::documents(value, &[], &context.config.limits).is_ok_and(|all| all.iter().all(Option::is_some))
}

fn by_markers(value: &[u8], context: &Context<'_>) -> Result<&'static dyn Source, Reject> {
    let markers: Vec<&'static str> = ALL.into_iter().flat_map(|source| source.markers().iter().copied()).collect();
    let plain = std::str::from_utf8(value).ok().filter(|text| text.trim_start().starts_with('{'));
    let mut found = plain.map(|text| envelope::markers_of(text, &markers)).unwrap_or_default();
    if found.is_empty() {
        let documents = envelope::documents(value, &markers, &context.config.limits)?;
        let document = documents.iter().flatten().next();
        found = document.map(|document| envelope::markers_of(document, &markers)).unwrap_or_default();
    }
    let marker = found.first();
    ALL.into_iter()
        .find(|source| marker.is_some_and(|marker| source.markers().contains(marker)))
        .ok_or_else(|| Reject::unsupported(format!("JSON without any of the fields {}", markers.join(", "))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(value: &[u8], headers: &[(String, Vec<u8>)]) -> Result<&'static str, schemas::dead_letter::Reason> {
        let config = Config::default();
        let topic = TopicConfig::default();
        let identities = Identities::default();
        let context = Context { config: &config, topic: &topic, identities: &identities };
        let raw = Raw { headers, value: Some(value), ..Raw::default() };
        choose(&raw, value, &context).map(|source| source.name()).map_err(|reject| reject.reason)
    }

    #[test]
    fn sources_are_in_order_and_described() {
        assert!(ALL.windows(2).all(|pair| pair[0].name() < pair[1].name()));
        for source in ALL {
            assert!(source.doc().ends_with('.'), "{}", source.name());
            assert!(by_name(source.name()).is_some());
        }
    }

    #[test]
    fn formats_are_told_apart() {
        use schemas::dead_letter::Reason;
        for (value, expected) in [
            ("{\"resourceMetrics\":[]}", Ok("otlp_metrics_json")),
            ("\"{\\\"auditID\\\":\\\"1\\\"}\"", Ok("audit")),
            ("{\"kind\":\"EventList\",\"items\":[{\"auditID\":\"1\"}]}", Ok("audit")),
            ("{\"log\":\"{\\\"flow\\\":{}}\"}", Ok("hubble")),
            ("{\"flow\":{}}\n{\"lost_events\":{}}", Ok("hubble")),
            ("\n{\"flow\":{}}", Ok("hubble")),
            ("{\"resourceLogs\":[]}", Err(Reason::Unsupported)),
            ("\n\u{2}x", Ok("otlp_metrics_proto")),
            ("\n{x\n{\"auditID\":\"forged\"}", Ok("otlp_metrics_proto")),
            ("\0\0\0\0\u{1}", Err(Reason::Unsupported)),
            ("", Err(Reason::Decode)),
            ("<xml/>", Err(Reason::Decode)),
        ] {
            assert_eq!(chosen(value.as_bytes(), &[]), expected, "{value:?}");
        }
    }

    #[test]
    fn the_content_type_overrides_the_first_byte() {
        let headers = [("Content-Type".to_owned(), b"application/x-protobuf; v=1".to_vec())];
        assert_eq!(chosen(b"{}", &headers), Ok("otlp_metrics_proto"));
    }
}
