//! Benchmarks of the parts of the binary, each with the floor it is compared to.
//!
//! A floor is the least that any program would have to do for the same result on the same machine (read the log, make a
//! record durable), measured in the same run. Absolute figures depend on the machine; ratios travel.
//!
//! Exit codes: 0 every figure meets what it must, 1 one does not or the run failed, 64 the command line is wrong.

mod arguments;
mod backlog;
mod benchmarks;
mod child;
mod exactly_once;
mod machine;
mod meter;
mod otlp;
mod place;
mod report;
mod scan;
mod site;
mod spread;
mod watched;

use arguments::{Arguments, Benchmark};
use clap::Parser;
use std::process::ExitCode;

/// As `sysexits.h` has it.
const USAGE: u8 = 64;

fn main() -> ExitCode {
    // The ledger's processes are the real program: this one under its name, so that both are of one build.
    if std::env::args_os().next().is_some_and(|name| name == exactly_once::PROGRAM) {
        return bellbuoy::run();
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Asking for help is no error. A terminal that has gone away leaves nobody to tell.
            let code = if error.use_stderr() { USAGE } else { 0 };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    match run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("loadtest: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// True when every figure meets what it must.
fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    let report = match &arguments.benchmark {
        Benchmark::Detect(options) => benchmarks::detect::run(options)?,
        Benchmark::Correlate(options) => benchmarks::correlate::run(options)?,
        Benchmark::Latency(options) => benchmarks::latency::run(options)?,
        Benchmark::State(options) => benchmarks::state::run(options)?,
        Benchmark::Recovery(options) => benchmarks::recovery::run(options)?,
        Benchmark::Memory(options) => benchmarks::memory::run(options)?,
        Benchmark::Kafka(options) => benchmarks::kafka::run(options)?,
        Benchmark::Commit(options) => benchmarks::commit::run(options)?,
        Benchmark::ExactlyOnce(options) => return exactly_once::run(options, arguments.json),
        Benchmark::Child(options) => return child::run(options).map(|()| true),
    };
    if arguments.json {
        report.print_json()?
    } else {
        report.print()
    }
    Ok(report.meets_musts())
}
