//! `evaluate rca`: the ranking of causes on labelled faults, beside floors and published figures.

use crate::cli::{Evaluate, EvaluateRca};
use crate::error::Error;
use crate::evaluate::{self, EvaluateError, Row, SetReport, Split};
use crate::listing;

pub(super) fn execute(command: &Evaluate) -> Result<(), Error> {
    match command {
        Evaluate::Rca(options) => rca(options),
    }
}

fn rca(options: &EvaluateRca) -> Result<(), Error> {
    let asked = |set: &&evaluate::Set| match &options.set {
        Some(name) => set.name == name,
        None => evaluate::has(&options.folder, set),
    };
    let sets: Vec<&evaluate::Set> = evaluate::ALL.iter().filter(asked).collect();
    if sets.is_empty() {
        let names: Vec<&str> = evaluate::ALL.iter().map(|set| set.name).collect();
        let message = format!("{} holds none of {}", options.folder.display(), names.join(", "));
        return Err(Error::Usage(message));
    }
    let mut reports = Vec::new();
    for set in sets {
        reports.extend(evaluate::rca(&options.folder, set).map_err(refused)?);
    }
    if options.json {
        return listing::json(&reports);
    }
    reports.iter().try_for_each(print)
}

/// A folder without the set is a wrong command line; everything else is wrong with the files.
fn refused(error: EvaluateError) -> Error {
    match error {
        EvaluateError::Absent { .. } => Error::Usage(error.to_string()),
        EvaluateError::Read { place, error } => Error::file(&place, error),
        error => Error::Unwell(error.to_string()),
    }
}

fn print(report: &SetReport) -> Result<(), Error> {
    listing::text(&format!("{}, {} faults\n\n", report.set, report.faults))?;
    if !report.rows.is_empty() {
        let rows: Vec<Vec<String>> = report.rows.iter().map(line).collect();
        listing::table(&["", "AC@1", "AC@3", "AC@5", "AVG@5", "HITS"], &[1, 2, 3, 4], &rows)?;
        listing::text("\n")?;
    }
    if !report.splits.is_empty() {
        let rows: Vec<Vec<String>> = report.splits.iter().map(part).collect();
        listing::table(&["BY TYPE OF FAULT", "", "FAULTS", "AT 1", "AT 3", "AT 5"], &[2, 3, 4, 5], &rows)?;
        listing::text("\n")?;
    }
    let figures = report.figures.iter().map(|figure| format!("{}: {}\n", figure.name, short(figure.value)));
    let notes = report.notes.iter().map(|note| format!("note: {note}\n"));
    listing::text(&format!("{}\n", figures.chain(notes).collect::<String>()))
}

fn line(row: &Row) -> Vec<String> {
    let share = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.3}"));
    let hits =
        row.hits.map_or_else(String::new, |[one, three, five]| format!("{one}, {three}, {five} of {}", row.faults));
    let [one, three, five] = row.accuracy.map(share);
    vec![row.name.clone(), one, three, five, share(row.average), hits]
}

fn part(split: &Split) -> Vec<String> {
    let mut cells = vec![split.row.clone(), split.kind.clone(), split.faults.to_string()];
    cells.extend(split.hits.map(|hits| hits.to_string()));
    cells
}

/// Three digits behind the point where there are any.
fn short(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.3}") }
}
