//! The entity score: excess over four slow baselines of each channel, root mean square over the channels, now plus leaky.
//!
//! Channels may come later and may be missing from a row: each has its own age, a missing one contributes nothing and is
//! not counted. Invariant: for channels of one age that are always there, the score equals the one of a fixed matrix.

use crate::DetectError;
use crate::state::{Reader, put_f64, put_number, put_sparse};

const LAG: usize = 5;
/// Rows before a channel is compared.
const WARM: u32 = 60;

/// Mean, variance and bounds of one view of a channel.
#[derive(Clone, Copy, Debug)]
pub struct Base {
    /// Mean.
    pub mean: f32,
    variance: f32,
    low: f32,
    high: f32,
}

/// One channel.
#[derive(Clone, Debug)]
pub struct Channel {
    first: f64,
    age: u32,
    learned: f32,
    memory: Base,
    /// The channel's values of late.
    pub recent: Base,
    smooth: Base,
    jump: Base,
    average: f32,
    ring: [f32; LAG],
    /// How much of late evidence points to this channel.
    pub cause: f32,
}

/// All channels of one scope.
#[derive(Clone, Debug, Default)]
pub struct Channels {
    age: u32,
    leaky: f32,
    guard: f32,
    channels: Vec<Channel>,
}

/// The score of one row and its parts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Score {
    /// Now plus twice the leaky sum.
    pub score: f32,
    /// Evidence of each view: memory, recent, smooth, jump.
    pub parts: [f32; 4],
    /// The leaky sum.
    pub leaky: f32,
}

impl Base {
    const EMPTY: Base = Base { mean: 0.0, variance: 0.0, low: f32::INFINITY, high: f32::NEG_INFINITY };

    /// Standard deviation.
    pub fn deviation(&self) -> f32 {
        self.variance.max(0.0).sqrt()
    }

    /// Distance from the mean over the deviation and 1 % of the range with `x`.
    pub fn z(&self, x: f32) -> f32 {
        (x - self.mean).abs() / (self.deviation() + 0.01 * (self.high.max(x) - self.low.min(x)) + 1e-12)
    }

    /// What exceeds four deviations, up to 20.
    fn excess(&self, x: f32) -> f32 {
        (self.z(x) - 4.0).clamp(0.0, 20.0)
    }

    fn learn(&mut self, x: f32, rate: f32, age: u32) {
        if age == 0 {
            self.mean = x;
        } else {
            let error = x - self.mean;
            self.mean += rate * error;
            self.variance = (1.0 - rate) * (self.variance + rate * error * error);
        }
        self.low = self.low.min(x);
        self.high = self.high.max(x);
    }

    fn fields(&self) -> [f32; 4] {
        [self.mean, self.variance, self.low, self.high]
    }

    fn from_fields(fields: &[f32]) -> Self {
        Base { mean: fields[0], variance: fields[1], low: fields[2], high: fields[3] }
    }
}

impl Channel {
    fn new(first: f64) -> Self {
        let base = Base::EMPTY;
        Channel {
            first,
            age: 0,
            learned: 0.0,
            memory: base,
            recent: base,
            smooth: base,
            jump: base,
            average: 0.0,
            ring: [0.0; LAG],
            cause: 0.0,
        }
    }

    /// The first value: what the baselines are relative to.
    pub fn first(&self) -> f64 {
        self.first
    }

    /// Squares of the excess of each view; learns all but the memory.
    fn push(&mut self, x: f32) -> [f32; 4] {
        self.average += if self.age == 0 { 1.0 } else { 0.1 } * (x - self.average);
        let slot = self.age as usize % LAG;
        let jump = if self.age as usize >= LAG { x - self.ring[slot] } else { 0.0 };
        self.ring[slot] = x;
        let mut squares = [0.0; 4];
        if self.age >= WARM {
            let excess = [
                self.memory.excess(x),
                self.recent.excess(x),
                self.smooth.excess(self.average),
                self.jump.excess(jump),
            ];
            squares = excess.map(|e| e * e);
            let sharp = |z: f32| (z - 2.0).clamp(0.0, 30.0);
            self.cause = (self.cause * 0.95).max(sharp(self.recent.z(x)) + sharp(self.jump.z(jump)));
        }
        let slow = 1.0 / (self.age as f32 + 1.0);
        self.recent.learn(x, (1.0f32 / 5000.0).max(slow), self.age);
        self.smooth.learn(self.average, slow, self.age);
        self.jump.learn(jump, slow, self.age);
        squares
    }

    /// The memory all but stops learning while its own evidence is up.
    fn learn_memory(&mut self, x: f32, guarded: bool) {
        let weight = if self.age > WARM && guarded { 0.001 } else { 1.0 };
        self.learned += weight;
        self.memory.learn(x, weight / self.learned.clamp(1.0, 20000.0), self.age);
        self.age += 1;
    }
}

impl Channels {
    /// Takes a row in; NaN stands for a missing channel.
    pub fn push(&mut self, row: &[f64]) -> Score {
        let mut sums = [0.0f32; 4];
        let mut present = 0u32;
        for (index, &value) in row.iter().enumerate() {
            if index == self.channels.len() {
                self.channels.push(Channel::new(f64::NAN));
            }
            if value.is_nan() {
                continue;
            }
            let channel = &mut self.channels[index];
            if channel.first.is_nan() {
                channel.first = value;
            }
            if channel.age >= WARM {
                present += 1;
            }
            let squares = channel.push((value - channel.first) as f32);
            sums.iter_mut().zip(squares).for_each(|(sum, square)| *sum += square);
        }
        let age = self.age as f32;
        let mature = if present == 0 { 0.0 } else { age / (age + 1000.0) / (present as f32).sqrt() };
        let memory = sums[0].sqrt() * mature;
        self.guard += 0.05 * (memory - self.guard);
        let guarded = self.guard > 0.4;
        for (channel, &value) in self.channels.iter_mut().zip(row) {
            if !value.is_nan() {
                channel.learn_memory((value - channel.first) as f32, guarded);
            }
        }
        let now = memory + (sums[1].sqrt() + sums[2].sqrt() + sums[3].sqrt()) * mature;
        self.leaky += 0.05 * (now - self.leaky);
        self.age += 1;
        let parts = [memory, sums[1].sqrt() * mature, sums[2].sqrt() * mature, sums[3].sqrt() * mature];
        Score { score: now + 2.0 * self.leaky, parts, leaky: self.leaky }
    }

    /// The channels, in the order of the rows.
    pub fn channels(&self) -> &[Channel] {
        &self.channels
    }

    /// Rows taken in.
    pub fn age(&self) -> u32 {
        self.age
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.channels.capacity() * size_of::<Channel>()
    }

    /// Appends the state.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_number(out, u64::from(self.age));
        put_sparse(out, &[self.leaky, self.guard]);
        put_number(out, self.channels.len() as u64);
        for channel in &self.channels {
            put_number(out, u64::from(channel.age));
            if channel.age == 0 {
                continue;
            }
            put_f64(out, channel.first);
            let mut fields = [0.0f32; 24];
            for (i, base) in [channel.memory, channel.recent, channel.smooth, channel.jump].iter().enumerate() {
                fields[4 * i..4 * i + 4].copy_from_slice(&base.fields());
            }
            fields[16..21].copy_from_slice(&channel.ring);
            fields[21..].copy_from_slice(&[channel.average, channel.cause, channel.learned]);
            put_sparse(out, &fields);
        }
    }

    /// Reads what [`Channels::encode`] wrote.
    pub fn decode(from: &mut Reader<'_>) -> Result<Self, DetectError> {
        let mut channels = Channels { age: from.number32()?, ..Channels::default() };
        let mut scalars = [0.0; 2];
        from.sparse(&mut scalars)?;
        [channels.leaky, channels.guard] = scalars;
        let count = from.count()?;
        channels.channels.reserve_exact(count);
        for _ in 0..count {
            let mut channel = Channel::new(f64::NAN);
            channel.age = from.number32()?;
            if channel.age > 0 {
                channel.first = from.f64()?;
                let mut fields = [0.0; 24];
                from.sparse(&mut fields)?;
                channel.memory = Base::from_fields(&fields[0..4]);
                channel.recent = Base::from_fields(&fields[4..8]);
                channel.smooth = Base::from_fields(&fields[8..12]);
                channel.jump = Base::from_fields(&fields[12..16]);
                channel.ring.copy_from_slice(&fields[16..21]);
                (channel.average, channel.cause, channel.learned) = (fields[21], fields[22], fields[23]);
            }
            channels.channels.push(channel);
        }
        Ok(channels)
    }
}
