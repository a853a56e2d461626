//! The report of a backtest, as programs read it.
//!
//! Invariant: nothing in it says when, where or how fast it was made, so the same backtest gives the same bytes.

use crate::chain::Outcome;
use crate::configuration::KeyDifference;
use crate::difference::{self, Difference, Reasons, Versus};
use crate::found::Found;
use engine::output::Digest;
use serde::Serialize;

/// What a backtest gave.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What it is compared with: `published`, or the file of another configuration.
    pub against: String,
    /// Offsets of the first job's input that were read.
    pub offsets: u64,
    /// What each job of the configuration that is tried gave.
    pub jobs: Vec<Outcome>,
    /// Digest over all of these.
    pub digest: Digest,
    /// Keys of the configurations that differ; none where it is compared with what was published.
    pub configuration: Vec<KeyDifference>,
    /// What was found differently.
    #[serde(flatten)]
    pub difference: Difference,
}

impl Report {
    /// Compares what was found before with what was found now.
    pub fn new(
        against: String,
        offsets: u64,
        jobs: Vec<Outcome>,
        versus: Versus,
        detectors: Vec<&'static str>,
        (before, after): (&Found, &Found),
    ) -> Self {
        let configuration = match &versus {
            Versus::Configuration(keys) => keys.clone(),
            Versus::Published { .. } => Vec::new(),
        };
        let difference = difference::between(before, after, &Reasons::new(versus, detectors));
        let mut digest = Digest::default();
        jobs.iter().for_each(|job| digest.combine(&job.digest));
        Report { against, offsets, jobs, digest, configuration, difference }
    }
}
