//! How grave an incident is: a sum of terms that a person can check by hand.
//!
//! ```text
//! score    = −6 + evidence of the strongest entity + Σ others: ½ · evidence / (1 + rank)
//!            + 1 if something was changed shortly before + ½ · log2(workloads) + log2(criticality)
//! evidence = Σ over families: weight · max(0, strongest − discount)        strongest: −log10 p, at most 8
//! severity = 100 / (1 + e^(−score / 2))
//! ```
//!
//! Everything is in thousandths, so the terms add up exactly. Source: `detectors.md` §6.2 of the design.

use crate::config::Config;
use crate::entity::{EntityId, Named};
use crate::evidence::{self, Episode, EpisodeId, FAMILIES};
use crate::graph::{Milli, Rules, milli};
use crate::memory::{Case, Memory};
use schemas::{Band, EntityKind, Family};
use std::collections::{BTreeMap, BTreeSet};

/// Log-odds that a group of anomalies is worth a person's time, before looking at it.
const PRIOR: Milli = -6_000;
/// Entities named one by one in the sum.
const NAMED: usize = 8;

/// How grave an incident is, and what that rests on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Assessment {
    /// Log-odds.
    pub score: f64,
    /// 0–100, in tenths.
    pub severity: f64,
    /// What the score is the sum of.
    pub terms: Vec<(String, Milli)>,
    /// Evidence of each entity, strongest first.
    pub entities: Vec<(EntityId, Milli)>,
    /// What each of the strongest episodes of a family adds to its entity.
    pub contributions: BTreeMap<EpisodeId, Milli>,
    /// The gravest band.
    pub band: Band,
    /// Kinds of evidence, a bit each; changes are none.
    pub families: u16,
}

/// Adds an incident up.
pub fn assess(case: &Case, memory: &Memory, config: &Config, rules: &Rules) -> Assessment {
    let mut assessment = Assessment::default();
    // The strongest of each entity and family; the lower identity where two are as strong.
    let mut strongest: BTreeMap<(EntityId, u8), (EpisodeId, &Episode)> = BTreeMap::new();
    for (id, episode) in members(case, memory) {
        assessment.band = assessment.band.max(episode.band);
        let best = strongest.entry((episode.entity_id, episode.family as u8)).or_insert((id, episode));
        if episode.strength > best.1.strength {
            *best = (id, episode);
        }
    }
    let mut weights: BTreeMap<EntityId, Milli> = BTreeMap::new();
    for ((entity, family), (id, episode)) in &strongest {
        let adds = rules.contribution(*family, episode.strength);
        *weights.entry(*entity).or_default() += adds;
        if adds > 0 {
            assessment.families |= 1 << family;
            assessment.contributions.insert(*id, adds);
        }
    }
    let names: BTreeMap<EntityId, &Named> = members(case, memory).map(|(_, e)| (e.entity_id, &e.entity)).collect();
    assessment.entities = weights.into_iter().collect();
    assessment.entities.sort_by(|(a, x), (b, y)| y.cmp(x).then_with(|| names.get(a).cmp(&names.get(b))));
    add_terms(&mut assessment, &strongest, &names, case, memory, config);
    let score: Milli = assessment.terms.iter().map(|(_, value)| value).sum();
    assessment.score = score as f64 / 1000.0;
    assessment.severity = severity(assessment.score);
    assessment
}

/// The episodes an incident rests on.
pub fn members<'a>(case: &'a Case, memory: &'a Memory) -> impl Iterator<Item = (EpisodeId, &'a Episode)> {
    case.episodes.iter().filter_map(|id| Some((*id, memory.episodes.get(id)?)))
}

/// 0–100 from log-odds, in tenths.
pub fn severity(score: f64) -> f64 {
    libm::round(1000.0 / (1.0 + libm::exp(-score / 2.0))) / 10.0
}

/// Whether something of an incident was changed shortly before it began.
pub fn change_before<'a>(case: &'a Case, memory: &'a Memory, lag: i64) -> Option<&'a Episode> {
    let changes = members(case, memory).map(|(_, episode)| episode).filter(|e| e.family as u8 == evidence::CHANGE);
    changes.filter(|change| (0..=lag).contains(&(case.onset - change.onset))).max_by_key(|change| change.onset)
}

fn add_terms(
    assessment: &mut Assessment,
    strongest: &BTreeMap<(EntityId, u8), (EpisodeId, &Episode)>,
    names: &BTreeMap<EntityId, &Named>,
    case: &Case,
    memory: &Memory,
    config: &Config,
) {
    let terms = &mut assessment.terms;
    terms.push(("before looking".to_owned(), PRIOR));
    let mut rest = 0;
    for (rank, (entity, weight)) in assessment.entities.iter().enumerate() {
        if rank == 0 {
            let families = strongest.range((*entity, 0)..=(*entity, u8::MAX));
            for ((_, family), (id, episode)) in families {
                if let Some(adds) = assessment.contributions.get(id) {
                    terms.push((
                        format!("{} of {}", word(FAMILIES[usize::from(*family)]), episode.entity.called()),
                        *adds,
                    ));
                }
            }
            continue;
        }
        let adds = weight / (2 * (1 + rank as Milli));
        if rank < NAMED && adds > 0 {
            terms.push((names.get(entity).map_or_else(String::new, |named| named.called()), adds));
        } else {
            rest += adds;
        }
    }
    if rest > 0 {
        terms.push((format!("{} more entities", assessment.entities.len() - NAMED), rest));
    }
    if change_before(case, memory, config.lags.change).is_some() {
        terms.push(("changed shortly before".to_owned(), 1_000));
    }
    let workloads = touched(case, memory).iter().filter(|named| named.kind == EntityKind::Workload).count();
    if workloads > 1 {
        terms.push((format!("{workloads} workloads"), milli(0.5 * libm::log2(workloads as f64))));
    }
    let criticality = criticality(case, memory, config);
    if criticality != 1.0 {
        terms.push((format!("criticality {criticality}"), milli(libm::log2(criticality))));
    }
}

/// The named entities that evidence touches.
pub fn touched<'a>(case: &'a Case, memory: &'a Memory) -> BTreeSet<&'a Named> {
    let evident = |episode: &&Episode| episode.family as u8 != evidence::CHANGE;
    members(case, memory).map(|(_, episode)| episode).filter(evident).map(|episode| &episode.entity).collect()
}

fn criticality(case: &Case, memory: &Memory, config: &Config) -> f64 {
    let of = |named: &Named| {
        let entity = named.to_entity();
        let line = config.criticality.iter().find(|line| line.selector.matches(&memory.cluster, &entity));
        line.map_or(1.0, |line| line.value)
    };
    touched(case, memory)
        .into_iter()
        .map(of)
        .fold(None, |most: Option<f64>, value| Some(most.map_or(value, |m| m.max(value))))
        .unwrap_or(1.0)
}

/// A family as people call it.
pub fn word(family: Family) -> &'static str {
    match family {
        Family::Latency => "latency",
        Family::Errors => "errors",
        Family::Saturation => "saturation",
        Family::Novelty => "novelty",
        Family::Network => "network",
        Family::Change => "change",
        Family::Logs => "logs",
        Family::Peers => "departure from siblings",
        Family::Forecast => "forecast",
        Family::DataQuality => "data quality",
    }
}
