//! Means over the last 12 and the last 288 values, each against its own envelope.

use super::envelope::{Envelope, Usual, exceed};
use crate::DetectError;
use crate::state::{Reader, put_f32, put_number, put_sparse};

const SHORT: usize = 12;
const BLOCKS: usize = 24;

/// The last 12 values: their mean with its envelope, and their spread with its own.
#[derive(Clone, Debug)]
pub struct Short {
    ring: [f32; SHORT],
    count: u32,
    /// Envelope of the means so far.
    pub mean: Envelope,
    /// Envelope of the spreads so far.
    pub spread: Envelope,
}

/// The last 288 values as 24 blocks of 12, the oldest dropped pro rata.
#[derive(Clone, Debug)]
pub struct Long {
    ring: [f32; BLOCKS],
    sum: f32,
    block: f32,
    count: u32,
    /// Envelope of the means so far.
    pub mean: Envelope,
}

impl Short {
    /// No values yet.
    pub fn new() -> Self {
        Short { ring: [0.0; SHORT], count: 0, mean: Envelope::EMPTY, spread: Envelope::EMPTY }
    }

    /// Takes a value in; returns how far the mean exceeds its envelope, and the spread.
    pub fn push(&mut self, x: f32, range: f32, age: f32) -> (f32, f32) {
        self.ring[self.count as usize % SHORT] = x;
        self.count += 1;
        let values = &self.ring[..(self.count as usize).min(SHORT)];
        let mean = values.iter().sum::<f32>() / values.len() as f32;
        let spread = (values.iter().map(|v| (v - mean) * (v - mean)).sum::<f32>() / values.len() as f32).sqrt();
        let out = if self.count > 42 { exceed_own(mean, &self.mean, range, age) } else { 0.0 };
        self.mean.learn(mean);
        self.spread.learn(spread);
        (out, spread)
    }

    /// Appends the state.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_sparse(out, &self.ring);
        put_number(out, u64::from(self.count));
        self.mean.encode(out);
        self.spread.encode(out);
    }

    /// Reads what [`Short::encode`] wrote.
    pub fn decode(from: &mut Reader<'_>) -> Result<Self, DetectError> {
        let mut short = Short::new();
        from.sparse(&mut short.ring)?;
        short.count = from.number32()?;
        short.mean = Envelope::decode(from)?;
        short.spread = Envelope::decode(from)?;
        Ok(short)
    }
}

impl Long {
    /// No values yet.
    pub fn new() -> Self {
        Long { ring: [0.0; BLOCKS], sum: 0.0, block: 0.0, count: 0, mean: Envelope::EMPTY }
    }

    /// Takes a value in; returns how far the mean exceeds its envelope.
    pub fn push(&mut self, x: f32, range: f32, age: f32) -> f32 {
        let (block, within) = ((self.count / 12) as usize % BLOCKS, self.count % 12);
        self.count += 1;
        self.block += x;
        let mean = if self.count > 288 {
            (self.sum - self.ring[block] * (within + 1) as f32 / 12.0 + self.block) / 288.0
        } else {
            (self.sum + self.block) / self.count as f32
        };
        if within == 11 {
            self.ring[block] = self.block;
            self.block = 0.0;
            self.sum = self.ring.iter().sum();
        }
        let out = if self.count > 320 { exceed_own(mean, &self.mean, range, age) } else { 0.0 };
        self.mean.learn(mean);
        out
    }

    /// Appends the state.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_sparse(out, &self.ring);
        put_f32(out, self.sum);
        put_f32(out, self.block);
        put_number(out, u64::from(self.count));
        self.mean.encode(out);
    }

    /// Reads what [`Long::encode`] wrote.
    pub fn decode(from: &mut Reader<'_>) -> Result<Self, DetectError> {
        let mut long = Long::new();
        from.sparse(&mut long.ring)?;
        (long.sum, long.block, long.count) = (from.f32()?, from.f32()?, from.number32()?);
        long.mean = Envelope::decode(from)?;
        Ok(long)
    }
}

/// How far a mean exceeds its own envelope; the range counts a tenth of the series' range at least.
fn exceed_own(mean: f32, own: &Envelope, range: f32, age: f32) -> f32 {
    let width = own.width();
    if width > 0.0 && range > 0.0 {
        exceed(mean, &Usual { low: own.low, high: own.high, count: age }, width.max(0.1 * range), age)
    } else {
        0.0
    }
}
