//! The KPI challenge's delay-F1, k = 7: a segment counts whole when found within eight rows of its start.

use super::segments;

const DELAY: usize = 7;

/// What any threshold makes of one series.
pub struct Curve {
    /// Highest score in time, and length, of each segment.
    segments: Vec<(f32, f64)>,
    /// Scores of the rows outside, ascending.
    outside: Vec<f32>,
    positives: f64,
}

impl Curve {
    /// Regrids a series by its smallest step; missing rows are no label and no prediction.
    pub fn new(times: &[i64], labels: &[u8], scores: &[f32]) -> Self {
        let step = times.windows(2).map(|pair| pair[1] - pair[0]).min().expect("more than one row");
        let position = |time: i64| ((time - times[0]) / step) as usize;
        let rows = position(times[times.len() - 1]) + 1;
        let (mut grid, mut on_grid) = (vec![0u8; rows], vec![f32::NEG_INFINITY; rows]);
        for ((&time, &label), &score) in times.iter().zip(labels).zip(scores) {
            (grid[position(time)], on_grid[position(time)]) = (label, score);
        }
        let segments: Vec<(f32, f64)> = segments(&grid)
            .into_iter()
            .map(|(a, b)| {
                let early = &on_grid[a..=(a + DELAY).min(b)];
                (early.iter().copied().fold(f32::NEG_INFINITY, f32::max), (b - a + 1) as f64)
            })
            .collect();
        let mut outside: Vec<f32> =
            (0..rows).filter(|&r| grid[r] == 0 && on_grid[r].is_finite()).map(|r| on_grid[r]).collect();
        outside.sort_by(f32::total_cmp);
        let positives = segments.iter().map(|(_, length)| length).sum();
        Curve { segments, outside, positives }
    }
}

/// True positives, false positives and positives of one series at a threshold.
fn at(curve: &Curve, threshold: f32) -> [f64; 3] {
    let hits = curve.segments.iter().filter(|(score, _)| *score >= threshold).map(|(_, length)| length).sum();
    let false_rows = curve.outside.len() - curve.outside.partition_point(|&score| score < threshold);
    [hits, false_rows as f64, curve.positives]
}

fn f1(curves: &[&Curve], threshold: f32) -> f64 {
    pooled(curves.iter().map(|curve| at(curve, threshold)))
}

fn pooled(counts: impl Iterator<Item = [f64; 3]>) -> f64 {
    let sums = counts.fold([0.0; 3], |sums, c| [sums[0] + c[0], sums[1] + c[1], sums[2] + c[2]]);
    2.0 * sums[0] / (sums[0] + sums[1] + sums[2])
}

/// The threshold that is best for these series.
pub fn best(curves: &[&Curve]) -> f32 {
    let mut candidates: Vec<f32> =
        curves.iter().flat_map(|curve| &curve.segments).map(|(score, _)| *score).filter(|s| s.is_finite()).collect();
    candidates.sort_by(f32::total_cmp);
    candidates.dedup();
    candidates
        .into_iter()
        .fold((0.0, f32::INFINITY), |(best, at), c| {
            let value = f1(curves, c);
            if value > best { (value, c) } else { (best, at) }
        })
        .1
}

/// F1 pooled over all series, each half at the threshold of the other.
pub fn other_half(curves: &[Curve]) -> f64 {
    let half = |odd: usize| -> Vec<&Curve> { curves.iter().skip(odd).step_by(2).collect() };
    let (even, odd) = (half(0), half(1));
    let (of_even, of_odd) = (best(&even), best(&odd));
    pooled(even.iter().map(|curve| at(curve, of_odd)).chain(odd.iter().map(|curve| at(curve, of_even))))
}

/// F1 pooled over all series at the threshold that is best for them.
pub fn in_sample(curves: &[Curve]) -> f64 {
    let all: Vec<&Curve> = curves.iter().collect();
    f1(&all, best(&all))
}
