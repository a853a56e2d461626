//! Peak memory against the configured bound, with many more series than fit decoded, and the speed that is left.
//!
//! The lanes run in a process of their own, so that its peak is theirs.

use super::say;
use crate::arguments::MemoryOptions;
use crate::backlog::Backlog;
use crate::benchmarks::recovery::spawn;
use crate::child::{self, Said, TICK_MILLIS};
use crate::meter::wait_until_quiet;
use crate::report::{Better, Figure, Report};
use crate::scan::scan;
use crate::site::Site;
use topics::declared::SIGNALS;

/// Runs it.
pub(crate) fn run(options: &MemoryOptions) -> anyhow::Result<Report> {
    let mut report = Report::new("memory", options)?;
    let folder = tempfile::tempdir()?;
    let partitions = options.fleet.partitions;
    let plan = options.fleet.plan(1_000_000);
    let site = Site::open(folder.path())?;
    site.create_topics(partitions)?;
    say(format_args!("writing {} rounds of {} series", options.rounds, plan.series));
    let mut backlog = Backlog::new(&*site.log, plan.clone(), partitions, TICK_MILLIS)?;
    backlog.write_rounds(0..options.rounds)?;
    let records_a_round = backlog.records_a_round();
    drop(backlog);
    wait_until_quiet();
    let ends = site.ends(SIGNALS.name, partitions)?;
    let ranges: Vec<_> = ends.iter().map(|end| 0..*end).collect();
    let floor = scan(&*site.log, SIGNALS.name, &ranges)?;
    drop(site);

    say("running detect in a process of its own");
    let memory = options.memory << 20;
    let options_of_child = child::Options {
        folder: folder.path().to_owned(),
        partitions,
        lanes: options.lanes as usize,
        memory: memory as usize,
        checkpoints: false,
        live_from: None,
        base_millis: 0,
        series: plan.series,
        entities: plan.entities,
        seed: plan.seed,
        bootstrap: None,
        prefix: String::new(),
    };
    let mut child = spawn(&options_of_child)?;
    let said = child.said()?;
    child.wait()?;
    let Said::Done { records, wall, processor, peak_memory, flushed } = said else {
        anyhow::bail!("the process said something else than that it is done: {said:?}");
    };
    let samples = records as f64 * plan.series as f64 / records_a_round as f64;
    let needed = plan.series as f64 * 1_000.0 / plan.interval as f64;
    report.figures.push(
        Figure::new(
            "peak resident memory over the configured bound",
            peak_memory as f64 / memory as f64,
            "",
            Better::Lower,
        )
        .target(1.0, None),
    );
    report.figures.push(
        Figure::new("samples scored per wall second", samples / wall, "samples/s", Better::Higher)
            .floor(floor.samples as f64 / floor.wall, "the same records read and decoded only")
            .target(needed, None),
    );
    report.detail("peak resident memory", peak_memory as f64 / f64::from(1 << 20), "MiB");
    report.detail("configured bound", options.memory as f64, "MiB");
    report.detail("series", plan.series as f64, "");
    report.detail("samples a second of these series at their interval", needed, "samples/s");
    report.detail("samples scored per processor second", samples / processor, "samples/s/core");
    report.detail("samples scored", samples, "");
    report.detail("bytes flushed a sample", flushed as f64 / samples, "B");
    Ok(report)
}
