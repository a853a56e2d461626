//! AC@k and Avg@5: how often the true cause is among the first k.
//!
//! Invariant: suspects with equal scores share the last place of their group, so order by name never helps; a fault
//! without a place is a miss and stays in the denominator.

/// The place of the truth in a ranking, from 1; none where it is not ranked.
pub(super) fn place<'a>(ranking: impl IntoIterator<Item = (&'a str, f64)> + Clone, truth: &str) -> Option<usize> {
    let of = ranking.clone().into_iter().find(|(name, _)| *name == truth)?.1;
    Some(ranking.into_iter().filter(|(_, score)| *score >= of).count())
}

/// As [`place`], but equal scores stand in the order of their names: how some published floors were counted.
pub(super) fn place_by_name<'a>(
    ranking: impl IntoIterator<Item = (&'a str, f64)> + Clone,
    truth: &str,
) -> Option<usize> {
    let of = ranking.clone().into_iter().find(|(name, _)| *name == truth)?.1;
    let before = |(name, score): &(&str, f64)| *score > of || (*score == of && *name < truth);
    Some(1 + ranking.into_iter().filter(before).count())
}

/// The places of the truth over many faults.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Places(Vec<Option<usize>>);

impl Places {
    /// Takes one fault in.
    pub(super) fn push(&mut self, place: Option<usize>) {
        self.0.push(place);
    }

    /// Number of faults.
    pub(super) fn faults(&self) -> usize {
        self.0.len()
    }

    /// Faults whose cause is among the first `k`.
    pub(super) fn hits(&self, k: usize) -> usize {
        self.0.iter().flatten().filter(|place| **place <= k).count()
    }

    /// Share of faults whose cause is among the first `k`; 0 without faults.
    pub(super) fn accuracy(&self, k: usize) -> f64 {
        self.hits(k) as f64 / self.faults().max(1) as f64
    }

    /// Mean of the accuracies at 1 to 5.
    pub(super) fn average(&self) -> f64 {
        (1..=5).map(|k| self.accuracy(k)).sum::<f64>() / 5.0
    }
}

impl FromIterator<Option<usize>> for Places {
    fn from_iter<T: IntoIterator<Item = Option<usize>>>(places: T) -> Self {
        Places(places.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_scores_share_the_last_place() {
        let ranking = [("a", 2.0), ("b", 1.0), ("c", 1.0), ("d", 0.0)];
        assert_eq!([place(ranking, "a"), place(ranking, "b"), place(ranking, "c")], [Some(1), Some(3), Some(3)]);
        assert_eq!([place_by_name(ranking, "b"), place_by_name(ranking, "c")], [Some(2), Some(3)]);
        assert_eq!(place(ranking, "e"), None);
    }

    #[test]
    fn a_fault_without_an_answer_is_a_miss() {
        let places: Places = [Some(1), Some(3), None, Some(9)].into_iter().collect();
        assert_eq!((places.hits(1), places.hits(3), places.hits(5), places.faults()), (1, 2, 2, 4));
        assert!((places.average() - (0.25 + 0.25 + 0.5 + 0.5 + 0.5) / 5.0).abs() < 1e-12);
        assert_eq!(Places::default().accuracy(1), 0.0);
    }
}
