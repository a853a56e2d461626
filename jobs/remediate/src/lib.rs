//! Incidents → commands: which remedy policy proposes, with what guard, in which mode.
//!
//! Everything but `job` is a pure function of the incidents in the order of the log and of
//! [`Config`]: no clock, no randomness, no input or output. [`State`] is all state of one task; a remedy is one file
//! under `remedies`.

pub mod case;
pub mod command;
pub mod config;
mod error;
#[cfg(test)]
mod example;
pub mod guards;
pub mod job;
pub mod ledger;
pub mod policy_test;
pub mod refusal;
pub mod remedies;
pub mod selector;
pub mod state;
pub mod target;

pub use config::{Config, SEMANTICS};
pub use error::RemediateError;
pub use refusal::{Refusal, Rule};
pub use state::{Decision, Proposed, State};
