//! The entities of an incident as suspects, for the ranking of causes.
//!
//! What was changed and is called by what departed soon after has, as long as nothing departed on it itself, the
//! departure of its caller as its evidence: a change comes before its effect, so it is asked first.

use crate::assessment::members;
use crate::causes::{self, Change, Evidence, Sense, Suspect};
use crate::entity::{EntityId, Named};
use crate::evidence::{self, Episode};
use crate::memory::{Case, Memory};
use crate::record::term;
use crate::relations::{self, Depends};
use schemas::Cause;
use std::collections::BTreeMap;

/// Causes named in a record.
const NAMED: usize = 5;

/// The likely causes, most likely first; none where nothing stands out.
pub fn rank(case: &Case, memory: &Memory) -> Vec<Cause<'static>> {
    let mut of_entity: BTreeMap<EntityId, Vec<&Episode>> = BTreeMap::new();
    for (_, episode) in members(case, memory) {
        of_entity.entry(episode.entity_id).or_default().push(episode);
    }
    let suspects: Vec<Suspect> =
        of_entity.iter().map(|(entity, episodes)| suspect(*entity, episodes, case, &of_entity)).collect();
    let ranking = causes::rank(&suspects, &calls(case, &of_entity));
    if ranking.likely().is_none() {
        return Vec::new();
    }
    let entities: BTreeMap<String, &Named> =
        of_entity.values().filter_map(|episodes| episodes.first()).map(|e| (e.entity.called(), &e.entity)).collect();
    let convincing = ranking.causes.iter().filter(|cause| cause.weight() > 0.0);
    let known = convincing.filter_map(|cause| Some((cause, *entities.get(&cause.name)?)));
    (1..).zip(known.take(NAMED)).map(|(rank, (cause, named))| published(rank, cause, named, &of_entity)).collect()
}

fn suspect(entity: EntityId, episodes: &[&Episode], case: &Case, all: &BTreeMap<EntityId, Vec<&Episode>>) -> Suspect {
    let name = episodes.first().map_or_else(String::new, |episode| episode.entity.called());
    let (changes, departed): (Vec<&Episode>, Vec<&Episode>) =
        episodes.iter().copied().partition(|episode| episode.family as u8 == evidence::CHANGE);
    let mut evidence: Vec<Evidence> = departed.iter().map(|episode| departure(episode, &episode.measure)).collect();
    if departed.is_empty() {
        let after = case.links.iter().filter(|(_, to, relation)| *to == entity && is_change(*relation));
        for caller in after.flat_map(|(from, ..)| all.get(from).into_iter().flatten()) {
            if caller.family as u8 != evidence::CHANGE {
                evidence.push(departure(caller, &format!("{} of {}", caller.measure, caller.entity.called())));
            }
        }
    }
    let changes = changes.iter().map(|change| Change { name: change.sentence.clone(), at: change.onset }).collect();
    Suspect { name, evidence, changes }
}

fn is_change(relation: u8) -> bool {
    relations::ALL.get(usize::from(relation)).is_some_and(|kind| kind.name == relations::CHANGE)
}

fn departure(episode: &Episode, measure: &str) -> Evidence {
    Evidence {
        family: episode.family,
        aspect: String::new(),
        measure: measure.to_owned(),
        strength: episode.strength as f64 / 1000.0,
        // What an anomaly of ours tells is more than usual, or of no direction.
        sense: Sense::Rise,
        onset: episode.onset,
    }
}

fn calls(case: &Case, all: &BTreeMap<EntityId, Vec<&Episode>>) -> Vec<causes::Call> {
    let name = |entity: &EntityId| all.get(entity).and_then(|episodes| Some(episodes.first()?.entity.called()));
    let depends =
        |relation: u8| relations::ALL.get(usize::from(relation)).is_some_and(|kind| kind.depends == Depends::OnTo);
    let links = case.links.iter().filter(|(_, _, relation)| depends(*relation));
    links.filter_map(|(from, to, _)| Some(causes::Call { caller: name(from)?, callee: name(to)? })).collect()
}

fn published(
    rank: i32,
    cause: &causes::Cause,
    named: &Named,
    all: &BTreeMap<EntityId, Vec<&Episode>>,
) -> Cause<'static> {
    let strongest =
        cause.terms.iter().filter(|term| !term.measure.is_empty()).max_by(|a, b| a.value.total_cmp(&b.value));
    let terms = cause.terms.iter().filter(|term| term.value != 0.0);
    // Of its strongest evidence the detector's own sentence says more than any number here.
    let own = all.get(&named.id()).into_iter().flatten();
    let told = own.filter(|episode| strongest.is_some_and(|term| term.measure == episode.measure));
    let told = told.map(|episode| episode.sentence.clone()).next();
    let clauses: Vec<String> = cause.changes.iter().cloned().chain(told).collect();
    Cause {
        rank,
        entity: named.to_entity(),
        what: strongest.map_or_else(String::new, |term| term.measure.clone()).into(),
        onset: cause.onset,
        score: cause.score,
        terms: terms.map(|of| term(&of.name, of.value)).collect(),
        against: cause.against.iter().cloned().map(Into::into).collect(),
        sentence: format!("{}: {}", cause.name, clauses.join("; ")).into(),
    }
}
