//! What can go wrong for the notifier itself; a target that fails is tried again, and told of.

/// What stops the notifier.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotifyError {
    /// A field of the configuration; its owner must change it.
    #[error("{field}: {message}")]
    Field {
        /// Path of the field.
        field: String,
        /// What is wrong and what is allowed.
        message: String,
    },
    /// Another notifier took this one's name; whoever runs them must stop one or rename it.
    #[error("another notifier of the name {0} has taken over; stop one, or give it a notify.name of its own")]
    TakenOver(String),
    /// The log says no, and would say so again.
    #[error(transparent)]
    Log(engine::error::LogError),
    /// A record of ours cannot be written or read.
    #[error(transparent)]
    Schema(#[from] schemas::SchemaError),
    /// The system gives no thread.
    #[error("no thread for target {target}: {error}")]
    Thread {
        /// Which target.
        target: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// A defect of the program.
    #[error("the thread of target {0} panicked, which is a defect of the program; its log says where")]
    Panicked(String),
    /// A test ended the notifier here.
    #[error("ended by a test at {0:?}")]
    Ended(crate::Step),
}

impl NotifyError {
    pub(crate) fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        NotifyError::Field { field: field.into(), message: message.into() }
    }
}

impl From<engine::error::LogError> for NotifyError {
    fn from(error: engine::error::LogError) -> Self {
        match error {
            engine::error::LogError::Fenced { transactional_id } => NotifyError::TakenOver(transactional_id),
            error => NotifyError::Log(error),
        }
    }
}
