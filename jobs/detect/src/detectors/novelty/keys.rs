//! Which keys one subject used in one dimension: a small table of the frequent ones, filters for the rest, and how
//! often new ones come (Good and Turing: the share of keys seen once).
//!
//! Invariant: constant size whatever the number of keys.

use crate::DetectError;
use crate::state::{Reader, put_f64, put_number, put_signed};

const SLOTS: usize = 32;
const FILTER_BYTES: usize = 128;
const PROBES: u32 = 4;
/// How long a generation of the filter is filled, milliseconds, and how many keys it takes.
const GENERATION: i64 = 15 * 86_400_000;
const GENERATION_KEYS: u32 = 150;

/// The keys of one subject in one dimension.
#[derive(Clone, Debug)]
pub struct Keys {
    slots: Vec<Slot>,
    young: [u8; FILTER_BYTES],
    old: [u8; FILTER_BYTES],
    young_since: i64,
    young_keys: u32,
    weighted: f64,
    once: f64,
    total: u64,
    since: i64,
    time: i64,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    key: u64,
    count: u32,
    last: i64,
}

/// What was known when a key came for the first time.
#[derive(Clone, Copy, Debug)]
pub struct FirstSeen {
    /// Chance that an observation is new.
    pub chance: f64,
    /// Observations before, faded.
    pub weighted: f64,
    /// Keys seen once before, faded.
    pub once: f64,
    /// Observations before.
    pub total: u64,
}

impl Keys {
    /// Nothing seen yet.
    pub fn new(time: i64) -> Self {
        Keys {
            slots: Vec::new(),
            young: [0; FILTER_BYTES],
            old: [0; FILTER_BYTES],
            young_since: time,
            young_keys: 0,
            weighted: 0.0,
            once: 0.0,
            total: 0,
            since: time,
            time,
        }
    }

    /// Time of the first observation.
    pub fn since(&self) -> i64 {
        self.since
    }

    /// Takes a key in; what was known before, when it is the first time.
    pub fn observe(&mut self, key: u64, time: i64, half_life: i64) -> Option<FirstSeen> {
        self.fade(time, half_life);
        let before = FirstSeen {
            chance: (self.once + 0.5) / (self.weighted + 1.0),
            weighted: self.weighted,
            once: self.once,
            total: self.total,
        };
        self.weighted += 1.0;
        self.total += 1;
        if let Some(slot) = self.slots.iter_mut().find(|slot| slot.key == key) {
            if slot.count == 1 {
                self.once = (self.once - faded(self.time - slot.last, half_life)).max(0.0);
            }
            slot.count = slot.count.saturating_add(1);
            slot.last = self.time;
            return None;
        }
        let forgotten = holds(&self.young, key) || holds(&self.old, key);
        let count = if forgotten { 2 } else { 1 };
        self.insert(Slot { key, count, last: self.time });
        if forgotten {
            return None;
        }
        self.once += 1.0;
        Some(before)
    }

    /// Lets old observations count less; time does not move back.
    fn fade(&mut self, time: i64, half_life: i64) {
        if time > self.time {
            let factor = faded(time - self.time, half_life);
            self.weighted *= factor;
            self.once *= factor;
            self.time = time;
        }
        if self.time - self.young_since >= GENERATION || self.young_keys >= GENERATION_KEYS {
            self.old = self.young;
            self.young = [0; FILTER_BYTES];
            self.young_since = self.time;
            self.young_keys = 0;
        }
    }

    /// Takes a slot; the least used, oldest one goes into the filter.
    fn insert(&mut self, slot: Slot) {
        if self.slots.len() < SLOTS {
            self.slots.push(slot);
            return;
        }
        let least = self.slots.iter_mut().min_by_key(|slot| (slot.count, slot.last, slot.key));
        if let Some(least) = least {
            let key = std::mem::replace(least, slot).key;
            add(&mut self.young, key);
            self.young_keys += 1;
        }
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Slot>()
    }

    /// Appends the state.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_signed(out, self.since);
        put_signed(out, self.time);
        put_number(out, self.total);
        put_f64(out, self.weighted);
        put_f64(out, self.once);
        put_number(out, self.slots.len() as u64);
        for slot in &self.slots {
            out.extend_from_slice(&slot.key.to_le_bytes());
            put_number(out, u64::from(slot.count));
            put_signed(out, self.time - slot.last);
        }
        put_signed(out, self.young_since);
        put_number(out, u64::from(self.young_keys));
        for filter in [&self.young, &self.old] {
            let empty = filter.iter().all(|&byte| byte == 0);
            out.push(u8::from(!empty));
            if !empty {
                out.extend_from_slice(filter);
            }
        }
    }

    /// Reads what [`Keys::encode`] wrote.
    pub fn decode(from: &mut Reader<'_>) -> Result<Self, DetectError> {
        let mut keys = Keys::new(from.signed()?);
        keys.time = from.signed()?;
        keys.total = from.number()?;
        (keys.weighted, keys.once) = (from.f64()?, from.f64()?);
        let count = from.count()?;
        if count > SLOTS {
            return Err(from.corrupt("more slots than there are"));
        }
        for _ in 0..count {
            let key = from.take(8)?.iter().rev().fold(0, |key, &byte| key << 8 | u64::from(byte));
            let count = from.number32()?;
            keys.slots.push(Slot { key, count, last: keys.time.wrapping_sub(from.signed()?) });
        }
        keys.young_since = from.signed()?;
        keys.young_keys = from.number32()?;
        for old in [false, true] {
            if from.byte()? == 1 {
                let bytes = from.take(FILTER_BYTES)?;
                if old { keys.old.copy_from_slice(bytes) } else { keys.young.copy_from_slice(bytes) }
            }
        }
        Ok(keys)
    }
}

fn faded(elapsed: i64, half_life: i64) -> f64 {
    libm::exp2(-(elapsed as f64) / half_life.max(1) as f64)
}

/// Bits of a key in a filter.
fn probes(key: u64) -> impl Iterator<Item = (usize, u8)> {
    let mixed = (key ^ key >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (0..PROBES).map(move |probe| {
        let bit = (mixed >> (10 * probe)) as usize % (8 * FILTER_BYTES);
        (bit / 8, 1 << (bit % 8))
    })
}

fn holds(filter: &[u8; FILTER_BYTES], key: u64) -> bool {
    probes(key).all(|(byte, bit)| filter[byte] & bit != 0)
}

fn add(filter: &mut [u8; FILTER_BYTES], key: u64) {
    probes(key).for_each(|(byte, bit)| filter[byte] |= bit);
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEEK: i64 = 7 * 86_400_000;

    #[test]
    fn a_key_is_new_once_even_after_it_fell_out_of_the_table() {
        let mut keys = Keys::new(0);
        for key in 0..100u64 {
            assert!(keys.observe(key.wrapping_mul(0x9e37_79b9_7f4a_7c15), key as i64, WEEK).is_some());
        }
        let again =
            (0..100u64).filter(|key| keys.observe(key.wrapping_mul(0x9e37_79b9_7f4a_7c15), 200, WEEK).is_some());
        assert_eq!(again.count(), 0);
    }

    #[test]
    fn the_chance_of_a_new_key_falls_with_routine() {
        let mut keys = Keys::new(0);
        for i in 0..1000 {
            keys.observe(i % 5, i as i64, WEEK);
        }
        let first = keys.observe(77, 1000, WEEK).unwrap();
        assert!((first.chance - 0.5 / 1001.0).abs() < 1e-6, "{first:?}");
        assert_eq!(first.total, 1000);
    }

    #[test]
    fn restored_keys_continue_alike() {
        let mut keys = Keys::new(5);
        for i in 0..500u64 {
            let key = (i * i % 211).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let mut bytes = Vec::new();
            keys.encode(&mut bytes);
            let mut other = Keys::decode(&mut Reader::new(&bytes)).unwrap();
            let time = 1000 * i as i64;
            let (a, b) = (keys.observe(key, time, WEEK), other.observe(key, time, WEEK));
            assert_eq!(a.map(|f| f.chance.to_bits()), b.map(|f| f.chance.to_bits()));
        }
    }
}
