//! `actuate`: what the actuator would do with an order, and what it needs in a cluster. `run actuate` runs it.

use super::orders;
use crate::error::Error;
use crate::listing;
use crate::settings::Settings;
use crate::site::{Site, has_log};
use ::actuate::manifests;
use ::actuate::rehearsal::{self, Outcome, Rehearsal};
use clap::Args;
use engine::clock::{SystemClock, WallClock as _};
use schemas::Command;
use serde_json::Value;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Options of `actuate`.
#[derive(Debug, Args)]
pub struct Actuate {
    /// Say what would become of an order, as `commands show ID --json` writes it, without doing it; - for standard input
    ///
    /// Signature, time, consent, kill switch, budgets and guards are looked at, and each request is put to the API
    /// server as a dry run. Exit code 1 says that the order would be refused.
    #[arg(long, value_name = "FILE", required_unless_present = "manifests", conflicts_with = "manifests")]
    dry_run: Option<PathBuf>,
    /// Print what a cluster needs: account, roles of the actions that are enabled, kind of the ledger, admission policies
    #[arg(long)]
    manifests: bool,
    /// JSON instead of text or YAML
    #[arg(long)]
    json: bool,
}

pub(super) fn execute(settings: Settings, asked: &Actuate) -> Result<(), Error> {
    match &asked.dry_run {
        Some(file) => dry_run(settings, file, asked.json),
        None => print_manifests(&manifests::all(&settings.actuate), asked.json),
    }
}

/// Prints manifests for `kubectl apply -f -`.
pub(super) fn print_manifests(all: &[Value], json: bool) -> Result<(), Error> {
    if json {
        return listing::json(&serde_json::json!({"apiVersion": "v1", "kind": "List", "items": all}));
    }
    let documents: Result<Vec<String>, _> = all.iter().map(serde_saphyr::to_string).collect();
    let documents = documents.map_err(|error| Error::Unwell(format!("a manifest cannot be written: {error}")))?;
    listing::text(&format!("---\n{}", documents.join("---\n")))
}

fn dry_run(settings: Settings, file: &Path, json: bool) -> Result<(), Error> {
    let place = if file == Path::new("-") { "standard input".to_owned() } else { file.display().to_string() };
    let text = if file == Path::new("-") {
        std::io::read_to_string(std::io::stdin()).map_err(|error| Error::File { place: place.clone(), error })?
    } else {
        std::fs::read_to_string(file).map_err(|error| Error::file(file, error))?
    };
    let wrong = |error: serde_json::Error| {
        let allowed = "allowed is an order as `bellbuoy commands show ID --json` writes it";
        Error::Line { place: place.clone(), line: error.line() as u64, message: format!("{error}; {allowed}") }
    };
    let value: Value = serde_json::from_str(&text).map_err(wrong)?;
    // Whole, with its steps, or the command alone.
    let command = value.get("command").unwrap_or(&value).to_string();
    let command: Command<'_> = serde_json::from_str(&command).map_err(wrong)?;
    let config = settings.actuate.clone();
    let site = if has_log(&settings.log) { Some(Site::look(settings)?) } else { None };
    if site.is_none() {
        tracing::warn!("there is no log: consent and kill switches of the control topic are not known");
    }
    let now = site.as_ref().map_or_else(|| SystemClock::new().now_millis(), |site| site.clock.now_millis());
    let rehearsal = rehearsal::rehearse(&config, site.as_ref().map(|site| &*site.log), &command, now)?;
    if json {
        listing::json(&rehearsal)?;
    } else {
        listing::text(&told(&command, &rehearsal))?;
    }
    match rehearsal.outcome {
        Outcome::Refused => Err(Error::Unwell("the order would be refused".to_owned())),
        _ => Ok(()),
    }
}

fn told(command: &Command<'_>, rehearsal: &Rehearsal) -> String {
    let mut out = format!("{} {}\n", command.id, orders::what(command));
    // Writing to a text cannot fail.
    for obstacle in &rehearsal.obstacles {
        let numbers: Vec<String> = obstacle.numbers.iter().map(|(name, value)| format!("{name} {value}")).collect();
        let numbers = if numbers.is_empty() { String::new() } else { format!(" ({})", numbers.join(", ")) };
        let _ = writeln!(out, "  rule {:?}: {}{numbers}", obstacle.rule, obstacle.sentence);
    }
    for request in &rehearsal.requests {
        let _ = writeln!(out, "  {} {} → {} {}", request.method, request.path, request.status, request.error);
        if !request.body.is_null() {
            let _ = writeln!(out, "      {}", request.body);
        }
    }
    let said = match rehearsal.outcome {
        Outcome::CarriedOut => "it would be carried out".to_owned(),
        Outcome::Waits if rehearsal.waits_for > 0 => {
            format!("it would be carried out once {} more of those who may have consented", rehearsal.waits_for)
        }
        Outcome::Waits => "it would be carried out when its time comes".to_owned(),
        Outcome::Recommended => "people would be told; nothing would be done".to_owned(),
        Outcome::Observed => "it would be counted; nothing would be said or done".to_owned(),
        Outcome::Refused => "it would be refused".to_owned(),
    };
    let _ = writeln!(out, "{said}; nothing was changed");
    out
}
