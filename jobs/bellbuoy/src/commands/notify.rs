//! `notify`: who is told of incidents, and whether that works. `run notify` runs it.

use crate::error::Error;
use crate::listing;
use crate::settings::Settings;
use crate::site::Site;
use ::notify::told::{self, Told};
use ::notify::trial::{self, Answer};
use clap::Subcommand;
use engine::clock::{SystemClock, WallClock as _};
use serde_json::json;
use std::fmt::Write as _;

/// Commands about notifications.
#[derive(Debug, Subcommand)]
pub enum Notify {
    /// Tell targets of an incident that never was, and that it is over
    Test {
        /// Only these targets [default: all]
        #[arg(value_name = "TARGET")]
        targets: Vec<String>,
        /// JSON instead of text
        #[arg(long)]
        json: bool,
    },
    /// What was told of which incident, and what waits
    List {
        /// JSON instead of a table
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn execute(settings: Settings, command: &Notify) -> Result<(), Error> {
    match command {
        Notify::Test { targets, json } => test(&settings, targets, *json),
        Notify::List { json } => list(settings, *json),
    }
}

fn test(settings: &Settings, names: &[String], json: bool) -> Result<(), Error> {
    let config = &settings.notify;
    let known: Vec<&str> = config.targets.iter().map(|target| target.name.as_str()).collect();
    if known.is_empty() {
        return Err(Error::Usage("notify.targets is empty: there is nobody to tell".to_owned()));
    }
    if let Some(name) = names.iter().find(|name| !known.contains(&name.as_str())) {
        return Err(Error::Usage(format!("there is no target {name}; there are {}", known.join(", "))));
    }
    let now = SystemClock::new().now_millis();
    let mut answers = Vec::new();
    for target in config.targets.iter().filter(|target| names.is_empty() || names.contains(&target.name)) {
        answers.push(trial::tell(config, target, now)?);
    }
    if json {
        let value = |answer: &Answer| match &answer.result {
            Ok(said) => json!({"target": answer.target, "answers": said}),
            Err(message) => json!({"target": answer.target, "error": message}),
        };
        listing::json(&answers.iter().map(value).collect::<Vec<_>>())?;
    } else {
        let mut out = String::new();
        for answer in &answers {
            // Writing to a text cannot fail.
            let _ = match &answer.result {
                Ok(said) => writeln!(out, "{}: opened, {}; over, {}", answer.target, said[0].trim(), said[1].trim()),
                Err(message) => writeln!(out, "{}: {message}", answer.target),
            };
        }
        listing::text(&out)?;
    }
    match answers.iter().filter(|answer| answer.result.is_err()).count() {
        0 => Ok(()),
        failed => Err(Error::Unwell(format!("{failed} of {} targets could not be told", answers.len()))),
    }
}

fn list(settings: Settings, json: bool) -> Result<(), Error> {
    let name = settings.notify.name.clone();
    let site = Site::look(settings)?;
    let all = told::read(&*site.log, &name)?;
    if json {
        return listing::json(&all);
    }
    let row = |told: &Told| {
        let Told { target, cluster, incident, event, state, severity, at, answer } = told.clone();
        vec![target, cluster, incident, event, state, severity, at, answer]
    };
    let heads = ["target", "cluster", "incident", "event", "state", "grade", "at", "answer"];
    listing::table(&heads, &[], &all.iter().map(row).collect::<Vec<_>>())
}
