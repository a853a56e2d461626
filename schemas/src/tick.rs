//! Ticks: how far the raw topics have been read, which is the only clock a task has.

use crate::Text;
use serde::{Deserialize, Serialize};

/// How far the raw topics have been read by one ingest lane.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tick<'a> {
    /// One entry for each raw partition the lane reads.
    #[serde(borrow)]
    pub positions: Vec<TickPosition<'a>>,
}

/// How far one raw partition has been read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TickPosition<'a> {
    /// Raw topic.
    #[serde(borrow)]
    pub topic: Text<'a>,
    /// Its partition.
    pub partition: i32,
    /// Everything before this time has been read.
    pub up_to: i64,
    /// True when the partition is no longer read and stops counting.
    pub retired: bool,
}
