//! The commands, one file each.

pub(crate) mod actuate;
mod backtest;
mod beginning;
mod checkpoint;
mod consume;
mod doctor;
mod evaluate;
pub(crate) mod incidents;
pub(crate) mod keys;
pub(crate) mod kill_switch;
pub(crate) mod mute;
pub(crate) mod notify;
pub(crate) mod observe;
pub(crate) mod orders;
pub(crate) mod policy;
mod produce;
mod replay;
mod run;
mod said;
mod schemas;
mod state;
mod topics;
mod version;

use crate::cli::{Arguments, Command};
use crate::error::Error;
use crate::{demo, listing, logging, settings};
use clap::CommandFactory;

/// What is logged by commands that answer and end, and by those that run.
const QUIET: &str = "warn";
const RUNNING: &str = "info";

/// Does what the command line says.
pub(crate) fn execute(arguments: Arguments) -> Result<(), Error> {
    let usual = if matches!(arguments.command, Some(Command::Run(_))) { RUNNING } else { QUIET };
    logging::start(arguments.log_format, usual)?;
    // What needs no configuration must work with a broken one.
    match &arguments.command {
        Some(Command::Completions { shell }) => return completions(*shell),
        Some(Command::Evaluate(command)) => return evaluate::execute(command),
        Some(Command::Keys(command)) => return keys::execute(command),
        Some(Command::Config(config)) if config.default => return listing::text(settings::DEFAULT_FILE),
        _ => {}
    }
    let (mut settings, file) = settings::load(arguments.config.as_deref(), std::env::vars())?;
    if let Some(bootstrap) = arguments.kafka {
        settings.log.kafka.get_or_insert_default().bootstrap = bootstrap;
    }
    if arguments.print_config {
        return print(&settings);
    }
    match arguments.command {
        None => Err(Error::Usage("say what to do: bellbuoy --help lists the commands".to_owned())),
        Some(Command::Run(run)) => run::execute(settings, &run),
        Some(Command::Demo(demo)) => demo::execute(&demo),
        Some(Command::Produce(produce)) => produce::execute(settings, &produce),
        Some(Command::Consume(consume)) => consume::execute(settings, &consume),
        Some(Command::Topics(command)) => topics::execute(settings, &command),
        Some(Command::Schemas(command)) => schemas::execute(&command),
        Some(Command::State(command)) => state::execute(&settings, &command),
        Some(Command::Checkpoint(command)) => checkpoint::execute(&settings, &command),
        Some(Command::Backtest(backtest)) => backtest::execute(settings, &backtest),
        Some(Command::Replay(replay)) => replay::execute(settings, &replay),
        Some(Command::Policy(command)) => policy::execute(&settings.remediate.policy()?, &command),
        Some(Command::Incidents(command)) => incidents::execute(settings, &command),
        Some(Command::Commands(command)) => orders::execute(settings, &command),
        Some(Command::KillSwitch(command)) => kill_switch::execute(settings, &command),
        Some(Command::Mute(command)) => mute::execute(settings, &command),
        Some(Command::Observe(asked)) => observe::execute(&settings, &asked),
        Some(Command::Actuate(asked)) => actuate::execute(settings, &asked),
        Some(Command::Notify(command)) => notify::execute(settings, &command),
        Some(Command::Doctor(listed)) => doctor::execute(settings, file.as_deref(), listed.json),
        Some(Command::Version(listed)) => version::execute(&settings, listed.json),
        Some(Command::Config(_)) => print(&settings),
        // Done above.
        Some(Command::Completions { shell }) => completions(shell),
        Some(Command::Evaluate(command)) => evaluate::execute(&command),
        Some(Command::Keys(command)) => keys::execute(&command),
    }
}

fn print(settings: &settings::Settings) -> Result<(), Error> {
    let text = serde_saphyr::to_string(settings)
        .map_err(|e| Error::Unwell(format!("the configuration cannot be written as YAML: {e}")))?;
    listing::text(&text)
}

fn completions(shell: clap_complete::Shell) -> Result<(), Error> {
    let mut out = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "bellbuoy", &mut out);
    listing::text(&String::from_utf8_lossy(&out))
}
