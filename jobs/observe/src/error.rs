//! What can go wrong for the observer itself; a kind that cannot be read is tried again, and told of.

/// What stops the observer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ObserveError {
    /// A field of the configuration; its owner must change it.
    #[error("{field}: {message}")]
    Field {
        /// Path of the field.
        field: String,
        /// What is wrong and what is allowed.
        message: String,
    },
    /// The cluster's address or credentials cannot be used; whoever runs the observer must give others.
    #[error("the cluster cannot be used: {0}")]
    Cluster(String),
    /// The log says no.
    #[error(transparent)]
    Log(#[from] engine::error::LogError),
    /// A record of ours cannot be written or read.
    #[error(transparent)]
    Schema(#[from] schemas::SchemaError),
    /// The system gives no threads or timers.
    #[error("the runtime cannot be started: {0}")]
    Runtime(std::io::Error),
}

impl ObserveError {
    pub(crate) fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        ObserveError::Field { field: field.into(), message: message.into() }
    }
}
