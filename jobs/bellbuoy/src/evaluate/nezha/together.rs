//! Correlation of alerts into incidents: several faults of one application told to `correlate` as if they had come
//! together, and which alerts ended in the same incident.
//!
//! Faults are drawn in threes, by a seed. Each lasts four minutes; the next one begins when the former ends (overlap 0 %),
//! in its middle (50 %) or with it (100 %), or half an hour after it began. An alert is a measure that departed by 3 or more, at its own onset, with what
//! its service calls: what an anomaly of `detect` says.
//!
//! Invariant: the same seed gives the same figures; the correlation never sees which fault an alert belongs to.

use super::read::{Day, Fault, SECOND};
use super::{BEFORE, WINDOW};
use crate::evaluate::minutes::{Span, suspects};
use crate::evaluate::report::SetReport;
use correlate::causes::{Evidence, Sense};
use correlate::{Config, Correlator, Memory, Round, Told};
use schemas::{Anomaly, Band, Entity, EntityKind, Incident, IncidentState, Related, Relation};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const SEEDS: u64 = 5;
/// Faults told together.
const TOGETHER: usize = 3;
const LASTS: i64 = 240 * SECOND;
/// How far apart the faults begin.
const SPACINGS: [(&str, i64); 4] =
    [("30 min apart", 1_800 * SECOND), ("overlap 0 %", LASTS), ("overlap 50 %", LASTS / 2), ("overlap 100 %", 0)];
/// Strength of an alert: with it an entity may join an incident.
const ALERT: f64 = 3.0;
/// Score per power of ten, as correlation reads it.
const SCORE: f64 = 12.5;
/// A slot of correlation's clock; how long it is asked after the last alert, and how often when there is none.
const ROUND: i64 = 250;
const AFTER: i64 = 300 * SECOND;
const LOOK: i64 = 30 * SECOND;
/// When stories begin: any time that is no special one.
const START: i64 = 1_000_000 * SECOND;

/// What an alert is about: service and measure.
type About = (String, String);

/// One alert, of one of the faults told together.
#[derive(Clone, Debug)]
struct Alert {
    fault: usize,
    about: About,
    anomaly: Anomaly<'static>,
}

/// Pairs of alerts counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Pairs {
    all: usize,
    same_fault: usize,
    same_incident: usize,
    both: usize,
    faults: usize,
    incidents: usize,
}

/// Adds the figures of correlation to a report.
pub(super) fn measure(day: &Day, report: &mut SetReport) {
    let alerts: Vec<Vec<(Evidence, String)>> = day.faults.iter().map(|fault| alerts(day, fault)).collect();
    for (how, apart) in SPACINGS {
        let mut pairs = Pairs::default();
        for seed in 0..SEEDS {
            for group in shuffled(day.faults.len(), seed).chunks_exact(TOGETHER) {
                let told = together(day, group, &alerts, apart);
                pairs.count(&told, &incidents(&told));
            }
        }
        let share = |part: usize, of: usize| part as f64 / of.max(1) as f64;
        let name = |what: &str| format!("alerts into incidents, {how}: {what}");
        report.figure(name("precision of pairs"), share(pairs.both, pairs.same_incident));
        report.figure(name("recall of pairs"), share(pairs.both, pairs.same_fault));
        report.figure(name("incidents per fault"), share(pairs.incidents, pairs.faults));
        report.figure(name("floor, one incident for all: precision of pairs"), share(pairs.same_fault, pairs.all));
    }
}

/// What departed with a fault, once for each service and measure, the strongest.
fn alerts(day: &Day, fault: &Fault) -> Vec<(Evidence, String)> {
    let before = Span { from: fault.at - BEFORE, to: fault.at };
    let window = Span { from: fault.at + WINDOW.0, to: fault.at + WINDOW.1 };
    let mut strongest: BTreeMap<About, Evidence> = BTreeMap::new();
    for suspect in suspects(&day.services, &day.measures, before, window) {
        for evidence in suspect.evidence {
            // A fall is told as what it counts for.
            let strength = if evidence.sense == Sense::Fall { evidence.strength / 2.0 } else { evidence.strength };
            let about = (suspect.name.clone(), evidence.measure.clone());
            if strength >= ALERT && strongest.get(&about).is_none_or(|best| best.strength < strength) {
                strongest.insert(about, Evidence { strength, onset: evidence.onset - fault.at, ..evidence });
            }
        }
    }
    strongest.into_iter().map(|((service, _), evidence)| (evidence, service)).collect()
}

/// The alerts of a group of faults, in order of time.
fn together(day: &Day, group: &[usize], alerts: &[Vec<(Evidence, String)>], apart: i64) -> Vec<Alert> {
    let mut told = Vec::new();
    for (position, fault) in group.iter().enumerate() {
        let begins = START + position as i64 * apart;
        for (evidence, service) in alerts.get(*fault).into_iter().flatten() {
            let anomaly = anomaly(day, service, evidence, begins + evidence.onset);
            told.push(Alert { fault: *fault, about: (service.clone(), evidence.measure.clone()), anomaly });
        }
    }
    told.sort_by(|a, b| (a.anomaly.onset, &a.about, a.fault).cmp(&(b.anomaly.onset, &b.about, b.fault)));
    told
}

fn workload(service: &str) -> Entity<'static> {
    Entity {
        kind: EntityKind::Workload,
        namespace: "shop".into(),
        workload_kind: "Deployment".into(),
        name: service.to_owned().into(),
    }
}

/// An alert as `detect` tells it.
fn anomaly(day: &Day, service: &str, evidence: &Evidence, onset: i64) -> Anomaly<'static> {
    let calls = day.calls.iter().filter(|call| call.caller == service);
    Anomaly {
        tenant: "evaluation".into(),
        cluster: day.set.into(),
        entity: workload(service),
        detector: "evaluation".into(),
        family: evidence.family,
        measure: evidence.measure.clone().into(),
        band: Band::Sharp,
        score: SCORE * evidence.strength,
        onset,
        event_time: onset,
        sentence: format!("{service}: {} departed", evidence.measure).into(),
        related: calls.map(|call| Related { relation: Relation::Calls, entity: workload(&call.callee) }).collect(),
        ..Anomaly::default()
    }
}

/// Tells alerts to a correlation of their own: the incident in which each ended, and none where in none.
fn incidents(told: &[Alert]) -> Vec<Option<String>> {
    let mut memory = Memory { tenant: "evaluation".to_owned(), cluster: "evaluation".to_owned(), ..Memory::default() };
    let mut correlator = Correlator::restore(Arc::new(Config::default()), &memory);
    let mut rounds: BTreeMap<i64, Vec<Told<'static>>> = BTreeMap::new();
    for (number, alert) in told.iter().enumerate() {
        rounds.entry(slot(alert)).or_default().push(Told { of: (0, number as i64), anomaly: alert.anomaly.clone() });
    }
    // Time passes between alerts too: what has been quiet long enough is closed.
    let (first, last) = (rounds.keys().next().copied(), rounds.keys().last().copied());
    let mut now = first.unwrap_or(START);
    while now < last.unwrap_or(START) + AFTER {
        now += LOOK;
        rounds.entry(now).or_default();
    }
    let (mut seen, mut taken_in) = (Seen::new(), BTreeMap::new());
    for (at, anomalies) in rounds {
        let round = Round { at, anomalies: &anomalies, ..Round::default() };
        for incident in correlator.round(&mut memory, &round) {
            take(at, &incident, &mut seen, &mut taken_in);
        }
    }
    let end = |(number, alert): (usize, &Alert)| {
        let again = told[number + 1..].iter().find(|other| other.about == alert.about && slot(other) > slot(alert));
        let until = again.map_or(i64::MAX, slot);
        let places = seen.get(&alert.about)?;
        let mut during = places.iter().filter(|(at, _)| (slot(alert)..until).contains(at));
        // An update may come only after the same departure was told again.
        let place = during.next_back().or_else(|| places.iter().find(|(at, _)| *at >= until))?;
        Some(survivor(&place.1, &taken_in))
    };
    told.iter().enumerate().map(end).collect()
}

/// In which incidents a departure was told to be, and when.
type Seen = BTreeMap<About, Vec<(i64, String)>>;

/// The round in which an alert is told.
fn slot(alert: &Alert) -> i64 {
    (alert.anomaly.onset / ROUND + 1) * ROUND
}

/// Notes where departures are after a change of an incident.
fn take(at: i64, incident: &Incident<'_>, seen: &mut Seen, taken_in: &mut BTreeMap<String, String>) {
    if incident.state == IncidentState::Merge {
        taken_in.insert(incident.id.to_string(), incident.superseded_by.to_string());
        return;
    }
    for member in &incident.members {
        let about = (member.entity.name.to_string(), member.measure.to_string());
        seen.entry(about).or_default().push((at, incident.id.to_string()));
    }
}

/// The incident that has taken this one in, at the end of the row.
fn survivor(id: &str, taken_in: &BTreeMap<String, String>) -> String {
    let (mut id, mut seen) = (id, BTreeSet::new());
    while let Some(by) = taken_in.get(id).filter(|_| seen.insert(id.to_owned())) {
        id = by;
    }
    id.to_owned()
}

impl Pairs {
    fn count(&mut self, told: &[Alert], ends: &[Option<String>]) {
        for (index, one) in told.iter().enumerate() {
            for other in index + 1..told.len() {
                let same_fault = one.fault == told[other].fault;
                let same_incident = ends[index].is_some() && ends[index] == ends[other];
                self.all += 1;
                self.same_fault += usize::from(same_fault);
                self.same_incident += usize::from(same_incident);
                self.both += usize::from(same_fault && same_incident);
            }
        }
        self.faults += told.iter().map(|alert| alert.fault).collect::<BTreeSet<_>>().len();
        self.incidents += ends.iter().flatten().collect::<BTreeSet<_>>().len();
    }
}

/// The numbers below `count` in an order drawn by a seed.
fn shuffled(count: usize, seed: u64) -> Vec<usize> {
    // SplitMix64: each number is placed by what is drawn for it.
    let drawn = |number: usize| {
        let step = (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut bits = seed.wrapping_mul(0xd134_2543_de82_ef95).wrapping_add(step);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    };
    let mut numbers: Vec<usize> = (0..count).collect();
    numbers.sort_by_key(|number| (drawn(*number), *number));
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::Family;

    fn alert(fault: usize, service: &str, minute: i64) -> Alert {
        let day = Day::of("d", Vec::new(), Vec::new());
        let evidence = Evidence {
            family: Family::Latency,
            aspect: String::new(),
            measure: "latency".to_owned(),
            strength: 7.0,
            sense: Sense::Rise,
            onset: 0,
        };
        let onset = START + minute * 60 * SECOND;
        let anomaly = anomaly(&day, service, &evidence, onset);
        Alert { fault, about: (service.to_owned(), evidence.measure), anomaly }
    }

    #[test]
    fn services_that_have_nothing_to_do_with_each_other_are_two_incidents() {
        let told = [alert(0, "a", 0), alert(1, "b", 0)];
        let ends = incidents(&told);
        assert!(ends[0].is_some() && ends[1].is_some() && ends[0] != ends[1], "{ends:?}");
        let mut pairs = Pairs::default();
        pairs.count(&told, &ends);
        assert_eq!(pairs, Pairs { all: 1, faults: 2, incidents: 2, ..Pairs::default() });
    }

    #[test]
    fn a_caller_and_what_it_calls_are_one_incident() {
        let mut caller = alert(0, "a", 0);
        caller.anomaly.related = vec![Related { relation: Relation::Calls, entity: workload("b") }];
        let told = [caller, alert(0, "b", 0)];
        let ends = incidents(&told);
        assert!(ends[0].is_some() && ends[0] == ends[1], "{ends:?}");
        let mut pairs = Pairs::default();
        pairs.count(&told, &ends);
        assert_eq!((pairs.both, pairs.same_fault, pairs.incidents, pairs.faults), (1, 1, 1, 1));
    }

    #[test]
    fn a_seed_gives_one_order_and_another_seed_another() {
        let one = shuffled(24, 1);
        assert_eq!(one, shuffled(24, 1));
        assert_ne!(one, shuffled(24, 2));
        assert_eq!(one.iter().copied().collect::<BTreeSet<_>>().len(), 24);
    }

    #[test]
    fn a_row_of_mergers_ends_where_nothing_took_it_in() {
        let taken_in = [("a", "b"), ("b", "c"), ("x", "y"), ("y", "x")];
        let taken_in = taken_in.into_iter().map(|(from, to)| (from.to_owned(), to.to_owned())).collect();
        assert_eq!((survivor("a", &taken_in), survivor("z", &taken_in)), ("c".to_owned(), "z".to_owned()));
        assert!(["x", "y"].contains(&survivor("x", &taken_in).as_str()));
    }
}
