//! Which channels are at fault: HitRate at 100 %.

/// Share of the true channels among as many of the first ranked; equal weights in the order of the channels.
pub fn hit_rate(weights: &[f32], causes: &[usize]) -> f64 {
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by(|&a, &b| weights[b].total_cmp(&weights[a]));
    let first = &order[..causes.len().min(order.len())];
    first.iter().filter(|channel| causes.contains(channel)).count() as f64 / causes.len() as f64
}

#[test]
fn half_of_the_causes_is_a_half() {
    assert_eq!(hit_rate(&[3.0, 1.0, 2.0, 0.0], &[0, 1]), 0.5);
}
