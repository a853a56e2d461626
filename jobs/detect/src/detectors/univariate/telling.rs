//! Which departures are told, and once: those of a series old enough, large enough to matter, seen in several rows, and
//! not told already under another measure of the same cause.
//!
//! Invariant: scores are finished before anything here is asked; nothing here changes one.

use super::expected::{Expected, without_hour};
use super::residual::Distance;
use super::series::{GATE_DECAY, GATE_FACTOR, Score};
use super::{bands, envelope::Usual};
use crate::DetectError;
use crate::catalogue::{self, Resource};
use crate::config::{Config, Univariate};
use crate::detectors::{Context, Row};
use crate::layout::{Layout, Reading};
use crate::state::{Reader, put_number, put_signed, put_sparse};
use schemas::Band;

/// What a panel has told of each resource, and what waits to be seen again.
#[derive(Debug, Default)]
pub struct Telling {
    waiting: Vec<Departure>,
    /// Highest score told of each [`Resource`], fading.
    told: [f32; RESOURCES],
}

/// A departure of one series that is seen once or more.
#[derive(Clone, Debug)]
pub struct Departure {
    /// Which series.
    pub index: usize,
    /// Its highest score.
    pub score: Score,
    /// What was usual when it began.
    pub expected: Expected,
    /// What the score amounts to at the series' age.
    pub band: Band,
    /// Rows it was seen in, and rows it may still wait.
    seen: u32,
    left: u32,
    /// Rows it has been followed for.
    followed: u32,
}

/// Rows for which a departure is followed while it grows: what climbs slowly leaves what was usual bit by bit, each bit
/// too small to matter.
const FOLLOW: u32 = 60;

const RESOURCES: usize = 5;

impl Telling {
    /// True when nothing waits and nothing was told: a row has nothing to do.
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.told == [0.0; RESOURCES]
    }

    /// Takes up a departure that is more than unusual; false when it is unusual at most.
    pub fn take_up(
        &mut self,
        index: usize,
        value: f64,
        score: &Score,
        first: f64,
        row: &Row<'_>,
        context: &Context<'_>,
    ) -> bool {
        let expected = Expected::new(score, first);
        let bounds = (first + f64::from(score.bounds.0), first + f64::from(score.bounds.1));
        if catalogue::counts_replicas(row.layout.unit(index)) && (bounds.0..=bounds.1).contains(&value) {
            return false;
        }
        let config = &context.config.univariate;
        let Some(band) = mature_band(score, row.layout.reading(index), context.time, config) else { return false };
        let reshaped =
            row.reshaped && (expected.is_local() || row.layout.reading(index) == Reading::Level && !row.is_young());
        if band < Band::Sharp || reshaped || !leaves(index, value, &expected, row) {
            return false;
        }
        match self.waiting.iter_mut().find(|departure| departure.index == index) {
            // It began where it began: what came since is no part of what was usual.
            Some(waiting) if score.alert > waiting.score.alert => (waiting.score, waiting.band) = (*score, band),
            Some(_) => {}
            None => {
                let left = config.persist + 1;
                self.waiting.push(Departure { index, score: *score, expected, band, seen: 0, left, followed: 0 });
            }
        }
        true
    }

    /// Looks at what waits in the light of a row: what is to be told, strongest first, each with the other series of
    /// its cause.
    pub fn review(&mut self, row: &Row<'_>, context: &Context<'_>) -> Vec<(Departure, Vec<usize>)> {
        for told in &mut self.told {
            *told = if *told > bands::UNUSUAL * 0.1 { *told * GATE_DECAY } else { 0.0 };
        }
        let config = context.config;
        self.waiting.retain_mut(|departure| departure.see(row, context.time, config));
        let persist = config.univariate.persist;
        let mut ready: Vec<Departure> = self.waiting.iter().filter(|d| d.seen >= persist).cloned().collect();
        if ready.is_empty() {
            return Vec::new();
        }
        ready.sort_by(|a, b| b.score.alert.total_cmp(&a.score.alert).then(a.index.cmp(&b.index)));
        let mut out: Vec<(Departure, Vec<usize>)> = Vec::new();
        for departure in ready {
            let cause = catalogue::resource(row.layout.measure(departure.index));
            if let Some(cause) = cause {
                if out.iter().any(|(other, _)| same_cause(row.layout, other.index, departure.index)) {
                    continue;
                }
                if departure.score.alert <= GATE_FACTOR * self.told[cause as usize] {
                    continue;
                }
            }
            let others = self
                .waiting
                .iter()
                .filter(|other| other.index != departure.index && same_cause(row.layout, other.index, departure.index));
            let others: Vec<&Departure> = others.collect();
            if let Some(cause) = cause {
                let highest = others.iter().fold(departure.score.alert, |most, other| most.max(other.score.alert));
                self.told[cause as usize] = highest;
            }
            let others = others.iter().map(|other| other.index).collect();
            out.push((departure, others));
        }
        self.waiting.retain(|departure| departure.seen < persist);
        out
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.waiting.capacity() * size_of::<Departure>()
    }

    /// Appends the state.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_sparse(out, &self.told);
        put_number(out, self.waiting.len() as u64);
        for departure in &self.waiting {
            put_number(out, departure.index as u64);
            out.push(departure.band as u8);
            put_number(out, u64::from(departure.seen));
            put_number(out, u64::from(departure.left));
            put_number(out, u64::from(departure.followed));
            departure.expected.encode(out);
            encode_score(&departure.score, out);
        }
    }

    /// Reads what [`Telling::encode`] wrote.
    pub fn decode(from: &mut Reader<'_>) -> Result<Self, DetectError> {
        let mut telling = Telling::default();
        from.sparse(&mut telling.told)?;
        for _ in 0..from.count()? {
            let index = from.number32()? as usize;
            let band = from.byte()?;
            let band = [Band::Unusual, Band::Sharp, Band::Novel].into_iter().find(|known| *known as u8 == band);
            let band = band.ok_or_else(|| from.corrupt("unknown band"))?;
            let (seen, left, followed) = (from.number32()?, from.number32()?, from.number32()?);
            let expected = Expected::decode(from)?;
            telling.waiting.push(Departure { index, score: decode_score(from)?, expected, band, seen, left, followed });
        }
        Ok(telling)
    }
}

impl Departure {
    /// Takes a row in; false when it is over before it was seen often enough.
    fn see(&mut self, row: &Row<'_>, time: i64, config: &Config) -> bool {
        let Some(&value) = row.values.get(self.index) else { return false };
        if value.is_nan() {
            return true;
        }
        let settling = time - self.score.onset.saturating_mul(1000) < config.rows.settle;
        if row.is_young() && settling && row.layout.reading(self.index) == Reading::Level {
            return true;
        }
        self.seen += u32::from(matters(self.index, value, &self.expected, row, &config.univariate));
        self.followed = self.followed.saturating_add(1);
        if self.expected.outside(value) == 0.0 || self.followed >= FOLLOW {
            self.left = self.left.saturating_sub(1);
        }
        self.left > 0 || self.seen >= config.univariate.persist
    }
}

/// The band of a score at the age of its series. A number of instances has no noise: only what was never seen counts.
fn mature_band(score: &Score, reading: Reading, time: i64, config: &Univariate) -> Option<Band> {
    let age = time - score.since.saturating_mul(1000);
    if score.age < config.mature_rows || age < config.mature_age {
        return None;
    }
    let raw = if age < config.season_age { without_hour(score) } else { score.alert };
    bands::of(if reading == Reading::Instances { raw.min(score.novelty) } else { raw })
}

/// True when a value lies outside of what is usual, and not only because it is young.
fn leaves(index: usize, value: f64, expected: &Expected, row: &Row<'_>) -> bool {
    let outside = expected.outside(value);
    // What a young instance does not have yet, it will have.
    let young = outside < 0.0 && row.is_young() && row.layout.reading(index) == Reading::Level;
    outside != 0.0 && !expected.is_shape() && !young
}

/// True when it lies so far outside that somebody might care.
fn matters(index: usize, value: f64, expected: &Expected, row: &Row<'_>, config: &Univariate) -> bool {
    leaves(index, value, expected, row)
        && expected.change(value) >= config.least_change
        && expected.outside(value).abs() >= config.least.of(&row.layout.value_unit(index))
}

fn same_cause(layout: &Layout, one: usize, other: usize) -> bool {
    let cause = catalogue::resource(layout.measure(one));
    cause.is_some() && cause == catalogue::resource(layout.measure(other))
}

fn encode_score(score: &Score, out: &mut Vec<u8>) {
    let Distance { unusual, now, burst, local_mean, local_deviation } = score.distance;
    let mut fields = [0.0f32; 25];
    fields[..8].copy_from_slice(&[
        score.alert,
        score.state,
        score.novelty,
        unusual,
        now,
        burst,
        local_mean,
        local_deviation,
    ]);
    fields[8..14].copy_from_slice(&score.heads);
    for (i, usual) in score.usual.iter().enumerate() {
        fields[14 + 3 * i..17 + 3 * i].copy_from_slice(&[usual.low, usual.high, usual.count]);
    }
    (fields[23], fields[24]) = score.bounds;
    put_sparse(out, &fields);
    put_number(out, u64::from(score.age));
    put_signed(out, score.since);
    put_signed(out, score.onset);
}

fn decode_score(from: &mut Reader<'_>) -> Result<Score, DetectError> {
    let mut f = [0.0f32; 25];
    from.sparse(&mut f)?;
    let usual = |i: usize| Usual { low: f[14 + 3 * i], high: f[15 + 3 * i], count: f[16 + 3 * i] };
    Ok(Score {
        alert: f[0],
        state: f[1],
        novelty: f[2],
        distance: Distance { unusual: f[3], now: f[4], burst: f[5], local_mean: f[6], local_deviation: f[7] },
        heads: [f[8], f[9], f[10], f[11], f[12], f[13]],
        usual: [usual(0), usual(1), usual(2)],
        bounds: (f[23], f[24]),
        age: from.number32()?,
        since: from.signed()?,
        onset: from.signed()?,
    })
}

const _: () = assert!(Resource::Errors as usize + 1 == RESOURCES);
