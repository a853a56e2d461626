//! Where a record came from: the offsets that let anyone find the evidence again.

use crate::Text;
use serde::{Deserialize, Serialize};

/// Records of one topic partition: offsets `[from, to)`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OffsetRange<'a> {
    /// Topic name.
    #[serde(borrow)]
    pub topic: Text<'a>,
    /// Partition number.
    pub partition: i32,
    /// First offset.
    pub from: i64,
    /// One past the last offset.
    pub to: i64,
}

impl OffsetRange<'_> {
    /// The same range, independent of the record it was decoded from.
    pub fn to_owned(&self) -> OffsetRange<'static> {
        OffsetRange { topic: self.topic.clone().into_owned(), partition: self.partition, from: self.from, to: self.to }
    }
}
