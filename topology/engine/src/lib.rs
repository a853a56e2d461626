//! The engine: lanes and tasks over a log, with state, checkpoints, recovery and a clock that comes from the log.
//!
//! Invariants, each with a test named after it:
//! - Local state is never ahead of committed output.
//! - No output is a function of anything but the task's log prefix and its logic.
//! - Where an epoch, a transaction, a flush or a checkpoint ends is never visible in output.

pub mod checkpoint;
pub mod clock;
pub mod error;
pub mod fault;
pub mod http;
pub mod job;
pub mod lane;
pub mod log;
pub mod metrics;
pub mod output;
pub mod recovery;
pub mod runtime;
pub mod service;
pub mod span;
pub mod state;
pub mod task;
