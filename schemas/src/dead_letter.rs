//! Dead letters: raw records that could not be used, kept as they came.
//!
//! On its topic the value is the original bytes and everything else travels in headers, so that a redrive needs no
//! decoding. [`DeadLetter`] is the same as one record, for exports.

use crate::{Blob, Text};
use serde::{Deserialize, Serialize};

/// Header with the reason, one of [`crate::dead_letter::Reason::as_str`].
pub const REASON: &str = "bellbuoy-reason";
/// Header with a sentence on what was wrong and what is allowed; never content of the record.
pub const DETAIL: &str = "bellbuoy-detail";
/// Header with the original topic.
pub const TOPIC: &str = "bellbuoy-topic";
/// Header with the original partition, decimal.
pub const PARTITION: &str = "bellbuoy-partition";
/// Header with the original offset, decimal.
pub const OFFSET: &str = "bellbuoy-offset";
/// Header with the original timestamp, milliseconds, decimal.
pub const TIMESTAMP: &str = "bellbuoy-timestamp";

/// One dead letter, whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter<'a> {
    /// The original topic.
    #[serde(borrow)]
    pub topic: Text<'a>,
    /// The original partition.
    pub partition: i32,
    /// The original offset.
    pub offset: i64,
    /// The original timestamp, milliseconds.
    pub timestamp: i64,
    /// Why it could not be used.
    pub reason: Reason,
    /// What was wrong and what is allowed; never content of the record.
    #[serde(borrow)]
    pub detail: Text<'a>,
    /// The original headers, in order.
    #[serde(borrow)]
    pub headers: Vec<Header<'a>>,
    /// The original key; null where it had none.
    #[serde(borrow)]
    pub key: Option<Blob<'a>>,
    /// The original value; null for a tombstone.
    #[serde(borrow)]
    pub value: Option<Blob<'a>>,
}

/// One header of a record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header<'a> {
    /// Its name.
    #[serde(borrow)]
    pub name: Text<'a>,
    /// Its value; null where it had none.
    #[serde(borrow)]
    pub value: Option<Blob<'a>>,
}

/// Why a raw record became a dead letter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Reason {
    /// Not what the source's format says.
    #[default]
    Decode,
    /// Larger, deeper or longer than a limit.
    Limit,
    /// Well-formed, but of a kind the source does not take.
    Unsupported,
    /// Something a later version names.
    Other,
}

impl Reason {
    /// The word used in headers and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Decode => "decode",
            Reason::Limit => "limit",
            Reason::Unsupported => "unsupported",
            Reason::Other => "other",
        }
    }
}
