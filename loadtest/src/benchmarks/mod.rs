//! One file per benchmark.

pub(crate) mod commit;
pub(crate) mod correlate;
pub(crate) mod detect;
pub(crate) mod kafka;
pub(crate) mod latency;
pub(crate) mod memory;
pub(crate) mod recovery;
pub(crate) mod state;

/// Says on standard error what is going on; standard output is for the report.
pub(crate) fn say(what: impl std::fmt::Display) {
    eprintln!("loadtest: {what}");
}
