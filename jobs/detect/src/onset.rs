//! Departures of a stretch of time from the time before it, for judging a whole window at once.
//!
//! The detectors judge value by value; the ranking of causes asks how far a few minutes lie from the hour before them.
//! The distance is robust, `z = (median of the window − median before) / (1.4826 MAD + floors)`, and its strength is
//! `min(8, 4 log10(1 + |z|))`: −log10 p under a heavy tail with the exponent 4 to which the design shrinks its tails.
//!
//! Invariant: a departure depends on the values handed in only, in whatever order they come.

/// Strongest departure there is, −log10 p: beyond it a measure says nothing more.
pub const STRONGEST: f64 = 8.0;
/// Exponent of the tail.
const TAIL: f64 = 4.0;
/// Makes a median absolute deviation comparable with a standard deviation.
const NORMAL: f64 = 1.4826;
/// Values without which there is no "before".
const LEAST: usize = 3;

/// What is always taken for noise, so that a measure that never moved does not turn a trifle into an alarm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Floor {
    /// Share of the usual level.
    pub relative: f64,
    /// In the measure's own unit.
    pub absolute: f64,
}

/// What was usual before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Before {
    median: f64,
    scale: f64,
}

/// How far a window lies from what was usual.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Departure {
    /// Distance in usual deviations, negative where it fell.
    pub distance: f64,
    /// −log10 p, 0 to [`STRONGEST`].
    pub strength: f64,
}

impl Before {
    /// Learns from the values before, those that are no number left out; none from fewer than three.
    pub fn learn(values: impl IntoIterator<Item = f64>, floor: Floor) -> Option<Before> {
        let mut values: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
        if values.len() < LEAST {
            return None;
        }
        let median = median(&mut values)?;
        for value in &mut values {
            *value = (*value - median).abs();
        }
        let deviation = self::median(&mut values)?;
        let scale = NORMAL * deviation + floor.relative * median.abs() + floor.absolute;
        Some(Before { median, scale: scale.max(f64::MIN_POSITIVE) })
    }

    /// Judges a window by its median; none where it holds no number.
    pub fn judge(&self, window: impl IntoIterator<Item = f64>) -> Option<Departure> {
        let mut window: Vec<f64> = window.into_iter().filter(|value| value.is_finite()).collect();
        let distance = (median(&mut window)? - self.median) / self.scale;
        let strength = (TAIL * libm::log10(1.0 + distance.abs())).min(STRONGEST);
        Some(Departure { distance, strength })
    }
}

/// The median, half way between the two in the middle; reorders the values.
pub fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        count if count % 2 == 1 => Some(values[middle]),
        _ => Some((values[middle - 1] + values[middle]) / 2.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FLOOR: Floor = Floor { relative: 0.1, absolute: 0.0 };

    #[test]
    fn a_steady_measure_departs_only_beyond_its_floor() {
        let before = Before::learn([100.0; 10], FLOOR).expect("ten values");
        let trifle = before.judge([101.0]).expect("a value");
        assert!(trifle.strength < 0.2, "{trifle:?}");
        let jump = before.judge([1100.0, 1100.0, 5.0]).expect("values");
        assert!((jump.distance - 100.0).abs() < 1e-9 && jump.strength == STRONGEST, "{jump:?}");
        let fall = before.judge([0.0]).expect("a value");
        assert!(fall.distance < 0.0 && fall.strength > 4.0, "{fall:?}");
    }

    #[test]
    fn there_is_no_before_without_values_and_no_departure_without_a_window() {
        assert_eq!(Before::learn([1.0, 2.0, f64::NAN], FLOOR), None);
        let before = Before::learn([1.0, 2.0, 3.0], FLOOR).expect("three values");
        assert_eq!(before.judge([f64::NAN]), None);
    }

    proptest! {
        #[test]
        fn order_does_not_matter(mut values in prop::collection::vec(-1e6f64..1e6, 3..40), window in -1e6f64..1e6) {
            let one = Before::learn(values.iter().copied(), FLOOR).and_then(|before| before.judge([window]));
            values.reverse();
            values.rotate_left(1);
            let other = Before::learn(values, FLOOR).and_then(|before| before.judge([window]));
            prop_assert_eq!(one, other);
        }
    }
}
