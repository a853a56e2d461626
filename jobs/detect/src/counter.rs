//! Counters and increments to rates: what an instance's series keeps between two samples.
//!
//! Invariant: a rate is never negative, never taken across a reset or a long gap, and time never moves back.

use crate::state::{Reader, put_f64, put_signed};
use crate::{Counts, DetectError};

/// The last sample of a counter, or the open interval of increments; times in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Counter {
    value: f64,
    time: i64,
    start: i64,
}

/// No sample yet.
const NEVER: i64 = i64::MIN;

impl Counter {
    /// No sample yet.
    pub const EMPTY: Counter = Counter { value: 0.0, time: NEVER, start: 0 };

    /// Takes a cumulative sample in; a rate a second where there is one. `interval` is the usual one, 0 while unknown.
    pub fn rate(
        &mut self,
        value: f64,
        time: i64,
        start: i64,
        interval: i64,
        longest_gap: i64,
        counts: &mut Counts,
    ) -> f64 {
        let before = *self;
        let now = Counter { value, time, start };
        if before.time == NEVER {
            *self = now;
            if start > 0 && start < time && interval > 0 && time - start <= 2 * interval {
                return per_second(value, time - start);
            }
            counts.without_rate += 1;
            return f64::NAN;
        }
        let elapsed = time - before.time;
        if elapsed <= 0 {
            counts.late += u64::from(elapsed < 0);
            return f64::NAN;
        }
        if interval > 0 && 3 * elapsed < interval {
            counts.jitter += 1;
            return f64::NAN;
        }
        *self = now;
        if (start > 0 && before.start > 0 && start != before.start) || value < before.value {
            counts.resets += 1;
            if start > before.time && start < time {
                return per_second(value, time - start);
            }
            counts.without_rate += 1;
            return f64::NAN;
        }
        if interval > 0 && elapsed > longest_gap * interval {
            counts.gaps += 1;
            return f64::NAN;
        }
        per_second(value - before.value, elapsed)
    }

    /// Takes an increment over `(start, time]` in; its rate a second.
    pub fn increment(&mut self, value: f64, time: i64, start: i64, counts: &mut Counts) -> f64 {
        let known = self.time != NEVER;
        if known && time <= self.time {
            counts.duplicates += u64::from(time == self.time);
            counts.late += u64::from(time < self.time);
            return f64::NAN;
        }
        let from = if start > 0 { start } else { self.time };
        *self = Counter { value, time, start };
        if from <= 0 || from >= time {
            counts.without_rate += 1;
            return f64::NAN;
        }
        per_second(value, time - from)
    }

    /// Appends the state.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_signed(out, self.time);
        if self.time != NEVER {
            put_f64(out, self.value);
            put_signed(out, self.start);
        }
    }

    /// Reads what [`Counter::encode`] wrote.
    pub fn decode(from: &mut Reader<'_>) -> Result<Self, DetectError> {
        let time = from.signed()?;
        if time == NEVER {
            return Ok(Counter::EMPTY);
        }
        Ok(Counter { time, value: from.f64()?, start: from.signed()? })
    }
}

fn per_second(value: f64, milliseconds: i64) -> f64 {
    (value * 1000.0 / milliseconds as f64).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(samples: &[(f64, i64, i64)]) -> (Vec<f64>, Counts) {
        let mut counts = Counts::default();
        let mut counter = Counter::EMPTY;
        let rates = samples.iter().map(|&(v, t, s)| counter.rate(v, t, s, 10_000, 5, &mut counts)).collect();
        (rates, counts)
    }

    #[test]
    fn a_rate_is_the_increase_a_second() {
        let (rates, _) = run(&[(100.0, 110_000, 1), (110.0, 120_000, 1), (110.0, 130_000, 1)]);
        assert!(rates[0].is_nan());
        assert_eq!(rates[1..], [1.0, 0.0]);
    }

    #[test]
    fn a_young_counter_has_a_rate_at_once() {
        assert_eq!(run(&[(5.0, 15_000, 10_000)]).0, [1.0]);
    }

    #[test]
    fn a_reset_counts_from_the_start_or_skips_one_interval() {
        let (rates, counts) =
            run(&[(100.0, 100_000, 1), (4.0, 110_000, 106_000), (3.0, 120_000, 0), (6.0, 130_000, 0)]);
        assert_eq!(rates[1], 1.0);
        assert!(rates[2].is_nan());
        assert_eq!(rates[3], 0.3);
        assert_eq!(counts.resets, 2);
    }

    #[test]
    fn no_rate_across_a_gap_and_none_from_jitter_or_the_past() {
        let (rates, counts) =
            run(&[(0.0, 100_000, 1), (1.0, 102_000, 1), (60.0, 160_000, 1), (61.0, 150_000, 1), (70.0, 170_000, 1)]);
        assert!(rates[1].is_nan() && rates[2].is_nan() && rates[3].is_nan());
        assert_eq!(rates[4], 1.0);
        assert_eq!((counts.jitter, counts.gaps, counts.late), (1, 1, 1));
    }

    #[test]
    fn an_increment_counts_once() {
        let mut counts = Counts::default();
        let mut counter = Counter::EMPTY;
        assert_eq!(counter.increment(50.0, 20_000, 10_000, &mut counts), 5.0);
        assert!(counter.increment(50.0, 20_000, 10_000, &mut counts).is_nan());
        assert_eq!(counter.increment(10.0, 30_000, 20_000, &mut counts), 1.0);
        assert_eq!(counts.duplicates, 1);
    }
}
