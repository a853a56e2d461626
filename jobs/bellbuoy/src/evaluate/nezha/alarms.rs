//! Onsets of our own: a look at the whole application each minute, and an alarm where a service has evidence enough.
//!
//! The last two minutes are judged against the hour before them, by the same evidence and the same sum as the ranking;
//! there is an alarm where a service's evidence is worth 4, from which the incident score seeds incidents. A detector
//! that learns for a day has no chance here: the first fault comes 3 minutes after the recording begins.
//!
//! Invariant: an alarm depends on values up to its minute only.

use super::read::{Day, Fault, SECOND};
use crate::evaluate::minutes::{Span, suspects};
use correlate::causes;

/// The minutes judged.
const RECENT: i64 = 120 * SECOND;
/// The time before them.
const BEFORE: i64 = 3_600 * SECOND;
/// Evidence an alarm takes.
const ALARM: f64 = 4.0;
const MINUTE: i64 = 60 * SECOND;
/// The first look, after the recording begins.
const FIRST_LOOK: i64 = 600 * SECOND;
/// A fault's alarms: within its four minutes and two of grace.
const REACH: i64 = 360 * SECOND;
/// Time after the last fault that is not yet normal.
const RECOVERY: i64 = 600 * SECOND;
/// Alarms closer than this are one.
const REFRACTORY: i64 = 600 * SECOND;

/// The minutes in alarm, and what they amount to where nothing was wrong.
#[derive(Debug)]
pub(super) struct Alarms {
    minutes: Vec<i64>,
    /// Alarms after the last fault, joined where they are close.
    pub(super) false_episodes: usize,
    /// How long was looked at after the last fault.
    pub(super) hours_after: f64,
    /// Share of that time in alarm.
    pub(super) share_after: f64,
}

/// Looks at every minute of a day.
pub(super) fn raise(day: &Day) -> Alarms {
    let first = day.measures.iter().filter_map(|measured| measured.times.first()).min();
    let last = day.measures.iter().filter_map(|measured| measured.times.last()).max();
    let (Some(first), Some(last)) = (first, last) else {
        return Alarms { minutes: Vec::new(), false_episodes: 0, hours_after: 0.0, share_after: 0.0 };
    };
    let quiet_from = day.faults.last().map_or(*first, |fault| fault.at + RECOVERY);
    let (mut minutes, mut after) = (Vec::new(), 0);
    let mut now = first + FIRST_LOOK;
    while now < last + MINUTE {
        // Closed at the end: the value of this very instant is known.
        let window = Span { from: now - RECENT + 1, to: now + 1 };
        let before = Span { from: window.from - BEFORE, to: window.from };
        let ranking = causes::rank(&suspects(&day.services, &day.measures, before, window), &day.calls);
        if ranking.causes.iter().any(|cause| cause.weight() >= ALARM) {
            minutes.push(now);
        }
        after += usize::from(now > quiet_from);
        now += MINUTE;
    }
    let wrong: Vec<i64> = minutes.iter().copied().filter(|minute| *minute > quiet_from).collect();
    let joined = wrong.iter().zip(wrong.iter().skip(1)).filter(|(a, b)| **b - **a <= REFRACTORY).count();
    Alarms {
        false_episodes: wrong.len() - joined,
        hours_after: after as f64 / 60.0,
        share_after: wrong.len() as f64 / after.max(1) as f64,
        minutes,
    }
}

impl Alarms {
    /// Where a fault's alarm says it began; none where there was no alarm within its reach.
    pub(super) fn onset(&self, injected: i64) -> Option<i64> {
        self.alarm(injected).map(|minute| minute - RECENT)
    }

    /// Median time from injection to alarm over detected faults, seconds; 0 without any.
    pub(super) fn median_delay(&self, faults: &[Fault]) -> f64 {
        let delay = |fault: &Fault| self.alarm(fault.at).map(|minute| (minute - fault.at) as f64 / SECOND as f64);
        let mut delays: Vec<f64> = faults.iter().filter_map(delay).collect();
        detect::onset::median(&mut delays).unwrap_or(0.0)
    }

    fn alarm(&self, injected: i64) -> Option<i64> {
        self.minutes.iter().copied().find(|minute| (injected..=injected + REACH).contains(minute))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::minutes::{Measured, Sides};
    use schemas::Family;

    /// A service whose latency is 0.1 s but for some minutes of the three hours.
    fn day(faults: &[i64], slow: &[i64]) -> Day {
        let times: Vec<i64> = (0..180).map(|minute| minute * MINUTE).collect();
        let slow: Vec<i64> = slow.iter().map(|minute| minute * MINUTE).collect();
        let measured = Measured {
            suspect: "a".to_owned(),
            family: Family::Latency,
            aspect: "",
            measure: "latency".to_owned(),
            floor: detect::onset::Floor { relative: 0.1, absolute: 0.005 },
            sides: Sides::Both,
            values: times.iter().map(|time| if slow.contains(time) { 9.0 } else { 0.1 }).collect(),
            times,
        };
        let fault = |at: &i64| Fault { at: at * MINUTE, service: "a".to_owned(), kind: String::new(), metric: None };
        Day::of("d", vec![measured], faults.iter().map(fault).collect())
    }

    #[test]
    fn an_alarm_says_that_it_began_two_minutes_before() {
        let alarms = raise(&day(&[60, 90], &[61, 62]));
        assert_eq!(alarms.onset(60 * MINUTE), Some(59 * MINUTE));
        assert_eq!(alarms.onset(90 * MINUTE), None, "nothing was slow within the reach of this fault");
        assert_eq!(alarms.median_delay(&day(&[60, 90], &[]).faults), 60.0, "of the one that was detected");
    }

    #[test]
    fn alarms_after_the_last_fault_are_false_and_close_ones_are_one() {
        let alarms = raise(&day(&[60], &[61, 62, 100, 101, 105, 106, 150, 151]));
        assert_eq!((alarms.false_episodes, alarms.hours_after > 1.5), (2, true));
        let silent = raise(&day(&[60], &[]));
        assert_eq!((silent.false_episodes, silent.onset(60 * MINUTE)), (0, None));
    }

    #[test]
    fn the_future_changes_no_alarm() {
        let before = |slow: &[i64]| raise(&day(&[60], slow)).onset(60 * MINUTE);
        assert_eq!(before(&[61, 62]), before(&[61, 62, 63, 64, 65, 170]));
    }
}
