//! Dead letters: raw records that could not be used, kept as they came.
//!
//! The record's value is the original bytes; everything else travels in headers, so that a redrive needs no decoding.

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

/// Why a raw record became a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Not what the source's format says.
    Decode,
    /// Larger, deeper or longer than a limit.
    Limit,
    /// Well-formed, but of a kind the source does not take.
    Unsupported,
}

impl Reason {
    /// The word used in headers and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Decode => "decode",
            Reason::Limit => "limit",
            Reason::Unsupported => "unsupported",
        }
    }
}
