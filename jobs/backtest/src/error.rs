//! What can go wrong in a backtest, and who must act.

use engine::error::{EngineError, LogError};

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BacktestError {
    /// The engine stopped.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// It was asked to end before the end of the range.
    #[error("stopped before the end of the range: there is no report of it")]
    Stopped,
    /// The chain has no job.
    #[error("no job was asked for; allowed is a chain of at least one")]
    NoJob,
    /// A record of an output topic cannot be read.
    #[error("{topic}/{partition} at offset {offset} is unreadable: {error}; move the range behind it")]
    Unreadable {
        /// Its topic.
        topic: String,
        /// Its partition.
        partition: u32,
        /// Its offset.
        offset: i64,
        /// What is wrong with it.
        error: schemas::SchemaError,
    },
}

impl From<LogError> for BacktestError {
    fn from(error: LogError) -> Self {
        BacktestError::Engine(error.into())
    }
}
