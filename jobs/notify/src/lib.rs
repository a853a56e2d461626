//! Incidents → people: Alertmanager, webhooks, Slack, PagerDuty.
//!
//! What is to be told is written to the notifications topic before it is sent, and what the target answered after. That
//! topic is the notifier's whole memory, so one that is killed goes on where it was: each telling is sent at least once,
//! under one identity, and a target that compares identities has it exactly once.
//!
//! Invariant: nothing is sent whose intent is not written; of one incident a target is told one opening, however often
//! the notifier dies. Invariant: no replay and no backtest depends on this crate.

mod alert;
pub mod config;
mod courier;
mod dispatch;
mod error;
mod follow;
mod incidents;
mod mutes;
mod notifier;
mod outbox;
mod run;
pub mod silence;
mod targets;
pub mod told;
pub mod trial;

pub use config::Config;
pub use error::NotifyError;
pub use notifier::Step;
pub use run::{Hook, run, run_with};
pub use targets::webhook::{SIGNATURE, sign};
