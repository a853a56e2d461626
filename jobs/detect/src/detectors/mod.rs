//! The detectors, one file each. A new one is a file here and a line in [`ALL`], in alphabetical order.

pub mod change;
pub mod cluster_admin_bound;
pub mod entity;
pub mod novelty;
mod quiet;
pub(crate) mod requests;
pub mod secrets_listed;
pub mod univariate;

use crate::config::Config;
use crate::layout::Layout;
use crate::peers::PeerGroup;
use crate::state::Reader;
use crate::{Counts, DetectError};
use schemas::signal::{AuditEvent, FlowAgg};
use schemas::{Band, Entity, Family, Related, Term};

/// Every detector there is, in alphabetical order; the position is part of stored state.
pub const ALL: &[Kind] =
    &[change::KIND, cluster_admin_bound::KIND, entity::KIND, novelty::KIND, secrets_listed::KIND, univariate::KIND];

/// What a detector is: for help, documentation and construction.
pub struct Kind {
    /// Its name in anomalies, metrics and configuration.
    pub name: &'static str,
    /// The kind of evidence it gives; of measures, what the catalogue says.
    pub family: Family,
    /// What it finds, in one sentence.
    pub doc: &'static str,
    /// Its keys in the configuration.
    pub keys: &'static [&'static str],
    /// What it reads.
    pub reads: Reads,
    /// A detector that has seen nothing.
    pub new: fn() -> Box<dyn Detector>,
    /// A detector from the bytes of [`Detector::encode`].
    pub decode: fn(&mut Reader<'_>) -> Result<Box<dyn Detector>, DetectError>,
}

/// What a detector reads, and so where its state lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// Rows: one detector for each panel.
    Rows,
    /// Counted API requests: one for the entity.
    Audit,
    /// Counted API requests and flows: one for the entity.
    AuditAndFlows,
}

/// One observation.
#[derive(Clone, Copy, Debug)]
pub enum Observation<'a> {
    /// The values of a closed scrape round.
    Row(Row<'a>),
    /// An API request by the entity, counted once.
    Audit(&'a AuditEvent<'a>),
    /// Flows of the entity.
    Flow(&'a FlowAgg<'a>),
}

/// A closed scrape round: for each series the median over the instances.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// Names and units of the series.
    pub layout: &'a Layout,
    /// A value for each series of the layout; NaN where it is missing or not to be judged.
    pub values: &'a [f64],
    /// Index of the first series that is new in this row.
    pub fresh: usize,
    /// Instances that took part.
    pub instances: usize,
    /// Those of them that are young.
    pub young: usize,
    /// True for a while after the number of instances changed: each carries another share since.
    pub reshaped: bool,
    /// Time of the panel's first row, milliseconds.
    pub since: i64,
}

impl Row<'_> {
    /// True while so many instances are young that levels say more about their age than about the workload.
    pub fn is_young(&self) -> bool {
        self.young > 0 && 3 * self.young >= self.instances
    }
}

/// What surrounds an observation.
pub struct Context<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// What the observation is about.
    pub entity: &'a Entity<'a>,
    /// Container name, or empty.
    pub scope: &'a str,
    /// Time of the observation, milliseconds.
    pub time: i64,
    /// What the entity's peers do, where the caller keeps it.
    pub peers: Option<&'a mut PeerGroup>,
    /// What is counted.
    pub counts: &'a mut Counts,
}

/// What a detector found: an anomaly without its envelope.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What it is about, where that is not the entity of the observation.
    pub about: Option<Entity<'static>>,
    /// Other entities it names.
    pub related: Vec<Related<'static>>,
    /// What was measured.
    pub measure: String,
    /// The kind of evidence.
    pub family: Family,
    /// How grave.
    pub band: Band,
    /// The detector's own number.
    pub raw: f64,
    /// Probability under the baseline, where calibrated.
    pub p: Option<f64>,
    /// 0–100.
    pub score: f64,
    /// For a person.
    pub sentence: String,
    /// The arithmetic.
    pub terms: Vec<Term<'static>>,
    /// Instances it was seen on.
    pub instances: Vec<String>,
    /// First observation of the departure, milliseconds.
    pub onset: i64,
    /// Observations behind the baseline.
    pub baseline_count: i64,
    /// Since when it learns, milliseconds.
    pub baseline_since: i64,
}

/// State of one detector for one panel or entity.
///
/// Invariant: after `encode` and the kind's `decode` it continues bit for bit.
pub trait Detector: std::fmt::Debug + Send {
    /// Judges an observation against what was seen before, then learns it.
    fn observe(&mut self, observation: &Observation<'_>, context: &mut Context<'_>, out: &mut Vec<Finding>);
    /// Appends the state.
    fn encode(&self, out: &mut Vec<u8>);
    /// Bytes on the heap, in constant time.
    fn heap_bytes(&self) -> usize;
}

/// A term of a finding.
pub fn term(name: &'static str, value: f64, unit: &str) -> Term<'static> {
    Term { name: name.into(), value, unit: unit.to_owned().into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn detectors_are_listed_alphabetically_and_decode_what_they_encode() {
        assert!(ALL.windows(2).all(|pair| pair[0].name < pair[1].name));
        for kind in ALL {
            let mut bytes = Vec::new();
            (kind.new)().encode(&mut bytes);
            let mut reader = Reader::new(&bytes);
            let mut again = Vec::new();
            (kind.decode)(&mut reader).unwrap().encode(&mut again);
            assert!(reader.is_empty() && bytes == again, "{}", kind.name);
            assert!(kind.doc.ends_with('.'));
        }
    }
}
