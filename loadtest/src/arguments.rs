//! The command line.

use crate::child;
use crate::place::PlaceOptions;
use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::Serialize;

/// Measures what the parts of the binary take and stand, each against a floor measured in the same run.
#[derive(Debug, Parser)]
#[command(name = "loadtest", version)]
pub(crate) struct Arguments {
    /// What to measure.
    #[command(subcommand)]
    pub(crate) benchmark: Benchmark,
    /// One JSON document on standard output instead of a table.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// What can be measured.
#[derive(Debug, Subcommand)]
pub(crate) enum Benchmark {
    /// Samples per second and core that `detect` scores from the embedded log.
    Detect(DetectOptions),
    /// Anomalies per second that `correlate` takes in, and what an open incident costs.
    Correlate(CorrelateOptions),
    /// Time from an event to its anomaly, through ingest and detect, under load.
    Latency(LatencyOptions),
    /// Bytes that a numeric series takes: stored, on disk, in memory.
    State(StateOptions),
    /// Time from SIGKILL to caught up, with local state and with a checkpoint only.
    Recovery(RecoveryOptions),
    /// Peak memory and speed with more series than the bound lets decoded.
    Memory(MemoryOptions),
    /// Samples per second that `detect` scores from Kafka, against a bare consumer that decodes.
    Kafka(KafkaOptions),
    /// Time that a commit takes on Kafka, at 12 and 96 partitions, against a bare transaction loop.
    Commit(CommitOptions),
    /// Proof of exactly-once on Kafka: processes and brokers are killed, and the books must balance.
    ExactlyOnce(ExactlyOnceOptions),
    /// Lanes in a process of their own, which may be killed.
    #[command(hide = true)]
    Child(child::Options),
}

/// Size of a fleet.
#[derive(Args, Clone, Debug, Serialize)]
pub(crate) struct FleetOptions {
    /// Workloads that own the series.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) entities: Option<u64>,
    /// Numeric series in all.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) series: Option<u64>,
    /// Partitions of the signals topic.
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(crate) partitions: u32,
    /// Same seed, same values.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
}

impl FleetOptions {
    /// The plan of a fleet of ten series an entity, unless said otherwise.
    pub(crate) fn plan(&self, series: usize) -> estate::FleetPlan {
        let series = self.series.map_or(series, |series| series as usize);
        let entities = self.entities.map_or(series.div_ceil(10), |entities| entities as usize);
        estate::FleetPlan { seed: self.seed, series, entities, ..estate::FleetPlan::default() }
    }
}

/// Options of `detect`.
#[derive(Args, Clone, Debug, Serialize)]
pub(crate) struct DetectOptions {
    #[command(flatten)]
    pub(crate) fleet: FleetOptions,
    /// Scrapes before measuring begins: a series judges residuals after 100, so that fewer measure a cold state.
    #[arg(long, default_value_t = 110, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) warm_rounds: u64,
    /// Scrapes that are measured.
    #[arg(long, default_value_t = 150, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) rounds: u64,
    /// Lanes of detect, each a thread.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=64))]
    pub(crate) lanes: u64,
    /// Time between two ticks in the log, milliseconds.
    #[arg(long, default_value_t = 250, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub(crate) tick_millis: u64,
}

/// Options of `correlate`.
#[derive(Args, Clone, Debug, Serialize)]
pub(crate) struct CorrelateOptions {
    /// Incidents that are open.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) incidents: u64,
    /// Rounds that are measured, 250 ms each.
    #[arg(long, default_value_t = 800, value_parser = clap::value_parser!(u64).range(1..=3000))]
    pub(crate) rounds: u64,
    /// Anomalies of a round.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) anomalies: u64,
    /// Same seed, same story.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
}

/// Options of `latency`.
#[derive(Args, Clone, Debug, Serialize)]
pub(crate) struct LatencyOptions {
    #[command(flatten)]
    pub(crate) fleet: FleetOptions,
    #[command(flatten)]
    pub(crate) place: PlaceOptions,
    /// Scrapes read as a backlog to find the highest load.
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u64).range(4..=100))]
    pub(crate) rounds: u64,
    /// The fixed load, samples a second.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) load: u64,
    /// Length of each load, seconds.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(5..=600))]
    pub(crate) seconds: u64,
    /// What the time is taken to.
    #[arg(long, value_enum, default_value = "anomaly")]
    pub(crate) to: Goal,
    /// Events planted into each load.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(10..))]
    pub(crate) events: u64,
}

/// What the time from an event is taken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Goal {
    /// Its anomaly, with ingest and detect running.
    Anomaly,
    /// The command that policy gives for it, with correlate and remediate running, too.
    Command,
}

/// Options of `state`.
#[derive(Args, Clone, Debug, Serialize)]
pub(crate) struct StateOptions {
    #[command(flatten)]
    pub(crate) fleet: FleetOptions,
    /// Days of scrapes every 10 s that the state has learned from.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=60))]
    pub(crate) days: u64,
}

/// Options of `recovery`.
#[derive(Args, Clone, Debug, Serialize)]
pub(crate) struct RecoveryOptions {
    #[command(flatten)]
    pub(crate) fleet: FleetOptions,
    #[command(flatten)]
    pub(crate) place: PlaceOptions,
    /// Scrapes learned before.
    #[arg(long, default_value_t = 110, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) warm_rounds: u64,
    /// Scrapes between the checkpoint and the first start: with one scrape in 10 s, 30 are the checkpoint's whole age.
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) rounds: u64,
    /// Kills of each kind.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=50))]
    pub(crate) repetitions: u64,
    /// Lanes of detect.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=64))]
    pub(crate) lanes: u64,
    /// Memory of the process, MiB, shared out as `bellbuoy run` does.
    #[arg(long, default_value_t = 2_048, value_parser = clap::value_parser!(u64).range(64..))]
    pub(crate) memory: u64,
    /// Least seconds that a process lives before it is killed: longer than the time between two flushes.
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u64).range(1..=280))]
    pub(crate) seconds: u64,
}

/// Options of `memory`.
#[derive(Args, Clone, Debug, Serialize)]
pub(crate) struct MemoryOptions {
    #[command(flatten)]
    pub(crate) fleet: FleetOptions,
    /// Scrapes read.
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u64).range(2..))]
    pub(crate) rounds: u64,
    /// Lanes of detect.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=64))]
    pub(crate) lanes: u64,
    /// Memory of the process, MiB, shared out as `bellbuoy run` does.
    #[arg(long, default_value_t = 1_024, value_parser = clap::value_parser!(u64).range(64..))]
    pub(crate) memory: u64,
}

/// Options of `kafka`.
#[derive(Args, Clone, Debug, Serialize)]
pub(crate) struct KafkaOptions {
    #[command(flatten)]
    pub(crate) fleet: FleetOptions,
    /// Scrapes before measuring begins.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) warm_rounds: u64,
    /// Scrapes that are measured.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) rounds: u64,
    /// Lanes of detect, each a thread.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=64))]
    pub(crate) lanes: u64,
    /// Brokers of a cluster to use, host:port separated by commas; without it one is started.
    #[arg(long, value_name = "HOST:PORT,…")]
    pub(crate) bootstrap: Option<String>,
}

/// Options of `commit`.
#[derive(Args, Clone, Debug, Serialize)]
pub(crate) struct CommitOptions {
    /// Records of a transaction.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub(crate) records: u32,
    /// Transactions that are measured, of each kind.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u64).range(10..))]
    pub(crate) rounds: u64,
    /// Brokers of a cluster to use, host:port separated by commas; without it one is started.
    #[arg(long, value_name = "HOST:PORT,…")]
    pub(crate) bootstrap: Option<String>,
}

/// Options of `exactly-once`.
#[derive(Args, Clone, Debug, Serialize)]
pub(crate) struct ExactlyOnceOptions {
    /// Processes ended by SIGKILL before the books are made up.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) kills: u32,
    /// Same seed, same records and same schedule of disturbances.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Brokers of a cluster to use, host:port separated by commas; without it three brokers are started, and broken too.
    #[arg(long, value_name = "HOST:PORT,…")]
    pub(crate) bootstrap: Option<String>,
    /// Processes that share the work; one more joins from time to time.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(2..=16))]
    pub(crate) processes: u32,
    /// Seconds over which raw records are written.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u64).range(5..=86_400))]
    pub(crate) seconds: u64,
    /// Workloads of the estate that the records tell of.
    #[arg(long, default_value_t = 45, value_parser = clap::value_parser!(u32).range(8..=1_000))]
    pub(crate) workloads: u32,
    /// Seconds between two scrapes, whole, 10 to 600, over the estate's one day.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(10..=600))]
    pub(crate) scrape_seconds: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
