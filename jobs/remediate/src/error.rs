//! What can go wrong, and who must act; incidents never do, they are refused with a reason.

/// What is wrong with a configuration or stored state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RemediateError {
    /// A field of the configuration; its owner must change it.
    #[error("{field}: {message}")]
    Field {
        /// Path of the field.
        field: String,
        /// What is wrong and what is allowed.
        message: String,
    },
    /// A file of policy tests that cannot be read; its author must change it.
    #[error("{file}:{line}:{column}: {message}")]
    TestFile {
        /// Which file.
        file: String,
        /// Line, from 1.
        line: u64,
        /// Column, from 1.
        column: u64,
        /// What is wrong and what is allowed.
        message: String,
    },
}

impl RemediateError {
    pub(crate) fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        RemediateError::Field { field: field.into(), message: message.into() }
    }
}
