//! Correlation of one cluster, told of anomalies round by round.

mod estate;
mod invariants;
mod stories;
