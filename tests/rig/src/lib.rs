//! Real parts for tests, on one small machine: what a test starts is the very program that users run.
//!
//! Everything listens on free ports of the loopback interface, works in a folder of its own and ends with the value
//! that started it.
//!
//! Invariant: no process and no folder outlives the test that asked for it, whether it returns, panics or is killed.

pub mod alertmanager;
mod cache;
pub mod collector;
mod deadline;
mod error;
mod go;
mod guard;
pub mod kafka;
pub mod kubernetes;
mod ports;
pub mod receiver;
mod skipping;
mod tls;

pub use error::RigError;
pub use skipping::provided;
