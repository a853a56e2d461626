//! The NAB score, at the threshold that is best for the whole corpus.

/// Weights of a profile: true positive, false positive, false negative.
pub const PROFILES: [(&str, f64, f64, f64); 3] =
    [("standard", 1.0, 0.11, 1.0), ("low false positives", 1.0, 0.22, 1.0), ("low false negatives", 1.0, 0.11, 2.0)];

/// One file: its scores, and its windows as first and last row.
pub struct File {
    /// A score for each row.
    pub scores: Vec<f32>,
    /// First and last row of each window.
    pub windows: Vec<(usize, usize)>,
}

/// One scored row behind probation.
struct Point {
    score: f32,
    /// Window of the corpus, where it lies in one.
    window: Option<usize>,
    worth: f64,
}

/// The scaled score of a profile at the best threshold.
pub fn in_sample(files: &[File], profile: (&str, f64, f64, f64)) -> f64 {
    let (_, tp, fp, fn_) = profile;
    let mut points = Vec::new();
    let mut windows = 0;
    for file in files {
        points_of(file, windows, &mut points);
        windows += file.windows.len();
    }
    points.sort_by(|a, b| b.score.total_cmp(&a.score));
    let null = -fn_ * windows as f64;
    let mut parts = vec![-fn_; windows];
    let (mut total, mut best) = (null, null);
    for (rank, point) in points.iter().enumerate() {
        match point.window {
            None => total += point.worth * fp,
            Some(window) => {
                let value = point.worth * tp;
                if value > parts[window] {
                    total += value - parts[window];
                    parts[window] = value;
                }
            }
        }
        if points.get(rank + 1).is_none_or(|next| next.score != point.score) {
            best = best.max(total);
        }
    }
    100.0 * (best - null) / (windows as f64 * tp - null)
}

fn points_of(file: &File, first_window: usize, out: &mut Vec<Point>) {
    let rows = file.scores.len();
    let probation = ((0.15 * rows as f64).floor() as usize).min(750);
    let mut next = 0;
    for row in 0..rows {
        while next < file.windows.len() && row > file.windows[next].1 {
            next += 1;
        }
        let inside = file.windows.get(next).filter(|(first, _)| *first <= row);
        let (window, worth) = match inside {
            Some(&(first, last)) => {
                let width = (last - first + 1) as f64;
                (Some(first_window + next), sigmoid(-((last - row + 1) as f64) / width) / sigmoid(-1.0))
            }
            None if next == 0 => (None, -1.0),
            None => {
                let (first, last) = file.windows[next - 1];
                (None, sigmoid((row - last) as f64 / (last - first) as f64))
            }
        };
        if row >= probation {
            out.push(Point { score: file.scores[row], window, worth });
        }
    }
}

fn sigmoid(y: f64) -> f64 {
    if y > 3.0 { -1.0 } else { 2.0 / (1.0 + libm::exp(5.0 * y)) - 1.0 }
}

#[test]
fn silence_is_zero_and_perfect_is_a_hundred() {
    let file = |scores: fn(usize) -> f32| File { scores: (0..1000).map(scores).collect(), windows: vec![(500, 599)] };
    for profile in PROFILES {
        assert_eq!(in_sample(&[file(|_| 0.5)], profile), 0.0);
        assert!((in_sample(&[file(|row| if row == 500 { 1.0 } else { 0.0 })], profile) - 100.0).abs() < 1e-9);
        let late = in_sample(&[file(|row| if row == 599 { 1.0 } else { 0.0 })], profile);
        assert!(late > 50.0 && late < 70.0, "barely more than a miss is avoided: {late}");
    }
}
