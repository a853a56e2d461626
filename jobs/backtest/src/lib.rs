//! Any chain of jobs over recorded topics, and what it finds compared with what another configuration finds.
//!
//! The jobs are those that run live, driven by the same engine: [`chain::run`] feeds the first with a range of a
//! [`Source`] and each next one with what the one before wrote to a [`Scratch`] log.
//!
//! Invariant: a backtest reaches neither a notifier nor a cluster, by type. A [`Source`] has no method that writes; what
//! jobs write goes to a log in a folder of its own; and this crate can name neither a Kubernetes client nor an HTTP one:
//! its dependencies are `engine`, `schemas` and `topics`, which the architecture test holds it to (`arrows.rs`,
//! `guarded.rs`), so a change that would break this does not build there.
//!
//! Invariant: the report is a function of the records, the configurations and the program, not of the number of lanes.

pub mod chain;
pub mod configuration;
pub mod difference;
pub mod error;
pub mod found;
pub mod numbers;
mod order;
pub mod recorded;
pub mod report;
pub mod scratch;
pub mod source;

pub use chain::{Outcome, Stage};
pub use error::BacktestError;
pub use found::Found;
pub use recorded::{Ranges, Recorded};
pub use report::Report;
pub use scratch::Scratch;
pub use source::Source;
