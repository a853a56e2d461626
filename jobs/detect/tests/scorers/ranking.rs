//! Ranking of scores: AUC-PR, and the volume under the precision-recall surface (VUS-PR) with 250 thresholds.

use super::segments;

const THRESHOLDS: usize = 250;

/// Average precision; tied scores form one step.
pub fn auc_pr(labels: &[u8], scores: &[f64]) -> f64 {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    let positives = labels.iter().filter(|&&label| label > 0).count() as f64;
    let (mut hits, mut before, mut area) = (0.0, 0.0, 0.0);
    for (rank, &row) in order.iter().enumerate() {
        hits += f64::from(labels[row]);
        let last = order.get(rank + 1).is_none_or(|&next| scores[next] != scores[row]);
        if last {
            area += (hits - before) / positives * hits / (rank + 1) as f64;
            before = hits;
        }
    }
    area
}

/// The largest buffer, from the autocorrelation of a series.
pub fn buffer(values: &[f64]) -> usize {
    let values = &values[..values.len().min(20_000)];
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let centred: Vec<f64> = values.iter().map(|v| v - mean).collect();
    let correlation: Vec<f64> = (0..=400usize.min(centred.len() - 1))
        .map(|lag| centred.iter().zip(&centred[lag..]).map(|(a, b)| a * b).sum())
        .collect();
    if correlation[0] <= 0.0 {
        return 125;
    }
    let peaks = (4..correlation.len() - 1)
        .filter(|&lag| correlation[lag] > correlation[lag - 1] && correlation[lag] > correlation[lag + 1]);
    let best = peaks.fold(None, |best: Option<usize>, lag| match best {
        Some(best) if correlation[best] >= correlation[lag] => Some(best),
        _ => Some(lag),
    });
    match best {
        Some(lag) if (3..=300).contains(&(lag - 3)) => lag,
        _ => 125,
    }
}

/// VUS-PR for buffers of 0 to `largest` rows.
pub fn vus_pr(labels: &[u8], scores: &[f64], largest: usize) -> f64 {
    let surface = Surface::new(labels, scores);
    (0..=largest).map(|buffer| surface.average_precision(buffer)).sum::<f64>() / (largest + 1) as f64
}

struct Surface {
    rows: usize,
    /// Index of the first threshold at or below each row's score.
    rank: Vec<u16>,
    predicted: Vec<f64>,
    segments: Vec<(usize, usize)>,
    /// Best rank inside each segment.
    best: Vec<u16>,
    /// Anomalous rows predicted at each threshold.
    inside: Vec<f64>,
    positives: f64,
}

impl Surface {
    fn new(labels: &[u8], scores: &[f64]) -> Self {
        let rows = scores.len();
        let mut sorted = scores.to_vec();
        sorted.sort_by(|a, b| b.total_cmp(a));
        let thresholds: Vec<f64> = (0..THRESHOLDS).map(|j| sorted[j * (rows - 1) / (THRESHOLDS - 1)]).collect();
        let predicted = thresholds.iter().map(|t| sorted.partition_point(|s| s >= t) as f64).collect();
        let rank: Vec<u16> = scores.iter().map(|s| thresholds.partition_point(|t| t > s) as u16).collect();
        let segments = segments(labels);
        let best = segments.iter().map(|&(a, b)| rank[a..=b].iter().copied().min().expect("not empty")).collect();
        let mut inside = vec![0.0; THRESHOLDS + 1];
        (0..rows).filter(|&row| labels[row] > 0).for_each(|row| inside[usize::from(rank[row])] += 1.0);
        accumulate(&mut inside);
        let positives = labels.iter().map(|&label| f64::from(label)).sum();
        Surface { rows, rank, predicted, segments, best, inside, positives }
    }

    fn average_precision(&self, buffer: usize) -> f64 {
        let half = buffer / 2;
        let (mut soft, mut exists) = (vec![0.0; THRESHOLDS + 1], vec![0.0; THRESHOLDS + 1]);
        let mut ranges = 0.0;
        let mut first = 0;
        while first < self.segments.len() {
            let mut last = first;
            while last + 1 < self.segments.len() && self.segments[last].1 + 2 * half >= self.segments[last + 1].0 {
                last += 1;
            }
            let mut best = self.best[first..=last].iter().copied().min().expect("not empty");
            self.soften(first, last, buffer, &mut soft, &mut best);
            exists[usize::from(best)] += 1.0;
            ranges += 1.0;
            first = last + 1;
        }
        accumulate(&mut soft);
        accumulate(&mut exists);
        let (mut area, mut before) = (0.0, 0.0);
        for j in 0..THRESHOLDS {
            let hits = self.inside[j] + soft[j];
            let half_of_all = (self.positives + self.positives + soft[j]) / 2.0;
            let recall = exists[j] / ranges * (hits / half_of_all).min(1.0);
            area += (recall - before) * hits / self.predicted[j];
            before = recall;
        }
        area
    }

    /// Soft labels in the gaps around and between the segments of one merged range.
    fn soften(&self, first: usize, last: usize, buffer: usize, soft: &mut [f64], best: &mut u16) {
        let half = buffer / 2;
        let weight = |distance: usize| (1.0 - distance as f64 / buffer as f64).sqrt();
        for gap in first..=last + 1 {
            let left = (gap > first).then(|| self.segments[gap - 1].1);
            let right = (gap <= last).then(|| self.segments[gap].0);
            let from = left.map_or_else(|| right.unwrap_or(0).saturating_sub(half), |left| left + 1);
            let to = right.unwrap_or_else(|| (left.unwrap_or(0) + half + 1).min(self.rows));
            for row in from..to {
                let mut label = 0.0;
                if let Some(left) = left
                    && row - left <= half
                {
                    label += weight(row - left);
                }
                if let Some(right) = right
                    && right - row <= half
                {
                    label += weight(right - row);
                }
                soft[usize::from(self.rank[row])] += f64::min(label, 1.0);
                *best = (*best).min(self.rank[row]);
            }
        }
    }
}

fn accumulate(values: &mut [f64]) {
    let mut sum = 0.0;
    for value in values {
        sum += *value;
        *value = sum;
    }
}

#[test]
fn the_check_vector_comes_out() {
    let labels: Vec<u8> =
        (0..1000).map(|i| u8::from((200..220).contains(&i) || i == 500 || (700..760).contains(&i))).collect();
    let scores: Vec<f64> =
        (0..1000).map(|i| ((7919 * i) % 1000) as f64 / 1000.0 + 0.5 * f64::from(labels[i])).collect();
    assert!((auc_pr(&labels, &scores) - 0.654994).abs() < 1e-6);
    let expected = [(0, 0.641926), (1, 0.641926), (10, 0.648669), (20, 0.661523), (100, 0.725449)];
    for (buffer, value) in expected {
        let found = vus_pr(&labels, &scores, buffer);
        assert!((found - value).abs() < 1e-6, "buffer {buffer}: {found} instead of {value}");
    }
}
