//! Anomalies → incidents: what belongs together, since when, how grave, and what may be its cause.
//!
//! Everything here is a function of the set of anomalies and their rounds, and of [`Config`]: no clock, no randomness, no
//! input or output. [`Correlator`] is one cluster without the log; [`job`] puts it on the engine; a relation is one file
//! under `relations`.

mod assessment;
pub mod causes;
pub mod config;
mod correlator;
mod entity;
mod evidence;
mod graph;
pub mod job;
mod lifecycle;
mod memory;
mod notice;
mod record;
mod relations;
mod rounds;
mod stored;
mod suspects;

pub use config::{Config, SEMANTICS};
pub use correlator::{Correlator, Round, Told};
pub use memory::Memory;
pub use notice::Mute;

/// Every way to belong together: its name in incidents, and what it says in one sentence.
pub fn relations() -> impl Iterator<Item = (&'static str, &'static str)> {
    relations::ALL.iter().map(|kind| (kind.name, kind.doc))
}
