//! Time from SIGKILL to caught up: a real process on a real folder, killed in the middle of live signals.
//!
//! Caught up means that every task is live and the end of the log is reached, what fell due while nobody lived included.
//! The floor is reading and decoding the records that had to be replayed.

use super::say;
use crate::arguments::RecoveryOptions;
use crate::backlog::Backlog;
use crate::child::{self, Said, TICK_MILLIS};
use crate::meter::{now, wait_until_quiet};
use crate::place::Place;
use crate::report::{Better, Figure, Report};
use crate::scan::{Scan, scan};
use crate::site::{self, Site};
use anyhow::Context;
use engine::clock::{SystemClock, WallClock};
use engine::lane::LaneConfig;
use engine::runtime::{self, Assignment, Status, Stopping, Until};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use topics::declared::SIGNALS;

/// Runs it.
pub(crate) fn run(options: &RecoveryOptions) -> anyhow::Result<Report> {
    let mut report = Report::new("recovery", options)?;
    let folder = tempfile::tempdir()?;
    let partitions = options.fleet.partitions;
    let plan = options.fleet.plan(200_000);
    let learned = options.warm_rounds + 1;
    let place = Place::open(&options.place)?;
    prepare(options, &place, folder.path())?;

    let process = child::Options {
        folder: folder.path().to_owned(),
        partitions,
        lanes: options.lanes as usize,
        memory: (options.memory << 20) as usize,
        checkpoints: true,
        live_from: Some(learned + options.rounds),
        base_millis: SystemClock::new().now_millis(),
        series: plan.series,
        entities: plan.entities,
        seed: plan.seed,
        bootstrap: place.address().map(|(bootstrap, _)| bootstrap.to_owned()),
        prefix: place.address().map(|(_, prefix)| prefix.to_owned()).unwrap_or_default(),
    };
    say("the first life");
    let mut child = spawn(&process)?;
    child.said()?;
    let mut lives = Lives { process: &process, options, child };
    let local = lives.repeat("with local state", false)?;
    let wiped = lives.repeat("with a checkpoint only", true)?;
    lives.child.kill()?;
    drop(lives);

    let site = place.site(folder.path())?;
    wait_until_quiet();
    for (name, recovered) in [("with local state", &local), ("with a checkpoint only", &wiped)] {
        let floors = recovered.iter().map(|r| floor(&site, r)).collect::<anyhow::Result<Vec<Scan>>>()?;
        let mean = |value: &dyn Fn(&Scan) -> f64| floors.iter().map(value).sum::<f64>() / floors.len() as f64;
        let seconds: Vec<f64> = recovered.iter().map(|r| r.seconds).collect();
        let worst = seconds.iter().copied().fold(0.0, f64::max);
        report.figures.push(
            Figure::new(format!("kill to caught up, {name} (slowest of all)"), worst, "s", Better::Lower)
                .floor(mean(&|scan| scan.wall), "reading and decoding the records replayed, one thread")
                .spread(&seconds, "kills")
                .target(10.0, Some(3.0)),
        );
        report.detail(format!("samples replayed {name}"), mean(&|scan| scan.samples as f64), "");
        let mean_of =
            |value: &dyn Fn(&Recovered) -> f64| recovered.iter().map(value).sum::<f64>() / recovered.len() as f64;
        report.detail(format!("processor time to caught up {name}"), mean_of(&|r| r.processor), "s");
        report.detail(format!("wall time of it in the process's own words {name}"), mean_of(&|r| r.own), "s");
        report.detail(format!("  of it opening the log {name}"), mean_of(&|r| r.log_open), "s");
        report.detail(format!("  of it opening state stores {name}"), mean_of(&|r| r.state_open), "s");
        report.detail(format!("  of it reading values from them {name}"), mean_of(&|r| r.state_read), "s");
    }
    let bytes = folder_bytes(&folder.path().join("checkpoints"))?;
    report.detail("checkpoints on disk, a series", bytes as f64 / plan.series as f64, "B");
    place.clean(&site)?;
    Ok(report)
}

/// One recovery.
struct Recovered {
    seconds: f64,
    own: f64,
    processor: f64,
    log_open: f64,
    state_open: f64,
    state_read: f64,
    ranges: Vec<(i64, i64)>,
}

/// A process that is killed and started again.
struct Lives<'a> {
    process: &'a child::Options,
    options: &'a RecoveryOptions,
    child: Child,
}

impl Lives<'_> {
    fn repeat(&mut self, name: &str, wipe: bool) -> anyhow::Result<Vec<Recovered>> {
        let mut recovered = Vec::new();
        for repetition in 0..self.options.repetitions {
            // With local state each life must be longer than a flush takes to come; moments differ between repetitions.
            let least = if wipe { 2_000 } else { self.options.seconds * 1_000 };
            std::thread::sleep(Duration::from_millis(least + repetition * 1_370));
            self.child.kill()?;
            let killed = now();
            if wipe {
                std::fs::remove_dir_all(self.process.folder.join("state"))?;
            }
            self.child = spawn(self.process)?;
            let said = self.child.said()?;
            let seconds = (now() - killed).as_secs_f64();
            let Said::CaughtUp { ranges, seconds: own, processor, log_open, state_open, state_read } = said else {
                anyhow::bail!("the process said something else than that it has caught up: {said:?}");
            };
            say(format_args!("{name}: {seconds:.2} s"));
            recovered.push(Recovered { seconds, own, processor, log_open, state_open, state_read, ranges });
        }
        Ok(recovered)
    }
}

/// Learns, leaves a checkpoint of every task, and then a backlog that makes the checkpoint old.
fn prepare(options: &RecoveryOptions, place: &Place, folder: &Path) -> anyhow::Result<()> {
    let site = place.site(folder)?;
    let (partitions, plan) = (options.fleet.partitions, options.fleet.plan(200_000));
    site.create_topics(partitions)?;
    let mut backlog = Backlog::new(&*site.log, plan, partitions, TICK_MILLIS)?;
    say(format_args!("learning {} rounds", options.warm_rounds));
    backlog.write_rounds(0..options.warm_rounds)?;
    let memory = (options.memory << 20) as usize;
    let lanes = options.lanes as usize;
    let config = site::lane_config(memory, lanes);
    read_to_end(&site, folder, lanes, memory, LaneConfig { checkpoint_every: Duration::MAX, ..config.clone() })?;
    backlog.write_rounds(options.warm_rounds..options.warm_rounds + 1)?;
    let at_once = LaneConfig { flush_every: Duration::ZERO, checkpoint_every: Duration::ZERO, ..config };
    read_to_end(&site, folder, lanes, memory, at_once)?;
    backlog.write_rounds(options.warm_rounds + 1..options.warm_rounds + 1 + options.rounds)
}

fn read_to_end(site: &Site, folder: &Path, lanes: usize, memory: usize, config: LaneConfig) -> anyhow::Result<()> {
    let stores = Arc::new(site::stores(folder, memory));
    let assignment = Assignment {
        job: site.detect(),
        environment: site.environment(stores, Some(&folder.join("checkpoints")))?,
        config,
        lanes,
        ordinal: 0,
        until: Until::Complete(Arc::new(AtomicBool::new(true))),
    };
    Ok(runtime::start(&[assignment], &Stopping::default(), &Status::default())?.join()?)
}

fn floor(site: &Site, recovered: &Recovered) -> anyhow::Result<Scan> {
    let ranges: Vec<_> = recovered.ranges.iter().map(|&(from, to)| from..to).collect();
    scan(&*site.log, SIGNALS.name, &ranges)
}

fn folder_bytes(folder: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.metadata()?;
        bytes += if kind.is_dir() { folder_bytes(&entry.path())? } else { kind.len() };
    }
    Ok(bytes)
}

/// A process of ours; killed when it goes out of scope.
pub(crate) struct Child {
    process: std::process::Child,
    said: BufReader<std::process::ChildStdout>,
}

/// Starts this program as a child.
pub(crate) fn spawn(options: &child::Options) -> anyhow::Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("child").arg("--folder").arg(&options.folder);
    for (name, value) in [
        ("--partitions", u64::from(options.partitions)),
        ("--lanes", options.lanes as u64),
        ("--memory", options.memory as u64),
        ("--base-millis", options.base_millis.unsigned_abs()),
        ("--series", options.series as u64),
        ("--entities", options.entities as u64),
        ("--seed", options.seed),
    ] {
        command.arg(name).arg(value.to_string());
    }
    if let Some(bootstrap) = &options.bootstrap {
        command.arg("--bootstrap").arg(bootstrap).arg("--prefix").arg(&options.prefix);
    }
    if options.checkpoints {
        command.arg("--checkpoints");
    }
    if let Some(from) = options.live_from {
        command.arg("--live-from").arg(from.to_string());
    }
    let mut process = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let said = BufReader::new(process.stdout.take().context("its output is piped")?);
    Ok(Child { process, said })
}

impl Child {
    /// Waits for the next thing it says.
    pub(crate) fn said(&mut self) -> anyhow::Result<Said> {
        let mut line = String::new();
        self.said.read_line(&mut line)?;
        anyhow::ensure!(!line.is_empty(), "the process ended without a word");
        Ok(serde_json::from_str(&line)?)
    }

    /// Waits for its end, which must be a good one.
    pub(crate) fn wait(&mut self) -> anyhow::Result<()> {
        let status = self.process.wait()?;
        anyhow::ensure!(status.success(), "the process ended with {status}");
        Ok(())
    }

    /// SIGKILL, and waits until it is gone.
    pub(crate) fn kill(&mut self) -> anyhow::Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may have ended already, which is what is wanted.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
