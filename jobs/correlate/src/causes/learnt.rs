//! Weights learnt from incidents whose culprit is known: one additive number for each mark a suspect may bear.
//!
//! A mark is a kind of alert (`metric docker_cpu_pct up`). The probability that a suspect is the culprit is the softmax
//! of the sums of its marks' weights; the weights maximise the likelihood of the known culprits less
//! `shrinkage / 2 · Σ w²`, by a fixed number of gradient steps from 0. The problem is convex, so the steps only decide
//! how close one comes; every weight can be read.
//!
//! Invariant: the same cases in the same order give the same bits, and nothing but them has a say.

use std::collections::{BTreeMap, BTreeSet};

/// Gradient steps, and their length: enough that more change no figure.
const STEPS: usize = 1_000;
const STEP: f64 = 0.1;
/// A mark seen on fewer suspects says nothing.
const SEEN: usize = 2;

/// An incident whose culprit is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Case {
    /// The marks of each suspect.
    pub suspects: Vec<BTreeSet<String>>,
    /// Position of the culprit; a case whose culprit is not among the suspects teaches nothing.
    pub culprit: usize,
}

/// What each mark is worth.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Weights(BTreeMap<String, f64>);

impl Weights {
    /// Learns from cases.
    pub fn learn(cases: &[Case], shrinkage: f64) -> Weights {
        let cases: Vec<&Case> = cases.iter().filter(|case| case.culprit < case.suspects.len()).collect();
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        for mark in cases.iter().flat_map(|case| &case.suspects).flatten() {
            *seen.entry(mark).or_default() += 1;
        }
        let marks: Vec<&str> = seen.iter().filter(|(_, count)| **count >= SEEN).map(|(mark, _)| *mark).collect();
        let place = |mark: &String| marks.binary_search(&mark.as_str()).ok();
        let rows: Vec<(Vec<Vec<usize>>, usize)> = cases
            .iter()
            .map(|case| (case.suspects.iter().map(|of| of.iter().filter_map(place).collect()).collect(), case.culprit))
            .collect();
        let mut weights = vec![0.0; marks.len()];
        for _ in 0..STEPS {
            let gradient = gradient(&rows, &weights, shrinkage);
            for (weight, slope) in weights.iter_mut().zip(gradient) {
                *weight -= STEP * slope;
            }
        }
        Weights(marks.into_iter().map(str::to_owned).zip(weights).collect())
    }

    /// The sum for a suspect.
    pub fn score(&self, marks: &BTreeSet<String>) -> f64 {
        marks.iter().filter_map(|mark| self.0.get(mark)).sum()
    }

    /// Every mark with its weight, in the order of the marks.
    pub fn iter(&self) -> impl Iterator<Item = (&str, f64)> {
        self.0.iter().map(|(mark, weight)| (mark.as_str(), *weight))
    }
}

/// Slope of the mean negative log-likelihood and of the shrinkage.
fn gradient(rows: &[(Vec<Vec<usize>>, usize)], weights: &[f64], shrinkage: f64) -> Vec<f64> {
    let mut slopes: Vec<f64> = weights.iter().map(|weight| shrinkage * weight).collect();
    let share = 1.0 / rows.len().max(1) as f64;
    for (suspects, culprit) in rows {
        let sums: Vec<f64> = suspects.iter().map(|marks| marks.iter().map(|mark| weights[*mark]).sum()).collect();
        let highest = sums.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let odds: Vec<f64> = sums.iter().map(|sum| libm::exp(sum - highest)).collect();
        let total: f64 = odds.iter().sum();
        for (position, marks) in suspects.iter().enumerate() {
            let truth = if position == *culprit { 1.0 } else { 0.0 };
            let slope = (odds[position] / total - truth) * share;
            for mark in marks {
                slopes[*mark] += slope;
            }
        }
    }
    slopes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(marks: &[&str]) -> BTreeSet<String> {
        marks.iter().map(|mark| (*mark).to_owned()).collect()
    }

    #[test]
    fn what_the_culprit_bears_alone_is_worth_more_than_what_all_bear() {
        let case = |culprit: usize| {
            let of =
                |position| if position == culprit { marks(&["noise", "telling"]) } else { marks(&["noise", "echo"]) };
            Case { suspects: (0..3).map(of).collect(), culprit }
        };
        let weights = Weights::learn(&[case(0), case(1), case(2)], 0.01);
        let of: BTreeMap<&str, f64> = weights.iter().collect();
        assert!(of["telling"] > 0.5 && of["echo"] < -0.5 && of["noise"].abs() < 1e-9, "{of:?}");
        assert!(weights.score(&marks(&["telling", "noise"])) > weights.score(&marks(&["echo", "noise"])));
    }

    #[test]
    fn rare_marks_and_cases_without_a_culprit_teach_nothing() {
        let lost = Case { suspects: vec![marks(&["a"]), marks(&["a"])], culprit: 7 };
        let once = Case { suspects: vec![marks(&["b"]), marks(&[])], culprit: 0 };
        assert_eq!(Weights::learn(&[lost, once], 0.01).iter().count(), 0);
        assert_eq!(Weights::default().score(&marks(&["a"])), 0.0);
    }
}
