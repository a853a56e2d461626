//! The command line. Help, completions and errors all come from these definitions.

mod place;

pub use place::Where;

use crate::moment;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// What is asked of the program.
#[derive(Debug, Parser)]
#[command(
    name = "bellbuoy",
    version,
    max_term_width = 100,
    about = "Learns what is normal in a Kubernetes estate and says, with reasons, when it is not",
    after_help = "Configuration: ./bellbuoy.yaml or --config FILE, overridden by BELLBUOY__SECTION__FIELD variables; \
                  `bellbuoy config --default` prints every field. Logs go to standard error, filtered by BELLBUOY_LOG."
)]
pub struct Arguments {
    /// Configuration file [default: bellbuoy.yaml, where there is one]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Kafka cluster to use as the log, instead of what the configuration says
    #[arg(long, global = true, value_name = "HOST:PORT,…")]
    pub kafka: Option<String>,
    /// Print the effective configuration and do nothing else
    #[arg(long, global = true)]
    pub print_config: bool,
    /// Form of the logs on standard error
    #[arg(long, global = true, value_enum, default_value = "text", value_name = "FORM")]
    pub log_format: LogFormat,
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Form of the logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One object a line.
    Json,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run jobs until told to stop
    Run(Run),
    /// Generate an estate with a story, and find it
    Demo(Demo),
    /// Load records from files into a topic
    Produce(Produce),
    /// Write a topic's records to standard output
    Consume(Consume),
    /// The topics of the log, and those that are declared
    #[command(subcommand)]
    Topics(Topics),
    /// The published schemas
    #[command(subcommand)]
    Schemas(Schemas),
    /// What tasks have stored
    #[command(subcommand)]
    State(State),
    /// Copies of task state
    #[command(subcommand)]
    Checkpoint(Checkpoint),
    /// Run a job over a recorded range of its input, without publishing anything
    Replay(Replay),
    /// Run jobs over recorded topics and compare what they find, without publishing anything
    ///
    /// With --against it compares --config with another configuration, without it with what was published. Exit code 0
    /// says that there is a report, whatever differs.
    Backtest(Backtest),
    /// Measure quality on labelled data, beside floors and published figures
    #[command(subcommand)]
    Evaluate(Evaluate),
    /// Tests of remediation policies, and the policy in force
    #[command(subcommand)]
    Policy(crate::commands::policy::Policy),
    /// The key that signs commands
    #[command(subcommand)]
    Keys(crate::commands::keys::Keys),
    /// What goes wrong now, why it is said, and a person's judgement of it
    #[command(subcommand)]
    Incidents(crate::commands::incidents::Incidents),
    /// Orders to the actuator: what they are, what became of them, and a person's answer
    #[command(subcommand)]
    Commands(crate::commands::orders::Commands),
    /// Stop everything new, here or everywhere, until somebody says otherwise
    #[command(subcommand)]
    KillSwitch(crate::commands::kill_switch::KillSwitch),
    /// Tell nobody of incidents about some part of the estate, for some time; they are found all the same
    #[command(subcommand)]
    Mute(crate::commands::mute::Mute),
    /// What the observer needs in a cluster; `run observe` runs it, as does `run all`
    Observe(crate::commands::observe::Observe),
    /// What the actuator would do with an order, and what it needs in a cluster; `run actuate` runs it
    Actuate(crate::commands::actuate::Actuate),
    /// Who is told of incidents, and whether that works; `run notify` runs it, as does `run all`
    #[command(subcommand)]
    Notify(crate::commands::notify::Notify),
    /// Look for what is wrong or will go wrong, and say what to change
    ///
    /// On Kafka it makes and removes one topic, bellbuoy.doctor-…, to see what is allowed and what time the brokers have.
    Doctor(Listed),
    /// The version, what determines output, and the schemas spoken
    Version(Listed),
    /// The effective configuration, or the commented defaults
    Config(Config),
    /// A completion script for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

/// Options of a listing.
#[derive(Clone, Copy, Debug, Args)]
pub struct Listed {
    /// JSON instead of a table
    #[arg(long)]
    pub json: bool,
}

/// Options of `run`.
#[derive(Debug, Args)]
pub struct Run {
    /// Jobs to run in this process
    #[arg(required = true, value_name = "JOB", value_parser = crate::services::RUNNABLE)]
    pub jobs: Vec<String>,
    /// Also carry commands out, in this process and with the credentials that actuate.kubeconfig names; `all` does not
    #[arg(long)]
    pub with_actuator: bool,
    /// Stop when everything that is there has been processed
    #[arg(long)]
    pub until_complete: bool,
    /// Take time from the records instead of the clock: recorded input then always gives the same log
    #[arg(long)]
    pub recorded: bool,
    /// Go on where recovery would stop, and give up what it names
    #[arg(long)]
    pub accept_reset: bool,
}

/// Options of `demo`.
#[derive(Debug, Args)]
pub struct Demo {
    /// Same seed, same output
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Days of the estate's life; the last half day holds the story
    #[arg(long, default_value_t = 3, value_name = "N")]
    pub days: u32,
    /// End with one machine-readable summary on standard output; everything else goes to standard error
    #[arg(long)]
    pub json: bool,
    /// Keep log and state in this folder, which must be new or empty
    #[arg(long, value_name = "FOLDER")]
    pub keep: Option<PathBuf>,
}

/// Options of `produce`.
#[derive(Debug, Args)]
pub struct Produce {
    /// Topic to write to
    #[arg(required_unless_present = "capture")]
    pub topic: Option<String>,
    /// File to read [default: standard input]
    pub file: Option<PathBuf>,
    /// Form of the file
    #[arg(long, value_enum, default_value = "lines", value_name = "FORM")]
    pub format: InputFormat,
    /// Load a folder of captures: every TOPIC.jsonl, with partitions, keys, headers and times
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["topic", "file", "format", "key", "header", "partition"])]
    pub capture: Option<PathBuf>,
    /// Key of every line
    #[arg(long, value_name = "TEXT")]
    pub key: Option<String>,
    /// Header of every line, may repeat
    #[arg(long, value_name = "NAME=VALUE", value_parser = header)]
    pub header: Vec<(String, String)>,
    /// Partition of every line [default: the key's; 0 without a key, which keeps the order]
    #[arg(long, value_name = "NUMBER")]
    pub partition: Option<u32>,
}

/// Forms that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum InputFormat {
    /// One value a line
    Lines,
    /// One whole record a line, as `consume --format capture` writes it
    Capture,
}

/// Options of `consume`.
#[derive(Debug, Args)]
pub struct Consume {
    /// Topic to read
    pub topic: String,
    /// Form of the output
    #[arg(long, value_enum, default_value = "lines", value_name = "FORM")]
    pub format: OutputFormat,
    /// First record: earliest, latest, an offset, or a time such as 2026-03-02T14:05Z
    #[arg(long, default_value = "earliest", value_name = "WHERE")]
    pub from: Where,
    /// Only this partition
    #[arg(long, value_name = "NUMBER")]
    pub partition: Option<u32>,
    /// Stop after so many records
    #[arg(long, value_name = "COUNT")]
    pub max: Option<u64>,
    /// Wait for more at the end
    #[arg(long)]
    pub follow: bool,
}

/// Forms that can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// The value, a line each
    Lines,
    /// The whole record as JSON, bytes in base64, to be loaded again
    Capture,
    /// The whole record as JSON, the value decoded by its schema
    Json,
}

/// Commands about topics.
#[derive(Debug, Subcommand)]
pub enum Topics {
    /// The topics of the log, with sizes and offsets
    List(Listed),
    /// What `apply` would change
    Diff(Listed),
    /// Create what is missing and alter what differs; doing it twice changes nothing
    Apply {
        /// JSON instead of a table
        #[arg(long)]
        json: bool,
        /// Also what may remove records, as a shorter retention does
        #[arg(long)]
        allow_removal: bool,
    },
}

/// Commands about schemas.
#[derive(Debug, Subcommand)]
pub enum Schemas {
    /// Every published version
    List(Listed),
    /// Check that none was edited and all read each other
    Check(Listed),
}

/// Commands about state.
#[derive(Debug, Subcommand)]
pub enum State {
    /// Markers, entries and sizes; no job may be running on the folder
    Inspect {
        /// Only this job
        #[arg(long)]
        job: Option<String>,
        /// Only this partition
        #[arg(long, value_name = "NUMBER")]
        partition: Option<u32>,
        /// Only entries whose key begins so, each listed
        #[arg(long, value_name = "TEXT")]
        key: Option<String>,
        /// JSON instead of a table
        #[arg(long)]
        json: bool,
    },
}

/// Commands about checkpoints.
#[derive(Debug, Subcommand)]
pub enum Checkpoint {
    /// Every checkpoint
    List(Listed),
    /// Read checkpoints whole and check them
    Verify {
        /// Names, as `list` shows them
        #[arg(value_name = "NAME", required_unless_present = "all")]
        names: Vec<String>,
        /// Every checkpoint
        #[arg(long, conflicts_with = "names")]
        all: bool,
        /// JSON instead of a table
        #[arg(long)]
        json: bool,
    },
}

/// Options of `replay`.
#[derive(Debug, Args)]
pub struct Replay {
    /// Job to run
    #[arg(long, value_parser = ["ingest", "detect"], value_name = "JOB")]
    pub job: String,
    /// First record: earliest, an offset, or a time
    #[arg(long, default_value = "earliest", value_name = "WHERE")]
    pub from: Where,
    /// End, itself not replayed: latest, an offset, or a time
    #[arg(long, default_value = "latest", value_name = "WHERE")]
    pub to: Where,
    /// JSON instead of text
    #[arg(long)]
    pub json: bool,
}

/// Options of `backtest`.
#[derive(Debug, Args)]
pub struct Backtest {
    /// Jobs to run, a row without gaps of those that `run` knows [default: all behind ingest]
    #[arg(long, value_name = "JOB", value_delimiter = ',')]
    pub jobs: Vec<String>,
    /// First record of the first job's input: earliest, an offset, or a time
    #[arg(long, default_value = "earliest", value_name = "WHERE")]
    pub from: Where,
    /// End, itself not read: latest, an offset, or a time
    #[arg(long, default_value = "latest", value_name = "WHERE")]
    pub to: Where,
    /// Compare only what began at or after this time; what is before is for learning
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub compare_from: Option<i64>,
    /// Configuration to compare with [default: what was published]
    #[arg(long, value_name = "FILE")]
    pub against: Option<PathBuf>,
    /// Lanes of each job behind ingest, each a thread; the report is the same with any number
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub lanes: usize,
    /// JSON instead of tables
    #[arg(long)]
    pub json: bool,
}

/// What can be measured.
#[derive(Debug, Subcommand)]
pub enum Evaluate {
    /// The ranking of causes, on sets of faults whose cause is known
    Rca(EvaluateRca),
}

/// Options of `evaluate rca`.
#[derive(Debug, Args)]
pub struct EvaluateRca {
    /// Folder with the sets, unpacked or as NAME.tar.xz
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// Only this set [default: every set that is there]
    #[arg(long, value_name = "NAME", value_parser = crate::evaluate::ALL.map(|set| set.name))]
    pub set: Option<String>,
    /// JSON instead of tables
    #[arg(long)]
    pub json: bool,
}

/// Options of `config`.
#[derive(Debug, Args)]
pub struct Config {
    /// The effective configuration, which is also what comes without an option
    #[arg(long, conflicts_with = "default")]
    pub print: bool,
    /// The commented file with every default
    #[arg(long)]
    pub default: bool,
}

fn time(text: &str) -> Result<i64, String> {
    moment::parse(text).ok_or_else(|| "allowed is a time in UTC such as 2026-03-02T14:05Z".to_owned())
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("allowed is NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definitions_are_sound() {
        Arguments::command().debug_assert();
    }
}
