//! The one binary: command line, configuration, wiring. What happens to data is in the jobs, how it is run in `engine`.
//!
//! Exit codes: 0 done, 1 failed, 64 the command line or the configuration is wrong.

pub mod capture;
pub mod cli;
mod commands;
mod control;
mod demo;
mod error;
pub mod evaluate;
mod listing;
mod logging;
pub mod moment;
mod services;
pub mod settings;
mod site;

mod whole;
mod wiring;

pub use error::Error;

use clap::Parser;
use std::process::ExitCode;

/// Reads the command line, does what it says, and gives the exit code.
pub fn run() -> ExitCode {
    let arguments = match cli::Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Asking for help is no error. A terminal that has gone away leaves nobody to tell.
            let code = if error.use_stderr() { error::USAGE } else { 0 };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    match commands::execute(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if !error.is_closed_pipe() {
                eprintln!("bellbuoy: {error}");
            }
            ExitCode::from(error.exit_code())
        }
    }
}
