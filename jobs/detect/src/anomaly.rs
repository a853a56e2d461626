//! From a detector's finding to the anomaly that is published.

use crate::detectors::{Finding, Kind};
use schemas::{Anomaly, OffsetRange, Signal};

/// Completes a finding with what the signal says: whose, what, when, and where the evidence lies.
pub fn complete(
    finding: Finding,
    kind: &Kind,
    signal: &Signal<'_>,
    scope: &str,
    time: i64,
    evidence: &[OffsetRange<'static>],
) -> Anomaly<'static> {
    Anomaly {
        tenant: signal.tenant.clone().into_owned(),
        cluster: signal.cluster.clone().into_owned(),
        entity: signal.entity.to_owned(),
        confidence: signal.confidence,
        detector: kind.name.into(),
        family: finding.family,
        scope: scope.to_owned().into(),
        measure: finding.measure.into(),
        instances: finding.instances.into_iter().map(Into::into).collect(),
        event_time: time,
        onset: finding.onset,
        band: finding.band,
        raw: finding.raw,
        p: finding.p,
        score: finding.score,
        sentence: finding.sentence.into(),
        terms: finding.terms,
        evidence: evidence.to_vec(),
        baseline_count: finding.baseline_count,
        baseline_since: finding.baseline_since,
    }
}
