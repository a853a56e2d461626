//! Residuals: against the mean of the hour of day, and against a moving mean, each over its own robust deviation.
//!
//! Invariant: learning rates are capped at 0.5, so that deviations never become negative, however long the step.

use crate::DetectError;
use crate::state::{Reader, put_f32, put_number, put_sparse};

const HOURS: usize = 24;
const DAY: f32 = 86400.0;
/// From mean absolute deviation to standard deviation of a normal distribution.
const SCALE: f32 = 1.2533;

/// One hour of day.
#[derive(Clone, Copy, Debug)]
struct Slot {
    mean: f32,
    deviation: f32,
    count: u16,
}

/// What is usual by hour of day and of late.
#[derive(Clone, Debug)]
pub struct Residual {
    mean: f32,
    deviation: f32,
    slow: Moving,
    quick: Moving,
    variance: f32,
    slots: [Slot; HOURS],
}

#[derive(Clone, Copy, Debug)]
struct Moving {
    mean: f32,
    deviation: f32,
}

/// How far one value lies from what is usual.
#[derive(Clone, Copy, Debug)]
pub struct Distance {
    /// Hour of day plus slow moving mean: evidence for correlation.
    pub unusual: f32,
    /// Hour of day plus half of the quick moving mean: whether it is bad now.
    pub now: f32,
    /// Slow moving mean against the local noise too.
    pub burst: f32,
    /// The slow moving mean before the value.
    pub local_mean: f32,
    /// The local noise before the value, as a standard deviation.
    pub local_deviation: f32,
}

impl Residual {
    /// Nothing learned yet.
    pub fn new() -> Self {
        let still = Moving { mean: 0.0, deviation: 0.0 };
        let slots = [Slot { mean: 0.0, deviation: 0.0, count: 0 }; HOURS];
        Residual { mean: 0.0, deviation: 0.0, slow: still, quick: still, variance: 0.0, slots }
    }

    /// Takes a value in: `second` its time, `range` of the series with the value, `step` between points in seconds,
    /// `age` the number of points before.
    pub fn push(&mut self, second: i64, x: f32, range: f32, step: f32, age: u32) -> Distance {
        let floor = 0.0005 * range + 1e-9 * x.abs() + 1e-30;
        if age == 0 {
            (self.mean, self.slow.mean, self.quick.mean) = (x, x, x);
        }
        let z_slot = self.push_hour(second, x, floor, step, age);

        let error = x - self.slow.mean;
        let local_mean = self.slow.mean;
        let deviation = SCALE * self.slow.deviation + floor;
        let local_deviation = (deviation * deviation + self.variance).sqrt();
        let warm = age > 20;
        let z_fast = if warm { error.abs() / deviation } else { 0.0 };
        let burst = if warm { error.abs() / (local_deviation + floor) } else { 0.0 };
        let first = 1.0 / (age as f32 + 1.0);
        let rate = 0.01f32.max(first);
        self.variance = (1.0 - rate) * (self.variance + rate * error * error);
        self.slow.learn(error, 0.03f32.max(first), deviation, age);

        let error = x - self.quick.mean;
        let deviation = SCALE * self.quick.deviation + floor;
        let z_quick = if warm { error.abs() / deviation } else { 0.0 };
        self.quick.learn(error, 0.3f32.max(first), deviation, age);

        Distance { unusual: z_slot + z_fast, now: z_slot + 0.5 * z_quick, burst, local_mean, local_deviation }
    }

    /// Learns the hour of day; returns the distance from it, interpolated between the two nearest slot centres.
    fn push_hour(&mut self, second: i64, x: f32, floor: f32, step: f32, age: u32) -> f32 {
        let position = second.rem_euclid(86400) as f32 * HOURS as f32 / DAY;
        let hour = (position as usize).min(HOURS - 1);
        let fraction = position - hour as f32 - 0.5;
        let neighbour = if fraction > 0.0 { (hour + 1) % HOURS } else { (hour + HOURS - 1) % HOURS };
        let (near, far, weight) = (self.slots[hour], self.slots[neighbour], fraction.abs());
        let (mean, deviation) = if near.count > 3 && far.count > 3 {
            (near.mean + weight * (far.mean - near.mean), near.deviation + weight * (far.deviation - near.deviation))
        } else if near.count > 3 {
            (near.mean, near.deviation)
        } else {
            (self.mean, self.deviation)
        };
        let error = x - mean;
        let z = if age > 100 { error.abs() / (SCALE * (0.7 * deviation + 0.3 * self.deviation) + floor) } else { 0.0 };

        let fortnight = std::f32::consts::LN_2 * step / (14.0 * DAY);
        let slot = &mut self.slots[hour];
        if slot.count == 0 {
            slot.mean = x;
            slot.deviation = self.deviation;
        } else {
            let rate = (fortnight * HOURS as f32).max(1.0 / (f32::from(slot.count) + 1.0)).min(0.5);
            let mut distance = x - slot.mean;
            if slot.count > 20 {
                let limit = 3.0 * (SCALE * slot.deviation + floor);
                distance = distance.clamp(-limit, limit);
            }
            slot.mean += rate * distance;
            slot.deviation += rate * (distance.abs() - slot.deviation);
        }
        slot.count = slot.count.saturating_add(1);

        let rate = fortnight.min(0.5).max(1.0 / (age as f32 + 1.0));
        self.mean += rate * (x - self.mean);
        let size = if age > 200 { error.abs().min(3.0 * (SCALE * self.deviation + floor)) } else { error.abs() };
        self.deviation += rate * (size - self.deviation);
        z
    }

    /// Appends the state.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let (slow, quick) = (&self.slow, &self.quick);
        put_sparse(
            out,
            &[self.mean, self.deviation, slow.mean, slow.deviation, quick.mean, quick.deviation, self.variance],
        );
        for slot in &self.slots {
            let plain = slot.mean.to_bits() == 0 && slot.deviation.to_bits() == 0;
            put_number(out, u64::from(slot.count) << 1 | u64::from(plain));
            if !plain {
                put_f32(out, slot.mean);
                put_f32(out, slot.deviation);
            }
        }
    }

    /// Reads what [`Residual::encode`] wrote.
    pub fn decode(from: &mut Reader<'_>) -> Result<Self, DetectError> {
        let mut residual = Residual::new();
        let mut scalars = [0.0; 7];
        from.sparse(&mut scalars)?;
        let (slow, quick) = (&mut residual.slow, &mut residual.quick);
        [
            residual.mean,
            residual.deviation,
            slow.mean,
            slow.deviation,
            quick.mean,
            quick.deviation,
            residual.variance,
        ] = scalars;
        for slot in &mut residual.slots {
            let head = from.number32()?;
            slot.count = u16::try_from(head >> 1).map_err(|_| from.corrupt("count of a slot above 16 bits"))?;
            if head & 1 == 0 {
                (slot.mean, slot.deviation) = (from.f32()?, from.f32()?);
            }
        }
        Ok(residual)
    }
}

impl Moving {
    fn learn(&mut self, error: f32, rate: f32, deviation: f32, age: u32) {
        self.mean += rate * error;
        let size = if age > 100 { error.abs().min(8.0 * deviation) } else { error.abs() };
        self.deviation += 0.0005f32.max(1.0 / (age as f32 + 1.0)) * (size - self.deviation);
    }
}
