//! Why a finding came, went or changed: the key that differs, and the number that lies between its values.
//!
//! Invariant: a reason never names a key that cannot concern the finding, and a number only where it does decide.

use super::Change;
use crate::configuration::KeyDifference;
use crate::found::{Anomaly, Incident, mode};
use crate::numbers::{self, Number, short};
use schemas::{Band, Command, Logic, Term};
use std::collections::{BTreeMap, BTreeSet};

/// Keys named in one reason.
const NAMED: usize = 3;

/// What a run is compared with.
#[derive(Clone, Debug)]
pub enum Versus {
    /// Another configuration, run over the same records: these keys differ.
    Configuration(Vec<KeyDifference>),
    /// What was published, by the logic of each job then, and now.
    Published {
        /// Logic that wrote what was published.
        before: BTreeMap<&'static str, BTreeSet<Logic>>,
        /// Logic of this run.
        after: BTreeMap<&'static str, BTreeSet<Logic>>,
    },
}

/// Finds reasons.
#[derive(Clone, Debug)]
pub struct Reasons {
    versus: Versus,
    /// Names of detectors: a section of `detect` with such a name concerns that detector only.
    detectors: Vec<&'static str>,
}

impl Reasons {
    /// Reasons for differences to what a run is compared with.
    pub fn new(versus: Versus, detectors: Vec<&'static str>) -> Self {
        Reasons { versus, detectors }
    }

    /// Why only one run has an anomaly.
    pub fn of_anomaly(&self, anomaly: &Anomaly) -> String {
        let concerned = self.of_detector(&anomaly.of.detector);
        let decided = decided(&concerned, &numbers::of_anomaly(anomaly));
        let told = concerned.iter().find(|change| change.key.ends_with(".tell_from") && between(change, anomaly.band));
        let told = told.map(|change| format!("band {:?}: {}", anomaly.band, change.text()));
        decided.or(told).unwrap_or_else(|| self.in_general("detect", &concerned))
    }

    /// Why both runs have an anomaly and say something else of it.
    pub fn of_changed_anomaly(&self, before: &Anomaly, after: &Anomaly) -> String {
        let concerned = self.of_detector(&after.of.detector);
        match decided(&concerned, &numbers::of_anomaly(after)).filter(|_| before.band != after.band) {
            Some(decided) => decided,
            None => join(first_term(&before.terms, &after.terms), self.in_general("detect", &concerned)),
        }
    }

    /// Why only one run has an incident; so many of its members only that run has, too.
    pub fn of_incident(&self, incident: &Incident, change: Change, members: usize) -> String {
        if members > 0 {
            return format!("{members} of its {} members {}", incident.members_total, became(change, members));
        }
        let concerned = self.of_job("correlate");
        let decided = decided(&concerned, &numbers::of_incident(incident));
        decided.unwrap_or_else(|| self.in_general("correlate", &concerned))
    }

    /// Why both runs have an incident and say something else of it.
    pub fn of_changed_incident(&self, before: &Incident, after: &Incident, lost: usize, gained: usize) -> String {
        let members = [(Change::Gained, gained), (Change::Lost, lost)].into_iter().filter(|(_, count)| *count > 0);
        let told: Vec<String> = members
            .map(|(change, count)| format!("{count} of its members {}", became(change, count)))
            .chain(first_term(&before.terms, &after.terms))
            .collect();
        if lost + gained > 0 {
            return told.join("; ");
        }
        let concerned = self.of_job("correlate");
        match decided(&concerned, &numbers::of_incident(after)) {
            Some(decided) => decided,
            None => join((!told.is_empty()).then(|| told.join("; ")), self.in_general("correlate", &concerned)),
        }
    }

    /// Why only one run has a command, whose incident may have come, gone or changed.
    pub fn of_command(&self, incident: Option<Change>) -> String {
        match incident {
            Some(change) => format!("its incident is {}", change.word()),
            None => self.in_general("remediate", &self.of_job("remediate")),
        }
    }

    /// Why both runs have a command and say something else of it.
    pub fn of_changed_command(&self, before: &Command<'_>, after: &Command<'_>, incident: Option<Change>) -> String {
        let modes = (before.mode != after.mode).then(|| format!("mode {} → {}", mode(before.mode), mode(after.mode)));
        join(modes, self.of_command(incident))
    }

    /// Keys that may concern a detector: its own, those of all, and those of what came before.
    fn of_detector(&self, detector: &str) -> Vec<&KeyDifference> {
        let concerns = |change: &&KeyDifference| {
            let mut parts = change.key.split('.');
            match (parts.next(), parts.next()) {
                (Some("ingest"), _) => true,
                (Some("detect"), Some(section)) => section == detector || !self.detectors.contains(&section),
                _ => false,
            }
        };
        self.keys().iter().filter(concerns).collect()
    }

    fn of_job(&self, job: &str) -> Vec<&KeyDifference> {
        let concerns = |change: &&KeyDifference| change.key.split('.').next() == Some(job);
        self.keys().iter().filter(concerns).collect()
    }

    fn keys(&self) -> &[KeyDifference] {
        match &self.versus {
            Versus::Configuration(keys) => keys,
            Versus::Published { .. } => &[],
        }
    }

    /// What can be said where no number decides.
    fn in_general(&self, job: &str, concerned: &[&KeyDifference]) -> String {
        if let Some(switch) = concerned.iter().find(|change| change.is_switch()) {
            return switch.text();
        }
        if !concerned.is_empty() {
            let named: Vec<String> = concerned.iter().take(NAMED).map(|change| change.text()).collect();
            let more = concerned.len().saturating_sub(NAMED);
            let more = if more > 0 { format!(" and {more} more keys") } else { String::new() };
            return format!("follows from {}{more}", named.join(", "));
        }
        match &self.versus {
            Versus::Configuration(_) => format!("follows from what {job} was given"),
            Versus::Published { before, after } => {
                let [old, new] = [before, after].map(|logic| logic.get(job).map(texts).unwrap_or_default());
                if old == new {
                    return "the logic is the same: the range, or what was learned before it, differs".to_owned();
                }
                let old = if old.is_empty() { "nothing".to_owned() } else { old };
                format!("published by {old}, this is {new}")
            }
        }
    }
}

/// The key and the number that decide, where there are such.
fn decided(concerned: &[&KeyDifference], numbers: &[Number]) -> Option<String> {
    concerned.iter().find_map(|change| {
        let number = change.decided_by(numbers)?;
        Some(format!("{} {} lies between: {}", number.name, short(number.value), change.text()))
    })
}

/// True where one value of a band lets a band pass and the other does not.
fn between(change: &KeyDifference, band: Band) -> bool {
    let parse = |value: &serde_json::Value| serde_json::from_value::<Band>(value.clone()).ok();
    match (parse(&change.before), parse(&change.after)) {
        (Some(before), Some(after)) => (band >= before) != (band >= after),
        _ => false,
    }
}

/// The first term of a score that differs.
fn first_term(before: &[Term<'_>], after: &[Term<'_>]) -> Option<String> {
    let old = |name: &str| before.iter().find(|term| term.name == *name).map(|term| term.value);
    let differs = |term: &&Term<'_>| old(&term.name).is_some_and(|value| value.to_bits() != term.value.to_bits());
    let term = after.iter().find(differs)?;
    Some(format!("{} {} → {}", term.name, short(old(&term.name)?), short(term.value)))
}

fn became(change: Change, count: usize) -> String {
    format!("{} {}", if count == 1 { "is" } else { "are" }, change.word())
}

fn join(first: Option<String>, second: String) -> String {
    match first {
        Some(first) => format!("{first}; {second}"),
        None => second,
    }
}

fn texts(logic: &BTreeSet<Logic>) -> String {
    let text = |logic: &Logic| {
        format!("semantics {}, revision {}, configuration {:016x}", logic.semantics, logic.revision, logic.hash)
    };
    logic.iter().map(text).collect::<Vec<_>>().join(" and ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::found::AnomalyOf;
    use schemas::{Entity, Family};
    use serde_json::{Value, json};

    fn reasons(keys: &[(&str, Value, Value)]) -> Reasons {
        let change = |(key, before, after): &(&str, Value, Value)| KeyDifference {
            key: (*key).to_owned(),
            before: before.clone(),
            after: after.clone(),
        };
        Reasons::new(Versus::Configuration(keys.iter().map(change).collect()), vec!["entity", "novelty", "univariate"])
    }

    fn anomaly(detector: &str, raw: f64, p: Option<f64>) -> Anomaly {
        Anomaly {
            of: AnomalyOf {
                tenant: String::new(),
                cluster: String::new(),
                entity: Entity::default(),
                detector: detector.to_owned(),
                scope: String::new(),
                measure: String::new(),
            },
            onset: 0,
            event_time: 90_000_000,
            family: Family::Novelty,
            band: Band::Sharp,
            score: 40.0,
            raw,
            p,
            terms: Vec::new(),
            sentence: String::new(),
            baseline_count: 10,
            baseline_since: 0,
        }
    }

    #[test]
    fn the_number_between_the_values_of_a_key_is_the_reason() {
        let found = reasons(&[("detect.entity.sharp", json!(4.0), json!(6.0))]);
        let reason = "score of the detector 5.1 lies between: detect.entity.sharp 4 → 6";
        assert_eq!(found.of_anomaly(&anomaly("entity", 5.1, None)), reason);
        let found = reasons(&[("detect.novelty.sharp", json!(1e-4), json!(1e-5))]);
        let reason = "p 3e-5 lies between: detect.novelty.sharp 0.0001 → 1e-5";
        assert_eq!(found.of_anomaly(&anomaly("novelty", 4.5, Some(3e-5))), reason);
        let found = reasons(&[("detect.entity.mature_age", json!(86_400_000), json!(172_800_000))]);
        let told = found.of_anomaly(&anomaly("entity", 5.1, None));
        assert!(told.starts_with("age of the baseline 90000000 lies between"), "{told}");
    }

    #[test]
    fn a_key_of_another_detector_is_never_the_reason() {
        let found = reasons(&[("detect.entity.sharp", json!(4.0), json!(6.0))]);
        assert_eq!(found.of_anomaly(&anomaly("novelty", 5.1, None)), "follows from what detect was given");
        let found = reasons(&[("detect.rows.warm_up", json!(1), json!(2))]);
        assert_eq!(found.of_anomaly(&anomaly("novelty", 5.1, None)), "follows from detect.rows.warm_up 1 → 2");
    }

    #[test]
    fn switches_and_bands_decide_too() {
        let found = reasons(&[("detect.novelty.enabled", json!(true), json!(false))]);
        assert_eq!(found.of_anomaly(&anomaly("novelty", 5.1, None)), "detect.novelty.enabled true → false");
        let found = reasons(&[("detect.univariate.tell_from", json!("Sharp"), json!("Novel"))]);
        let reason = "band Sharp: detect.univariate.tell_from Sharp → Novel";
        assert_eq!(found.of_anomaly(&anomaly("univariate", 0.1, None)), reason);
    }

    #[test]
    fn against_what_was_published_the_logic_is_the_reason() {
        let of = |semantics| BTreeMap::from([("detect", BTreeSet::from([Logic { semantics, ..Logic::default() }]))]);
        let found = |before, after| {
            let versus = Versus::Published { before: of(before), after: of(after) };
            Reasons::new(versus, Vec::new()).of_anomaly(&anomaly("entity", 5.1, None))
        };
        assert!(found(1, 2).starts_with("published by semantics 1, revision 0"));
        assert!(found(2, 2).starts_with("the logic is the same"));
    }
}
