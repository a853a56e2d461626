//! From a detector's finding to the anomaly that is published.

use crate::detectors::{Finding, Kind};
use schemas::{Anomaly, Confidence, OffsetRange, Signal};

/// Completes a finding with what the signal says: whose, what, when, and where the evidence lies. What the entity has to
/// do with others beyond that, [`crate::relations`] adds.
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
        // What a finding names itself was told by the API, not guessed.
        confidence: if finding.about.is_some() { Confidence::High } else { signal.confidence },
        entity: finding.about.unwrap_or_else(|| signal.entity.to_owned()),
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
        related: finding.related,
        baseline_count: finding.baseline_count,
        baseline_since: finding.baseline_since,
    }
}
