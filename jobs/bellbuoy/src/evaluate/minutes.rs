//! Recorded measures of services, and the evidence they give about a stretch of time.
//!
//! Invariant: evidence about a window `[from, to)` depends on values before `to` only.

use correlate::causes::{Evidence, Sense, Suspect};
use detect::onset::{Before, Floor};
use schemas::Family;
use std::collections::BTreeMap;

/// Strength beyond which one value alone marks an onset: the ranking's dead zone.
const TELLING: f64 = 2.0;

/// One measure of one service over time.
#[derive(Clone, Debug)]
pub(super) struct Measured {
    /// Whose it is.
    pub(super) suspect: String,
    /// Kind of evidence.
    pub(super) family: Family,
    /// Resource within the family.
    pub(super) aspect: &'static str,
    /// What it is called in answers.
    pub(super) measure: String,
    /// What is taken for noise.
    pub(super) floor: Floor,
    /// Which ways count.
    pub(super) sides: Sides,
    /// Times of the values, milliseconds, ascending.
    pub(super) times: Vec<i64>,
    /// The values; no number where there was none.
    pub(super) values: Vec<f64>,
}

/// Which ways a measure may depart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sides {
    /// More and less than usual.
    Both,
    /// Only more: fewer failures are no evidence.
    Rise,
}

/// A stretch of time `[from, to)`, milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    /// First instant.
    pub(super) from: i64,
    /// First instant after it.
    pub(super) to: i64,
}

impl Measured {
    /// The values within a stretch of time.
    pub(super) fn within(&self, span: Span) -> &[f64] {
        let first = self.times.partition_point(|time| *time < span.from);
        let end = self.times.partition_point(|time| *time < span.to).max(first);
        &self.values[first..end]
    }

    /// What a window says against the time before it.
    pub(super) fn evidence(&self, before: Span, window: Span) -> Option<Evidence> {
        let usual = Before::learn(self.within(before).iter().copied(), self.floor)?;
        let departure = usual.judge(self.within(window).iter().copied())?;
        let sense = if departure.distance >= 0.0 { Sense::Rise } else { Sense::Fall };
        if sense == Sense::Fall && self.sides == Sides::Rise {
            return None;
        }
        let first = self.times.partition_point(|time| *time < window.from);
        let inside = self.times[first..].iter().zip(&self.values[first..]).take_while(|(time, _)| **time < window.to);
        let telling = |value: f64| {
            usual.judge([value]).is_some_and(|one| one.strength >= TELLING && one.distance * departure.distance > 0.0)
        };
        let onset = inside.into_iter().find(|(_, value)| telling(**value)).map_or(window.to, |(time, _)| *time);
        Some(Evidence {
            family: self.family,
            aspect: self.aspect.to_owned(),
            measure: self.measure.clone(),
            strength: departure.strength,
            sense,
            onset,
        })
    }
}

/// Every suspect with the evidence its measures give about a window.
pub(super) fn suspects(names: &[String], measures: &[Measured], before: Span, window: Span) -> Vec<Suspect> {
    let mut suspects: BTreeMap<&str, Suspect> =
        names.iter().map(|name| (name.as_str(), Suspect { name: name.clone(), ..Suspect::default() })).collect();
    for measured in measures {
        if let Some(suspect) = suspects.get_mut(measured.suspect.as_str()) {
            suspect.evidence.extend(measured.evidence(before, window));
        }
    }
    suspects.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(sides: Sides) -> Measured {
        Measured {
            suspect: "a".to_owned(),
            family: Family::Errors,
            aspect: "",
            measure: "failures".to_owned(),
            floor: Floor { relative: 0.1, absolute: 0.1 },
            sides,
            times: (0..10).collect(),
            values: vec![1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 9.0, 9.0, f64::NAN, 0.0],
        }
    }

    #[test]
    fn a_window_is_judged_by_what_lies_in_it_and_before() {
        let evidence =
            measured(Sides::Both).evidence(Span { from: 0, to: 5 }, Span { from: 5, to: 9 }).expect("evidence");
        assert_eq!((evidence.sense, evidence.onset), (Sense::Rise, 6));
        assert!(evidence.strength > 4.0);
        assert_eq!(measured(Sides::Both).evidence(Span { from: 0, to: 2 }, Span { from: 5, to: 9 }), None);
        assert_eq!(measured(Sides::Both).evidence(Span { from: 0, to: 5 }, Span { from: 8, to: 9 }), None);
    }

    #[test]
    fn fewer_failures_are_no_evidence() {
        let (before, window) = (Span { from: 0, to: 6 }, Span { from: 9, to: 10 });
        assert_eq!(measured(Sides::Rise).evidence(before, window), None);
        assert_eq!(measured(Sides::Both).evidence(before, window).map(|e| e.sense), Some(Sense::Fall));
    }

    #[test]
    fn measures_of_strangers_make_no_suspect() {
        let names = ["b".to_owned()];
        let found = suspects(&names, &[measured(Sides::Both)], Span { from: 0, to: 5 }, Span { from: 5, to: 9 });
        assert_eq!(found, [Suspect { name: "b".to_owned(), ..Suspect::default() }]);
    }
}
