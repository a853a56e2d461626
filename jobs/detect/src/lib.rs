//! Signals → anomalies: what is normal for every entity, and scored departures from it.
//!
//! Everything here is a pure function of the signals in the order of the log and of [`Config`]: no clock, no randomness,
//! no input or output. [`Baseline`] is all state of one entity; a detector is one file under `detectors`.

mod anomaly;
pub mod baseline;
pub mod catalogue;
pub mod config;
mod counter;
mod counts;
pub mod detectors;
mod error;
pub mod job;
pub mod layout;
pub mod onset;
mod panel;
pub mod peers;
pub mod relations;
pub mod score;
mod sentence;
pub mod state;

pub use baseline::Baseline;
pub use config::{Config, SEMANTICS};
pub use counts::Counts;
pub use error::DetectError;
pub use peers::PeerGroup;
