//! What was usual where a score comes from, in the series' own values: the bounds that a sentence names and that a
//! departure must stay outside of.

use super::bands;
use super::envelope::Usual;
use super::series::{Score, WEIGHTS};
use crate::DetectError;
use crate::state::{Reader, put_f32, put_f64};

/// The novelty heads, in the order of [`Score::heads`]: their name, and when what they compare with was usual.
pub const HEADS: [(&str, &str); 6] = [
    ("novelty P", "after a value like the one before"),
    ("novelty V", "at this level of noise"),
    ("novelty H", "at this hour of day"),
    ("novelty A", "as mean of 12"),
    ("novelty B", "as mean of 288"),
    ("novelty S", "in a shape like this"),
];
/// Heads whose bounds a single value can lie outside of.
const BOUNDED: usize = 3;
/// The head of the hour of day.
const HOUR: usize = 2;
/// Stands for no head: the local noise spoke.
const LOCAL: u8 = 6;

/// Bounds of what was usual.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Expected {
    /// Lowest.
    pub low: f64,
    /// Highest.
    pub high: f64,
    /// Observations behind them.
    pub count: f32,
    head: u8,
}

impl Expected {
    /// From a score of the series whose first value was `first`.
    pub fn new(score: &Score, first: f64) -> Self {
        let age = score.age as f32;
        let (usual, head) = if score.novelty < score.alert {
            let (mean, noise) = (score.distance.local_mean, 3.0 * score.distance.local_deviation);
            (Usual { low: mean - noise, high: mean + noise, count: age }, LOCAL)
        } else {
            let bounded = leading(score, 0..BOUNDED);
            if score.heads[bounded] > 0.0 {
                (score.usual[bounded], bounded as u8)
            } else {
                // Means and shapes have bounds of their own; the series' are what a person can compare with.
                let all = Usual { low: score.bounds.0, high: score.bounds.1, count: age };
                (all, leading(score, BOUNDED..HEADS.len()) as u8)
            }
        };
        Expected { low: first + f64::from(usual.low), high: first + f64::from(usual.high), count: usual.count, head }
    }

    /// When it is usual.
    pub fn when(&self) -> &'static str {
        HEADS.get(usize::from(self.head)).map_or("of late", |head| head.1)
    }

    /// True where the bounds say nothing: a shape or a mean lies inside them.
    pub fn is_shape(&self) -> bool {
        (BOUNDED..HEADS.len()).contains(&usize::from(self.head))
    }

    /// True where the local noise spoke, and nothing was outside of what had been seen.
    pub fn is_local(&self) -> bool {
        self.head == LOCAL
    }

    /// How far `value` lies outside: positive above, negative below.
    pub fn outside(&self, value: f64) -> f64 {
        if value > self.high {
            value - self.high
        } else if value < self.low {
            value - self.low
        } else {
            0.0
        }
    }

    /// How far it lies outside, relative to the larger of value and bound.
    pub fn change(&self, value: f64) -> f64 {
        let bound = if value > self.high { self.high } else { self.low };
        let (outside, size) = (self.outside(value).abs(), value.abs().max(bound.abs()));
        if outside > 0.0 && size > 0.0 { outside / size } else { 0.0 }
    }

    /// Appends it.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_f64(out, self.low);
        put_f64(out, self.high);
        put_f32(out, self.count);
        out.push(self.head);
    }

    /// Reads what [`Expected::encode`] wrote.
    pub fn decode(from: &mut Reader<'_>) -> Result<Self, DetectError> {
        Ok(Expected { low: from.f64()?, high: from.f64()?, count: from.f32()?, head: from.byte()? })
    }
}

/// The score without what only the hour of day says.
pub fn without_hour(score: &Score) -> f32 {
    let novelty = score.novelty - WEIGHTS[HOUR] * score.heads[HOUR];
    bands::join(novelty, &score.distance).min(score.alert)
}

/// The head of a range that adds most to the novelty.
fn leading(score: &Score, heads: std::ops::Range<usize>) -> usize {
    let contribution = |head: usize| WEIGHTS[head] * score.heads[head];
    heads.clone().fold(heads.start, |best, head| if contribution(head) > contribution(best) { head } else { best })
}
