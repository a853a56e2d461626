//! One series: contextual envelopes, shapes and residuals, joined to one score in three bands behind an escalation gate.
//!
//! Strictly causal, constant work a point, fixed-size contiguous state without allocation.
//! Invariant: the residual part stays below `bands::NOVEL` / `GATE_FACTOR`, so it can never raise nor block a
//! novelty alarm.

use super::bands;
use super::envelope::{Envelope, Usual, bin, exceed, union_of_hours, union_of_neighbours};
use super::pattern::Pattern;
use super::residual::{Distance, Residual};
use super::window::{Long, Short};
use crate::DetectError;
use crate::state::{Reader, put_f64, put_number, put_signed, put_sparse};

const LEVELS: usize = 12;
const SPREADS: usize = 8;
const HOURS: usize = 24;
/// How much the highest score of late fades a point.
pub const GATE_DECAY: f32 = 0.985;
/// A score is told when it exceeds the highest of late by this factor.
pub const GATE_FACTOR: f32 = 1.3;

/// What is normal for one series.
#[derive(Clone, Debug)]
pub struct Series {
    age: u32,
    previous: f32,
    low: f32,
    high: f32,
    previous_spread: f32,
    peak: f32,
    leaky: f32,
    step: u32,
    first: f64,
    second: i64,
    since: i64,
    onset: i64,
    votes: u8,
    residual: Residual,
    short: Short,
    long: Long,
    levels: [Envelope; LEVELS],
    spreads: [Envelope; SPREADS],
    hours: [Envelope; HOURS],
    fine: Pattern,
    coarse: Pattern,
}

/// The score of one value, with its parts.
#[derive(Clone, Copy, Debug)]
pub struct Score {
    /// Behind the gate: the score where it escalates, else 0.
    pub alert: f32,
    /// Whether it is bad now: never gated.
    pub state: f32,
    /// Weighted sum of the novelty heads.
    pub novelty: f32,
    /// Distances from what is usual by hour and of late.
    pub distance: Distance,
    /// The heads, before their weights: level, spread, hour, mean of 12, mean of 288, shape.
    pub heads: [f32; 6],
    /// What was usual in the contexts of level, spread and hour, relative to the first value.
    pub usual: [Usual; 3],
    /// All values before this one, relative to the first value.
    pub bounds: (f32, f32),
    /// Points before this one.
    pub age: u32,
    /// Time of the first point, seconds.
    pub since: i64,
    /// When the score rose above `bands::UNUSUAL`, seconds.
    pub onset: i64,
}

/// Weights of the heads, in the order of [`Score::heads`].
pub const WEIGHTS: [f32; 6] = [1.0, 0.5, 0.7, 1.0, 1.5, 0.16];

impl Default for Series {
    fn default() -> Self {
        Series::new()
    }
}

impl Series {
    /// Nothing seen yet.
    pub fn new() -> Self {
        Series {
            age: 0,
            previous: 0.0,
            low: f32::INFINITY,
            high: f32::NEG_INFINITY,
            previous_spread: 0.0,
            peak: 0.0,
            leaky: 0.0,
            step: 0,
            first: 0.0,
            second: 0,
            since: 0,
            onset: i64::MIN,
            votes: 0,
            residual: Residual::new(),
            short: Short::new(),
            long: Long::new(),
            levels: [Envelope::EMPTY; LEVELS],
            spreads: [Envelope::EMPTY; SPREADS],
            hours: [Envelope::EMPTY; HOURS],
            fine: Pattern::new(3),
            coarse: Pattern::new(5),
        }
    }

    /// The first value: what all bounds are relative to.
    pub fn first(&self) -> f64 {
        self.first
    }

    /// Takes the value at `second` in and scores it against everything before.
    pub fn push(&mut self, second: i64, value: f64) -> Score {
        if self.age == 0 {
            (self.first, self.since) = (value, second);
        }
        // The offset goes before precision does.
        let x = (value - self.first) as f32;
        let age = self.age as f32;
        let gap = self.learn_step(second);
        let (low, high) = (self.low, self.high);
        let range = high - low;

        let contexts = self.contexts(second, range);
        let usual = self.usual(range, contexts);
        let heads_of_bounds = usual.map(|usual| if usual.count > 0.0 { exceed(x, &usual, range, age) } else { 0.0 });
        self.levels[contexts[0]].learn(x);
        self.spreads[contexts[1]].learn(x);
        self.hours[contexts[2]].learn(x);
        let (short, spread) = self.short.push(x, range, age);
        let long = self.long.push(x, range, age);
        self.previous_spread = spread;
        self.low = self.low.min(x);
        self.high = self.high.max(x);
        self.previous = x;
        let fine = self.fine.push(x, self.low, self.high, self.age);
        let shape = fine.max(self.coarse.push(x, self.low, self.high, self.age));
        let [p, v, h] = heads_of_bounds;
        let novelty = p + 0.5 * v + 0.7 * h + short + 1.5 * long + 0.16 * shape;

        let step = if self.votes > 0 { self.step as f32 } else { 60.0 };
        let distance = self.residual.push(second, x, self.high - self.low, step, self.age);
        let score = bands::join(novelty, &distance);
        self.mark_onset(second, score);
        let alert = self.gate(score, gap);
        let now = distance.now.min(40.0);
        self.leaky += 0.1 * (now - self.leaky);
        let before = self.age;
        self.age += 1;
        Score {
            alert,
            state: distance.now + self.leaky,
            novelty,
            distance,
            heads: [p, v, h, short, long, shape],
            usual,
            bounds: (low, high),
            age: before,
            since: self.since,
            onset: self.onset,
        }
    }

    /// The sampling step by majority vote; true when data were missing before this point.
    fn learn_step(&mut self, second: i64) -> bool {
        let mut gap = false;
        if self.age > 0 {
            let step = (second - self.second).clamp(0, i64::from(u32::MAX)) as u32;
            gap = self.votes > 0 && step as f32 > 1.5 * self.step as f32;
            if step == self.step {
                self.votes = (self.votes + 1).min(100);
            } else if self.votes <= 1 {
                self.step = step;
                self.votes = 1;
            } else {
                self.votes -= 1;
            }
        }
        self.second = second;
        gap
    }

    /// Bins of the previous value, of the previous spread, and of the hour.
    fn contexts(&self, second: i64, range: f32) -> [usize; 3] {
        let seen = self.age > 0;
        let level = if seen && range > 0.0 { bin(self.previous, self.low, range, LEVELS) } else { 0 };
        let spread = &self.short.spread;
        let spread = if seen { bin(self.previous_spread, spread.low, spread.width(), SPREADS) } else { 0 };
        [level, spread, (second.rem_euclid(86400) / 3600) as usize]
    }

    /// What was usual in each context, where series and context are old enough.
    fn usual(&self, range: f32, [level, spread, hour]: [usize; 3]) -> [Usual; 3] {
        let mut usual = [Usual::NOTHING; 3];
        let mature = |usual: Usual, count: f32| if usual.count >= count { usual } else { Usual::NOTHING };
        if range > 0.0 && self.age >= 100 {
            usual[0] = mature(union_of_neighbours(&self.levels, level), 10.0);
            usual[1] = mature(union_of_neighbours(&self.spreads, spread), 10.0);
            if self.age >= 200 {
                usual[2] = mature(union_of_hours(&self.hours, hour), 24.0);
            }
        }
        usual
    }

    /// Lets only escalation through; a silence re-arms.
    fn gate(&mut self, score: f32, gap: bool) -> f32 {
        self.peak = if gap { 0.0 } else { self.peak * GATE_DECAY };
        let alert = if score > GATE_FACTOR * self.peak { score } else { 0.0 };
        self.peak = self.peak.max(score);
        alert
    }

    fn mark_onset(&mut self, second: i64, score: f32) {
        if score < bands::UNUSUAL {
            self.onset = i64::MIN;
        } else if self.onset == i64::MIN {
            self.onset = second;
        }
    }

    /// Appends the state.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_number(out, u64::from(self.age));
        if self.age == 0 {
            return;
        }
        put_sparse(out, &[self.previous, self.low, self.high, self.previous_spread, self.peak, self.leaky]);
        put_number(out, u64::from(self.step));
        put_f64(out, self.first);
        put_signed(out, self.second);
        put_signed(out, self.second.wrapping_sub(self.since));
        put_signed(out, if self.onset == i64::MIN { 0 } else { self.second - self.onset + 1 });
        out.push(self.votes);
        self.residual.encode(out);
        self.short.encode(out);
        self.long.encode(out);
        self.levels.iter().chain(&self.spreads).chain(&self.hours).for_each(|envelope| envelope.encode(out));
        self.fine.encode(out);
        self.coarse.encode(out);
    }

    /// Reads what [`Series::encode`] wrote.
    pub fn decode(from: &mut Reader<'_>) -> Result<Self, DetectError> {
        let mut series = Series::new();
        series.age = from.number32()?;
        if series.age == 0 {
            return Ok(series);
        }
        let mut scalars = [0.0; 6];
        from.sparse(&mut scalars)?;
        [series.previous, series.low, series.high, series.previous_spread, series.peak, series.leaky] = scalars;
        series.step = from.number32()?;
        series.first = from.f64()?;
        series.second = from.signed()?;
        series.since = series.second.wrapping_sub(from.signed()?);
        series.onset = match from.signed()? {
            0 => i64::MIN,
            since => series.second.wrapping_sub(since).wrapping_add(1),
        };
        series.votes = from.byte()?;
        series.residual = Residual::decode(from)?;
        series.short = Short::decode(from)?;
        series.long = Long::decode(from)?;
        for envelope in series.levels.iter_mut().chain(&mut series.spreads).chain(&mut series.hours) {
            *envelope = Envelope::decode(from)?;
        }
        series.fine = Pattern::decode(3, from)?;
        series.coarse = Pattern::decode(5, from)?;
        Ok(series)
    }
}
