//! One scale from 0 to 100 for all detectors, fixed for good: a score is never changed afterwards.
//!
//! | detector | score |
//! |---|---|
//! | univariate | `100 s / (s + 0.045)`: 34 at the sharp band, 50 where a value has never been seen |
//! | entity | `100 r / (r + 8)`: 33 at the sharp band, 50 at the novel one |
//! | novelty | `100 (log10(1/p) - 1) / 6`, between 0 and 100: 1e-4 → 50, 1e-7 → 100 |
//! | absolute rules | by band: unusual 30, sharp 60, novel 90 |

use schemas::Band;

/// Score of the univariate detector's number.
pub fn univariate(raw: f64) -> f64 {
    100.0 * raw / (raw + 0.045)
}

/// Score of the entity detector's number.
pub fn entity(raw: f64) -> f64 {
    100.0 * raw / (raw + 8.0)
}

/// Score of a probability.
pub fn probability(p: f64) -> f64 {
    (100.0 * (-libm::log10(p) - 1.0) / 6.0).clamp(0.0, 100.0)
}

/// Score of an absolute rule.
pub fn rule(band: Band) -> f64 {
    match band {
        Band::Unusual => 30.0,
        Band::Sharp => 60.0,
        Band::Novel => 90.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_map_to_fixed_scores() {
        assert!((probability(1e-4) - 50.0).abs() < 1e-9);
        assert!((probability(1e-7) - 100.0).abs() < 1e-9);
        assert_eq!(probability(0.5), 0.0);
        assert_eq!(probability(0.0), 100.0);
        assert_eq!(univariate(0.045), 50.0);
        assert_eq!(entity(8.0), 50.0);
    }
}
