//! PetShop: two scenarios of one shop on AWS, five-minute metrics of every node, a call graph, sixteen issues.
//!
//! Asked is: this node's latency or availability departed; which node is to blame? Suspects are the nodes it reaches over
//! the call graph, evidence is the measure that was asked about, and the 49 normal hours are what was usual.
//!
//! Invariant: a node or column without a normal level is no evidence, and a window is judged by what came before it.

use super::error::{EvaluateError, list, read_json};
use super::minutes::{Measured, Sides, Span, suspects};
use super::report::SetReport;
use super::score::place;
use super::table::Table;
use correlate::causes::{self, Call};
use detect::onset::Floor;
use schemas::Family;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::Path;

/// Seconds as the files have them, in milliseconds.
const SECOND: f64 = 1_000.0;
/// A tenth of the usual level, half a hundredth of a second, one failure in a hundred are noise.
const RELATIVE: f64 = 0.1;
const LATENCY: f64 = 0.005;
const FAILURES: f64 = 1.0;
/// Rows of an issue, and of a normal window.
const ROWS: usize = 5;
/// Normal rows before the first window that is judged: a day.
const WARM: usize = 288;
/// What the constant answer of the set's page says.
const CONSTANT: &str = "PetSearch_AWS::ECS::Fargate";

/// What is asked and what is right.
#[derive(Debug, Deserialize)]
struct Target {
    target: Asked,
    root_cause: Blamed,
}

#[derive(Debug, Deserialize)]
struct Asked {
    node: String,
    metric: String,
}

#[derive(Debug, Deserialize)]
struct Blamed {
    node: String,
}

/// Measures the ranking on both scenarios.
pub(super) fn assess(folder: &Path) -> Result<Vec<SetReport>, EvaluateError> {
    ["low_traffic", "high_traffic"].into_iter().map(|scenario| measure(folder, scenario)).collect()
}

fn measure(folder: &Path, scenario: &str) -> Result<SetReport, EvaluateError> {
    let folder = folder.join(scenario);
    let (nodes, calls) = graph(&folder.join("graph.csv"))?;
    let normal = metrics(&folder.join("noissue").join("metrics.csv"))?;
    let (mut places, mut kinds, mut constant) = (Vec::new(), Vec::new(), Vec::new());
    for issue in list(&folder.join("issues"))? {
        let place_of = folder.join("issues").join(&issue);
        let Target { target, root_cause } = read_json(&place_of.join("target.json"))?;
        let during = metrics(&place_of.join("metrics.csv"))?;
        let joined: Vec<Measured> = during.iter().filter_map(|measured| after(&normal, measured)).collect();
        let ranking = asked(&nodes, &calls, &target, &joined, BEFORE_ISSUE, ISSUE);
        places.push(place(ranking.causes.iter().map(|cause| (cause.name.as_str(), cause.score)), &root_cause.node));
        constant.push((root_cause.node == CONSTANT).then_some(1));
        kinds.push(target.metric);
    }
    let kinds: Vec<&str> = kinds.iter().map(String::as_str).collect();
    let mut report = SetReport::new(&format!("petshop_{scenario}"), places.len());
    report.measured("ours, onset given", &places, &kinds);
    report.total("floor: constant answer", &constant);
    for metric in ["latency", "availability"] {
        let (empty, windows) = specificity(&nodes, &calls, &normal, metric);
        report.figure(format!("normal windows answered with unknown, {metric}"), empty as f64 / windows.max(1) as f64);
        report.figure(format!("normal windows, {metric}"), windows as f64);
    }
    let (latency, availability) = PUBLISHED[usize::from(scenario == "high_traffic")];
    report.published("graph traversal with MAD, latency", [Some(latency.0), Some(latency.1), None]);
    report.published("graph traversal with MAD, availability", [Some(availability.0), Some(availability.1), None]);
    report.note("all issues have the same cause, so a constant answer is always right: no set to compare rankings by");
    report.note("published specificity on normal data, latency: 0.17 to 0.33");
    report.note("rows of five minutes, five an issue: there is no onset to detect");
    Ok(report)
}

/// The authors' graph traversal: AC@1 and AC@3 for latency and availability, low and high traffic.
const PUBLISHED: [((f64, f64), (f64, f64)); 2] = [((0.571, 0.571), (0.833, 1.0)), ((0.571, 0.786), (0.667, 1.0))];

/// Normal rows lie before time 0, an issue's rows from there on.
const BEFORE_ISSUE: Span = Span { from: i64::MIN, to: 0 };
const ISSUE: Span = Span { from: 0, to: i64::MAX };

/// An issue's column behind its normal rows; none where there is no normal level.
fn after(normal: &[Measured], during: &Measured) -> Option<Measured> {
    let usual = normal.iter().find(|usual| usual.suspect == during.suspect && usual.measure == during.measure)?;
    let before = usual.times.len() as i64;
    Some(Measured {
        times: (-before..during.times.len() as i64).collect(),
        values: usual.values.iter().chain(&during.values).copied().collect(),
        ..during.clone()
    })
}

fn asked(
    nodes: &[String],
    calls: &[Call],
    asked: &Asked,
    measures: &[Measured],
    before: Span,
    window: Span,
) -> causes::Ranking {
    let (mut reached, mut next) = (BTreeSet::from([asked.node.as_str()]), vec![asked.node.as_str()]);
    while let Some(node) = next.pop() {
        let callees = calls.iter().filter(|call| call.caller == node).map(|call| call.callee.as_str());
        next.extend(callees.filter(|callee| reached.insert(*callee)));
    }
    let names: Vec<String> = nodes.iter().filter(|node| reached.contains(node.as_str())).cloned().collect();
    let family = family(&asked.metric);
    let of: Vec<Measured> = measures.iter().filter(|measured| Some(measured.family) == family).cloned().collect();
    causes::rank(&suspects(&names, &of, before, window), calls)
}

/// Of windows in which nothing was wrong: those answered with unknown, and all.
fn specificity(nodes: &[String], calls: &[Call], normal: &[Measured], metric: &str) -> (usize, usize) {
    let question = Asked { node: "PetSite".to_owned(), metric: metric.to_owned() };
    let times: Vec<i64> = normal.first().map(|measured| measured.times.clone()).unwrap_or_default();
    let windows = times.get(WARM..).unwrap_or_default().chunks_exact(ROWS);
    let empty = windows.clone().filter(|window| {
        let (from, to) = (window[0], window[ROWS - 1] + 1);
        let ranking = asked(nodes, calls, &question, normal, Span { from: i64::MIN, to: from }, Span { from, to });
        ranking.likely().is_none()
    });
    (empty.count(), windows.len())
}

fn family(metric: &str) -> Option<Family> {
    match metric {
        "latency" => Some(Family::Latency),
        "availability" => Some(Family::Errors),
        "requests" => Some(Family::Network),
        _ => None,
    }
}

/// The columns of a file: three rows of names, one that says what the first column is, then values.
fn metrics(place: &Path) -> Result<Vec<Measured>, EvaluateError> {
    let table = Table::read(place)?;
    let [metrics, statistics, _, values @ ..] = table.rows.as_slice() else {
        return Err(EvaluateError::content(place, 0, "four lines of names are needed"));
    };
    let number = |row: usize, column: usize| {
        let text = values[row][column].as_str();
        let wrong = || EvaluateError::content(place, row + 5, format!("{text:?}; allowed is a number or nothing"));
        if text.is_empty() { Ok(f64::NAN) } else { text.parse::<f64>().map_err(|_| wrong()) }
    };
    let rows = 0..values.len();
    let times = rows.clone().map(|row| number(row, 0).map(|t| (t * SECOND) as i64)).collect::<Result<Vec<_>, _>>()?;
    let mut measures = Vec::new();
    for (column, node) in table.heads().iter().enumerate().skip(1) {
        let metric = metrics[column].as_str();
        let Some(family) = family(metric) else { continue };
        let column_of = rows.clone().map(|row| number(row, column)).collect::<Result<Vec<_>, _>>()?;
        let failures = family == Family::Errors;
        let absolute = if failures { FAILURES } else { LATENCY };
        measures.push(Measured {
            suspect: node.clone(),
            family,
            aspect: "",
            measure: format!("{metric} {}", statistics[column]),
            floor: Floor { relative: RELATIVE, absolute },
            sides: if failures { Sides::Rise } else { Sides::Both },
            times: times.clone(),
            values: if failures { column_of.into_iter().map(|share| 100.0 - share).collect() } else { column_of },
        });
    }
    Ok(measures)
}

/// The nodes, and who calls whom: 1 where the row's node calls the column's.
fn graph(place: &Path) -> Result<(Vec<String>, Vec<Call>), EvaluateError> {
    let table = Table::read(place)?;
    let nodes: Vec<String> = table.heads().iter().skip(1).cloned().collect();
    let mut calls = Vec::new();
    for (column, callee) in table.heads().iter().enumerate().skip(1) {
        for (row, weight) in table.numbers(column)?.into_iter().enumerate() {
            if weight > 0.0 {
                calls.push(Call { caller: table.rows[row][0].clone(), callee: callee.clone() });
            }
        }
    }
    Ok((nodes, calls))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(text: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let place = folder.path().join("f.csv");
        std::fs::write(&place, text).expect("writable");
        (folder, place)
    }

    fn call(caller: &str, callee: &str) -> Call {
        Call { caller: caller.to_owned(), callee: callee.to_owned() }
    }

    #[test]
    fn four_lines_of_names_come_before_the_values() {
        let (_folder, place) = write(
            "microservice,A,A\nmetric,latency,availability\nstatistic,p50,Average\nunix_timestamp,,\n1.0,0.5,99\n2.0,,100\n",
        );
        let read = metrics(&place).expect("sound");
        assert_eq!((read[0].times.as_slice(), read[1].values.as_slice()), (&[1_000, 2_000][..], &[1.0, 0.0][..]));
        assert!(read[0].values[1].is_nan() && read[0].measure == "latency p50");
        let (_folder, place) = write("microservice,A\nmetric,latency\nstatistic,p50\nunix_timestamp,\n1.0,x\n");
        assert!(metrics(&place).expect_err("no number").to_string().contains("f.csv:5"));
    }

    #[test]
    fn the_row_calls_the_column() {
        let (_folder, place) = write(",A,B\nA,0,1\nB,0,0\n");
        assert_eq!(graph(&place).expect("sound"), (vec!["A".to_owned(), "B".to_owned()], vec![call("A", "B")]));
    }

    #[test]
    fn only_what_the_asked_node_reaches_is_suspected() {
        let nodes = ["A", "B", "C", "D"].map(str::to_owned);
        let calls = [call("A", "B"), call("B", "C"), call("D", "A")];
        let question = Asked { node: "A".to_owned(), metric: "latency".to_owned() };
        let ranking = asked(&nodes, &calls, &question, &[], BEFORE_ISSUE, ISSUE);
        assert_eq!(ranking.causes.iter().map(|cause| cause.name.as_str()).collect::<Vec<_>>(), ["A", "B", "C"]);
    }
}
