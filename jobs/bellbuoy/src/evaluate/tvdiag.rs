//! TVDiag's Gaia incidents: alerts that are given, a topology, one of ten instances to blame.
//!
//! Two answers are measured. The first is the general ranking, with every kind of alert worth the same. The second knows
//! this system: a weight for each kind of alert, learnt from the 160 incidents of the set's own train part as the
//! published figures are; its one constant, the shrinkage, is chosen by cross-validation inside that part.
//!
//! Invariant: nothing of the test part is looked at before it is scored, and `message`, which tells the injection, never.

use super::error::{EvaluateError, read_json};
use super::report::SetReport;
use super::score::{Places, place, place_by_name};
use super::table::Table;
use correlate::causes::learnt::{Case, Weights};
use correlate::causes::{self, Call, Evidence, Sense, Suspect};
use schemas::Family;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Shrinkages to choose from, and the folds by which they are compared.
const SHRINKAGES: [f64; 4] = [0.003, 0.01, 0.03, 0.1];
const FOLDS: usize = 5;
/// Strength of a kind of alert that came `n` times: this many decades a tenfold.
const TAIL: f64 = 4.0;
/// Weights that are shown.
const SHOWN: usize = 8;

/// One incident, without its label.
#[derive(Clone, Debug, Default)]
struct Incident {
    instances: Vec<String>,
    calls: Vec<Call>,
    /// Instance, metric, `up` or `down`.
    metrics: Vec<(String, String, String)>,
    /// Caller, callee, operation, `PD` or `ERROR`.
    traces: Vec<(String, String, String, String)>,
    /// Instance and template.
    logs: Vec<(String, String)>,
}

/// What is known of an incident afterwards.
#[derive(Clone, Debug)]
struct Label {
    culprit: String,
    kind: String,
    tests: bool,
}

/// Measures both answers and the floors on the test part.
pub(super) fn assess(folder: &Path) -> Result<Vec<SetReport>, EvaluateError> {
    let labels = labels(&folder.join("label.csv"))?;
    let incidents = incidents(&folder.join("raw"), labels.keys())?;
    let part = |tests| labels.iter().zip(&incidents).filter(move |((_, label), _)| label.tests == tests);
    let train: Vec<(&Label, &Incident)> = part(false).map(|((_, label), incident)| (label, incident)).collect();
    let test: Vec<(&Label, &Incident)> = part(true).map(|((_, label), incident)| (label, incident)).collect();
    let kinds: Vec<&str> = test.iter().map(|(label, _)| label.kind.as_str()).collect();

    let cases: Vec<Case> = train.iter().map(|(label, incident)| case(label, incident)).collect();
    let shrinkage = chosen(&cases);
    let weights = Weights::learn(&cases, shrinkage);
    let mut report = SetReport::new("tvdiag_gaia", test.len());
    let places: Vec<_> = test.iter().map(|(label, incident)| learnt(&weights, label, incident)).collect();
    report.measured("ours, weights learnt from the train part, alerts given", &places, &kinds);
    let places: Vec<_> = test.iter().map(|(label, incident)| general(label, incident)).collect();
    report.measured("ours, general ranking, alerts given", &places, &kinds);
    for (name, counts) in FLOORS {
        let floor = |(label, incident): &(&Label, &Incident)| {
            place_by_name(counted(incident, counts).iter().map(|(name, n)| (name.as_str(), *n)), &label.culprit)
        };
        report.total(&format!("floor: {name}"), &test.iter().map(floor).collect::<Vec<_>>());
    }
    let constant = test.iter().filter(|(label, _)| label.culprit == CONSTANT).count();
    report.figure(format!("floor: always {CONSTANT}, AC@1"), constant as f64 / test.len().max(1) as f64);
    report.figure("incidents learnt from", cases.len() as f64);
    report.figure("shrinkage chosen in the train part", shrinkage);
    report.figure("kinds of alert with a weight", weights.iter().count() as f64);
    report.published("TVDiag (learnt from the train part)", [Some(0.759), Some(0.909), Some(0.946)]);
    report.note("alerts come without times, so there is no onset to be given or detected");
    report.note("the floors break ties by name, as the set's page did; our rows give tied suspects their last place");
    report.note(&strongest(&weights));
    Ok(vec![report])
}

/// Whose constant answer is right most often.
const CONSTANT: &str = "mobservice2";

/// Which alerts a floor counts: metric, trace by callee, log.
const FLOORS: [(&str, [bool; 3]); 4] = [
    ("most metric alerts", [true, false, false]),
    ("most alerts of all kinds", [true, true, true]),
    ("most trace alerts as callee", [false, true, false]),
    ("most log alerts", [false, false, true]),
];

fn counted(incident: &Incident, [metrics, traces, logs]: [bool; 3]) -> BTreeMap<String, f64> {
    let mut counts: BTreeMap<String, f64> = incident.instances.iter().map(|name| (name.clone(), 0.0)).collect();
    let metrics = incident.metrics.iter().filter(|_| metrics).map(|(instance, ..)| instance);
    let traces = incident.traces.iter().filter(|_| traces).map(|(_, callee, ..)| callee);
    let logs = incident.logs.iter().filter(|_| logs).map(|(instance, _)| instance);
    for instance in metrics.chain(traces).chain(logs) {
        *counts.entry(instance.clone()).or_default() += 1.0;
    }
    counts
}

/// The kinds of alert that each instance bears.
fn marks(incident: &Incident) -> Vec<(&str, BTreeSet<String>)> {
    let mut marks: BTreeMap<&str, BTreeSet<String>> =
        incident.instances.iter().map(|name| (name.as_str(), BTreeSet::new())).collect();
    let mut bear = |instance: &str, mark: String| {
        if let Some(of) = marks.get_mut(instance) {
            of.insert(mark);
        }
    };
    for (instance, metric, way) in &incident.metrics {
        bear(instance, format!("metric {metric} {way}"));
    }
    for (caller, callee, operation, kind) in &incident.traces {
        bear(callee, format!("called {kind}"));
        bear(callee, format!("called {operation} {kind}"));
        bear(caller, format!("calls {kind}"));
        bear(caller, format!("calls {operation} {kind}"));
    }
    for (instance, template) in &incident.logs {
        bear(instance, format!("log {template}"));
    }
    incident.instances.iter().map(|name| (name.as_str(), marks.remove(name.as_str()).unwrap_or_default())).collect()
}

fn case(label: &Label, incident: &Incident) -> Case {
    let culprit = incident.instances.iter().position(|name| *name == label.culprit).unwrap_or(usize::MAX);
    Case { suspects: marks(incident).into_iter().map(|(_, marks)| marks).collect(), culprit }
}

/// The shrinkage that answers most of the folds left out; the smaller one where two answer the same.
fn chosen(cases: &[Case]) -> f64 {
    let right = |shrinkage: f64| {
        let mut places = Places::default();
        for fold in 0..FOLDS {
            let (out, rest): (Vec<_>, Vec<_>) = cases.iter().enumerate().partition(|(index, _)| index % FOLDS == fold);
            let rest: Vec<Case> = rest.into_iter().map(|(_, case)| case.clone()).collect();
            let weights = Weights::learn(&rest, shrinkage);
            for (_, case) in out {
                let scores: Vec<f64> = case.suspects.iter().map(|marks| weights.score(marks)).collect();
                let of = scores.get(case.culprit).copied();
                places.push(of.map(|of| scores.iter().filter(|score| **score >= of).count()));
            }
        }
        places.hits(1)
    };
    let mut best = (SHRINKAGES[0], right(SHRINKAGES[0]));
    for shrinkage in SHRINKAGES.into_iter().skip(1) {
        let hits = right(shrinkage);
        if hits > best.1 {
            best = (shrinkage, hits);
        }
    }
    best.0
}

fn learnt(weights: &Weights, label: &Label, incident: &Incident) -> Option<usize> {
    let scores: Vec<_> = marks(incident).into_iter().map(|(name, marks)| (name, weights.score(&marks))).collect();
    place(scores.iter().copied(), &label.culprit)
}

/// The general ranking: a kind of alert is the stronger the more often it came.
fn general(label: &Label, incident: &Incident) -> Option<usize> {
    type Kind = (&'static str, Family, &'static str, Sense);
    type Counts = BTreeMap<(&'static str, &'static str), (Kind, f64)>;
    let mut counts: BTreeMap<&str, Counts> = BTreeMap::new();
    let mut count = |instance: &'_ str, kind: Kind| {
        if let Some(name) = incident.instances.iter().find(|name| *name == instance) {
            let way = if kind.3 == Sense::Rise { "up" } else { "down" };
            counts.entry(name).or_default().entry((kind.0, way)).or_insert((kind, 0.0)).1 += 1.0;
        }
    };
    for (instance, metric, way) in &incident.metrics {
        let sense = if way == "down" { Sense::Fall } else { Sense::Rise };
        let resource = RESOURCES.into_iter().find(|resource| metric.contains(resource)).unwrap_or("other");
        count(instance, (resource, Family::Saturation, resource, sense));
    }
    for (_, callee, _, kind) in &incident.traces {
        let family = if kind == "ERROR" { Family::Errors } else { Family::Latency };
        count(callee, (if kind == "ERROR" { "failed calls" } else { "slow calls" }, family, "", Sense::Rise));
    }
    for (instance, _) in &incident.logs {
        count(instance, ("log alerts", Family::Logs, "", Sense::Rise));
    }
    let suspects: Vec<Suspect> = incident
        .instances
        .iter()
        .map(|name| Suspect {
            name: name.clone(),
            evidence: counts
                .get(name.as_str())
                .into_iter()
                .flat_map(BTreeMap::values)
                .map(|((measure, family, aspect, sense), count)| Evidence {
                    family: *family,
                    aspect: (*aspect).to_owned(),
                    measure: (*measure).to_owned(),
                    strength: TAIL * libm::log10(1.0 + count),
                    sense: *sense,
                    onset: 0,
                })
                .collect(),
            changes: Vec::new(),
        })
        .collect();
    let ranking = causes::rank(&suspects, &incident.calls);
    place(ranking.causes.iter().map(|cause| (cause.name.as_str(), cause.score)), &label.culprit)
}

/// What container metrics are about, by a part of their names.
const RESOURCES: [&str; 4] = ["memory", "cpu", "diskio", "network"];

fn strongest(weights: &Weights) -> String {
    let mut all: Vec<(&str, f64)> = weights.iter().collect();
    all.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()).then_with(|| a.0.cmp(b.0)));
    let shown: Vec<String> = all.iter().take(SHOWN).map(|(mark, weight)| format!("{mark} {weight:+.2}")).collect();
    format!("strongest weights: {}", shown.join(", "))
}

fn labels(place: &Path) -> Result<BTreeMap<usize, Label>, EvaluateError> {
    let table = Table::read(place)?;
    let index = table.each(table.column("index")?, |text| text.parse().ok(), "a number")?;
    let (instance, kind) = (table.column("instance")?, table.column("anomaly_type")?);
    let part = |text: &str| matches!(text, "train" | "test").then_some(text == "test");
    let tests = table.each(table.column("data_type")?, part, "train or test")?;
    let label = |(row, tests): (&Vec<String>, bool)| Label {
        culprit: row[instance].clone(),
        kind: row[kind].trim_matches(['[', ']']).to_owned(),
        tests,
    };
    Ok(index.into_iter().zip(table.rows.iter().zip(tests).map(label)).collect())
}

/// The incidents of these numbers, in their order.
fn incidents<'a>(raw: &Path, of: impl Iterator<Item = &'a usize>) -> Result<Vec<Incident>, EvaluateError> {
    type By<T> = BTreeMap<String, Vec<T>>;
    let nodes: By<String> = read_json(&raw.join("nodes.json"))?;
    let edges: By<(usize, usize)> = read_json(&raw.join("edges.json"))?;
    let metrics: By<(String, String, String, String)> = read_json(&raw.join("metrics.json"))?;
    let traces: By<(String, String, String, String)> = read_json(&raw.join("traces.json"))?;
    let logs: By<(String, String)> = read_json(&raw.join("logs.json"))?;
    let mut incidents = Vec::new();
    for number in of {
        let number = number.to_string();
        let missing = || EvaluateError::content(&raw.join("nodes.json"), 0, format!("there is no incident {number}"));
        let instances = nodes.get(&number).cloned().ok_or_else(missing)?;
        let call = |(caller, callee): &(usize, usize)| {
            Some(Call { caller: instances.get(*caller)?.clone(), callee: instances.get(*callee)?.clone() })
        };
        let calls = edges.get(&number).into_iter().flatten().filter_map(call).collect();
        let metrics = metrics.get(&number).into_iter().flatten();
        let traces = traces.get(&number).into_iter().flatten();
        let operation = |url: &str| url.rsplit('/').next().unwrap_or(url).to_owned();
        incidents.push(Incident {
            calls,
            metrics: metrics
                .map(|(instance, _, metric, way)| (instance.clone(), metric.clone(), way.clone()))
                .collect(),
            traces: traces
                .map(|(from, to, url, kind)| (from.clone(), to.clone(), operation(url), kind.clone()))
                .collect(),
            logs: logs.get(&number).cloned().unwrap_or_default(),
            instances,
        });
    }
    Ok(incidents)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn incident() -> Incident {
        let text = str::to_owned;
        Incident {
            instances: vec![text("b1"), text("a1")],
            calls: Vec::new(),
            metrics: vec![(text("a1"), text("docker_memory_rss"), text("up")), (text("zz"), text("m"), text("up"))],
            traces: vec![(text("a1"), text("b1"), text("login"), text("ERROR"))],
            logs: vec![(text("b1"), text("7"))],
        }
    }

    #[test]
    fn a_call_marks_both_of_its_ends_and_strangers_are_left_out() {
        let incident = incident();
        let marks = marks(&incident);
        assert_eq!(marks.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["b1", "a1"]);
        assert!(marks[0].1.iter().map(String::as_str).eq(["called ERROR", "called login ERROR", "log 7"]));
        assert!(marks[1].1.contains("calls login ERROR") && marks[1].1.contains("metric docker_memory_rss up"));
    }

    #[test]
    fn floors_count_alerts_of_their_kinds() {
        let counts = counted(&incident(), [false, true, true]);
        assert_eq!((counts["a1"], counts["b1"]), (0.0, 2.0));
    }

    #[test]
    fn the_label_is_no_part_of_an_answer() {
        let label = |culprit: &str| Label { culprit: culprit.to_owned(), kind: String::new(), tests: true };
        let places = ["a1", "b1"].map(|culprit| general(&label(culprit), &incident()));
        assert_eq!(places, [Some(2), Some(1)], "one of them is first, whoever is asked for");
        assert_eq!(general(&label("nobody"), &incident()), None);
        assert_eq!(case(&label("nobody"), &incident()).culprit, usize::MAX);
    }
}
