//! How much repetitions of one measurement differ.

use serde::Serialize;

/// The values of all repetitions, summed up.
#[derive(Clone, Debug, Serialize, PartialEq)]
pub(crate) struct Spread {
    /// The lowest.
    pub(crate) min: f64,
    /// The middle one.
    pub(crate) median: f64,
    /// The highest.
    pub(crate) max: f64,
    /// How many.
    pub(crate) count: usize,
    /// What was repeated.
    pub(crate) of: &'static str,
}

impl Spread {
    /// Of values in any order; `None` where there are none.
    pub(crate) fn of(values: &[f64], of: &'static str) -> Option<Self> {
        let sorted = sorted(values);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        Some(Spread { min, median: quantile(&sorted, 0.5), max, count: sorted.len(), of })
    }
}

/// The values in ascending order.
pub(crate) fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// The smallest value that at least this share of all does not exceed; 0 of nothing.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).or(sorted.last()).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_a_value_that_was_measured() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!((quantile(&values, 0.5), quantile(&values, 0.99), quantile(&values, 1.0)), (50.0, 99.0, 100.0));
        assert_eq!((quantile(&[], 0.5), quantile(&[7.0], 0.01)), (0.0, 7.0));
    }

    #[test]
    fn a_spread_does_not_care_for_order_and_there_is_none_of_nothing() {
        let spread = Spread::of(&[3.0, 1.0, 2.0], "rounds").expect("there are values");
        assert_eq!((spread.min, spread.median, spread.max, spread.count), (1.0, 2.0, 3.0, 3));
        assert_eq!(Spread::of(&[], "rounds"), None);
    }
}
