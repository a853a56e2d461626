//! All series of a scope together: many small departures at the same time, and which series they come from.

pub mod channels;
mod habit;

use super::{Context, Detector, Finding, Kind, Observation, Reads, Row, term};
use crate::config::Config;
use crate::layout::Reading;
use crate::state::{Reader, put_f32, put_number, put_signed};
use crate::{DetectError, catalogue, score, sentence};
use channels::{Channels, Score};
use habit::Habit;
use schemas::{Band, Family};

/// The line of this detector in the list of all.
pub const KIND: Kind = Kind {
    name: "entity",
    family: Family::Saturation,
    doc: "Several numbers of one scope far from usual at the same time.",
    keys: &[
        "entity.enabled",
        "entity.sharp",
        "entity.novel",
        "entity.least_channels",
        "entity.persist",
        "entity.mature_age",
    ],
    reads: Reads::Rows,
    new: || Box::new(EntityDetector::default()),
    decode: |from| Ok(Box::new(EntityDetector::decode(from)?)),
};

/// How much the highest score told fades a row, and by how much a score must exceed it.
const GATE_DECAY: f32 = 0.985;
const GATE_FACTOR: f32 = 1.3;
/// How many series a finding names.
const CAUSES: usize = 3;
const CAUSE_NAMES: [&str; CAUSES] = ["cause 1", "cause 2", "cause 3"];

#[derive(Debug)]
struct EntityDetector {
    channels: Channels,
    /// Highest score since it was told, fading.
    peak: f32,
    /// Rows in a row in which the score was sharp.
    sharp: u32,
    onset: i64,
    habit: Habit,
}

impl Default for EntityDetector {
    fn default() -> Self {
        EntityDetector { channels: Channels::default(), peak: 0.0, sharp: 0, onset: i64::MIN, habit: Habit::default() }
    }
}

impl Detector for EntityDetector {
    fn observe(&mut self, observation: &Observation<'_>, context: &mut Context<'_>, out: &mut Vec<Finding>) {
        let Observation::Row(row) = observation else { return };
        let config = &context.config.entity;
        if !config.enabled {
            return;
        }
        let score = self.channels.push(row.values);
        let half_sharp = 0.5 * config.sharp;
        if score.score < half_sharp {
            self.onset = i64::MIN;
        } else if self.onset == i64::MIN {
            self.onset = context.time;
        }
        if score.score >= config.sharp {
            self.habit.learn(context.time, score.score);
        }
        self.sharp = if score.score >= config.sharp { self.sharp.saturating_add(1) } else { 0 };
        self.peak *= GATE_DECAY;
        if score.score <= GATE_FACTOR * self.peak {
            self.peak = self.peak.max(score.score);
            return;
        }
        let judged = row.values.iter().filter(|value| !value.is_nan()).count();
        let mature = context.time - row.since >= config.mature_age;
        if !mature || self.sharp < config.persist.max(1) || judged < config.least_channels {
            return;
        }
        let causes = self.causes(row, context.config);
        if causes.is_empty() || row.reshaped || score.score <= GATE_FACTOR * self.habit.usual(context.time) {
            return;
        }
        self.peak = score.score;
        let band = if score.score >= config.novel { Band::Novel } else { Band::Sharp };
        out.push(self.explain(&score, band, &causes, row, judged, context));
    }

    fn encode(&self, out: &mut Vec<u8>) {
        put_f32(out, self.peak);
        put_number(out, u64::from(self.sharp));
        put_signed(out, self.onset);
        self.habit.encode(out);
        self.channels.encode(out);
    }

    fn heap_bytes(&self) -> usize {
        self.channels.heap_bytes()
    }
}

impl EntityDetector {
    fn decode(from: &mut Reader<'_>) -> Result<Self, DetectError> {
        Ok(EntityDetector {
            peak: from.f32()?,
            sharp: from.number32()?,
            onset: from.signed()?,
            habit: Habit::decode(from)?,
            channels: Channels::decode(from)?,
        })
    }

    /// The series that carry most of the evidence and depart far enough to matter, strongest first.
    fn causes(&self, row: &Row<'_>, config: &Config) -> Vec<usize> {
        let cause = |index: &usize| self.channels.channels()[*index].cause;
        let matters = |index: &usize| {
            let (channel, value) = (&self.channels.channels()[*index], row.values[*index]);
            let usual = channel.first() + f64::from(channel.recent.mean);
            let change = value - usual;
            let young = row.is_young() && row.layout.reading(*index) == Reading::Level;
            !young
                && change.abs() >= config.univariate.least_change * value.abs().max(usual.abs())
                && change.abs() >= config.univariate.least.of(&row.layout.value_unit(*index))
        };
        let present = (0..row.values.len()).filter(|index| !row.values[*index].is_nan() && cause(index) > 0.0);
        let (mut indices, others): (Vec<usize>, Vec<usize>) = present.partition(|index| matters(index));
        // Named are only series that explain the score: where others carry most of it, there is nothing to tell.
        let weight = |indices: &[usize]| indices.iter().map(cause).sum::<f32>();
        if weight(&indices) < weight(&others) {
            return Vec::new();
        }
        indices.sort_by(|a, b| cause(b).total_cmp(&cause(a)).then(a.cmp(b)));
        indices.truncate(CAUSES);
        indices
    }

    fn explain(
        &self,
        score: &Score,
        band: Band,
        causes: &[usize],
        row: &Row<'_>,
        judged: usize,
        context: &Context<'_>,
    ) -> Finding {
        let layout = row.layout;
        let mut terms = vec![
            term("memory", f64::from(score.parts[0]), ""),
            term("recent", f64::from(score.parts[1]), ""),
            term("smooth", f64::from(score.parts[2]), ""),
            term("jump", f64::from(score.parts[3]), ""),
            term("leaky sum", f64::from(score.leaky), ""),
            term("series", judged as f64, ""),
            term("score", f64::from(score.score), ""),
        ];
        let mut named = Vec::new();
        for (rank, &index) in causes.iter().enumerate() {
            let channel = &self.channels.channels()[index];
            let usual = channel.first() + f64::from(channel.recent.mean);
            named.push(format!(
                "{} {} (usual {} ± {})",
                layout.label(index),
                layout.quantity(index, row.values[index]),
                layout.quantity(index, usual),
                layout.quantity(index, f64::from(channel.recent.deviation())),
            ));
            let weight = f64::from(channel.cause);
            terms.push(schemas::Term {
                name: format!("{}: {}", CAUSE_NAMES[rank], layout.label(index)).into(),
                value: weight,
                unit: "sd".into(),
            });
        }
        let leading = causes.first().copied();
        Finding {
            about: None,
            related: Vec::new(),
            measure: leading.map_or_else(|| "all series".to_owned(), |index| layout.label(index)),
            family: leading.map_or(Family::Saturation, |index| catalogue::family(layout.measure(index))),
            band,
            raw: f64::from(score.score),
            p: None,
            score: score::entity(f64::from(score.score)),
            sentence: format!(
                "{judged} series of {} depart together: {} ({} observations over {})",
                sentence::part(context.entity, context.scope),
                named.join(", "),
                sentence::thousands(f64::from(self.channels.age())),
                sentence::span(context.time - row.since),
            ),
            terms,
            instances: Vec::new(),
            onset: self.onset.clamp(0, context.time),
            baseline_count: i64::from(self.channels.age()),
            baseline_since: row.since,
        }
    }
}
