//! What can go wrong for the actuator itself; commands never do, they are refused with a reason.

/// What stops the actuator.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ActuateError {
    /// A field of the configuration; its owner must change it.
    #[error("{field}: {message}")]
    Field {
        /// Path of the field.
        field: String,
        /// What is wrong and what is allowed.
        message: String,
    },
    /// The cluster's address or credentials cannot be used; whoever runs the actuator must give others.
    #[error("the cluster cannot be used: {0}")]
    Cluster(String),
    /// The log says no, and would say so again.
    #[error(transparent)]
    Log(#[from] engine::error::LogError),
    /// A record of ours cannot be written or read.
    #[error(transparent)]
    Schema(#[from] schemas::SchemaError),
    /// The system gives no threads or timers.
    #[error("the runtime cannot be started: {0}")]
    Runtime(std::io::Error),
    /// A test ended the process here.
    #[error("ended by a test at {0:?}")]
    Ended(crate::Step),
}

impl ActuateError {
    pub(crate) fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        ActuateError::Field { field: field.into(), message: message.into() }
    }
}
