//! Dead letters: what is kept of a record that could not be used.
//!
//! A broken record of a source that holds bodies (audit: request objects and command lines; Hubble: URLs and headers),
//! or of a topic whose format had to be guessed, cannot be redacted, because it cannot be read. So its bytes, key and
//! original headers are *not* kept: the dead letter holds position, length and SHA-256, and the raw topic still has the
//! bytes for as long as its owner retains them. Only a topic that is configured for a source without bodies, or that
//! says `dead_letter_bytes: true`, keeps the bytes.

use crate::{config::TopicConfig, raw::Raw, reading::Reject, sources};
use schemas::dead_letter;
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// Header with the length of the original value in bytes, decimal.
pub const LENGTH: &str = "bellbuoy-length";
/// Header with the SHA-256 of the original value, lower-case hex.
pub const SHA256: &str = "bellbuoy-sha256";

/// A record for the dead letters topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeadLetter {
    /// The original key, where bytes are kept.
    pub key: Option<Vec<u8>>,
    /// Reason, detail, position, length and digest, after the original headers where bytes are kept.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The original bytes, where they are kept.
    pub value: Option<Vec<u8>>,
}

impl DeadLetter {
    /// The dead letter of a rejected record.
    pub fn new(raw: &Raw<'_>, reject: &Reject, topic: &TopicConfig) -> Self {
        let value = raw.value.unwrap_or_default();
        let keep = keeps_bytes(topic);
        let mut headers = if keep { raw.headers.to_vec() } else { Vec::new() };
        for (name, content) in [
            (dead_letter::REASON, reject.reason.as_str().to_owned()),
            (dead_letter::DETAIL, reject.detail.clone()),
            (dead_letter::TOPIC, raw.topic.to_owned()),
            (dead_letter::PARTITION, raw.partition.to_string()),
            (dead_letter::OFFSET, raw.offset.to_string()),
            (dead_letter::TIMESTAMP, raw.timestamp.to_string()),
            (LENGTH, value.len().to_string()),
            (SHA256, hex(&Sha256::digest(value))),
        ] {
            headers.push((name.to_owned(), content.into_bytes()));
        }
        DeadLetter { key: raw.key.filter(|_| keep).map(<[u8]>::to_vec), headers, value: keep.then(|| value.to_vec()) }
    }
}

fn keeps_bytes(topic: &TopicConfig) -> bool {
    topic
        .dead_letter_bytes
        .unwrap_or_else(|| sources::by_name(&topic.source).is_some_and(|source| !source.holds_bodies()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(source: &str, dead_letter_bytes: Option<bool>) -> DeadLetter {
        let topic = TopicConfig { source: source.to_owned(), dead_letter_bytes, ..TopicConfig::default() };
        let headers = [("trace".to_owned(), b"hush".to_vec())];
        let raw = Raw { topic: "t", key: Some(b"hush"), value: Some(b"abc"), headers: &headers, ..Raw::default() };
        DeadLetter::new(&raw, &Reject::decode("why"), &topic)
    }

    #[test]
    fn bytes_are_kept_only_where_no_body_can_be() {
        assert_eq!(letter("otlp_metrics_proto", None).value.as_deref(), Some(b"abc".as_slice()));
        for source in ["audit", "hubble", "auto"] {
            let kept = letter(source, None);
            assert_eq!((kept.value.as_ref(), kept.key.as_ref()), (None, None), "{source}");
            assert!(!format!("{:?}", kept.headers).contains("hush"), "{source}");
        }
        assert!(letter("audit", Some(true)).value.is_some());
        assert!(letter("otlp_metrics_proto", Some(false)).value.is_none());
    }

    #[test]
    fn the_digest_identifies_the_bytes() {
        let letter = letter("audit", None);
        let digest = letter.headers.iter().find(|(name, _)| name == SHA256).map(|(_, value)| value.clone());
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digest.as_deref(), Some(expected.as_bytes()));
    }
}
