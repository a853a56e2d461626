//! The ledger: exactly-once on a real Kafka, proven by killing.
//!
//! Processes of the real program read raw records while they are written, ingest into signals, detect into anomalies; all
//! the while processes are killed, stopped, frozen and started again, with and without their state, and brokers too where
//! the cluster is ours. At the end the books are made up:
//!
//! - Detect is run once more, undisturbed, over the very same signals topic. Each task's output must be the same bytes
//!   under the same numbers.
//! - Ingest is run once more, undisturbed, over the very same raw topics. Every raw record must have become the same
//!   signals, in the same order, or the same dead letter, once.

mod books;
mod cluster;
mod disturbance;
mod process;
mod raw;
mod seeded;

use crate::arguments::ExactlyOnceOptions;
use crate::benchmarks::say;
pub(crate) use process::PROGRAM;

use anyhow::Context;
use books::{Anomalies, Difference, Sources};
use cluster::Cluster;
use disturbance::Disturbances;
use process::Group;
use raw::Writer;
use serde::Serialize;
use std::time::Duration;
use topics::declared::{ANOMALIES, DEAD_LETTERS, SIGNALS};

/// What was done and what came of it.
#[derive(Clone, Debug, Default, Serialize)]
struct Verdict {
    seed: u64,
    /// Processes ended by SIGKILL.
    kills: usize,
    /// Times that a lane lost or gained partitions.
    rebalances: usize,
    /// Raw records written.
    records: u64,
    /// Samples in the signals made of them.
    samples: u64,
    /// Signals and dead letters of ingest, outputs of detect.
    outputs: usize,
    lost: usize,
    duplicated: usize,
    differing: usize,
    /// Everything else that was done, by name.
    disturbances: std::collections::BTreeMap<&'static str, usize>,
    seconds: f64,
}

/// Runs the ledger; true when nothing was lost, duplicated or different.
pub(crate) fn run(options: &ExactlyOnceOptions, json: bool) -> anyhow::Result<bool> {
    let began = crate::meter::now();
    let cluster = Cluster::open(options)?;
    let mut verdict = Verdict { seed: options.seed, ..Verdict::default() };
    let outcome = prove(options, &cluster, &mut verdict);
    let cleaned = cluster.clean();
    outcome?;
    cleaned.context("topics of the ledger are left on the cluster")?;
    verdict.seconds = (crate::meter::now() - began).as_secs_f64();
    let sound = (verdict.lost, verdict.duplicated, verdict.differing) == (0, 0, 0);
    if json {
        println!("{}", serde_json::to_string(&verdict)?);
    } else {
        print(&verdict);
    }
    Ok(sound)
}

fn prove(options: &ExactlyOnceOptions, cluster: &Cluster, verdict: &mut Verdict) -> anyhow::Result<()> {
    let folder = tempfile::tempdir().context("a temporary folder")?;
    let mut group = Group::new(folder.path(), cluster, options.processes as usize)?;
    group.apply_topics()?;
    say(format_args!(
        "{} processes, {} kills, seed {}; raw records over {} s",
        options.processes, options.kills, options.seed, options.seconds
    ));
    let writer = Writer::start(cluster, options)?;
    let mut disturbances = Disturbances::new(options);
    group.start_all()?;
    disturbances.play(&mut group, cluster, &writer)?;
    verdict.records = writer.finish()?;
    cluster.calm()?;
    group.stop_all()?;
    say("undisturbed: what is left is read");
    group.finish(&["ingest", "detect"])?;
    verdict.kills = disturbances.kills();
    verdict.disturbances = disturbances.counts();
    verdict.rebalances = group.rebalances()?;

    let found = Anomalies::read(cluster)?;
    let found_sources = Sources::read(cluster)?;
    verdict.samples = found_sources.samples;
    verdict.outputs = found.len() + found_sources.len();

    say("undisturbed: detect over the same signals");
    cluster.begin_again("detect", SIGNALS.name, &[ANOMALIES.name])?;
    group.forget_state()?;
    group.apply_topics()?;
    group.finish(&["detect"])?;
    verdict.add(found.compare(&Anomalies::read(cluster)?));

    say("undisturbed: ingest over the same raw records");
    for topic in raw::TOPICS {
        cluster.forget("ingest", topic)?;
    }
    cluster.begin_again("detect", SIGNALS.name, &[SIGNALS.name, DEAD_LETTERS.name])?;
    group.forget_state()?;
    group.apply_topics()?;
    group.finish(&["ingest"])?;
    verdict.add(found_sources.compare(&Sources::read(cluster)?));
    let accounted = found_sources.accounted();
    anyhow::ensure!(accounted > 0 && !found.is_empty(), "nothing was published, so nothing is proven");
    Ok(())
}

impl Verdict {
    fn add(&mut self, difference: Difference) {
        self.lost += difference.lost;
        self.duplicated += difference.duplicated;
        self.differing += difference.differing;
        for example in difference.examples {
            say(example);
        }
    }
}

fn print(verdict: &Verdict) {
    println!(
        "{} raw records ({} samples) became {} outputs, through {} kills and {} rebalances in {:.0} s (seed {}):",
        verdict.records,
        verdict.samples,
        verdict.outputs,
        verdict.kills,
        verdict.rebalances,
        verdict.seconds,
        verdict.seed
    );
    println!("{} lost, {} duplicated, {} differing", verdict.lost, verdict.duplicated, verdict.differing);
    let list: Vec<String> = verdict.disturbances.iter().map(|(name, count)| format!("{name} {count}")).collect();
    println!("disturbances: {}", list.join(", "));
}

/// How often anything is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);
