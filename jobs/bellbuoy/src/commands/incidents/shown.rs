//! Incidents as people read them.

use crate::error::Error;
use crate::{listing, moment};
use schemas::{Entity, Incident, Notice, Term};
use std::fmt::Write as _;

/// A line each.
pub(super) fn table(incidents: &[&Incident<'_>]) -> Result<(), Error> {
    if incidents.is_empty() {
        return listing::text("nothing is wrong, as far as is known\n");
    }
    let rows: Vec<Vec<String>> = incidents.iter().map(|incident| row(incident)).collect();
    listing::table(&["INCIDENT", "SINCE", "IS", "SEVERITY", "TOLD", "LABEL", "WHAT"], &[3], &rows)
}

fn row(incident: &Incident<'_>) -> Vec<String> {
    vec![
        incident.id.to_string(),
        moment::format(incident.onset),
        if incident.is_over() { "over" } else { "open" }.to_owned(),
        format!("{:.0}", incident.severity),
        notice(incident.notice).to_owned(),
        if incident.label.is_empty() { "–".to_owned() } else { incident.label.to_string() },
        headline(&incident.sentence).to_owned(),
    ]
}

/// What departed and how, without the figures of the strongest departure.
fn headline(sentence: &str) -> &str {
    sentence.split_once(". ").map_or(sentence, |(headline, _)| headline)
}

/// All of it that fits a page.
pub(super) fn text(incident: &Incident<'_>) -> String {
    let mut out = fields(incident);
    for cause in &incident.causes {
        // Writing to a text cannot fail.
        let _ = writeln!(out, "\ncause {:<8}{}", cause.rank, cause.sentence);
        terms(&mut out, &cause.terms);
        for against in &cause.against {
            let _ = writeln!(out, "              against it: {against}");
        }
    }
    let _ = writeln!(out, "\nit rests on {} anomalies, the strongest first", incident.members_total);
    for member in &incident.members {
        let _ = writeln!(out, "{}  {}{}", moment::format(member.onset), of(&member.entity), member.sentence);
    }
    out.push_str("\nwhat happened\n");
    for entry in &incident.timeline {
        let _ = writeln!(out, "{}  {}{}", moment::format(entry.at), of(&entry.entity), entry.sentence);
    }
    out
}

fn fields(incident: &Incident<'_>) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: &str| {
        if !value.is_empty() {
            let _ = writeln!(out, "{name:<14}{value}");
        }
    };
    line("incident", &incident.id);
    line("what", &incident.sentence);
    for sentence in &incident.explanation {
        line("", sentence);
    }
    line("state", &state(incident));
    line("since", &moment::format(incident.onset));
    line("told", &told(incident));
    line("label", &incident.label);
    line("taken in by", &incident.superseded_by);
    let severity = format!("{:.0}, at most {:.0} so far", incident.severity, incident.peak_severity);
    line("severity", &severity);
    terms(&mut out, &incident.terms);
    out
}

fn state(incident: &Incident<'_>) -> String {
    match incident.closed_at {
        0 if incident.is_over() => "over".to_owned(),
        0 => format!("open, revision {}", incident.revision),
        at => format!("over since {}: {}", moment::format(at), incident.closing),
    }
}

fn told(incident: &Incident<'_>) -> String {
    let word = notice(incident.notice);
    if incident.notice_reason.is_empty() { word.to_owned() } else { format!("{word}: {}", incident.notice_reason) }
}

fn terms(out: &mut String, terms: &[Term<'_>]) {
    for term in terms {
        let _ = writeln!(out, "{:>14.2}  {}{}{}", term.value, term.unit, gap(&term.unit), term.name);
    }
}

fn gap(unit: &str) -> &'static str {
    if unit.is_empty() { "" } else { " " }
}

fn notice(notice: Notice) -> &'static str {
    match notice {
        Notice::Notify => "yes",
        Notice::HeldBack => "held back",
        Notice::Muted => "muted",
        Notice::Other => "?",
    }
}

/// What something is said of; empty where that is the incident itself.
fn of(entity: &Entity<'_>) -> String {
    let kind = entity.kind.as_str();
    match (entity.name.as_str(), entity.namespace.as_str()) {
        ("", _) => String::new(),
        (name, "") => format!("{kind} {name}: "),
        (name, namespace) => format!("{kind} {namespace}/{name}: "),
    }
}
