//! One score in three bands: what the numbers of the univariate detector mean.
//!
//! Invariant: residual evidence stays below 0.03, and 0.03 < [`NOVEL`] / 1.3 (the gate), so it can neither raise nor
//! block a novelty alarm. The bands and that bound are one design.

use super::residual::Distance;
use schemas::Band;

/// Evidence for correlation only.
pub const UNUSUAL: f32 = 0.0095;
/// Sharp against local noise as well: worth a ticket.
pub const SHARP: f32 = 0.0235;
/// Never seen before: worth a page.
pub const NOVEL: f32 = 0.045;

/// Joins novelty and residual to one score.
pub fn join(novelty: f32, distance: &Distance) -> f32 {
    let z = distance.burst;
    let sharp = if z > 4.0 { 0.02 + 0.01 * (z - 4.0) / z } else { 0.0 };
    novelty.max(0.02 * distance.unusual / (distance.unusual + 6.0)).max(sharp)
}

/// The band of a score, where it has one.
pub fn of(score: f32) -> Option<Band> {
    match score {
        s if s >= NOVEL => Some(Band::Novel),
        s if s >= SHARP => Some(Band::Sharp),
        s if s >= UNUSUAL => Some(Band::Unusual),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn residual_evidence_never_blocks_a_novelty_alarm() {
        let far = Distance { unusual: 1e30, now: 1e30, burst: 1e30, local_mean: 0.0, local_deviation: 0.0 };
        let highest = join(0.0, &far);
        assert!(highest <= 0.03 && highest * super::super::series::GATE_FACTOR < NOVEL);
        assert_eq!(of(highest), Some(Band::Sharp));
    }
}
