//! Records as lines of JSON, so that a topic can be carried between logs without losing anything of it.
//!
//! One line is `{"partition", "offset", "timestamp_ms", "key", "headers", "value"}`; headers are `[name, value]` pairs in
//! order, `null` is absent, bytes are base64. The offset says where a record was; writing it elsewhere gives another.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use engine::log::{Headers, Record};
use serde::{Deserialize, Serialize};

/// One captured record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Captured {
    /// Partition it was in.
    pub partition: u32,
    /// Offset it had.
    #[serde(default)]
    pub offset: i64,
    /// When it was written, milliseconds.
    pub timestamp_ms: i64,
    /// Its key.
    pub key: Option<String>,
    /// Its headers.
    #[serde(default)]
    pub headers: Vec<(String, Option<String>)>,
    /// Its value.
    pub value: Option<String>,
}

/// The parts of a captured record as bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// Key.
    pub key: Option<Vec<u8>>,
    /// Headers.
    pub headers: Headers,
    /// Value.
    pub value: Option<Vec<u8>>,
}

impl Captured {
    /// Captures a record of a partition.
    pub fn of(partition: u32, record: &Record) -> Self {
        let text = |bytes: &[u8]| STANDARD.encode(bytes);
        Captured {
            partition,
            offset: record.offset,
            timestamp_ms: record.timestamp,
            key: record.key.as_deref().map(text),
            headers: record.headers.iter().map(|(name, value)| (name.clone(), Some(text(value)))).collect(),
            value: record.value.as_deref().map(text),
        }
    }

    /// The bytes behind the texts. A header without a value becomes an empty one: the embedded log has no other.
    pub fn parts(&self) -> Result<Parts, String> {
        let bytes = |field: &str, text: &Option<String>| match text {
            None => Ok(None),
            Some(text) => STANDARD.decode(text).map(Some).map_err(|e| format!("{field}: not base64: {e}")),
        };
        let mut headers = Headers::new();
        for (name, value) in &self.headers {
            headers.push((name.clone(), bytes(&format!("headers.{name}"), value)?.unwrap_or_default().into()));
        }
        Ok(Parts { key: bytes("key", &self.key)?, headers, value: bytes("value", &self.value)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_survives_its_line() {
        let record = Record {
            offset: 7,
            timestamp: 1_000,
            key: Some(b"k\xff".as_slice().into()),
            headers: vec![("h".to_owned(), b"1".as_slice().into()), ("h".to_owned(), b"2".as_slice().into())],
            value: None,
        };
        let line = serde_json::to_string(&Captured::of(3, &record)).unwrap();
        let read: Captured = serde_json::from_str(&line).unwrap();
        let parts = read.parts().unwrap();
        assert_eq!((read.partition, read.offset, read.timestamp_ms), (3, 7, 1_000));
        assert_eq!((parts.key.as_deref(), parts.value), (record.key.as_deref(), None));
        assert_eq!(parts.headers, record.headers);
    }

    #[test]
    fn what_is_not_base64_names_its_field() {
        let captured: Captured =
            serde_json::from_str(r#"{"partition":0,"timestamp_ms":1,"key":null,"value":"§"}"#).unwrap();
        assert!(captured.parts().unwrap_err().starts_with("value: not base64"));
    }
}
