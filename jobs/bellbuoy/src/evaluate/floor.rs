//! The naive floor: the largest |x − median| / IQR of any measure of a service, after the onset against before it.
//!
//! The data's page leaves open what an IQR of 0 means. Here it is never less than a hundredth of the median, found by trying many readings; with that
//! the page's AC@1, 3 and 5 of Online Boutique come out, its Avg@5 and TrainTicket's figures only nearly.
//!
//! Invariant: only values before the end of the window are looked at.

/// Share of the median an IQR is never below.
const LEAST_SHARE: f64 = 0.01;

/// How far the farthest value of the window lies from the median before, in IQRs; none where either is empty.
pub(super) fn distance(before: &[f64], window: &[f64]) -> Option<f64> {
    let mut known: Vec<f64> = before.iter().copied().filter(|value| value.is_finite()).collect();
    known.sort_unstable_by(f64::total_cmp);
    let median = quantile(&known, 0.5)?;
    let range = quantile(&known, 0.75)? - quantile(&known, 0.25)?;
    let scale = range.max(LEAST_SHARE * median.abs()).max(1e-9);
    let window = window.iter().filter(|value| value.is_finite());
    window.map(|value| (value - median).abs() / scale).max_by(f64::total_cmp)
}

/// A quantile of sorted values, between neighbours in proportion.
fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let place = share * sorted.len().checked_sub(1)? as f64;
    let (below, part) = (place.floor() as usize, place.fract());
    let low = *sorted.get(below)?;
    let high = sorted.get(below + 1).copied().unwrap_or(low);
    Some(low + part * (high - low))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_farthest_value_counts_in_quartile_ranges() {
        let before = [1.0, 2.0, 3.0, 4.0, f64::NAN, 5.0];
        assert_eq!(distance(&before, &[3.0, -1.0, f64::NAN]), Some(2.0));
        assert_eq!(distance(&[100.0; 4], &[101.0]), Some(1.0));
        assert_eq!(distance(&[f64::NAN], &[1.0]), None);
        assert_eq!(distance(&before, &[]), None);
    }

    #[test]
    fn quantiles_lie_between_neighbours() {
        assert_eq!(quantile(&[0.0, 10.0], 0.25), Some(2.5));
        assert_eq!(quantile(&[7.0], 0.75), Some(7.0));
        assert_eq!(quantile(&[], 0.5), None);
    }
}
