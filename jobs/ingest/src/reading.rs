//! What was read out of one record, with its account.
//!
//! Invariant: `items == carried + dropped`. An item is what the source counts by: a data point of OTLP metrics, an
//! event of audit, a line of Hubble. A source states how many items a record holds *before* it reads them, so that a
//! path that forgets an item shows up as an unbalanced account.

use schemas::{Signal, dead_letter::Reason};
use std::collections::BTreeMap;

/// What a source read out of one record.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// The signals, in the order in which the record first mentions their subject.
    pub signals: Vec<Signal<'static>>,
    /// How many items the record holds.
    pub items: u64,
    /// How many of them the signals carry; several may be merged into one sample.
    pub carried: u64,
    /// The others, by reason.
    pub dropped: BTreeMap<DropReason, u64>,
    /// How many texts and lists were cut by a limit; what they belong to was still carried.
    pub trimmed: u64,
}

impl Reading {
    /// States that the record holds so many more items.
    pub fn expect(&mut self, items: u64) {
        self.items += items;
    }

    /// Adds a signal that carries so many items.
    pub fn carry(&mut self, signal: Signal<'static>, items: u64) {
        self.signals.push(signal);
        self.carried += items;
    }

    /// Counts items that become no signal.
    pub fn drop_items(&mut self, reason: DropReason, items: u64) {
        if items > 0 {
            *self.dropped.entry(reason).or_default() += items;
        }
    }

    /// Whether every item is accounted for.
    pub fn is_balanced(&self) -> bool {
        self.items == self.carried + self.dropped.values().sum::<u64>()
    }
}

/// Why an item of a good record became no signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DropReason {
    /// The record has no value.
    Tombstone,
    /// The item is not what the format says, while others of its record are.
    Malformed,
    /// Well-formed, but of a kind that is not used.
    Unsupported,
    /// A value that is not a finite number.
    NotFinite,
    /// The same item is in the record twice.
    Duplicate,
    /// The old spelling of a metric whose new spelling is in the record too.
    Superseded,
    /// Points that differ only by attributes that are not kept, of a metric that cannot be merged.
    Ambiguous,
    /// More items than a limit allows.
    Overflow,
}

impl DropReason {
    /// The word used in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            DropReason::Tombstone => "tombstone",
            DropReason::Malformed => "malformed",
            DropReason::Unsupported => "unsupported",
            DropReason::NotFinite => "not_finite",
            DropReason::Duplicate => "duplicate",
            DropReason::Superseded => "superseded",
            DropReason::Ambiguous => "ambiguous",
            DropReason::Overflow => "overflow",
        }
    }
}

/// Why a whole record cannot be used.
///
/// Invariant: `detail` names places and kinds only; it never holds content of the record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {detail}", reason.as_str())]
pub struct Reject {
    /// The class of failure.
    pub reason: Reason,
    /// A sentence on what was wrong and what is allowed.
    pub detail: String,
}

impl Reject {
    /// The record is not what its format says.
    pub fn decode(detail: impl Into<String>) -> Self {
        Reject { reason: Reason::Decode, detail: detail.into() }
    }

    /// The record exceeds a limit.
    pub fn limit(detail: impl Into<String>) -> Self {
        Reject { reason: Reason::Limit, detail: detail.into() }
    }

    /// The record is of a kind that is not taken.
    pub fn unsupported(detail: impl Into<String>) -> Self {
        Reject { reason: Reason::Unsupported, detail: detail.into() }
    }

    /// JSON that does not parse; serde's own message may quote the record, so only its class and place are told.
    pub fn json(what: &str, error: &serde_json::Error) -> Self {
        let class = match error.classify() {
            serde_json::error::Category::Io => "unreadable",
            serde_json::error::Category::Syntax => "not JSON",
            serde_json::error::Category::Data => "JSON of another shape",
            serde_json::error::Category::Eof => "cut off",
        };
        Reject::decode(format!("{what} is {class} at line {} column {}", error.line(), error.column()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_balances_only_when_every_item_is_named() {
        let mut reading = Reading::default();
        reading.expect(3);
        reading.carry(Signal::default(), 2);
        assert!(!reading.is_balanced());
        reading.drop_items(DropReason::NotFinite, 1);
        assert!(reading.is_balanced());
    }

    #[test]
    fn details_of_broken_json_do_not_quote_it() {
        let error = serde_json::from_str::<bool>("\"hush-hush\"").expect_err("a string is no bool");
        assert!(error.to_string().contains("hush-hush"), "serde quotes, which is why its text is not used");
        assert!(!Reject::json("the record", &error).detail.contains("hush-hush"));
    }
}
