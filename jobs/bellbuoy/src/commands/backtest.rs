//! `backtest`: a chain of jobs over recorded topics, compared with another configuration or with what was published.
//!
//! Invariant: the log is only read, through a type that can do no more; exit code 0 says that there is a report, not
//! that there is no difference.

use crate::cli;
use crate::error::Error;
use crate::settings::{self, Settings};
use crate::site::Site;
use crate::{listing, moment, wiring};
use backtest::chain::{self, Ports};
use backtest::difference::{Change, Section, Versus};
use backtest::{Found, Outcome, Ranges, Report, Scratch, Source, Stage, configuration};
use engine::lane::Ticks;
use engine::log::{TopicPartition, TopicSpec};
use engine::metrics::Metrics;
use engine::runtime::Stopping;
use indicatif::ProgressBar;
use serde_json::Value;
use std::path::Path;

/// As in a live run of recorded input.
const TICKS: Ticks = Ticks::Recorded { every: 30_000, transaction_records: 1000 };
/// Rows of a table of differences; `--json` has all.
const SHOWN: usize = 40;

pub(super) fn execute(settings: Settings, asked: &cli::Backtest) -> Result<(), Error> {
    let jobs = chosen(&asked.jobs)?;
    let against = match &asked.against {
        Some(file) => Some((file.display().to_string(), other(file, &settings)?)),
        None => None,
    };
    let site = Site::look(settings.clone())?;
    let run =
        Run { site: &site, source: Source::new(site.log.clone()), jobs: &jobs, asked, stopping: Stopping::default() };
    run.stopping.on_signals().map_err(|error| Error::File { place: "signals".to_owned(), error })?;
    let ranges = run.ranges(&settings)?;
    let offsets = ranges.values().map(|(from, to)| u64::try_from(to - from).unwrap_or(0)).sum();
    let (outcomes, mut after) = run.found(&settings, ranges.clone())?;
    let (name, mut before, versus) = match against {
        Some((file, other)) => {
            let (_, before) = run.found(&other, ranges)?;
            let keys = configuration::differences(&json(&other)?, &json(&settings)?, &jobs);
            (file, before, Versus::Configuration(keys))
        }
        None => {
            let published = Found::read(&run.source).map_err(failed)?;
            let before = run.published(published, &after);
            let versus = Versus::Published { before: before.logic.clone(), after: after.logic.clone() };
            ("published".to_owned(), before, versus)
        }
    };
    if let Some(since) = asked.compare_from {
        (before, after) = (before.since(since), after.since(since));
    }
    let detectors = detect::detectors::ALL.iter().map(|kind| kind.name).collect();
    let report = Report::new(name, offsets, outcomes, versus, detectors, (&before, &after));
    if asked.json { listing::json(&report) } else { show(&report) }
}

/// The jobs asked for, in the order data meets them; one that is left out between two would break the chain.
fn chosen(asked: &[String]) -> Result<Vec<&'static str>, Error> {
    let allowed = wiring::JOBS.join(", ");
    if let Some(unknown) = asked.iter().find(|job| !wiring::JOBS.contains(&job.as_str())) {
        return Err(Error::Usage(format!("there is no job {unknown}; allowed are {allowed}")));
    }
    // Without a word it begins with signals: they are what most configuration is about, and are read fastest.
    let wanted = |job: &&str| if asked.is_empty() { *job != "ingest" } else { asked.iter().any(|other| other == job) };
    let (first, last) = (wiring::JOBS.iter().position(&wanted), wiring::JOBS.iter().rposition(&wanted));
    let chain = first.zip(last).map(|(first, last)| wiring::JOBS[first..=last].to_vec()).unwrap_or_default();
    match chain.iter().find(|job| !wanted(job)) {
        Some(missing) => {
            Err(Error::Usage(format!("the chain lacks {missing}; allowed is a row without gaps of {allowed}")))
        }
        None => Ok(chain),
    }
}

/// The configuration compared with, on the same log.
fn other(file: &Path, tried: &Settings) -> Result<Settings, Error> {
    let (mut other, _) = settings::load(Some(file), std::env::vars())?;
    (other.log, other.memory) = (tried.log.clone(), tried.memory);
    Ok(other)
}

fn json(settings: &Settings) -> Result<Value, Error> {
    serde_json::to_value(settings)
        .map_err(|e| Error::Unwell(format!("the configuration cannot be written as JSON: {e}")))
}

fn failed(error: backtest::BacktestError) -> Error {
    match error {
        backtest::BacktestError::Engine(error) => Error::Engine(error),
        other => Error::Unwell(other.to_string()),
    }
}

struct Run<'a> {
    site: &'a Site,
    source: Source,
    jobs: &'a [&'static str],
    asked: &'a cli::Backtest,
    stopping: Stopping,
}

impl Run<'_> {
    /// The offsets of the first job's input.
    fn ranges(&self, settings: &Settings) -> Result<Ranges, Error> {
        let mut ranges = Ranges::new();
        for topic in self.jobs.first().map(|job| wiring::inputs(job, settings)).unwrap_or_default() {
            for number in 0..self.site.topic(&topic)?.spec.partitions {
                let partition = TopicPartition::new(topic.as_str(), number);
                let from = self.site.offset(&partition, self.asked.from)?;
                let to = self.site.offset(&partition, self.asked.to)?;
                ranges.insert(partition, (from, to.max(from)));
            }
        }
        Ok(ranges)
    }

    /// Runs the chain with a configuration, and gives what it found.
    fn found(&self, settings: &Settings, ranges: Ranges) -> Result<(Vec<Outcome>, Found), Error> {
        let folder = tempfile::tempdir().map_err(|e| Error::file(&std::env::temp_dir(), e))?;
        let scratch = Scratch::create(folder.path(), &self.topics(settings)?)?;
        let metrics = Metrics::new(env!("CARGO_PKG_VERSION"));
        let memory = settings.memory.memory();
        let mut stages = Vec::new();
        for name in self.jobs {
            // What ingest writes lies in the order in which it read; of one lane that is always the same.
            let lanes = if *name == "ingest" { 1 } else { self.asked.lanes.max(1) };
            let mut config = wiring::lane_config(name, settings, TICKS, false);
            config.cache_bytes = memory / 2 / lanes;
            config.dirty_bytes = config.cache_bytes / 4;
            let job = wiring::job(name, settings, &**scratch.log(), &metrics, &self.site.clock)?;
            stages.push(Stage { job, config, lanes });
        }
        let mut bar: Option<(String, ProgressBar)> = None;
        let mut progress = |job: &str, done: u64, total: u64| {
            if bar.as_ref().is_none_or(|(name, _)| name != job) {
                bar = Some((job.to_owned(), crate::demo::progress_bar(total, "offsets")));
            }
            if let Some((_, bar)) = &bar {
                bar.set_position(done);
            }
        };
        let ports = Ports {
            clock: self.site.clock.clone(),
            memory: memory / 16,
            stopping: self.stopping.clone(),
            progress: &mut progress,
        };
        let outcomes = chain::run(&self.source, ranges, &scratch, &stages, ports).map_err(failed)?;
        if let Some((_, bar)) = bar {
            bar.finish_and_clear();
        }
        Ok((outcomes, Found::read(&scratch.written()).map_err(failed)?))
    }

    /// Topics of the scratch log: those of the source, and those that are to be.
    fn topics(&self, settings: &Settings) -> Result<Vec<TopicSpec>, Error> {
        let existing = self.source.topics()?;
        let missing = crate::site::differences(settings, &existing)?;
        let missing = missing.into_iter().filter(|difference| difference.kind == "create");
        Ok(existing.into_iter().map(|info| info.spec).chain(missing.filter_map(|difference| difference.spec)).collect())
    }

    /// Of what was published, what the jobs of this run can have found: their kinds, within its rounds.
    fn published(&self, mut published: Found, after: &Found) -> Found {
        let ran = |job: &str| self.jobs.contains(&job);
        if !ran("detect") {
            published.anomalies.clear();
        }
        if !ran("correlate") {
            published.incidents.clear();
        }
        if !ran("remediate") {
            published.commands.clear();
        }
        // A run that told nothing cannot say how far it came: everything is compared.
        match after.rounds {
            Some(rounds) => published.within(rounds),
            None => published,
        }
    }
}

fn show(report: &Report) -> Result<(), Error> {
    let jobs: Vec<&str> = report.jobs.iter().map(|job| job.job.as_str()).collect();
    let mut out = format!(
        "{} offsets through {}, compared with {}\n",
        listing::count(report.offsets),
        jobs.join(", "),
        match report.against.as_str() {
            "published" => "what was published",
            file => file,
        }
    );
    for job in &report.jobs {
        for (topic, count) in &job.outputs {
            out.push_str(&format!("  {} outputs of {} for {topic}\n", listing::count(*count), job.job));
        }
    }
    out.push_str(&format!("digest {}\n", report.digest));
    if !report.configuration.is_empty() {
        out.push_str("configuration\n");
    }
    for key in &report.configuration {
        out.push_str(&format!("  {}\n", key.text()));
    }
    listing::text(&out)?;
    section("anomalies", &report.difference.anomalies)?;
    section("incidents", &report.difference.incidents)?;
    section("commands", &report.difference.commands)
}

fn section(name: &str, section: &Section) -> Result<(), Error> {
    let count = |change| listing::count(section.count(change) as u64);
    listing::text(&format!(
        "\n{name}: {} before, {} now; {} gained, {} lost, {} changed\n",
        listing::count(section.before as u64),
        listing::count(section.after as u64),
        count(Change::Gained),
        count(Change::Lost),
        count(Change::Changed),
    ))?;
    if section.items.is_empty() {
        return Ok(());
    }
    let rows: Vec<Vec<String>> = section
        .items
        .iter()
        .take(SHOWN)
        .map(|item| {
            let facts = facts(item.before.as_ref(), item.after.as_ref());
            vec![
                item.change.word().to_owned(),
                moment::format(item.at),
                item.of.clone(),
                item.what.clone(),
                facts,
                item.reason.clone(),
            ]
        })
        .collect();
    listing::table(&["CHANGE", "SINCE", "OF", "WHAT", "BEFORE → NOW", "REASON"], &[], &rows)?;
    match section.items.len().saturating_sub(SHOWN) {
        0 => Ok(()),
        more => listing::text(&format!("and {} more; --json has all\n", listing::count(more as u64))),
    }
}

/// Facts of one run, or those that differ between both.
fn facts(before: Option<&backtest::difference::Facts>, after: Option<&backtest::difference::Facts>) -> String {
    let word = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.as_f64().map_or_else(|| number.to_string(), backtest::numbers::short),
        other => other.to_string(),
    };
    let told: Vec<String> = match (before, after) {
        (Some(before), Some(after)) => before
            .iter()
            .filter_map(|(name, old)| Some((name, old, after.get(name).filter(|new| *new != old)?)))
            .map(|(name, old, new)| format!("{name} {} → {}", word(old), word(new)))
            .collect(),
        (one, other) => one
            .or(other)
            .into_iter()
            .flatten()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| format!("{name} {}", word(value)))
            .collect(),
    };
    told.join(", ")
}
