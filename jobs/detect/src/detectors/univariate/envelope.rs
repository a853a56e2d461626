//! Envelopes: the lowest and highest value seen in one context, and how far a value lies outside.
//!
//! Invariant: an envelope only widens; `exceed` of a value inside is exactly 0.

use crate::DetectError;
use crate::state::{Reader, put_f32, put_number};

/// Lowest and highest value of one context.
#[derive(Clone, Copy, Debug)]
pub struct Envelope {
    /// Lowest value.
    pub low: f32,
    /// Highest value.
    pub high: f32,
    /// How many values, saturating.
    pub count: u16,
}

impl Envelope {
    /// No value yet.
    pub const EMPTY: Envelope = Envelope { low: f32::INFINITY, high: f32::NEG_INFINITY, count: 0 };

    /// Takes a value in.
    pub fn learn(&mut self, x: f32) {
        self.low = self.low.min(x);
        self.high = self.high.max(x);
        self.count = self.count.saturating_add(1);
    }

    /// Distance between the bounds.
    pub fn width(&self) -> f32 {
        self.high - self.low
    }

    /// Appends this envelope; nothing but a zero byte when empty.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let point = self.low.to_bits() == self.high.to_bits();
        put_number(out, u64::from(self.count) << 1 | u64::from(point));
        if self.count > 0 {
            put_f32(out, self.low);
            if !point {
                put_f32(out, self.high);
            }
        }
    }

    /// Reads what [`Envelope::encode`] wrote.
    pub fn decode(from: &mut Reader<'_>) -> Result<Self, DetectError> {
        let head = from.number32()?;
        let count = u16::try_from(head >> 1).map_err(|_| from.corrupt("count of an envelope above 16 bits"))?;
        if count == 0 {
            return Ok(Envelope::EMPTY);
        }
        let low = from.f32()?;
        let high = if head & 1 == 1 { low } else { from.f32()? };
        Ok(Envelope { low, high, count })
    }
}

/// What was usual in the context of one observation.
#[derive(Clone, Copy, Debug)]
pub struct Usual {
    /// Lower bound.
    pub low: f32,
    /// Upper bound.
    pub high: f32,
    /// Number of values the bounds rest on.
    pub count: f32,
}

impl Usual {
    /// Nothing known.
    pub const NOTHING: Usual = Usual { low: f32::INFINITY, high: f32::NEG_INFINITY, count: 0.0 };
}

/// The union of the envelopes from `bin - 1` to `bin + 1`.
pub fn union_of_neighbours(bins: &[Envelope], bin: usize) -> Usual {
    union(bins[bin.saturating_sub(1)..(bin + 2).min(bins.len())].iter())
}

/// The union of the envelopes within three hours of `hour`, around midnight.
pub fn union_of_hours(bins: &[Envelope; 24], hour: usize) -> Usual {
    union((hour + 21..hour + 28).map(|h| &bins[h % 24]))
}

/// How far `x` lies outside in units of (range + width) / 2, faded in with the age of context and series.
pub fn exceed(x: f32, usual: &Usual, range: f32, age: f32) -> f32 {
    let outside = (x - usual.high).max(usual.low - x);
    if outside <= 0.0 {
        return 0.0;
    }
    outside / (0.5 * range + 0.5 * (usual.high - usual.low).max(0.0) + 1e-12)
        * (usual.count / (usual.count + 20.0))
        * (age / (age + 1000.0))
}

/// Which of `count` equal parts of `[low, low + range]` holds `x`.
pub fn bin(x: f32, low: f32, range: f32, count: usize) -> usize {
    if range > 0.0 { (((x - low) / range * count as f32) as usize).min(count - 1) } else { 0 }
}

fn union<'a>(bins: impl Iterator<Item = &'a Envelope>) -> Usual {
    let (mut low, mut high, mut count) = (f32::INFINITY, f32::NEG_INFINITY, 0u32);
    for envelope in bins {
        low = low.min(envelope.low);
        high = high.max(envelope.high);
        count += u32::from(envelope.count);
    }
    Usual { low, high, count: count as f32 }
}
