//! A bounded memory of the shapes a series makes: windows of eight steps, kept as boxes.
//!
//! A step is the mean of 3 or of 5 points, or their extreme where that stands out by 0.15 of the range; a level is an
//! 80th of twice the range. Invariant: boxes beyond `used` are zero and never read.

use crate::DetectError;
use crate::state::{Reader, put_f32, put_number, put_sparse};

const BOXES: usize = 24;
const WINDOW: usize = 8;
const LEVELS: usize = 80;
/// Points before the levels are fixed.
const LEARN: u32 = 600;
/// Levels within this of the running median count as the median.
const SNAP: i32 = 6;

/// The shapes of one series at one step length.
#[derive(Clone, Debug)]
pub struct Pattern {
    sum: f32,
    max: f32,
    min: f32,
    smooth: f32,
    base: f32,
    span: f32,
    mean: f32,
    deviation: f32,
    step: u16,
    stride: u8,
    phase: u8,
    used: u8,
    fill: u8,
    median: u8,
    window: [u8; WINDOW],
    /// Steps seen at each level.
    levels: [u16; LEVELS + 1],
    /// Sum of `levels` below `median`, and of all.
    below: u32,
    total: u32,
    low: [[u8; WINDOW]; BOXES],
    high: [[u8; WINDOW]; BOXES],
    count: [u16; BOXES],
    last: [u16; BOXES],
}

impl Pattern {
    /// No shapes yet; `stride` points make a step.
    pub fn new(stride: u8) -> Self {
        Pattern {
            sum: 0.0,
            max: f32::NEG_INFINITY,
            min: f32::INFINITY,
            smooth: f32::NAN,
            base: 0.0,
            span: 1.0,
            mean: 0.0,
            deviation: 0.0,
            step: 0,
            stride,
            phase: 0,
            used: 0,
            fill: 0,
            median: 0,
            window: [0; WINDOW],
            levels: [0; LEVELS + 1],
            below: 0,
            total: 0,
            low: [[0; WINDOW]; BOXES],
            high: [[0; WINDOW]; BOXES],
            count: [0; BOXES],
            last: [0; BOXES],
        }
    }

    /// Takes a value in; `low` and `high` bound the series so far, `age` is the number of points before this one.
    pub fn push(&mut self, x: f32, low: f32, high: f32, age: u32) -> f32 {
        if self.smooth.is_nan() {
            self.smooth = x;
        }
        self.sum += x;
        self.max = self.max.max(x);
        self.min = self.min.min(x);
        self.phase += 1;
        if self.phase < self.stride { 0.0 } else { self.close_step(low, high, age) }
    }

    fn close_step(&mut self, low: f32, high: f32, age: u32) -> f32 {
        let mean = self.sum / f32::from(self.stride);
        self.smooth = 0.5 * (self.smooth + mean);
        let mut value =
            if (self.max - self.smooth).abs() >= (self.min - self.smooth).abs() { self.max } else { self.min };
        if (value - mean).abs() < 0.15 * (high - low) {
            value = mean;
        }
        (self.sum, self.max, self.min, self.phase) = (0.0, f32::NEG_INFINITY, f32::INFINITY, 0);
        if age < LEARN {
            if age + u32::from(self.stride) >= LEARN {
                let range = if high > low { high - low } else { (high.abs() * 0.1).max(1e-9) };
                self.base = low - 0.5 * range;
                self.span = 2.0 * range;
            }
            return 0.0;
        }
        let level = (((value - self.base) / self.span).clamp(0.0, 1.0) * LEVELS as f32 + 0.5) as usize;
        self.count_level(level);
        let median = i32::from(self.median);
        self.window.rotate_left(1);
        self.window[WINDOW - 1] = if (level as i32 - median).abs() < SNAP { self.median } else { level as u8 };
        self.fill = (self.fill + 1).min(WINDOW as u8);
        if usize::from(self.fill) < WINDOW {
            return 0.0;
        }
        self.step = self.step.saturating_add(1);
        self.judge(age)
    }

    /// Compares the window with the boxes and learns it.
    fn judge(&mut self, age: u32) -> f32 {
        let (best, index) = self.nearest();
        let novelty = if self.used > 0 { 1.0 - best } else { 0.0 };
        let usual = self.mean + 5.0 * self.deviation;
        let mut out = 0.0;
        if self.used == 0 || novelty > 0.2 {
            if self.step > 30 && novelty > usual {
                out = (novelty - usual) * (age as f32 / (age as f32 + 300.0));
            }
            let free = self.free_box();
            self.low[free] = self.window;
            self.high[free] = self.window;
            self.count[free] = 1;
            self.last[free] = self.step;
        } else {
            for i in 0..WINDOW {
                self.low[index][i] = self.low[index][i].min(self.window[i]);
                self.high[index][i] = self.high[index][i].max(self.window[i]);
            }
            self.count[index] = self.count[index].saturating_add(1);
            self.last[index] = self.step;
        }
        let rate = 0.005f32.max(1.0 / f32::from(self.step));
        let error = novelty - self.mean;
        self.mean += rate * error;
        self.deviation += rate * (error.abs() - self.deviation);
        out
    }

    /// The most similar box: similarity in [0, 1] and its index.
    fn nearest(&self) -> (f32, usize) {
        let (mut best, mut index) = (-1.0f32, 0usize);
        let room = (WINDOW * LEVELS) as i32;
        for k in 0..usize::from(self.used) {
            let (low, high) = (&self.low[k], &self.high[k]);
            let (mut width, mut grown) = (0u16, 0u16);
            for i in 0..WINDOW {
                width += u16::from(high[i] - low[i]);
                grown += u16::from(high[i].max(self.window[i]) - low[i].min(self.window[i]));
            }
            let (l, h, w) = (low[WINDOW - 1], high[WINDOW - 1], self.window[WINDOW - 1]);
            let ratio = (room - i32::from(grown)) as f32 / ((room - i32::from(width)) as f32).max(1.0);
            let similarity = ratio * ratio * ratio * (LEVELS as i32 - i32::from(h.max(w) - l.min(w))) as f32
                / ((LEVELS as i32 - i32::from(h - l)) as f32).max(1.0);
            if similarity > best {
                (best, index) = (similarity, k);
            }
        }
        (best, index)
    }

    /// A box to overwrite: an unused one, or the least used of late.
    fn free_box(&mut self) -> usize {
        if usize::from(self.used) < BOXES {
            self.used += 1;
            return usize::from(self.used) - 1;
        }
        let worth = |k: usize| {
            f32::from(self.count[k]) * libm::exp2f(-(f32::from(self.step.wrapping_sub(self.last[k])) / 3000.0))
        };
        (0..BOXES).map(|k| (k, worth(k))).fold((0, f32::INFINITY), |a, b| if b.1 < a.1 { b } else { a }).0
    }

    /// Counts a step at a level and moves the median: the lowest level with half of all at or below it.
    fn count_level(&mut self, level: usize) {
        self.levels[level] += 1;
        self.total += 1;
        if level < usize::from(self.median) {
            self.below += 1;
        }
        if self.levels[level] == u16::MAX {
            self.levels.iter_mut().for_each(|count| *count >>= 1);
            self.recount();
        }
        self.settle_median();
    }

    fn recount(&mut self) {
        self.total = self.levels.iter().map(|&count| u32::from(count)).sum();
        self.below = self.levels[..usize::from(self.median)].iter().map(|&count| u32::from(count)).sum();
    }

    fn settle_median(&mut self) {
        while 2 * (self.below + u32::from(self.levels[usize::from(self.median)])) < self.total {
            self.below += u32::from(self.levels[usize::from(self.median)]);
            self.median += 1;
        }
        while self.median > 0 && 2 * self.below >= self.total {
            self.median -= 1;
            self.below -= u32::from(self.levels[usize::from(self.median)]);
        }
    }

    /// Appends the state.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.phase, self.used, self.fill]);
        put_number(out, u64::from(self.step));
        put_sparse(out, &[self.sum, self.smooth, self.base, self.span, self.mean, self.deviation]);
        if self.phase > 0 {
            put_f32(out, self.max);
            put_f32(out, self.min);
        }
        if self.fill == 0 {
            return;
        }
        out.extend_from_slice(&self.window);
        self.encode_levels(out);
        for k in 0..usize::from(self.used) {
            let (low, high) = (&self.low[k], &self.high[k]);
            out.extend_from_slice(low);
            out.push((0..WINDOW).fold(0u8, |mask, i| mask | u8::from(high[i] != low[i]) << i));
            out.extend((0..WINDOW).filter(|&i| high[i] != low[i]).map(|i| high[i]));
            put_number(out, u64::from(self.count[k]));
            put_number(out, u64::from(self.step.wrapping_sub(self.last[k])));
        }
    }

    fn encode_levels(&self, out: &mut Vec<u8>) {
        let first = self.levels.iter().position(|&count| count > 0).unwrap_or(0);
        let last = self.levels.iter().rposition(|&count| count > 0).unwrap_or(0);
        out.extend_from_slice(&[first as u8, last as u8]);
        self.levels[first..=last].iter().for_each(|&count| put_number(out, u64::from(count)));
    }

    /// Reads what [`Pattern::encode`] wrote.
    pub fn decode(stride: u8, from: &mut Reader<'_>) -> Result<Self, DetectError> {
        let mut pattern = Pattern::new(stride);
        (pattern.phase, pattern.used, pattern.fill) = (from.byte()?, from.byte()?, from.byte()?);
        if pattern.phase >= stride || usize::from(pattern.used) > BOXES || usize::from(pattern.fill) > WINDOW {
            return Err(from.corrupt("counters of a pattern out of bounds"));
        }
        pattern.step = from.number16()?;
        let mut scalars = [0.0; 6];
        from.sparse(&mut scalars)?;
        [pattern.sum, pattern.smooth, pattern.base, pattern.span, pattern.mean, pattern.deviation] = scalars;
        if pattern.phase > 0 {
            (pattern.max, pattern.min) = (from.f32()?, from.f32()?);
        }
        if pattern.fill == 0 {
            return Ok(pattern);
        }
        pattern.window.copy_from_slice(from.take(WINDOW)?);
        let (first, last) = (usize::from(from.byte()?), usize::from(from.byte()?));
        if first > last || last > LEVELS || pattern.window.iter().any(|&level| usize::from(level) > LEVELS) {
            return Err(from.corrupt("levels of a pattern out of bounds"));
        }
        for level in first..=last {
            pattern.levels[level] = from.number16()?;
        }
        pattern.recount();
        pattern.settle_median();
        for k in 0..usize::from(pattern.used) {
            pattern.low[k].copy_from_slice(from.take(WINDOW)?);
            pattern.high[k] = pattern.low[k];
            let mask = from.byte()?;
            for i in (0..WINDOW).filter(|i| mask >> i & 1 == 1) {
                pattern.high[k][i] = from.byte()?;
                if pattern.high[k][i] < pattern.low[k][i] || usize::from(pattern.high[k][i]) > LEVELS {
                    return Err(from.corrupt("box of a pattern out of bounds"));
                }
            }
            pattern.count[k] = from.number16()?;
            pattern.last[k] = pattern.step.wrapping_sub(from.number16()?);
        }
        Ok(pattern)
    }
}
