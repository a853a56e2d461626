//! The ranking of causes: which of the entities that departed together is likely to have begun it.
//!
//! For each suspect and each kind of evidence `g` (a family, and within it an aspect such as `cpu`):
//!
//! ```text
//! F_g    = max over its evidence of L · (1 for a rise, 0.5 for a fall)            L = −log10 p, at most 8
//! F_g   −= 0.5 · max F of the suspects it calls            latency and errors only: callers inherit them
//! value  = w_g · (max(0, F_g − 2) + 0.1 F_g)                                      w by family, see `weights`
//! score  = Σ value + 1 / (1 + lag of its onset / 2 min) + 2 if it was changed in the 15 minutes before its onset
//! ```
//!
//! The two last terms count only for a suspect whose evidence is worth 1 or more. The dead zone of 2, the cap of 8 and
//! the weights are the incident score's; the tenth below the dead zone only orders suspects that otherwise say nothing.
//! Every term is in the answer, so the sum can be checked by hand. What was tried and did not help, on the labelled sets:
//! a bonus for what half of the others depend on (0.04 less), a walk over the reversed call graph (0 to 0.04 less).
//!
//! Invariant: the answer depends on the set of suspects, evidence and calls, not on their order; equal scores stand in
//! the order of their names.

pub mod learnt;
mod weights;

use schemas::Family;
use std::collections::{BTreeMap, BTreeSet};
use weights::{
    BLAMED, CHANGE_BONUS, CHANGE_LAG_MS, CHANGE_SLACK_MS, DEAD_ZONE, FALL, FIRST_BONUS, FIRST_UNIT_MS, LEAST,
    STRONGEST, WHISPER,
};

/// One entity that may be the cause, with what speaks for it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Suspect {
    /// Its name, unlike all others; evidence under one name is joined.
    pub name: String,
    /// What departed on it.
    pub evidence: Vec<Evidence>,
    /// What was changed on it or its owner.
    pub changes: Vec<Change>,
}

/// One departure.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// Kind of evidence.
    pub family: Family,
    /// Which resource or side within the family, where several are independent; empty otherwise.
    pub aspect: String,
    /// What was measured.
    pub measure: String,
    /// −log10 p.
    pub strength: f64,
    /// Which way.
    pub sense: Sense,
    /// First observation of the departure, milliseconds.
    pub onset: i64,
}

/// Which way a measure went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sense {
    /// More than usual, or of no direction.
    Rise,
    /// Less than usual: often what is left when callers fall silent.
    Fall,
}

/// Something done to a suspect on purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What, as a person would name it.
    pub name: String,
    /// When, milliseconds.
    pub at: i64,
}

/// One depends on another: its latency and errors are the other's too.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    /// Who waits.
    pub caller: String,
    /// Who answers.
    pub callee: String,
}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ranking {
    /// Every suspect, the most likely first.
    pub causes: Vec<Cause>,
}

/// One suspect, judged.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cause {
    /// Which suspect.
    pub name: String,
    /// What the ranking compares: the sum of the terms in their order.
    pub score: f64,
    /// The arithmetic behind the score.
    pub terms: Vec<Term>,
    /// When it departed: the earliest onset of evidence beyond the dead zone, else of any.
    pub onset: i64,
    /// Changes shortly before the onset, the latest first.
    pub changes: Vec<String>,
    /// What speaks for it, a sentence each.
    pub evidence: Vec<String>,
    /// What speaks against it, a sentence each.
    pub against: Vec<String>,
}

/// One term of a score.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Term {
    /// What it is (`saturation (cpu)`, `departed first`).
    pub name: String,
    /// The measure it rests on; empty where it is no evidence.
    pub measure: String,
    /// What it adds.
    pub value: f64,
}

/// Ranks suspects.
pub fn rank(suspects: &[Suspect], calls: &[Call]) -> Ranking {
    let mut gathered: BTreeMap<&str, Gathered<'_>> = BTreeMap::new();
    for suspect in suspects {
        gathered.entry(&suspect.name).or_default().take(suspect);
    }
    let mut callees: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for call in calls.iter().filter(|call| call.caller != call.callee) {
        callees.entry(&call.caller).or_default().insert(&call.callee);
    }
    let mut causes: Vec<Cause> = gathered
        .iter()
        .map(|(name, of)| judge(name, of, blamed(callees.get(name).into_iter().flatten().copied(), &gathered)))
        .collect();
    let first = causes.iter().filter(|cause| cause.weight() >= LEAST).map(|cause| cause.onset).min();
    for cause in &mut causes {
        let known = gathered.get(cause.name.as_str()).map_or(&[][..], |of| &of.changes);
        circumstances(cause, first, known);
    }
    causes.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.name.cmp(&b.name)));
    Ranking { causes }
}

impl Ranking {
    /// The first suspect, where it is convincing; none means unknown.
    pub fn likely(&self) -> Option<&Cause> {
        self.causes.first().filter(|cause| cause.weight() >= LEAST)
    }
}

impl Cause {
    /// What its evidence alone is worth.
    pub fn weight(&self) -> f64 {
        self.terms.iter().filter(|term| !term.measure.is_empty()).map(|term| term.value).sum()
    }
}

/// A suspect's strongest evidence of each kind.
#[derive(Default)]
struct Gathered<'a> {
    kinds: BTreeMap<(u8, &'a str), &'a Evidence>,
    changes: Vec<&'a Change>,
}

impl<'a> Gathered<'a> {
    fn take(&mut self, suspect: &'a Suspect) {
        for evidence in &suspect.evidence {
            let best = self.kinds.entry((evidence.family as u8, &evidence.aspect)).or_insert(evidence);
            let order = felt(evidence)
                .total_cmp(&felt(best))
                .then_with(|| best.onset.cmp(&evidence.onset))
                .then_with(|| best.measure.cmp(&evidence.measure));
            if order.is_gt() {
                *best = evidence;
            }
        }
        self.changes.extend(&suspect.changes);
        self.changes.sort_by(|a, b| b.at.cmp(&a.at).then_with(|| a.name.cmp(&b.name)));
    }
}

/// How much a departure says before anything is explained.
fn felt(evidence: &Evidence) -> f64 {
    match evidence.sense {
        Sense::Rise => bounded(evidence.strength),
        Sense::Fall => FALL * bounded(evidence.strength),
    }
}

/// A strength within its bounds; one that is no number says nothing.
fn bounded(strength: f64) -> f64 {
    if strength.is_nan() { 0.0 } else { strength.clamp(0.0, STRONGEST) }
}

/// Whose latency or errors a caller inherits most of, and how much of them there is.
fn blamed<'a>(
    callees: impl Iterator<Item = &'a str>,
    gathered: &BTreeMap<&'a str, Gathered<'a>>,
) -> Option<(&'a str, f64)> {
    let mut most: Option<(&str, f64)> = None;
    for callee in callees {
        let of = gathered.get(callee).into_iter().flat_map(|of| of.kinds.values());
        for evidence in of.filter(|evidence| weights::is_inherited(evidence.family)) {
            if felt(evidence) > most.map_or(0.0, |(_, strength)| strength) {
                most = Some((callee, felt(evidence)));
            }
        }
    }
    most
}

fn judge(name: &str, of: &Gathered<'_>, blamed: Option<(&str, f64)>) -> Cause {
    let mut cause = Cause { name: name.to_owned(), onset: i64::MAX, ..Cause::default() };
    let (mut earliest, mut inherits) = (i64::MAX, false);
    for ((_, aspect), evidence) in &of.kinds {
        let (mut own, weight) = (felt(evidence), weights::of(evidence.family));
        earliest = earliest.min(evidence.onset);
        if own > DEAD_ZONE && weight > 0.0 {
            cause.onset = cause.onset.min(evidence.onset);
            cause.evidence.push(sentence(evidence));
        }
        if let Some((_, strength)) = blamed.filter(|_| weights::is_inherited(evidence.family)) {
            inherits |= own > DEAD_ZONE && strength > DEAD_ZONE;
            own = (own - BLAMED * strength).max(0.0);
        }
        let value = weight * ((own - DEAD_ZONE).max(0.0) + WHISPER * own);
        let family = weights::name(evidence.family);
        let name = if aspect.is_empty() { family.to_owned() } else { format!("{family} ({aspect})") };
        cause.terms.push(Term { name, measure: evidence.measure.clone(), value });
    }
    if cause.onset == i64::MAX {
        cause.onset = earliest;
    }
    if let Some((callee, _)) = blamed.filter(|_| inherits) {
        cause.against.push(format!("it waits for {callee}, which departed too"));
    }
    cause.score = cause.weight();
    cause
}

/// Adds what is no evidence: who was first, and what was changed.
fn circumstances(cause: &mut Cause, first: Option<i64>, changes: &[&Change]) {
    let convincing = cause.weight() >= LEAST;
    if let Some(first) = first.filter(|_| convincing) {
        let lag = cause.onset.saturating_sub(first);
        let value = FIRST_BONUS / (1.0 + lag as f64 / FIRST_UNIT_MS);
        cause.terms.push(Term { name: "how early it departed".to_owned(), measure: String::new(), value });
        if lag > 0 {
            cause.against.push(format!("it departed {:.1} min after the first", lag as f64 / 60_000.0));
        }
    }
    for change in changes {
        let before = cause.onset.saturating_sub(change.at);
        if (-CHANGE_SLACK_MS..=CHANGE_LAG_MS).contains(&before) {
            cause.changes.push(change.name.clone());
        } else if before < 0 && convincing {
            cause.against.push(format!("it had departed before {}", change.name));
        }
    }
    if convincing && !cause.changes.is_empty() {
        let name = "changed shortly before".to_owned();
        cause.terms.push(Term { name, measure: String::new(), value: CHANGE_BONUS });
    }
    cause.score = cause.terms.iter().map(|term| term.value).sum();
}

fn sentence(evidence: &Evidence) -> String {
    let way = match evidence.sense {
        Sense::Rise => "departed",
        Sense::Fall => "fell, which counts half",
    };
    format!("{} {way}: one in 10^{:.1}", evidence.measure, bounded(evidence.strength))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn evidence(family: Family, strength: f64) -> Evidence {
        let measure = format!("{family:?}");
        Evidence { family, aspect: String::new(), measure, strength, sense: Sense::Rise, onset: 1_000_000 }
    }

    fn suspect(name: &str, evidence: Vec<Evidence>) -> Suspect {
        Suspect { name: name.to_owned(), evidence, changes: Vec::new() }
    }

    fn call(caller: &str, callee: &str) -> Call {
        Call { caller: caller.to_owned(), callee: callee.to_owned() }
    }

    fn order(ranking: &Ranking) -> Vec<&str> {
        ranking.causes.iter().map(|cause| cause.name.as_str()).collect()
    }

    #[test]
    fn a_dependency_that_is_slow_itself_explains_its_callers() {
        let suspects = [
            suspect("frontend", vec![evidence(Family::Latency, 8.0)]),
            suspect("checkout", vec![evidence(Family::Latency, 8.0)]),
            suspect("payment", vec![evidence(Family::Latency, 7.0)]),
        ];
        let calls = [call("frontend", "checkout"), call("checkout", "payment")];
        let ranking = rank(&suspects, &calls);
        assert_eq!(order(&ranking), ["payment", "checkout", "frontend"]);
        assert!(ranking.causes[1].against[0].contains("payment"));
    }

    #[test]
    fn families_add_up_and_one_wild_measure_does_not_win() {
        let suspects = [
            suspect("wild", vec![evidence(Family::Latency, 300.0)]),
            suspect("sick", vec![evidence(Family::Latency, 6.0), evidence(Family::Saturation, 6.0)]),
        ];
        assert_eq!(order(&rank(&suspects, &[])), ["sick", "wild"]);
    }

    #[test]
    fn within_a_kind_only_the_strongest_counts() {
        let many = vec![evidence(Family::Errors, 5.0); 9];
        let ranking = rank(&[suspect("many", many), suspect("one", vec![evidence(Family::Errors, 5.5)])], &[]);
        assert_eq!(order(&ranking), ["one", "many"]);
        assert_eq!(ranking.causes[1].terms.iter().filter(|term| !term.measure.is_empty()).count(), 1);
    }

    #[test]
    fn a_fall_counts_half() {
        let fall = Evidence { sense: Sense::Fall, ..evidence(Family::Saturation, 8.0) };
        let ranking =
            rank(&[suspect("fell", vec![fall]), suspect("rose", vec![evidence(Family::Saturation, 5.0)])], &[]);
        assert_eq!(order(&ranking), ["rose", "fell"]);
    }

    #[test]
    fn a_change_shortly_before_speaks_for_its_suspect_and_one_afterwards_against() {
        let at = |name: &str, at| Change { name: name.to_owned(), at };
        let mut changed = suspect("a", vec![evidence(Family::Errors, 5.0)]);
        changed.changes = vec![at("deploy 1", 400_000), at("deploy 2", 1_200_000), at("deploy 0", -10_000_000)];
        let ranking = rank(&[changed, suspect("b", vec![evidence(Family::Errors, 6.0)])], &[]);
        assert_eq!(order(&ranking), ["a", "b"]);
        assert_eq!(ranking.causes[0].changes, ["deploy 1"]);
        assert_eq!(ranking.causes[0].against, ["it had departed before deploy 2"]);
    }

    #[test]
    fn nothing_convincing_is_unknown() {
        let ranking = rank(&[suspect("a", vec![evidence(Family::Latency, 2.2)]), suspect("b", Vec::new())], &[]);
        assert_eq!(ranking.likely(), None);
        assert_eq!(order(&ranking), ["a", "b"]);
        assert_eq!(rank(&[], &[]).likely(), None);
    }

    #[test]
    fn evidence_that_is_no_number_says_nothing() {
        let ranking = rank(&[suspect("a", vec![evidence(Family::Errors, f64::NAN)])], &[]);
        assert_eq!(ranking.causes[0].score, 0.0);
    }

    proptest! {
        #[test]
        fn the_order_of_the_input_does_not_matter_and_terms_add_up(
            strengths in prop::collection::vec((0usize..6, 0usize..10, 0.0f64..12.0, 0i64..600_000), 1..40),
            pairs in prop::collection::vec((0usize..6, 0usize..6), 0..12),
            turn in 0usize..40,
        ) {
            const FAMILIES: [Family; 10] = [Family::Latency, Family::Errors, Family::Saturation, Family::Novelty,
                Family::Network, Family::Change, Family::Logs, Family::Peers, Family::Forecast, Family::DataQuality];
            let mut suspects: Vec<Suspect> = strengths.iter().map(|(who, family, strength, onset)| {
                let evidence = Evidence { onset: *onset, ..evidence(FAMILIES[*family], *strength) };
                suspect(&format!("s{who}"), vec![evidence])
            }).collect();
            let mut calls: Vec<Call> = pairs.iter().map(|(a, b)| call(&format!("s{a}"), &format!("s{b}"))).collect();
            let ranking = rank(&suspects, &calls);
            for cause in &ranking.causes {
                prop_assert_eq!(cause.score, cause.terms.iter().map(|term| term.value).sum::<f64>());
            }
            let turn = turn % suspects.len();
            suspects.rotate_left(turn);
            calls.reverse();
            prop_assert_eq!(rank(&suspects, &calls), ranking);
        }
    }
}
