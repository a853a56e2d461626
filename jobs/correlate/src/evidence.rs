//! Episodes: what is one departure, however often it is told, and how much it weighs.
//!
//! Invariant: an episode is identified by what departed and by which measure, so telling it again adds nothing; its
//! strength only rises.

use crate::entity::{EntityId, Named, hash64};
use crate::graph::{Evidence, Milli, Stated, milli};
use schemas::{Anomaly, Band, Confidence, Family, OffsetRange, Relation};
use serde::{Deserialize, Serialize};

/// Every family, at the position it has in `schemas::Family`.
pub const FAMILIES: [Family; 10] = [
    Family::Latency,
    Family::Errors,
    Family::Saturation,
    Family::Novelty,
    Family::Network,
    Family::Change,
    Family::Logs,
    Family::Peers,
    Family::Forecast,
    Family::DataQuality,
];

/// Position of changes made on purpose.
pub const CHANGE: u8 = Family::Change as u8;

/// Strongest evidence there is: −log10 p beyond this says nothing more.
pub const STRONGEST: f64 = 8.0;

/// Score per unit of −log10 p: scores are made so that 50 is one in ten thousand.
const SCORE_PER_DECADE: f64 = 12.5;

/// Identity of an episode within its cluster.
pub type EpisodeId = u64;

/// One departure, as strongly as it was told.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Episode {
    /// What departed.
    pub entity: Named,
    /// Its number.
    pub entity_id: EntityId,
    /// How sure the entity is.
    pub confidence: Confidence,
    /// Partition and number of detect's task that told it most strongly.
    pub anomaly: (i32, i64),
    /// Kind of evidence.
    pub family: Family,
    /// How grave.
    pub band: Band,
    /// Who found it.
    pub detector: String,
    /// What was measured, with its scope.
    pub measure: String,
    /// First observation of the departure.
    pub onset: i64,
    /// When it was raised, by event time.
    pub event_time: i64,
    /// When it was first told, on the task's clock.
    pub first_told: i64,
    /// When it was last told, on the task's clock.
    pub last_told: i64,
    /// How often it was told.
    pub told: u32,
    /// 0–100.
    pub score: f64,
    /// The detector's own number.
    pub raw: f64,
    /// Probability, where calibrated.
    pub p: Option<f64>,
    /// −log10 p in thousandths, confidence included.
    pub strength: Milli,
    /// For a person.
    pub sentence: String,
    /// The same of when it was first told.
    pub first_sentence: String,
    /// Pods it was seen on.
    pub instances: Vec<String>,
    /// Where the evidence lies: topic, partition, offsets `[from, to)`.
    pub evidence: Vec<(String, i32, i64, i64)>,
    /// What the entity has to do with others, sorted.
    pub related: Vec<Stated>,
    /// True until its evidence has gone.
    pub live: bool,
    /// The incident that keeps it.
    pub incident: Option<String>,
}

/// What an anomaly is an episode of.
pub fn id(anomaly: &Anomaly<'_>) -> EpisodeId {
    hash64(&[
        anomaly.entity.key().as_bytes(),
        &[anomaly.family as u8],
        anomaly.detector.as_bytes(),
        anomaly.scope.as_bytes(),
        anomaly.measure.as_bytes(),
    ])
}

/// How much an anomaly says: −log10 p, at most [`STRONGEST`], less where the entity is a guess; in thousandths.
pub fn strength(anomaly: &Anomaly<'_>) -> Milli {
    let from_p = anomaly.p.map_or(0.0, |p| if p > 0.0 { -libm::log10(p) } else { STRONGEST });
    let strongest = (anomaly.score / SCORE_PER_DECADE).max(from_p).clamp(0.0, STRONGEST);
    milli(strongest * sureness(anomaly.confidence))
}

fn sureness(confidence: Confidence) -> f64 {
    match confidence {
        Confidence::High => 1.0,
        Confidence::Medium => 0.9,
        Confidence::Low => 0.6,
        Confidence::Unresolved => 0.4,
    }
}

impl Episode {
    /// An episode that begins with an anomaly.
    pub fn new(anomaly: &Anomaly<'_>, of: (i32, i64), now: i64, related: usize) -> Self {
        let entity = Named::new(&anomaly.entity);
        let mut episode = Episode {
            entity_id: entity.id(),
            entity,
            family: anomaly.family,
            detector: anomaly.detector.to_string(),
            measure: measure(anomaly),
            onset: anomaly.onset,
            first_sentence: anomaly.sentence.to_string(),
            first_told: now,
            last_told: now,
            live: true,
            ..Episode::default()
        };
        episode.take(anomaly, of, related);
        episode
    }

    /// Takes the anomaly in that tells it again; true when that says more than before.
    pub fn tell(&mut self, anomaly: &Anomaly<'_>, of: (i32, i64), now: i64, related: usize) -> bool {
        self.last_told = now;
        self.told = self.told.saturating_add(1);
        let says_more = self.says_more(anomaly);
        if strength(anomaly) > self.strength {
            let told = self.told;
            self.take(anomaly, of, related);
            self.told = told;
        }
        self.onset = self.onset.min(anomaly.onset);
        says_more
    }

    /// Whether an anomaly of this episode is stronger or begins earlier than what is known.
    pub fn says_more(&self, anomaly: &Anomaly<'_>) -> bool {
        anomaly.onset < self.onset || strength(anomaly) > self.strength
    }

    fn take(&mut self, anomaly: &Anomaly<'_>, of: (i32, i64), related: usize) {
        self.confidence = anomaly.confidence;
        self.anomaly = of;
        self.band = anomaly.band;
        self.event_time = anomaly.event_time;
        self.told = 1;
        self.score = anomaly.score;
        self.raw = anomaly.raw;
        self.p = anomaly.p;
        self.strength = strength(anomaly);
        self.sentence = anomaly.sentence.to_string();
        self.instances = anomaly.instances.iter().map(|instance| instance.to_string()).collect();
        let place = |range: &OffsetRange<'_>| (range.topic.to_string(), range.partition, range.from, range.to);
        self.evidence = anomaly.evidence.iter().map(place).collect();
        let known = anomaly.related.iter().filter(|related| related.relation != Relation::Other).take(related);
        let stated = |related: &schemas::Related<'_>| Stated {
            relation: related.relation as u8,
            to: Named::new(&related.entity).id(),
        };
        self.related = known.map(stated).collect();
        self.related.sort();
        self.related.dedup();
    }

    /// As the dataflow has it.
    pub fn row(&self) -> Evidence {
        Evidence { family: self.family as u8, strength: self.strength, onset: self.onset }
    }
}

fn measure(anomaly: &Anomaly<'_>) -> String {
    match &*anomaly.scope {
        "" => anomaly.measure.to_string(),
        scope => format!("{scope}: {}", anomaly.measure),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn anomaly(score: f64, p: Option<f64>) -> Anomaly<'static> {
        Anomaly { score, p, detector: "novelty".into(), measure: "m".into(), onset: 100, ..Anomaly::default() }
    }

    #[test]
    fn a_score_of_fifty_weighs_as_much_as_one_in_ten_thousand() {
        assert_eq!(strength(&anomaly(50.0, None)), 4000);
        assert_eq!(strength(&anomaly(0.0, Some(1e-4))), 4000);
        assert_eq!(strength(&anomaly(100.0, Some(1e-30))), 8000);
        assert_eq!(strength(&anomaly(1.0, Some(0.0))), 8000);
        let guess = Anomaly { confidence: Confidence::Low, ..anomaly(50.0, None) };
        assert_eq!(strength(&guess), 2400);
    }

    #[test]
    fn telling_an_episode_again_says_more_only_when_it_is_stronger_or_older() {
        let mut episode = Episode::new(&anomaly(50.0, None), (0, 1), 1000, 64);
        assert!(!episode.tell(&anomaly(40.0, None), (0, 2), 2000, 64));
        assert_eq!((episode.anomaly, episode.last_told, episode.told), ((0, 1), 2000, 2));
        assert!(episode.tell(&anomaly(60.0, None), (0, 3), 3000, 64));
        assert_eq!((episode.anomaly, episode.told), ((0, 3), 3));
        assert!(episode.tell(&Anomaly { onset: 50, ..anomaly(10.0, None) }, (0, 4), 4000, 64));
        assert_eq!(episode.onset, 50);
    }

    #[test]
    fn families_stand_at_their_position() {
        assert!(FAMILIES.iter().enumerate().all(|(index, family)| *family as usize == index));
    }
}
