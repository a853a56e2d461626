//! One series against its own past: levels, noise, hours, shapes and means never seen, and departures from the local noise.

mod bands;
mod envelope;
mod expected;
mod pattern;
mod residual;
pub mod series;
mod telling;
mod window;

use super::{Context, Detector, Finding, Kind, Observation, Reads, Row, term};
use crate::state::{Reader, put_number};
use crate::{DetectError, catalogue, score, sentence};
use expected::{Expected, HEADS};
use schemas::{Band, Family};
use series::{Score, Series, WEIGHTS};
use telling::Telling;

/// The line of this detector in the list of all.
pub const KIND: Kind = Kind {
    name: "univariate",
    family: Family::Saturation,
    doc: "A number outside everything seen in its context, or far from its local noise.",
    keys: &[
        "univariate.enabled",
        "univariate.tell_from",
        "univariate.least_change",
        "univariate.least",
        "univariate.persist",
        "univariate.mature_age",
        "univariate.season_age",
        "univariate.mature_rows",
    ],
    reads: Reads::Rows,
    new: || Box::new(Univariate::default()),
    decode: |from| Ok(Box::new(Univariate::decode(from)?)),
};

/// The series of one panel, in the order of its layout.
#[derive(Debug, Default)]
struct Univariate {
    series: Vec<Series>,
    telling: Telling,
}

impl Detector for Univariate {
    fn observe(&mut self, observation: &Observation<'_>, context: &mut Context<'_>, out: &mut Vec<Finding>) {
        let Observation::Row(row) = observation else { return };
        let config = &context.config.univariate;
        if !config.enabled {
            return;
        }
        let second = context.time.div_euclid(1000);
        for (index, &value) in row.values.iter().enumerate() {
            if value.is_nan() {
                continue;
            }
            if index >= self.series.len() {
                self.series.reserve_exact(index + 1 - self.series.len());
                self.series.resize_with(index + 1, Series::new);
            }
            let score = self.series[index].push(second, value);
            if score.alert < bands::UNUSUAL {
                continue;
            }
            let first = self.series[index].first();
            self.telling.take_up(index, value, &score, first, row, context);
            // Whatever comes of it, that it is unusual is known now.
            if config.tell_from <= Band::Unusual {
                let expected = Expected::new(&score, first);
                out.push(explain(index, &expected, &score, Band::Unusual, &[], row, context));
            }
        }
        if self.telling.is_idle() {
            return;
        }
        for (departure, others) in self.telling.review(row, context) {
            if departure.band >= config.tell_from {
                let (expected, score) = (&departure.expected, &departure.score);
                out.push(explain(departure.index, expected, score, departure.band, &others, row, context));
            }
        }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        put_number(out, self.series.len() as u64);
        self.series.iter().for_each(|series| series.encode(out));
        self.telling.encode(out);
    }

    fn heap_bytes(&self) -> usize {
        self.series.capacity() * size_of::<Series>() + self.telling.heap_bytes()
    }
}

impl Univariate {
    fn decode(from: &mut Reader<'_>) -> Result<Self, DetectError> {
        let count = from.count()?;
        let mut series = Vec::with_capacity(count);
        for _ in 0..count {
            series.push(Series::decode(from)?);
        }
        Ok(Univariate { series, telling: Telling::decode(from)? })
    }
}

/// The finding of one series; `others` are the series of the same cause.
fn explain(
    index: usize,
    expected: &Expected,
    score: &Score,
    band: Band,
    others: &[usize],
    row: &Row<'_>,
    context: &Context<'_>,
) -> Finding {
    let layout = row.layout;
    let value = row.values[index];
    let unit = layout.value_unit(index);
    let Expected { low, high, count, .. } = *expected;
    let label = layout.label(index);
    let since = score.since.saturating_mul(1000);
    let text = format!(
        "{label} of {} is {}; usual {}: {} to {} ({} observations over {})",
        sentence::part(context.entity, context.scope),
        layout.quantity(index, value),
        expected.when(),
        layout.quantity(index, low),
        layout.quantity(index, high),
        sentence::thousands(f64::from(score.age)),
        sentence::span(context.time.saturating_sub(since)),
    );
    let mut terms = vec![
        term("observed", value, &unit),
        term("usual low", low, &unit),
        term("usual high", high, &unit),
        term("range before", f64::from(score.bounds.1 - score.bounds.0), &unit),
        term("observations in context", f64::from(count), ""),
        term("relative change", expected.change(value), ""),
        term("observations before", f64::from(score.age), ""),
    ];
    terms.extend((0..6).map(|i| term(HEADS[i].0, f64::from(WEIGHTS[i] * score.heads[i]), "")));
    terms.extend([
        term("novelty", f64::from(score.novelty), ""),
        term("distance by hour and of late", f64::from(score.distance.unusual), "sd"),
        term("distance from local noise", f64::from(score.distance.burst), "sd"),
        term("score", f64::from(score.alert), ""),
    ]);
    terms.extend(others.iter().filter(|&&other| !row.values[other].is_nan()).map(|&other| schemas::Term {
        name: format!("also {}", layout.label(other)).into(),
        value: row.values[other],
        unit: layout.value_unit(other).into(),
    }));
    Finding {
        about: None,
        related: Vec::new(),
        measure: label,
        family: catalogue::family(layout.measure(index)),
        band,
        raw: f64::from(score.alert),
        p: None,
        score: score::univariate(f64::from(score.alert)),
        sentence: text,
        terms,
        instances: Vec::new(),
        onset: score.onset.saturating_mul(1000).clamp(0, context.time),
        baseline_count: i64::from(score.age),
        baseline_since: since,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(state: &mut u64) -> f64 {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        (*state >> 40) as f64 / 16_777_216.0
    }

    /// A day's rhythm with noise, bursts and one gap.
    fn generated(seed: u64, rows: usize) -> Vec<(i64, f64)> {
        let mut state = seed;
        (0..rows)
            .map(|i| {
                let second = 60 * i as i64 + if i > rows / 2 { 3600 } else { 0 };
                let day = libm::sin(second as f64 * std::f64::consts::TAU / 86400.0);
                let burst = if i % 977 > 970 { 8.0 } else { 0.0 };
                (second, 10.0 + 3.0 * day + noise(&mut state) + burst)
            })
            .collect()
    }

    fn bits(points: &[(i64, f64)]) -> Vec<u32> {
        let mut series = Series::new();
        points.iter().flat_map(|&(t, x)| score_bits(&series.push(t, x))).collect()
    }

    fn score_bits(score: &Score) -> [u32; 4] {
        [score.alert, score.state, score.novelty, score.distance.unusual].map(f32::to_bits)
    }

    #[test]
    fn scores_are_the_same_bits_on_every_machine() {
        let mut bytes = Vec::new();
        for seed in 1..=4 {
            bits(&generated(seed, 6000)).iter().for_each(|b| bytes.extend_from_slice(&b.to_le_bytes()));
        }
        assert_eq!(crate::layout::fnv(&bytes), GOLDEN_DIGEST);
    }

    #[test]
    fn truncating_the_future_never_changes_the_past() {
        let points = generated(5, 4000);
        let whole = bits(&points);
        for end in [1, 99, 601, 1700, 3999] {
            assert_eq!(bits(&points[..end]), whole[..4 * end]);
        }
    }

    #[test]
    fn a_restored_series_continues_bit_for_bit() {
        let points = generated(6, 3000);
        let whole = bits(&points);
        let mut series = Series::new();
        for (i, &(t, x)) in points.iter().enumerate() {
            let mut bytes = Vec::new();
            series.encode(&mut bytes);
            let mut reader = Reader::new(&bytes);
            series = Series::decode(&mut reader).unwrap();
            assert!(reader.is_empty());
            assert_eq!(score_bits(&series.push(t, x)), whole[4 * i..4 * i + 4], "after {i} points");
        }
    }

    #[test]
    fn stored_bytes_that_were_cut_or_changed_never_panic() {
        let mut series = Series::new();
        for (t, x) in generated(7, 2000) {
            series.push(t, x);
        }
        let mut bytes = Vec::new();
        series.encode(&mut bytes);
        for end in 0..bytes.len() {
            assert!(Series::decode(&mut Reader::new(&bytes[..end])).is_err());
        }
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 0x55;
            if let Ok(mut series) = Series::decode(&mut Reader::new(&changed)) {
                series.push(1_000_000, 3.0);
            }
        }
    }

    #[test]
    fn a_power_of_two_in_scale_or_an_offset_without_rounding_changes_nothing() {
        let points: Vec<(i64, f64)> = generated(8, 4000).iter().map(|&(t, x)| (t, (x * 64.0).floor() / 64.0)).collect();
        let novelty = |map: &dyn Fn(f64) -> f64| -> Vec<f32> {
            let mut series = Series::new();
            points.iter().map(|&(t, x)| series.push(t, map(x)).novelty).collect()
        };
        let plain = novelty(&|x| x);
        assert_eq!(plain, novelty(&|x| x + 4096.0));
        let scaled = novelty(&|x| x * 1024.0);
        assert!(plain.iter().zip(&scaled).all(|(a, b)| (a - b).abs() < 1e-5));
    }

    #[test]
    fn a_constant_and_one_ulp_of_jitter_never_alarm() {
        let mut state = 9;
        let (mut constant, mut jitter) = (Series::new(), Series::new());
        for i in 0..20_000 {
            assert_eq!(constant.push(300 * i, 7.25).alert, 0.0);
            let ulp = if noise(&mut state) < 0.5 { f64::EPSILON } else { 0.0 };
            assert!(jitter.push(300 * i, 1.0 + ulp).alert < bands::SHARP);
        }
    }

    #[test]
    fn a_week_of_ten_second_points_packs_below_three_kilobytes() {
        assert!(size_of::<Series>() <= 2560, "{}", size_of::<Series>());
        let mut state = 11;
        let mut series = Series::new();
        for i in 0..8640 {
            let day = libm::sin(f64::from(i) * std::f64::consts::TAU / 8640.0);
            series.push(i64::from(i) * 10, 10.0 + 3.0 * day + noise(&mut state));
        }
        let mut bytes = Vec::new();
        series.encode(&mut bytes);
        assert!(bytes.len() <= 3072, "{}", bytes.len());
    }

    /// Raised only together with `SEMANTICS`.
    const GOLDEN_DIGEST: u64 = 15_586_918_454_706_776_571;
}
