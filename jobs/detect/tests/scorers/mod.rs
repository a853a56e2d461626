//! The scorers of the labelled data sets, by their published protocols.

pub mod delay;
pub mod events;
pub mod nab;
pub mod ranking;

/// Runs of ones: first and last row of each.
pub fn segments(labels: &[u8]) -> Vec<(usize, usize)> {
    let mut out = Vec::new();
    let mut start = None;
    for (row, &label) in labels.iter().chain(&[0]).enumerate() {
        match (start, label > 0) {
            (None, true) => start = Some(row),
            (Some(first), false) => {
                out.push((first, row - 1));
                start = None;
            }
            _ => {}
        }
    }
    out
}
