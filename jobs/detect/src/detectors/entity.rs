//! All series of a scope together: many small departures at the same time, and which series they come from.

pub mod channels;

use super::{Context, Detector, Finding, Kind, Observation, Reads, Row, term};
use crate::state::{Reader, put_f32, put_signed};
use crate::{DetectError, catalogue, score, sentence};
use channels::{Channels, Score};
use schemas::{Band, Family};

/// The line of this detector in the list of all.
pub const KIND: Kind = Kind {
    name: "entity",
    family: Family::Saturation,
    doc: "Several numbers of one scope far from usual at the same time.",
    keys: &["entity.enabled", "entity.sharp", "entity.novel", "entity.least_channels"],
    reads: Reads::Rows,
    new: || Box::new(EntityDetector::default()),
    decode: |from| Ok(Box::new(EntityDetector::decode(from)?)),
};

/// How much the highest score of late fades a row, and by how much a score must exceed it.
const GATE_DECAY: f32 = 0.985;
const GATE_FACTOR: f32 = 1.3;
/// How many series a finding names.
const CAUSES: usize = 3;
const CAUSE_NAMES: [&str; CAUSES] = ["cause 1", "cause 2", "cause 3"];

#[derive(Debug)]
struct EntityDetector {
    channels: Channels,
    peak: f32,
    onset: i64,
}

impl Default for EntityDetector {
    fn default() -> Self {
        EntityDetector { channels: Channels::default(), peak: 0.0, onset: i64::MIN }
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
        self.peak *= GATE_DECAY;
        let escalates = score.score > GATE_FACTOR * self.peak;
        self.peak = self.peak.max(score.score);
        let judged = row.values.iter().filter(|value| !value.is_nan()).count();
        if !escalates || score.score < config.sharp || judged < config.least_channels {
            return;
        }
        let band = if score.score >= config.novel { Band::Novel } else { Band::Sharp };
        out.push(self.explain(&score, band, row, judged, context));
    }

    fn encode(&self, out: &mut Vec<u8>) {
        put_f32(out, self.peak);
        put_signed(out, self.onset);
        self.channels.encode(out);
    }

    fn heap_bytes(&self) -> usize {
        self.channels.heap_bytes()
    }
}

impl EntityDetector {
    fn decode(from: &mut Reader<'_>) -> Result<Self, DetectError> {
        Ok(EntityDetector { peak: from.f32()?, onset: from.signed()?, channels: Channels::decode(from)? })
    }

    /// The series that carry most of the evidence, strongest first.
    fn causes(&self, row: &Row<'_>) -> Vec<usize> {
        let cause = |index: &usize| self.channels.channels()[*index].cause;
        let mut indices: Vec<usize> =
            (0..row.values.len()).filter(|&index| !row.values[index].is_nan() && cause(&index) > 0.0).collect();
        indices.sort_by(|a, b| cause(b).total_cmp(&cause(a)).then(a.cmp(b)));
        indices.truncate(CAUSES);
        indices
    }

    fn explain(&self, score: &Score, band: Band, row: &Row<'_>, judged: usize, context: &Context<'_>) -> Finding {
        let layout = row.layout;
        let causes = self.causes(row);
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
