//! Commands → the cluster → results: careful execution of signed orders.
//!
//! A command is carried out when it is signed by a key that may, in time, within policy and budget, consented to where
//! that is asked for, and when the object it names still is the one that was seen. What was done stands in the cluster
//! itself, as one `RemediationAction` for each command, so that nothing is done twice and everything that expires is
//! undone, whatever becomes of this process or of the log.
//!
//! Invariant: no command is carried out twice, late, on another object than the one seen, or outside its policy.

pub mod actions;
mod actuator;
pub mod admission;
mod api;
mod budget;
pub mod chain;
pub mod checkup;
mod cilium;
pub mod config;
mod consent;
mod error;
mod evidence;
mod flows;
pub mod guards;
mod incidents;
pub mod isolation;
mod judge;
mod ledger;
pub mod manifests;
mod quantity;
pub mod rehearsal;
mod run;
pub mod view;

pub use actuator::Step;
pub use config::Config;
pub use error::ActuateError;
pub use run::{Hook, run, run_with};
